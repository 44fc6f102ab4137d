"""What may be spent and what was: limits with counters, past periods, events, and one row for each paid attempt."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text, text

from remit.kernel.tables import METADATA

#: What a scope may spend in a period, and has spent and reserved in the present one, in micros. No row: no limit.
BUDGET = Table(
    "budget",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("scope", Text, nullable=False),  # workspace | agent | key | mission
    Column("name", Text, nullable=False),  # empty for the workspace itself
    Column("period", Text, nullable=False),  # total | month | day
    Column("limit_micros", BigInteger, nullable=False),
    Column("starts_us", BigInteger, nullable=False),  # when the counted period began; 0 for the total
    Column("spent", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("carried", BigInteger, nullable=False),  # of ``spent``: from before attempts had rows
    PrimaryKeyConstraint("workspace", "scope", "name", "period"),
)

#: Periods that are over, with the limit that held. What is settled late still belongs to the period it was reserved in.
BUDGET_PAST = Table(
    "budget_past",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("starts_us", BigInteger, nullable=False),
    Column("limit_micros", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "scope", "name", "period", "starts_us"),
)

#: A threshold that was reached: the key makes it one for each scope and period.
BUDGET_EVENT = Table(
    "budget_event",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("starts_us", BigInteger, nullable=False),
    Column("percent", Integer, nullable=False),
    Column("limit_micros", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("told_us", BigInteger),  # when people were sent a message; null: not yet
    PrimaryKeyConstraint("workspace", "scope", "name", "period", "starts_us", "percent"),
)

#: One row for each attempt that costs, may cost, or used something: opened with the intent, settled once.
USAGE = Table(
    "usage",
    METADATA,
    Column("action", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("mission", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("principal", Text, nullable=False),
    Column("on_behalf_of", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("priced", Integer, nullable=False),  # 0: nobody could say what it costs
    Column("estimate_micros", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Column("tokens_micros", BigInteger, nullable=False),
    Column("gpu_micros", BigInteger, nullable=False),
    Column("storage_micros", BigInteger, nullable=False),
    Column("network_micros", BigInteger, nullable=False),
    Column("tokens_in", BigInteger, nullable=False),
    Column("tokens_out", BigInteger, nullable=False),
    Column("gpu_ms", BigInteger, nullable=False),
    Column("storage_bytes", BigInteger, nullable=False),
    Column("network_bytes", BigInteger, nullable=False),
    Column("holds", Text, nullable=False),  # JSON: the limits that the estimate is reserved in
    Column("opened_us", BigInteger, nullable=False),
    Column("settled_us", BigInteger),
    Column("rolled", Integer, nullable=False),  # 1: counted in usage_hour
    Column("key", Text, nullable=False, server_default=""),  # the virtual key that it came in by
    Column("tokens_cached", BigInteger, nullable=False, server_default="0"),  # of tokens_in
    Column("estimated", Integer, nullable=False, server_default="0"),  # 1: counted here, nobody who bills said it
    Column("kept", Integer, nullable=False, server_default="0"),  # 1: an answer that was kept was given again
    Column("saved_micros", BigInteger, nullable=False, server_default="0"),  # what that spared
    Column("tokens_cache_write", BigInteger),  # of tokens_in, written to the provider's cache; null: nobody counted
    Column("correction_micros", BigInteger, nullable=False, server_default="0"),  # to add to the cost; may be below 0
    Column("corrected_us", BigInteger),  # when the price was last trued up; null: never
    Column("terms", Text, nullable=False, server_default=""),  # JSON of ``Usage.terms``: what moved the price
    Index(None, "workspace", "opened_us"),
    Index(None, "workspace", "mission", "opened_us"),
)

#: What an attempt cost by the price that is known now: as it was charged, and what was corrected since.
SPENT = USAGE.c.cost_micros + USAGE.c.correction_micros

#: Attempts that came in by a key, newest first, without a look at anybody else's.
HAS_KEY = USAGE.c.key != text("''")
Index(
    "ix_usage_key",
    *(USAGE.c.workspace, USAGE.c.key, USAGE.c.opened_us),
    sqlite_where=HAS_KEY,
    postgresql_where=HAS_KEY,
)

#: What the roll-up has not taken in is little and read often. Written out: a bound value would hide it from the index.
IS_UNROLLED = USAGE.c.rolled == text("0")
Index(
    "ix_usage_unrolled",
    *(USAGE.c.workspace, USAGE.c.rolled, USAGE.c.opened_us),
    sqlite_where=IS_UNROLLED,
    postgresql_where=IS_UNROLLED,
)

#: Settled attempts, added up by the hour in which they were opened.
USAGE_HOUR = Table(
    "usage_hour",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("hour_us", BigInteger, nullable=False),
    Column("principal", Text, nullable=False),
    Column("on_behalf_of", Text, nullable=False),
    Column("mission", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("key", Text, nullable=False, server_default=""),
    Column("attempts", BigInteger, nullable=False),
    Column("unpriced", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Column("tokens_micros", BigInteger, nullable=False),
    Column("gpu_micros", BigInteger, nullable=False),
    Column("storage_micros", BigInteger, nullable=False),
    Column("network_micros", BigInteger, nullable=False),
    Column("tokens_in", BigInteger, nullable=False),
    Column("tokens_out", BigInteger, nullable=False),
    Column("gpu_ms", BigInteger, nullable=False),
    Column("storage_bytes", BigInteger, nullable=False),
    Column("network_bytes", BigInteger, nullable=False),
    Column("tokens_cached", BigInteger, nullable=False, server_default="0"),
    Column("estimated", BigInteger, nullable=False, server_default="0"),  # attempts, as ``unpriced``
    Column("kept", BigInteger, nullable=False, server_default="0"),  # attempts
    Column("saved_micros", BigInteger, nullable=False, server_default="0"),
    Column("tokens_cache_write", BigInteger, nullable=False, server_default="0"),
    Column("correction_micros", BigInteger, nullable=False, server_default="0"),  # in cost_micros, by true-ups
    PrimaryKeyConstraint(
        *("workspace", "hour_us", "principal", "on_behalf_of", "mission", "kind", "provider", "model", "key")
    ),
)
