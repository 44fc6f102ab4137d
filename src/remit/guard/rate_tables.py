"""Rates as rows: buckets, what open actions took of them, who waits, and limits that a workspace set itself."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

#: One row a bucket that was used: its theoretical arrival time, see ``gcra``.
RATE = Table(
    "rate_bucket",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("mission", Text, nullable=False),  # that it dies with; empty: none
    Column("tat_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "key"),
    Index(None, "workspace", "mission"),
)

#: What an open action took, until its outcome settles it.
RATE_TAKEN = Table(
    "rate_taken",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("measure", Text, nullable=False),  # ``rate_limits.Measure``
    Column("unit_us", BigInteger, nullable=False),
    Column("cost", BigInteger, nullable=False),
    Column("taken_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "action", "key"),
)

#: Who was refused and told when to come back: the line before a bucket.
RATE_WAITER = Table(
    "rate_waiter",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("waiter", Text, nullable=False),  # an effect key, or an action
    Column("since_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "key", "waiter"),
    Index(None, "workspace", "waiter"),
)

#: Limits that a person set, in place of or beside the shipped ones.
RATE_LIMIT = Table(
    "rate_limit",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON of ``rate_limits.Limit``; empty: this limit is off
    Column("set_by", Text, nullable=False),
    Column("set_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "name"),
)

#: Sliding windows that processes share, see ``rate_shared``: what was taken of a key, slice by slice.
RATE_WINDOW = Table(
    "rate_window",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("key", Text, nullable=False),  # a hash of whose requests they are
    Column("body", Text, nullable=False),  # JSON: of each window, [slice, number]
    Column("used_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "key"),
    Index(None, "workspace", "used_us"),
)
