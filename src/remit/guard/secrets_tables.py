"""Secrets as rows: which there are, their retired values (sealed), who may use which, and who did. Never a value."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

#: One row a secret that Remit set, or that was used. ``revision`` rises with every change: caches go by it.
SECRET = Table(
    "secret",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("backend", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("status", Text, nullable=False),  # active | deleted
    Column("set_by", Text, nullable=False),  # empty: not set through Remit
    Column("set_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "name"),
)

#: Values that were replaced or deleted, sealed under the home's key: masked and looked for until ``until_us``.
SECRET_RETIRED = Table(
    "secret_retired",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("retired_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Index(None, "workspace", "until_us"),
)

#: Who may, or may not, use which secrets for what. Every pattern is a glob; empty is any.
SECRET_RULE = Table(
    "secret_rule",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("effect", Text, nullable=False),  # allow | deny
    Column("secret", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("mission", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("set_us", BigInteger, nullable=False),
    Index(None, "workspace"),
)

#: One row for each secret, who used it, in which mission and hour.
SECRET_USE = Table(
    "secret_use",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("mission", Text, nullable=False),
    Column("hour_us", BigInteger, nullable=False),
    Column("uses", Integer, nullable=False),
    Column("denied", Integer, nullable=False),
    Column("first_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "secret", "principal", "mission", "hour_us"),
)

#: What was out of the ordinary, once an hour for each secret, principal and kind; told when ``told_us`` is set.
SECRET_ANOMALY = Table(
    "secret_anomaly",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("what", Text, nullable=False),  # ``secrets_use.Anomaly``
    Column("hour_us", BigInteger, nullable=False),
    Column("mission", Text, nullable=False),
    Column("seen", Integer, nullable=False),
    Column("usual", Integer, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("told_us", BigInteger),
    PrimaryKeyConstraint("workspace", "secret", "principal", "what", "hour_us"),
    Index(None, "workspace", "told_us"),
)
