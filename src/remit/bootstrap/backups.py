"""The orders about whole homes: taken, put back, brought up to date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from remit.bootstrap.home import check_home, payload_key
from remit.bootstrap.store import make_store, open_store
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.settings import Settings

if TYPE_CHECKING:
    from remit.adapters.backup.restoring import Restored
    from remit.adapters.backup.taking import Taken
    from remit.adapters.backup.upgrading import Upgraded


def take_backup(
    settings: Settings, place: Path, *, keys: bool, passphrase_file: Path | None, key_file: Path | None
) -> Taken:
    """Back up the home, see ``adapters.backup.taking``. It may be in use."""
    from remit.adapters.backup.wiring import back_up, lock_of

    lock = lock_of(passphrase_file, key_file)
    by = Principal(ActorKind.USER, settings.acting)
    with open_store(settings) as store:
        key = payload_key(settings)
        return back_up(settings, store, place, keys=keys, lock=lock, payload_key=key, clock=SystemClock(), by=by)


def restore_backup(
    settings: Settings, source: Path, *, keys: Path | None, passphrase_file: Path | None, key_file: Path | None
) -> Restored:
    """Restore a backup as this home, see ``adapters.backup.restoring``."""
    from remit.adapters.backup.wiring import lock_of, put_back

    lock = lock_of(passphrase_file, key_file)
    by = Principal(ActorKind.USER, settings.acting)
    return put_back(settings, source, make_store, keys=keys, lock=lock, clock=SystemClock(), by=by)


def upgrade_home(settings: Settings) -> Upgraded:
    """Copy the store, migrate it, verify it, see ``adapters.backup.upgrading``."""
    from remit.adapters.backup.wiring import bring_up_to_date

    check_home(settings)
    by = Principal(ActorKind.USER, settings.acting)
    return bring_up_to_date(settings, make_store, clock=SystemClock(), by=by)
