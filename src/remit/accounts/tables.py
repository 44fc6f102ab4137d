"""Who exists, what agents may do, and what is stopped. Every row carries its workspace."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text

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
)

USER = Table(
    "account_user",  # "user" is a reserved word of PostgreSQL
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
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
    Index(None, "workspace", "lifted_us"),
)
