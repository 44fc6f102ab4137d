"""Rules in revisions, and evidence that rules read. Both only grow; every row carries its workspace."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

#: One row for each time the rules of a workspace changed; the highest number is in force.
RULE_REVISION = Table(
    "rule_revision",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("sha256", Text, nullable=False),  # of ``resolved``
    Column("written", Text, nullable=False),  # the file as a person wrote it
    Column("resolved", Text, nullable=False),  # canonical JSON: shipped sets and numbers filled in
    Column("origin", Text, nullable=False),  # shipped | saved | restored
    Column("saved_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("saved_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "number"),
)

#: What a critic or a person found about a subject; the newest row of a critic counts.
EVIDENCE = Table(
    "evidence",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("mission", Text, nullable=False),  # empty: of the whole workspace
    Column("subject", Text, nullable=False),  # what was judged; empty: the mission or workspace itself
    Column("critic", Text, nullable=False),
    Column("passed", Boolean, nullable=False),
    Column("findings", Text, nullable=False),  # JSON
    Column("source", Text, nullable=False),  # a step's id, or the person who attests it
    Column("at_us", BigInteger, nullable=False),
    Index(None, "workspace", "mission", "subject"),
)
