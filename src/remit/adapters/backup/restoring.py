"""Putting a backup in place: unpacked and verified beside, then under its name in one step."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sqlalchemy import bindparam, select

from remit.accounts.restored import end_sign_ins
from remit.adapters.backup.archive import unpack
from remit.adapters.backup.aside import aside
from remit.adapters.backup.emptying import clear_database, empty_database
from remit.adapters.backup.repositories import check_commits, pack_in
from remit.adapters.backup.sealing import Lock
from remit.adapters.backup.snapshot import run
from remit.adapters.engine.restored import hold_runs
from remit.adapters.files.removal import remove_tree
from remit.adapters.store.heads import sync_folder
from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import KeyFile
from remit.audit.entry import Entry, Result
from remit.audit.note import open_note
from remit.kernel import crash
from remit.kernel.action import Principal
from remit.kernel.canonical import sha256_hex
from remit.kernel.clock import Clock, micros_of
from remit.kernel.effects import Durability
from remit.kernel.errors import Conflict, IntegrityError, NotFound, RemitError, Unavailable
from remit.kernel.ports import ReadTx, Tx
from remit.missions.evidence import check_rows
from remit.missions.restored import Held, hold_missions
from remit.missions.tables import MISSION, STEP
from remit.operations import manifest as parts
from remit.operations.manifest import Manifest, MissionPart, damaged

PRIVATE = 0o700
_MISSION = select(MISSION.c.head_commit, MISSION.c.workspace_commit).where(
    MISSION.c.workspace == bindparam("of"), MISSION.c.id == bindparam("which")
)
_COMMITS = (
    select(STEP.c.commit_id)
    .where(STEP.c.workspace == bindparam("of"), STEP.c.mission == bindparam("which"), STEP.c.commit_id != "")
    .distinct()
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    Attributes:
        source: The archive.
        home: The home to make; nothing may be there.
        url: Where the store goes when it is on Postgres: an empty database.
        keys: The folder with the keys, when the archive has none.
        lock: What the archive is encrypted with.
    """

    source: Path
    home: Path
    url: str
    keys: Path | None
    lock: Lock | None


@dataclass(frozen=True, slots=True)
class Restored:
    """A home that stands, with what it does not go on with by itself."""

    manifest: Manifest
    entries: int
    held: tuple[Held, ...]


type MakeStore = Callable[[Path], Store]


def restore(
    wanted: Wanted,
    make: MakeStore,
    *,
    clock: Clock,
    by: Principal,
    workspace: str,
    allow: Callable[[ReadTx], None],
) -> Restored:
    """Restore it: hashes, signature, the whole audit log, every mission's repository, and only then the home.

    Args:
        wanted: What and where.
        make: Makes the store over a home's folder.
        clock: For the entries' times.
        by: Who orders it.
        workspace: Where the order is recorded.
        allow: Raises when ``by`` may not.

    Raises:
        Conflict: There is something at the home's place, or in the database; or a newer Remit made the backup.
        IntegrityError: The backup is not what was written, or what it holds does not bear itself out. The place and the
            database are as they were.
        NotFound: Its keys are neither in it nor where they were said to be.
        Unavailable: The place can't be written.
    """
    home = wanted.home
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        message = f"There is something at {home} already: a backup is restored into a new home only."
        raise Conflict(message, code="restore.home", hint="remit restore FILE --home NEW")
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        staged = aside(home.parent)
        staged.mkdir(mode=PRIVATE)
    except OSError as error:
        message = f"The home can't be made in {home.parent}: {error.strerror}."
        raise Unavailable(message, code="restore.place", hint="choose another place: --home DIR") from error
    try:
        done = _stage(wanted, staged, make, clock=clock, by=by, workspace=workspace, allow=allow)
        crash.reach("restore.place:before")
        _sync(staged)
        staged.replace(home)  # over an empty folder, or nothing
        sync_folder(home.parent)
        crash.reach("restore.place:after")
    except BaseException:
        with suppress(OSError):
            remove_tree(staged)
        raise
    return done


def _stage(
    wanted: Wanted,
    staged: Path,
    make: MakeStore,
    *,
    clock: Clock,
    by: Principal,
    workspace: str,
    allow: Callable[[ReadTx], None],
) -> Restored:
    unpacked = staged / ".unpacked"
    unpacked.mkdir(mode=PRIVATE)
    found = unpack(wanted.source, unpacked, wanted.lock)
    if parts.MANIFEST not in found or parts.NOTE not in found:
        raise damaged("it has no list of contents: this is no backup, or its end is missing")
    written = (unpacked / parts.MANIFEST).read_bytes()
    manifest = parts.read_manifest(written)
    parts.check(manifest, {name: one for name, one in found.items() if name not in {parts.MANIFEST, parts.NOTE}})
    _lay_out(wanted, staged, unpacked, manifest)
    _check_signature(staged, manifest, written, (unpacked / parts.NOTE).read_text(encoding="utf-8"))
    with _Database(wanted, unpacked, manifest) as database:
        store = make(staged)
        try:
            store.migrate()
            held = _verified(
                store, staged, unpacked, manifest, wanted, clock=clock, by=by, workspace=workspace, allow=allow
            )
        finally:
            store.close()
        database.keep()
    remove_tree(unpacked)
    return Restored(manifest, manifest.entries, tuple(held))


