"""One file with everything in it: tar, compressed, perhaps encrypted; under its name only when it is whole on disk."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Self, cast

from remit.adapters.backup.aside import aside
from remit.adapters.backup.sealing import MAGIC, Lock, OpeningReader, SealingWriter
from remit.adapters.store.heads import sync_folder
from remit.kernel import crash
from remit.kernel.errors import Conflict, InvalidInput, Unavailable
from remit.operations.manifest import Member, damaged, safe

PRIVATE = 0o600
_BLOCK = 1 << 20
_LEVEL = 1  # packs are compressed already, and a database shrinks well at any level


class ArchiveWriter:
    """Use it as a context manager: left without ``finish``, nothing is under the final name.

    Raises:
        Conflict: There is something of that name.
        Unavailable: The folder can't be written.
    """

    def __init__(self, target: Path, lock: Lock | None) -> None:
        self._target = target
        self._partial = aside(target.parent)
        self._stack = ExitStack()
        if os.path.lexists(target):
            message = f"There is a file {target} already."
            raise Conflict(message, code="backup.exists", hint="choose another name, or give a folder")
        try:
            handle = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
        except OSError as error:
            message = f"The backup can't be written in {target.parent}: {error.strerror}."
            raise Unavailable(message, code="backup.place", hint="remit backup FOLDER") from error
        self._file = os.fdopen(handle, "wb")
        self._sealing = None if lock is None else SealingWriter(self._file, lock)
        into = cast("IO[bytes]", self._sealing or self._file)
        self._gzip = gzip.GzipFile(filename="", mode="wb", fileobj=into, compresslevel=_LEVEL, mtime=0)
        self._tar = tarfile.open(  # noqa: SIM115 - closed by finish
            mode="w|", fileobj=cast("IO[bytes]", self._gzip), format=tarfile.PAX_FORMAT
        )

    def __enter__(self) -> Self:
        """Nothing to do."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was not finished."""
        with suppress(OSError, ValueError):
            self._file.close()
        self._partial.unlink(missing_ok=True)

    def add(self, name: str, path: Path) -> Member:
        """Add a file's bytes as they are read now."""
        with path.open("rb") as file:
            return self._add(name, file, os.fstat(file.fileno()).st_size)

    def add_bytes(self, name: str, data: bytes) -> Member:
        """Add bytes."""
        return self._add(name, io.BytesIO(data), len(data))

    def _add(self, name: str, file: IO[bytes], size: int) -> Member:
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, PRIVATE
        hashing = _Hashing(file, size)
        self._tar.addfile(info, cast("IO[bytes]", hashing))
        return Member(hashing.sha.hexdigest(), size)

    def finish(self) -> tuple[str, int]:
        """Put it on disk, then under its name; SHA-256 and size of the file."""
        self._tar.close()
        self._gzip.close()
        if self._sealing is not None:
            self._sealing.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        found = digest_of(self._partial)
        crash.reach("backup.archive:before")
        try:
            self._target.hardlink_to(self._partial)  # refuses to replace what somebody put there meanwhile
        except FileExistsError as error:
            message = f"There is a file {self._target} already."
            raise Conflict(message, code="backup.exists", hint="choose another name, or give a folder") from error
        self._partial.unlink()
        sync_folder(self._target.parent)
        crash.reach("backup.archive:after")
        return found


class _Hashing:
    """A file of a promised size, hashed as it is read; one that is cut meanwhile is an error and not a hole."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left = file, size
        self.sha = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes, never beyond the promise."""
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._file.read(wanted)
        if len(data) < wanted:
            message = "A file became shorter while it was copied."
            raise Unavailable(message, code="backup.changed", hint="remit backup FOLDER")
        self._left -= len(data)
        self.sha.update(data)
        return data


def digest_of(path: Path) -> tuple[str, int]:
    """SHA-256 in hex and size of a file."""
    sha, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            sha.update(block)
            size += len(block)
    return sha.hexdigest(), size


def sealed(path: Path) -> bool:
    """Whether the archive is encrypted."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def unpack(source: Path, folder: Path, lock: Lock | None) -> dict[str, Member]:
    """Unpack every member into ``folder`` (private files, no links, nothing outside it); what was found.

    Raises:
        InvalidInput: It is encrypted and no lock was given, or it is no backup.
        IntegrityError: It is damaged.
    """
    return _each(source, lock, lambda name: _create(folder / name))


def read_through(source: Path, lock: Lock | None) -> dict[str, Member]:
    """What an archive holds, hashed, without unpacking it. Raises as ``unpack``."""
    return _each(source, lock, lambda _name: None)


def _each(source: Path, lock: Lock | None, into: Callable[[str], IO[bytes] | None]) -> dict[str, Member]:
    found: dict[str, Member] = {}
    try:
        with source.open("rb") as file, ExitStack() as stack:
            plain = _opened(file, source, lock)
            unzipped = stack.enter_context(gzip.GzipFile(fileobj=plain, mode="rb"))
            tar = stack.enter_context(tarfile.open(mode="r|", fileobj=cast("IO[bytes]", unzipped)))
            for info in tar:
                if not info.isreg() or not safe(info.name) or info.name in found:
                    raise damaged(f"it holds {info.name[:80]!r}, which can't be a part of a backup")
                data = tar.extractfile(info)
                if data is None:
                    raise damaged(f"{info.name} can't be read")
                found[info.name] = _take(data, into(info.name))
            while unzipped.read(_BLOCK):  # to the very end: only there stands what tells that nothing is missing
                pass
    except FileNotFoundError as error:
        message = f"There is no file {source}."
        raise InvalidInput(message, code="backup.missing", hint="remit restore FILE --home NEW") from error
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise damaged(f"its end or its middle is missing ({type(error).__name__})") from error
    return found


def _opened(file: IO[bytes], source: Path, lock: Lock | None) -> IO[bytes]:
    if not sealed(source):
        return file
    if lock is None:
        message = f"The backup {source} is encrypted."
        hint = "remit restore FILE --home NEW --key-file FILE, or --passphrase-file FILE"
        raise InvalidInput(message, code="backup.lock", hint=hint)
    return cast("IO[bytes]", OpeningReader(file, lock))


def _create(path: Path) -> IO[bytes]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE), "wb")


def _take(data: IO[bytes], into: IO[bytes] | None) -> Member:
    sha, size = hashlib.sha256(), 0
    try:
        while block := data.read(_BLOCK):
            sha.update(block)
            size += len(block)
            if into is not None:
                into.write(block)
        if into is not None:
            into.flush()
            os.fsync(into.fileno())
    finally:
        if into is not None:
            into.close()
    return Member(sha.hexdigest(), size)
