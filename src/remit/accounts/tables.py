"""Who exists, what agents may do, and what is stopped. Every row carries its workspace."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from remit.accounts.budget_tables import BUDGET as BUDGET  # noqa: PLC0414 - where readers know it
from remit.kernel.tables import METADATA

#: The workspace of kills that hold in every workspace.
EVERYWHERE = "*"

WORKSPACE = Table(
    "workspace",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("plan", Text, nullable=False),  # ``plans.PlanName``
    Column("plan_numbers", Text, nullable=False, server_default="{}"),  # JSON: numbers that differ from the plan's
    Column("team", Text, nullable=False, server_default=""),  # the team that owns it: its roles hold in all of it
)

USER = Table(
    "account_user",  # "user" is a reserved word of PostgreSQL
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),  # ``roles.Role``; empty: only what teams give
    Column("created_us", BigInteger, nullable=False),
    Column("email", Text, nullable=False, server_default=""),
    Column("status", Text, nullable=False, server_default="active"),  # active | removed
    Column("granted", Integer, nullable=False, server_default="0"),  # as ``team_member``
    Column("revoked", Integer, nullable=False, server_default="0"),
    PrimaryKeyConstraint("workspace", "id"),
)

AGENT = Table(
    "agent",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("effects", Text, nullable=False),  # JSON list of effect kinds
    Column("tools", Text, nullable=False),  # JSON list of tool names
    Column("status", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("models", Text, nullable=False, server_default='["*"]'),  # JSON list of provider/model patterns
    Column("domains", Text, nullable=False, server_default='["*"]'),  # JSON list of host suffixes
    Column("revision", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("workspace", "name"),
)

#: One row for each time something was stopped; in force while ``lifted_us`` is null.
KILL = Table(
    "kill",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("killed_by", Text, nullable=False),
    Column("killed_us", BigInteger, nullable=False),
    Column("lifted_by", Text),
    Column("lifted_us", BigInteger),
    Column("lifted_reason", Text),
    Column("mode", Text, nullable=False, server_default="kill"),  # kill | pause: what runs may finish
    Index(None, "workspace", "lifted_us"),
    Index(None, "workspace", "killed_us", "id"),
)

#: One row for each leave to pass a stop or a rule for a while; in force from ``confirmed_us`` to ``expires_us``.
BREAK_GLASS = Table(
    "break_glass",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("lifts", Text, nullable=False),  # stop | rule | policy
    Column("what", Text, nullable=False),  # which stop, rule or policy
    Column("scope", Text, nullable=False),  # for whom: agent | team | mission
    Column("name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested_us", BigInteger, nullable=False),
    Column("confirmed_by", Text, nullable=False),
    Column("confirmed_us", BigInteger),
    Column("expires_us", BigInteger, nullable=False),
    Column("closed_by", Text, nullable=False),
    Column("closed_us", BigInteger),
    Column("closed_reason", Text, nullable=False),
    Column("uses", Integer, nullable=False),
    Index(None, "workspace", "expires_us"),
)

#: Custom Cedar policies of a workspace (team empty) or team; the newest revision is in force, an empty text is none.
CEDAR = Table(
    "cedar_policy",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("saved_by", Text, nullable=False),
    Column("saved_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "team", "revision"),
)
