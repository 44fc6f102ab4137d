"""Secrets of an install: what masks them, and what the orders about them need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remit.bootstrap.home import mask_key, payload_key
from remit.kernel.action import Principal
from remit.settings import Settings, words

if TYPE_CHECKING:
    from remit.bootstrap.store import Store
    from remit.guard.secrets_orders import Order
    from remit.redact.redactor import Redactor


def make_redactor(settings: Settings) -> Redactor:
    """This install's redactor, with what the settings say about personal data."""
    from remit.redact.redactor import Redactor

    regions = words(settings.phone_regions)
    return Redactor(mask_key(settings), regions=regions, personal="logs" in words(settings.personal_data))


def secrets_order(settings: Settings, store: Store, redactor: Redactor, *, by: Principal) -> Order:
    """What an order about secrets is given with; every value that it reads is registered with ``redactor`` first."""
    from remit.adapters.secrets.wiring import make_order
    from remit.redact.redactor import Redactor

    mask = Redactor(mask_key(settings))
    key = payload_key(settings)
    return make_order(settings, store, redactor, key=key, by=by, mask=lambda text: mask.mask(redactor.mask(text)))


def where_kept(settings: Settings) -> dict[str, list[str]]:
    """Every secret that can be got now, with the backends that have it."""
    from remit.adapters.secrets.wiring import where_kept as _where_kept

    return _where_kept(settings, key=payload_key(settings))
