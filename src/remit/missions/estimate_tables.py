"""The table of estimates: what a mission was expected to take, and what it took. One row a mission.

Times are microseconds, money is micro-dollars; ``ended_us`` is 0 until the mission has ended.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

_Big = BigInteger().with_variant(Integer(), "sqlite")

ESTIMATE = Table(
    "mission_estimate",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("mission", Text, nullable=False),
    Column("pack", Text, nullable=False),
    Column("preset", Text, nullable=False),  # empty: none
    Column("size", Integer, nullable=False),
    Column("samples", Integer, nullable=False),  # earlier missions that the estimate stands on; 0: the preset's range
    Column("cost_low", _Big, nullable=False),
    Column("cost_high", _Big, nullable=False),
    Column("time_low_us", _Big, nullable=False),
    Column("time_high_us", _Big, nullable=False),
    Column("status", Text, nullable=False),
    Column("cost_micros", _Big, nullable=False),
    Column("time_us", _Big, nullable=False),
    Column("ended_us", _Big, nullable=False),
    PrimaryKeyConstraint("mission"),
    Index(None, "workspace", "pack", "preset", "size", "ended_us"),
)
