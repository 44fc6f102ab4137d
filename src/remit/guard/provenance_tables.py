"""Where text came from, as rows; every row carries its workspace."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from remit.kernel.tables import METADATA

#: One row for each text that entered a mission from outside: where from, what was found in it, prints to know it again.
PROVENANCE = Table(
    "provenance",
    METADATA,
    Column("id", Text, primary_key=True),  # the action that brought it
    Column("workspace", Text, nullable=False),
    Column("mission", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("source", Text, nullable=False),  # fetched | tool | model | file
    Column("place", Text, nullable=False),  # for people, masked
    Column("sha256", Text, nullable=False),  # of the text
    Column("characters", Integer, nullable=False),
    Column("score", Integer, nullable=False),  # of injection, in thousandths
    Column("signals", Text, nullable=False),  # JSON: sign, what, score, start, end
    Column("prints", LargeBinary, nullable=False),  # keyed hashes of pieces of it, 8 bytes each
    Column("at_us", BigInteger, nullable=False),
    Index(None, "workspace", "mission"),
)
