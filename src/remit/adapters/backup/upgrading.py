"""Bringing a home to this version: a copy first, then the migration, then a verification; the copy stays.

A migration of the store is one transaction, so whenever this is interrupted the home works: with the version that it
had until that transaction commits, with this one afterwards. The copy is for going back.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from remit.adapters.backup import snapshot
from remit.adapters.files.removal import remove_tree
from remit.adapters.store.heads import sync_folder
from remit.adapters.store.journal import Store
from remit.adapters.store.migrate import HEAD, check_known, revision_of_postgres, revision_of_sqlite
from remit.audit.entry import Entry, Result
from remit.kernel import crash
from remit.kernel.action import Principal
from remit.kernel.clock import Clock
from remit.kernel.effects import Durability
from remit.kernel.errors import IntegrityError, NotFound, Unavailable
from remit.kernel.ports import ReadTx, Tx

PRIVATE = 0o700
FOLDER = "upgrades"
_SPARE = 64 << 20
_COPIED = ("remit.db", "engine.db")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which home, and the address of its store; empty: SQLite."""

    home: Path
    url: str


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What was done. ``copy`` is ``None`` when nothing had to be."""

    was: str
    now: str
    copy: Path | None
    entries: int


def upgrade(
    wanted: Wanted,
    make: Callable[[], Store],
    *,
    clock: Clock,
    by: Principal,
    workspace: str,
    allow: Callable[[ReadTx], None],
) -> Upgraded:
    """Copy, migrate, verify.

    Raises:
        Conflict: A newer Remit wrote the store: nothing is touched.
        NotFound: There is no store yet.
        Unavailable: There is no room for the copy, or the database is away.
        IntegrityError: After the migration the log does not hold; says where the copy is.
    """
    was = revision_of_postgres(wanted.url) if wanted.url else revision_of_sqlite(wanted.home / "remit.db")
    if was is None:
        message = f"There is no store in {wanted.home} yet."
        raise NotFound(message, code="home.missing", hint=f"remit init --home {wanted.home}")
    check_known(was)
    if was == HEAD:
        with make() as store:
            store.view(allow)
            return Upgraded(was, HEAD, None, store.verify(start=1 << 62).size)
    copy = copy_home(wanted, was, clock)
    with make() as store:
        store.migrate()
        report = store.verify()
        if not report.ok:
            message = f"After the migration the audit log does not hold: {report.discrepancies[0]}."
            hint = f"stop everything, put the files of {copy} back into the home, and install the version that it had"
            raise IntegrityError(message, code="upgrade.damaged", hint=hint)
        entry = Entry(
            actor=by,
            action="home.upgraded",
            domain="operations",
            result=Result.SUCCESS,
            workspace=workspace,
            subject=f"{was} to {HEAD}",
        )

        def op(tx: Tx) -> None:
            allow(tx)
            tx.append(entry, {"was": was, "now": HEAD, "copy": str(copy)})

        store.write("upgrade.done", op, durable=Durability.SEALED)
    return Upgraded(was, HEAD, copy, report.size)


def copy_home(wanted: Wanted, was: str, clock: Clock) -> Path:
    """Copy what a migration changes, whole on disk before the copy has its name; where it is."""
    home = wanted.home
    folder = home / FOLDER
    folder.mkdir(mode=PRIVATE, exist_ok=True)
    _check_room(home)
    target = folder / f"{was}-{clock.now():%Y%m%dT%H%M%S%f}"
    staged = target.with_name(f".{target.name}")
    staged.mkdir(mode=PRIVATE)
    crash.reach("upgrade.copy:before")
    try:
        if wanted.url:
            snapshot.copy_postgres(wanted.url, staged / "store.dump")
        else:
            for name in _COPIED:
                if (home / name).exists():
                    snapshot.copy_sqlite(home / name, staged / name)
        if (home / "heads.log").exists():
            shutil.copy2(home / "heads.log", staged / "heads.log")
        sync_folder(staged)
        staged.replace(target)
        sync_folder(folder)
    except BaseException:
        with suppress(OSError):
            remove_tree(staged)
        raise
    crash.reach("upgrade.copy:after")
    return target


def _check_room(home: Path) -> None:
    needed = sum((home / name).stat().st_size for name in _COPIED if (home / name).exists()) + _SPARE
    free = shutil.disk_usage(home).free
    if free < needed:
        message = f"An upgrade copies first, and {home} has {free >> 20} MiB free; the copy needs {needed >> 20}."
        raise Unavailable(message, code="store.full", hint="free some space and run: remit upgrade")
