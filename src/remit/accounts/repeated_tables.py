"""Orders that came with a key, so that one that is sent again is carried out once. Kept for a day."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

REPEATED = Table(
    "repeated_order",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("key_hash", Text, nullable=False),  # SHA-256 of the key that came with it
    Column("request_hash", Text, nullable=False),  # of all that was asked
    Column("owner", Text, nullable=False),  # the process that carries it out
    Column("created_us", BigInteger, nullable=False),
    Column("carried", Integer, nullable=False),  # 1: written in the order's own transaction
    Column("status", Integer, nullable=False),  # of the answer; 0: none yet
    Column("answer", LargeBinary, nullable=False),  # sealed under a key made from the order's own
    PrimaryKeyConstraint("workspace", "principal", "key_hash"),
    Index(None, "created_us"),
)