class _Database:
    """The store's database on Postgres, filled on entry; emptied again unless ``keep`` is called. On SQLite nothing."""

    def __init__(self, wanted: Wanted, unpacked: Path, manifest: Manifest) -> None:
        self._url = wanted.url if manifest.database == "postgres" else ""
        self._dump = unpacked / parts.DUMP
        self._kept = False
        if manifest.database == "postgres" and not wanted.url:
            message = "The backup is of a store on Postgres, and no database is named for it."
            raise NotFound(message, code="restore.database", hint="set store_url to an empty database")
        if manifest.database == "sqlite" and wanted.url:
            message = "The backup is of a store on SQLite, and store_url names a Postgres database."
            raise Conflict(message, code="restore.database", hint="restore it without store_url")

    def __enter__(self) -> Self:
        if self._url:
            empty_database(self._url)
            try:
                run(
                    self._url,
                    "pg_restore",
                    "--exit-on-error",
                    "--single-transaction",
                    "--no-owner",
                    "--no-privileges",
                    f"--dbname={_name_of(self._url)}",
                    str(self._dump),
                )
            except RemitError:
                clear_database(self._url)
                raise
        return self

    def keep(self) -> None:
        """What was put there was verified."""
        self._kept = True

    def __exit__(self, *_: object) -> None:
        if self._url and not self._kept:
            clear_database(self._url)


def _name_of(url: str) -> str:
    from psycopg import conninfo

    return str(conninfo.conninfo_to_dict(url).get("dbname") or "postgres")


def _lay_out(wanted: Wanted, staged: Path, unpacked: Path, manifest: Manifest) -> None:
    """Every file to its place in the home, keys included."""
    (staged / "missions").mkdir(mode=PRIVATE)
    places = {parts.STORE: "remit.db", parts.ENGINE: "engine.db", parts.HEADS: "heads.log"}
    for name in manifest.members:
        if name in places:
            (unpacked / name).replace(staged / places[name])
        elif name.startswith((parts.FILE_FOLDER, parts.KEY_FOLDER)):
            target = staged / name.partition("/")[2]
            target.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
            (unpacked / name).replace(target)
    if manifest.keys:
        return
    for name in parts.KEYS:
        source = None if wanted.keys is None else wanted.keys / name
        if source is None or not source.is_file():
            message = f"The backup holds no keys, and there is no {name} in {wanted.keys or 'a folder that was named'}."
            hint = "remit restore FILE --home NEW --keys FOLDER, with audit.key, payload.key and mask.key in it"
            raise NotFound(message, code="restore.keys", hint=hint)
        handle = os.open(staged / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(source.read_bytes())
            file.flush()
            os.fsync(file.fileno())


def _check_signature(staged: Path, manifest: Manifest, written: bytes, note: str) -> None:
    verifiers = KeyFile(staged / "audit.key").read().verifiers
    if open_note(note, verifiers) != parts.statement(manifest.origin, written):
        raise damaged("its list of contents was not signed with the audit log's key")


def _verified(
    store: Store,
    staged: Path,
    unpacked: Path,
    manifest: Manifest,
    wanted: Wanted,
    *,
    clock: Clock,
    by: Principal,
    workspace: str,
    allow: Callable[[ReadTx], None],
) -> list[Held]:
    """Everything that a home promises, held against itself; then nothing of it goes on by itself."""
    with suppress(IntegrityError):  # takes over a head whose row was only being written; what is damaged is named below
        store.seal()
    report = store.verify()
    if not report.ok:
        named = "; ".join(str(each) for each in report.discrepancies[:3])
        raise damaged(f"its audit log does not hold: {named}")
    if report.size < manifest.entries or (manifest.head and manifest.head not in _heads(store)):
        raise damaged(f"its audit log ends after {report.size} entries, and the list says {manifest.entries}")
    for mission in manifest.missions:
        _mission(store, staged, unpacked, mission)
    if wanted.url or (staged / parts.ENGINE).exists():
        hold_runs(wanted.url or f"sqlite:///{staged / parts.ENGINE}")
    entry = Entry(
        actor=by,
        action="home.restored",
        domain="operations",
        result=Result.SUCCESS,
        workspace=workspace,
        subject=f"sha256:{sha256_hex(manifest.encoded())}",
    )

    def op(tx: Tx) -> list[Held]:
        allow(tx)
        now_us = micros_of(clock.now())
        held = hold_missions(tx, by=by, now_us=now_us)
        end_sign_ins(tx, now_us=now_us)
        told = {"made": manifest.made, "by": manifest.remit, "entries": manifest.entries, "held": len(held)}
        tx.append(entry, told)
        return held

    return store.write("restore.held", op, durable=Durability.SEALED)


def _heads(store: Store) -> set[str]:
    from remit.audit.tables import CHECKPOINT

    return {note for (note,) in store.view(lambda tx: tx.tuples(select(CHECKPOINT.c.note)))}


def _mission(store: Store, staged: Path, unpacked: Path, mission: MissionPart) -> None:
    """A mission's repository against its rows, and its workspace as it was last set."""
    at = {"of": mission.workspace, "which": mission.id}
    row = store.view(lambda tx: tx.row(_MISSION, at))
    if row is None or row["head_commit"] != mission.head:
        raise damaged(f"the list and the row of mission {mission.id} disagree")
    store.view(lambda tx: check_rows(tx, tx, mission.workspace, mission.id))
    if not mission.head:
        return
    commits = [one["commit_id"] for one in store.view(lambda tx: tx.rows(_COMMITS, at))]
    repository = pack_in(staged / "missions", mission.id, unpacked / parts.pack_of(mission.id), mission.refs)
    check_commits(repository, mission.id, mission.head, commits)
    asyncio.run(repository.reset_workspace(row["workspace_commit"] or None))


def _sync(folder: Path) -> None:
    """Have a whole tree on disk before it is named."""
    for here, _, names in os.walk(folder):
        for name in names:
            path = Path(here) / name
            if path.is_symlink():
                continue
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        sync_folder(Path(here))
