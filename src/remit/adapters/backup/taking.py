"""Taking a backup of a living home."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from remit import __version__
from remit.adapters.backup import snapshot
from remit.adapters.backup.archive import ArchiveWriter, read_through
from remit.adapters.backup.aside import aside
from remit.adapters.backup.repositories import pack_out
from remit.adapters.backup.sealing import Lock
from remit.adapters.files.removal import remove_tree
from remit.adapters.store.journal import Store
from remit.audit.entry import Entry, Result
from remit.audit.keyring import Keyring
from remit.audit.note import open_note, parse_checkpoint, sign_note
from remit.kernel.action import Principal
from remit.kernel.clock import Clock
from remit.kernel.effects import Durability
from remit.kernel.errors import IntegrityError, InvalidInput, RemitError, Unavailable
from remit.kernel.ports import ReadTx, Tx
from remit.operations import manifest as parts
from remit.operations.manifest import Manifest, Member, MissionPart, Part

_SPARE = 64 << 20  # bytes that stay free beside the copy


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    Attributes:
        home: The home.
        url: Its store's address; empty: SQLite.
        place: A folder, or the file to make.
        keys: Whether the keys go in.
        lock: What it is encrypted with; ``None``: not at all.
        settings: The settings in force, without secrets.
        payload_key: What opens the keys of the log's payloads, for the verification of the copy.
    """

    home: Path
    url: str
    place: Path
    keys: bool
    lock: Lock | None
    settings: Mapping[str, object]
    payload_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup that lies on disk, whole and read again."""

    file: Path
    sha256: str
    bytes: int
    manifest: Manifest


def take(
    wanted: Wanted, store: Store, *, clock: Clock, by: Principal, workspace: str, allow: Callable[[ReadTx], None]
) -> Taken:
    """Take it. Others may go on using the home.

    Raises:
        Denied: ``by`` may not.
        Conflict: There is such a file.
        InvalidInput: The place lies within the home.
        Unavailable: The place can't be written, or has no room.
        IntegrityError: The store is damaged: nothing is left under the name.
    """
    target = _target(wanted, clock)
    told = {"file": str(target), "keys": wanted.keys, "encrypted": wanted.lock is not None}
    _tell(store, by, workspace, Result.PENDING, told, allow=allow)
    try:
        with ArchiveWriter(target, wanted.lock) as archive, _staging(target.parent) as staged:
            manifest = _fill(archive, staged, wanted, store, clock)
            sha256, size = archive.finish()
    except OSError as error:
        _tell(store, by, workspace, Result.FAILURE, told | {"error": error.strerror or "OSError"}, allow=allow)
        message = f"The backup could not be written to {target}: {error.strerror}."
        raise Unavailable(message, code="backup.place", hint="remit backup FOLDER") from error
    except RemitError as error:
        _tell(store, by, workspace, Result.FAILURE, told | {"error": error.code}, allow=allow)
        raise
    found = read_through(target, wanted.lock)  # what the disk gives back, not what was meant to be written
    parts.check(manifest, {name: one for name, one in found.items() if name not in {parts.MANIFEST, parts.NOTE}})
    _tell(store, by, workspace, Result.SUCCESS, told | {"sha256": sha256, "bytes": size}, allow=allow)
    return Taken(target, sha256, size, manifest)


@contextmanager
def _staging(folder: Path) -> Generator[Path]:
    staged = aside(folder)
    staged.mkdir(mode=0o700)
    try:
        yield staged
    finally:
        remove_tree(staged)


def _tell(
    store: Store,
    by: Principal,
    workspace: str,
    result: Result,
    payload: Mapping[str, object],
    *,
    allow: Callable[[ReadTx], None],
) -> None:
    entry = Entry(
        actor=by, action="home.backup", domain="operations", result=result, workspace=workspace, subject="backup"
    )

    def op(tx: Tx) -> None:
        allow(tx)
        tx.append(entry, payload)

    store.write("backup.taken", op, durable=Durability.SEALED)


def _target(wanted: Wanted, clock: Clock) -> Path:
    place = wanted.place.expanduser().absolute()
    if place.is_dir():
        stamp = f"{clock.now():%Y%m%dT%H%M%SZ}"
        place /= f"remit-{stamp}.tar.gz{'.sealed' if wanted.lock else ''}"
    elif not place.suffix:  # a folder that is not there, or not mounted: a file of its name would look like one
        message = f"There is no folder {place}."
        hint = f"mkdir -p {place}, or end the file's name in .tar.gz"
        raise InvalidInput(message, code="backup.place", hint=hint)
    if not place.parent.is_dir():
        message = f"There is no folder {place.parent}."
        raise InvalidInput(message, code="backup.place", hint=f"mkdir -p {place.parent}")
    if place.resolve().is_relative_to(wanted.home.resolve()):
        message = f"{place} lies in the home: the backup would be lost with what it protects."
        raise InvalidInput(message, code="backup.place", hint="name a folder elsewhere, best on another disk")
    needed = sum(path.stat().st_size for path in wanted.home.glob("*.db")) * 2 + _SPARE
    free = shutil.disk_usage(place.parent).free
    if free < needed:
        message = f"{place.parent} has {free >> 20} MiB free; the backup may need {needed >> 20}."
        raise Unavailable(message, code="backup.room", hint="free some space, or name another folder")
    return place


def _fill(archive: ArchiveWriter, staged: Path, wanted: Wanted, store: Store, clock: Clock) -> Manifest:
    made = clock.now()
    store.seal()
    members: dict[str, Member] = {}

    def put(name: str, path: Path) -> None:
        members[name] = archive.add(name, path)
        path.unlink()

    copied = _databases(staged, wanted)
    verifiers = store.verifiers
    heads = b""
    if (wanted.home / parts.HEADS).exists():  # on Postgres another host may have signed every head
        heads = snapshot.heads_within((wanted.home / parts.HEADS).read_bytes(), copied.entries, verifiers)
    if not wanted.url:
        covered = parse_checkpoint(open_note(copied.head, verifiers)).size if copied.head else 0
        report = snapshot.verify_copy(
            staged / parts.STORE, heads, verifiers, keys=Keyring(wanted.payload_key), start=covered
        )
        wrong = [each for each in report.discrepancies if each.kind != "unrecorded"]
        if wrong:
            message = f"The audit log of the copy does not hold: {wrong[0]}."
            raise IntegrityError(message, code="audit.damaged", hint="remit audit verify")
    missions = _missions(staged, wanted.home, copied, put)
    for name in (parts.STORE, parts.DUMP, parts.ENGINE):
        if (staged / name).exists():
            put(name, staged / name)
    members[parts.HEADS] = archive.add_bytes(parts.HEADS, heads)
    members |= _files(archive, wanted)
    members[parts.SETTINGS] = archive.add_bytes(parts.SETTINGS, json.dumps(wanted.settings, indent=1).encode())
    manifest = Manifest(
        made=made.isoformat(),
        remit=__version__,
        database="postgres" if wanted.url else "sqlite",
        schema=copied.schema,
        origin=verifiers[0].name,
        entries=copied.entries,
        head=copied.head,
        keys=wanted.keys,
        members=members,
        missions=missions,
        left_out=() if wanted.keys else tuple(f"{name}: kept elsewhere" for name in parts.KEYS),
    )
    written = manifest.encoded()
    note = sign_note(parts.statement(verifiers[0].name, written), store.signers)
    archive.add_bytes(parts.MANIFEST, written)
    archive.add_bytes(parts.NOTE, note.encode())
    return manifest


def _databases(staged: Path, wanted: Wanted) -> snapshot.Copied:
    """Engine first, then the store: see ``snapshot``."""
    if wanted.url:
        return snapshot.copy_postgres(wanted.url, staged / parts.DUMP)
    if (wanted.home / parts.ENGINE).exists():
        snapshot.copy_sqlite(wanted.home / parts.ENGINE, staged / parts.ENGINE)
    snapshot.copy_sqlite(wanted.home / "remit.db", staged / parts.STORE)
    return snapshot.look_into(staged / parts.STORE)


def _missions(staged: Path, home: Path, copied: snapshot.Copied, put: Callable[[str, Path], None]) -> list[MissionPart]:
    found: list[MissionPart] = []
    for mission, workspace, status, head in copied.missions:
        refs: dict[str, str] = {}
        if head:
            target = staged / f"{mission}.pack"
            refs = pack_out(home / "missions", mission, head, target)
            put(parts.pack_of(mission), target)
        found.append(MissionPart(mission, workspace, status, head, refs))
    return found


def _files(archive: ArchiveWriter, wanted: Wanted) -> dict[str, Member]:
    members: dict[str, Member] = {}
    for path in sorted(wanted.home.iterdir()):
        part = parts.part_of(path.name)
        if part is Part.KEY and wanted.keys:
            members[parts.KEY_FOLDER + path.name] = archive.add(parts.KEY_FOLDER + path.name, path)
        elif part is Part.FILE and not path.is_symlink():
            each = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
            for one in each:
                name = f"{parts.FILE_FOLDER}{one.relative_to(wanted.home)}"
                if not one.is_symlink() and parts.safe(name):
                    members[name] = archive.add(name, one)
    return members
