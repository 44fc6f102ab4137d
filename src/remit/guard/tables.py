"""Actions and breakers as rows. Every row carries its workspace."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from remit.kernel.tables import METADATA

#: One row for each action that asked: refused, or with an intent and (once closed) its outcome.
ACTION = Table(
    "action",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("mission", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),  # masked
    Column("subject_hash", Text, nullable=False),
    Column("effect_key", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("on_behalf_of", Text, nullable=False),
    Column("parent", Text, nullable=False),
    Column("estimate_micros", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("checks", Text, nullable=False),  # JSON
    Column("spent_ns", Text, nullable=False),  # JSON list: nanoseconds of each check, in their order
    Column("policy_rev", Text, nullable=False),
    Column("facts", Text, nullable=False, server_default=""),  # what rules read of it: masked, bounded JSON
    Column("opened_us", BigInteger, nullable=False),
    Column("closed_us", BigInteger),
    Index(None, "workspace", "effect_key"),
    Index(None, "workspace", "mission"),
)

#: What is open is little, asked for often, and no reason to move every closed row about in an index.
IS_OPEN = ACTION.c.state == text("'open'")  # written out: a bound value would hide it from the partial index
# The state is a column of it too, though always the same: SQLite then prefers it to the other indexes.
Index(
    "ix_action_open",
    *(ACTION.c.workspace, ACTION.c.state, ACTION.c.mission),
    sqlite_where=IS_OPEN,
    postgresql_where=IS_OPEN,
)

#: Where a circuit stands since its last change; one that never opened has no row.
BREAKER = Table(
    "breaker",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("trips", Integer, nullable=False),
    Column("cooldown_ms", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "kind", "operation"),
)
