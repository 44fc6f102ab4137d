"""Providers, deployments, other names, prices and health as rows. Every one carries its workspace."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

#: Where models are asked.
PROVIDER = Table(
    "model_provider",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),  # ``catalogue.ProviderKind``
    Column("base_url", Text, nullable=False),
    Column("key", Text, nullable=False),  # ``secret://NAME``, or empty
    Column("headers", Text, nullable=False),  # JSON: pairs of name and value
    Column("status", Text, nullable=False),  # ``catalogue.ProviderStatus``
    Column("set_by", Text, nullable=False),
    Column("set_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "name"),
)

#: A model at a provider, under a public name.
DEPLOYMENT = Table(
    "model_deployment",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("weight", Integer, nullable=False),
    Column("tier", Integer, nullable=False),  # ``Deployment.order``
    Column("capabilities", Text, nullable=True),  # words with a space between; NULL: as shipped
    Column("quality", Integer, nullable=True),  # NULL: as shipped
    Column("context", Integer, nullable=True),  # NULL: as shipped
    Column("set_by", Text, nullable=False),
    Column("set_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "name", "provider", "model"),
    Index(None, "workspace", "provider"),
)

#: Another name for one, and the names that are asked after one.
ALIAS = Table(
    "model_alias",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("place", Integer, nullable=False),  # 0: another name for the target; 1 ...: asked after ``name``, in order
    Column("target", Text, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("set_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "name", "place"),
)

#: A workspace's own price of a model at a provider.
PRICE = Table(
    "model_price",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("body", Text, nullable=False),  # JSON of ``prices.Rate``
    Column("set_by", Text, nullable=False),
    Column("set_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "provider", "model"),
)

#: How calls went, by minute and process; histograms, so that any rows add up.
HEALTH = Table(
    "model_health",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("target", Text, nullable=False),  # ``provider/model``
    Column("minute_us", BigInteger, nullable=False),
    Column("process", Text, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("body", Text, nullable=False),  # JSON of ``health.Cell``
    PrimaryKeyConstraint("workspace", "target", "minute_us", "process"),
    Index(None, "workspace", "minute_us"),
)
