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
    Column("owner", Text, nullable=False),  # the process that opened it: is it gone, nobody else will close it
    Column("key", Text, nullable=False, server_default=""),  # the virtual key that it came in by
    Index(None, "workspace", "effect_key"),
    Index(None, "workspace", "mission"),
)

#: One row for each attempt of an action that was admitted, written with its outcome.
ACTION_ATTEMPT = Table(
    "action_attempt",
    METADATA,
    Column("action", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("began_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger, nullable=False),
    Column("code", Text, nullable=False),  # of the error; empty when it succeeded
    Column("wait_ms", BigInteger, nullable=False),  # until the next attempt; 0 for the last
    Column("cost_micros", BigInteger, nullable=False),
    PrimaryKeyConstraint("action", "number"),
)

#: Actions that stand in for others (fallbacks), found by those.
Index(
    "ix_action_parent",
    *(ACTION.c.workspace, ACTION.c.parent),
    sqlite_where=ACTION.c.parent != text("''"),
    postgresql_where=ACTION.c.parent != text("''"),
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

#: How often the guard would have refused, had the workspace not said that it only observes.
OBSERVED = Table(
    "observed",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),  # of the check
    Column("reason", Text, nullable=False),
    Column("times", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "name", "reason"),
)

#: Where a circuit stands since its last change; one that never opened has no row. Shared by all processes.
BREAKER = Table(
    "breaker",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("trips", Integer, nullable=False),  # in a row
    Column("cooldown_ms", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False, server_default="0"),
    Column("successes", Integer, nullable=False, server_default="0"),
    Column("generation", Integer, nullable=False, server_default="0"),
    Column("issued", Integer, nullable=False, server_default="0"),
    Column("trips_ever", Integer, nullable=False, server_default="0"),
    Column("tripped_us", BigInteger, nullable=False, server_default="0"),
    Column("why", Text, nullable=False, server_default=""),
    Column("moved_by", Text, nullable=False, server_default=""),  # a person; empty when it moved by itself
    PrimaryKeyConstraint("workspace", "kind", "operation"),
)

#: What isn't closed is little, and read with every standing.
IS_UNWELL = BREAKER.c.phase != text("'closed'")
Index("ix_breaker_unwell", BREAKER.c.workspace, sqlite_where=IS_UNWELL, postgresql_where=IS_UNWELL)

#: The trials of half-open circuits that run now, each leased to one action.
BREAKER_TRIAL = Table(
    "breaker_trial",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("action", Text, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "kind", "operation", "number"),
)
