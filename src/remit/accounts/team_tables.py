"""Teams, who is in them, and who was asked to join. Every row carries its workspace."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

TEAM = Table(
    "team",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("slug", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("billing_email", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "slug"),
)

MEMBER = Table(
    "team_member",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("granted", Integer, nullable=False),  # bits of ``roles.BITS`` beyond the role
    Column("revoked", Integer, nullable=False),  # bits that the role has and this member has not
    Column("joined_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "team", "person"),
    Index(None, "workspace", "person"),
)

#: One row for each invitation; who has its token may join once, while it is open.
INVITATION = Table(
    "invitation",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("token_hash", Text, nullable=False),  # SHA-256: the token has 256 random bits
    Column("invited_by", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("status", Text, nullable=False),  # open | accepted | revoked
    Column("closed_by", Text, nullable=False),
    Column("closed_us", BigInteger),
    Index(None, "workspace", "token_hash", unique=True),
)
