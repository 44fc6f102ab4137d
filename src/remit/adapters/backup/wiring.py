"""The orders about whole homes, with what they need from the settings. ``bootstrap`` brings the store."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

from remit.accounts.access import Permission, Resource, require
from remit.adapters.backup import restoring, taking, upgrading
from remit.adapters.backup.sealing import Lock
from remit.adapters.store.journal import Store
from remit.kernel.action import Principal
from remit.kernel.clock import Clock
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import ReadTx
from remit.redact import sinks
from remit.settings import Settings

KEY_BYTES = 32
_NEVER_WRITTEN = frozenset({"store_url", "notify", "secrets"})  # addresses may carry passwords; the rest is references

type MakeStore = Callable[[Settings], Store]


def lock_of(passphrase_file: Path | None, key_file: Path | None) -> Lock | None:
    """What an archive is encrypted with, from the files that a person named; ``None``: not encrypted.

    Raises:
        InvalidInput: Both were named, or a file can't be read or does not fit.
    """
    if passphrase_file is not None and key_file is not None:
        message = "A backup is encrypted with a passphrase or with a key, not with both."
        raise InvalidInput(message, code="backup.lock", hint="leave out --passphrase-file or --key-file")
    if passphrase_file is not None:
        return Lock(passphrase=_read(passphrase_file).rstrip(b"\r\n"))
    if key_file is None:
        return None
    try:
        key = b64decode(_read(key_file).strip(), validate=True)
    except Error:
        key = b""
    if len(key) != KEY_BYTES:
        message = f"The key in {key_file} must be {KEY_BYTES} random bytes in base64."
        raise InvalidInput(message, code="backup.lock", hint=f"openssl rand -base64 32 > {key_file}")
    return Lock(key=key)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"{path} can't be read: {error.strerror}."
        raise InvalidInput(message, code="backup.lock", hint="name a file that is there") from error


def _allow(settings: Settings, by: Principal) -> Callable[[ReadTx], None]:
    def allow(tx: ReadTx) -> None:
        require(tx, by, workspace=settings.workspace, permission=Permission.ADMIN, resource=Resource.INSTALL)

    return allow


def back_up(
    settings: Settings,
    store: Store,
    place: Path,
    *,
    keys: bool,
    lock: Lock | None,
    payload_key: bytes,
    clock: Clock,
    by: Principal,
) -> taking.Taken:
    """Take a backup, see ``taking.take``. An encrypted one holds the keys; another one only when ``keys`` says so."""
    shown = {one.name: str(getattr(settings, one.name)) for one in fields(settings) if one.name not in _NEVER_WRITTEN}
    wanted = taking.Wanted(
        home=settings.home,
        url=settings.store_url,
        place=place,
        keys=keys or lock is not None,
        lock=lock,
        settings={name: sinks.mask(value) for name, value in shown.items()},
        payload_key=payload_key,
    )
    return taking.take(wanted, store, clock=clock, by=by, workspace=settings.workspace, allow=_allow(settings, by))


def put_back(
    settings: Settings,
    source: Path,
    make: MakeStore,
    *,
    keys: Path | None,
    lock: Lock | None,
    clock: Clock,
    by: Principal,
) -> restoring.Restored:
    """Restore a backup as the home that the settings name, see ``restoring.restore``."""
    wanted = restoring.Wanted(source, settings.home, settings.store_url, keys, lock)
    return restoring.restore(
        wanted,
        lambda folder: make(replace(settings, home=folder)),
        clock=clock,
        by=by,
        workspace=settings.workspace,
        allow=_allow(settings, by),
    )


def bring_up_to_date(settings: Settings, make: MakeStore, *, clock: Clock, by: Principal) -> upgrading.Upgraded:
    """Bring a home to this version, see ``upgrading.upgrade``."""
    wanted = upgrading.Wanted(settings.home, settings.store_url)
    return upgrading.upgrade(
        wanted,
        lambda: make(settings),
        clock=clock,
        by=by,
        workspace=settings.workspace,
        allow=_allow(settings, by),
    )
