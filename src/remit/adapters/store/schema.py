"""Every room's tables in one place. A room that has tables is named here, once."""

from __future__ import annotations

from sqlalchemy import MetaData

from remit.audit import tables as _audit
from remit.kernel.tables import METADATA

#: Importing a room's tables registers them; the tuple keeps the imports honest.
ROOMS = (_audit,)


def metadata() -> MetaData:
    """The schema that the migrations lead to."""
    return METADATA
