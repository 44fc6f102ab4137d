"""What is kept of robots.txt, one row for each origin. Every row carries its workspace."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

FETCH_ROBOTS = Table(
    "fetch_robots",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("origin", Text, nullable=False),  # https://example.org
    Column("state", Text, nullable=False),  # ``fetching_robots.State``
    Column("status", Integer, nullable=False),  # of HTTP
    Column("body", LargeBinary, nullable=False),
    Column("read_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "origin"),
)
