"""Virtual keys, their tokens, and how a workspace's gateway behaves. Every row carries its workspace."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

#: A key: which agent whoever shows it acts as, for whom, and what it opens. Its name stays taken for good.
VIRTUAL_KEY = Table(
    "virtual_key",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("models", Text, nullable=False),  # JSON list of provider/model patterns
    Column("scopes", Text, nullable=False),  # JSON list of ``keys.KeyScope``
    Column("addresses", Text, nullable=False),  # JSON list of networks; empty: from anywhere
    Column("created_by", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger),
    Column("revoked_by", Text, nullable=False),
    Column("revoked_us", BigInteger),
    PrimaryKeyConstraint("workspace", "id"),
)

#: A token of a key: what finds it, and the hash of the whole. Found before its workspace is known, by its beginning.
KEY_TOKEN = Table(
    "key_token",
    METADATA,
    Column("prefix", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("digest", Text, nullable=False),  # SHA-256 of the token, in hexadecimal digits
    Column("created_us", BigInteger, nullable=False),
    Column("until_us", BigInteger),  # after a rotation: how long the old token still holds
    Column("used_us", BigInteger),  # written at most once a minute
    Index(None, "workspace", "key"),
)

#: One row for each workspace that set something; ``stamp`` changes with every order about a key.
GATEWAY = Table(
    "gateway",
    METADATA,
    Column("workspace", Text, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("body", Text, nullable=False),  # JSON: what differs from the defaults
    Column("stamp", Text, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("set_us", BigInteger, nullable=False),
)
