"""By whom what a provider keeps was made. Every row carries its workspace."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text

from remit.kernel.tables import METADATA

#: One row for each id that an answer told and by which a later call can go on; the first to be told it is whose it is.
CONTINUED = Table(
    "continued",
    METADATA,
    Column("ref", Text, primary_key=True),  # ``continuing.reference``: of the provider's address and its id
    Column("workspace", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("on_behalf_of", Text, nullable=False),
    Column("used_us", BigInteger, nullable=False),
    Index(None, "used_us"),
)
