"""An export as a folder: written aside and moved into place whole, read back for its check."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Collection, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from remit.adapters.export.formats import Format, read, write
from remit.audit.bundle import (
    DIGESTS,
    MANIFEST,
    MANIFEST_VERSION,
    SIGNATURE,
    Bundle,
    Checked,
    ExportRow,
    check,
    digest_of,
    sign_manifest,
)
from remit.audit.export import Selection, rows
from remit.audit.note import Signer, Verifier, open_note, parse_checkpoint
from remit.audit.query import latest_note, rotations
from remit.audit.report import LogReader
from remit.kernel.errors import Conflict, IntegrityError, NotFound, Unavailable
from remit.kernel.ids import is_id


def export(
    reader: LogReader,
    folder: Path,
    *,
    wanted: Selection,
    form: Format,
    signers: Sequence[Signer],
    verifiers: Sequence[Verifier],
    made_at: str,
) -> dict[str, Any]:
    """Write an export; everything must be under a signed checkpoint already.

    Args:
        reader: One snapshot of the log.
        folder: Must not exist, or be empty.
        wanted: Which entries.
        form: The format of the file with the rows.
        signers: The log's keys, which sign the manifest.
        verifiers: Its public keys, those that signed before included.
        made_at: The time, for the manifest.

    Returns:
        The manifest.

    Raises:
        Conflict: The folder holds something.
        IntegrityError: The log was changed.
        Unavailable: The folder can't be written, or pyarrow is missing.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"{folder} is there already and not empty."
        raise Conflict(message, code="export.folder", hint="remit audit export ANOTHER_DIR")
    note = latest_note(reader)
    if note is None:
        message = "There is no signed checkpoint yet."
        raise NotFound(message, code="audit.unsigned", hint="remit audit verify")
    size = parse_checkpoint(open_note(note, verifiers)).size
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        aside.mkdir(mode=0o700, parents=True)
        listed = _Listed(rows(reader, wanted, size=size))
        write(aside / form.file, listed, form=form)
        (aside / DIGESTS).write_text("".join(f"{seq} {digest}\n" for seq, digest in listed.seen), encoding="ascii")
        manifest: dict[str, Any] = {
            "version": MANIFEST_VERSION,
            "format": form.value,
            "made_at": made_at,
            "filter": wanted.as_json(),
            "rows": len(listed.seen),
            "first": listed.seen[0][0] if listed.seen else None,
            "last": listed.seen[-1][0] if listed.seen else None,
            "checkpoint": note,
            "chain": [proof.export() for proof in rotations(reader, verifiers)],
            "files": {name: _sha256(aside / name) for name in (form.file, DIGESTS)},
        }
        raw = orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"
        (aside / MANIFEST).write_bytes(raw)
        (aside / SIGNATURE).write_text(sign_manifest(raw, signers), encoding="utf-8")
        for path in aside.iterdir():
            path.chmod(0o600)
        if folder.exists():
            folder.rmdir()
        aside.rename(folder)
    except OSError as error:
        message = f"The export can't be written to {folder}: {error.strerror}."
        raise Unavailable(message, code="export.folder", hint="remit audit export ANOTHER_DIR") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return manifest


class _Listed:
    """Rows that pass by; ``seen`` remembers their numbers and digests."""

    def __init__(self, source: Iterator[ExportRow]) -> None:
        self._source = source
        self.seen: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[ExportRow]:
        for row in self._source:
            self.seen.append((int(row["seq"]), digest_of(row)))
            yield row


def thin(kept: Path, *, most: int) -> None:
    """Remove all but the newest ``most`` exports of a folder, whose exports are named by ids; nothing else in it."""
    for old in _kept(kept)[:-most]:
        shutil.rmtree(old, ignore_errors=True)


def forget(kept: Path, entries: Collection[int]) -> tuple[list[str], list[str]]:
    """Remove the exports of a folder that hold any of these entries.

    Returns:
        The names of those that are gone, and what could not be looked through or removed, with why.
    """
    wanted = frozenset(entries)
    gone: list[str] = []
    left: list[str] = []
    for folder in _kept(kept) if wanted else ():
        try:
            with (folder / DIGESTS).open(encoding="ascii") as lines:
                holds = any(int(line.partition(" ")[0]) in wanted for line in lines)
            if holds:
                shutil.rmtree(folder)
                gone.append(folder.name)
        except (OSError, ValueError) as error:
            left.append(f"{folder}: {error}")
    return gone, left


def _kept(kept: Path) -> list[Path]:
    """The exports in a folder, the oldest first."""
    return sorted(each for each in kept.iterdir() if is_id(each.name)) if kept.is_dir() else []


def check_folder(folder: Path, verifiers: Sequence[Verifier]) -> Checked:
    """Check an export offline, with nothing but public keys.

    Raises:
        NotFound: There is no such folder, or nothing of an export in it.
        Unavailable: It is Parquet and pyarrow is not installed.
    """
    form = next((form for form in Format if (folder / form.file).is_file()), None)
    if form is None:
        if not (folder / MANIFEST).is_file():
            message = f"There is no export of an audit log in {folder}."
            raise NotFound(message, code="export.missing", hint="remit audit verify DIR --key KEY")
        message = f"The file with the entries is missing from {folder}."
        raise IntegrityError(message, code="export.entries", hint="ask for the export once more")
    data = folder / form.file
    files = {path.name: _content(path) for path in sorted(folder.iterdir()) if path.name != data.name}
    return check(Bundle(files, data.name, read(data, form=form), _sha256(data)), verifiers)


def _content(path: Path) -> bytes:
    """A file beside the one with the rows; a large one of another name can't be the export's, and isn't read."""
    own = path.name in (MANIFEST, SIGNATURE, DIGESTS)
    return path.read_bytes() if own and path.is_file() else b""


def _sha256(path: Path) -> str:
    total = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()
