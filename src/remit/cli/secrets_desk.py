"""Where orders about secrets are given on the command line."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from remit.cli.context import acting
from remit.cli.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Generator

    from remit.bootstrap import Store
    from remit.guard.secrets_orders import Order
    from remit.settings import Settings

ORDERED = "ordered on the command line"  # the reason of who gave none


@contextmanager
def desk(settings: Settings) -> Generator[tuple[Order, Store]]:
    """What orders are given with; the store is sealed when they are done."""
    from remit.bootstrap import open_store, secrets_order

    with open_store(settings) as store:
        yield secrets_order(settings, store, REDACTOR, by=acting(settings)), store
        store.seal()
