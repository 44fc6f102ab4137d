"""Signing in, as the settings have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remit.bootstrap.home import payload_key
from remit.kernel.clock import SystemClock
from remit.settings import Settings

if TYPE_CHECKING:
    from remit.accounts.entrance import Entrance
    from remit.bootstrap.store import Store


def open_entrance(settings: Settings, store: Store) -> Entrance:
    """Signing in, for commands that administer it without a runtime."""
    from remit.adapters.identity.wiring import make_entrance

    return make_entrance(settings, store, home_key=payload_key(settings), clock=SystemClock())
