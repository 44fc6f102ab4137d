"""Files written for a step: inside its own directory or not at all, each whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import re
import secrets
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from remit.adapters.files.preview import preview
from remit.kernel import crash
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.effects import WriteFiles
from remit.kernel.errors import Failed, InternalError, InvalidInput, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.ports import Preview

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
MAX_NAME_BYTES = 255


@dataclass(frozen=True, slots=True)
class Written:
    """One file as it lies there now."""

    sha256: str
    size: int


def write_files(effect: WriteFiles, directory: Path) -> dict[str, Written]:
    """Carry out the effect below `directory`, which must exist; what was written, by path.

    Every path is checked before the first is touched. No link is followed, neither at the end of a path nor on the
    way. Each file appears whole (written beside its place, then renamed); files deleted may be absent already.

    Raises:
        InvalidInput: A path leads out, is not in its normal form, or clashes with another (``files.path``): nothing
            was written.
        Failed: Something in the way of a path is a link or no folder (``files.blocked``).
        Unavailable: The disk is full (``files.disk_full``).
    """
    check(effect)
    done: dict[str, Written] = {}
    with _opened(directory) as root:
        for path in sorted(effect.delete):
            _delete(root, path)
        for path, data in sorted(effect.files.items()):
            mode = 0o755 if path in effect.executable else 0o644
            _write(root, path, data, mode)
            done[path] = Written(hashlib.sha256(data).hexdigest(), len(data))
    return done


def check(effect: WriteFiles) -> None:
    """Refuse an effect of which a path can't stand.

    Raises:
        InvalidInput: Names every such path and says why (``files.path``).
    """
    problems = [
        f"{path!r} {problem}" for path in (*effect.files, *effect.delete) if (problem := _problem_of(path)) is not None
    ]
    problems += [
        f"{path!r} is marked executable, but not written" for path in effect.executable if path not in effect.files
    ]
    problems += [f"{path!r} is written and deleted at once" for path in effect.delete if path in effect.files]
    problems += _clashes(effect.files)
    if problems:
        message = f"The files can't be written: {'; '.join(problems[:20])}."
        raise InvalidInput(message, code="files.path", hint="correct the step's paths", problems=tuple(problems))


def _problem_of(path: str) -> str | None:
    parts = path.split("/")
    try:
        long = any(len(part.encode()) > MAX_NAME_BYTES for part in parts)
    except UnicodeEncodeError:
        return "is not UTF-8"
    found = {
        "is empty": not path,
        "holds a control character": bool(_CONTROL.search(path)),
        "is absolute": path.startswith(("/", "\\")) or bool(re.match(r"[A-Za-z]:", path)),
        "holds a backslash": "\\" in path,
        "leads out of the directory": ".." in parts,
        "is not in its normal form": any(part in {"", "."} for part in parts),
        "has a name of more than 255 bytes": long,
        "is git's": any(part.casefold().rstrip(" .") in {".git", "git~1"} for part in parts),
    }
    return next((problem for problem, holds in found.items() if holds), None)


def _clashes(files: Mapping[str, bytes]) -> list[str]:
    """Paths that differ only in case from another, or run through one that is a file."""
    problems: list[str] = []
    folded: dict[str, str] = {}
    for path in sorted(files):
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            prefix = "/".join(parts[:count])
            twin = folded.setdefault(prefix.casefold(), prefix)
            if twin != prefix:
                problems.append(f"{prefix!r} differs only in case from {twin!r}")
            elif count < len(parts) and prefix in files:
                problems.append(f"{path!r} runs through {prefix!r}, which is a file")
    return problems


@contextmanager
def _opened(directory: Path) -> Generator[int]:
    try:
        root = os.open(directory, _FOLDER)
    except OSError as error:
        message = f"The step's directory {directory} can't be opened: {error.strerror}."
        raise Failed(message, code="files.blocked", hint="remit show ID") from error
    try:
        yield root
    finally:
        os.close(root)


@contextmanager
def _parent(root: int, path: str, *, make: bool) -> Generator[tuple[int, str]]:
    """The folder of a path, opened step by step from the root without following a link, and the last name."""
    *folders, name = path.split("/")
    current = os.dup(root)
    try:
        for folder in folders:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(folder, 0o755, dir_fd=current)
            below = os.open(folder, _FOLDER, dir_fd=current)
            os.close(current)
            current = below
        yield current, name
    finally:
        os.close(current)


def _write(root: int, path: str, data: bytes, mode: int) -> None:
    crash.reach("files.write:before")
    try:
        with _parent(root, path, make=True) as (folder, name):
            _place(folder, name, data, mode)
    except OSError as error:
        raise _meaning(path, error) from error
    crash.reach("files.write:after")


def _place(folder: int, name: str, data: bytes, mode: int) -> None:
    temporary = f".remit-{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view) :]
            os.fchmod(file, mode)
        finally:
            os.close(file)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _delete(root: int, path: str) -> None:
    crash.reach("files.write:before")
    try:
        with _parent(root, path, make=False) as (folder, name):
            os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _meaning(path, error) from error
    crash.reach("files.write:after")


def _meaning(path: str, error: OSError) -> Failed | Unavailable:
    if error.errno in _FULL:
        message = f"{path!r} could not be written: there is no room left ({error.strerror})."
        return Unavailable(message, code="files.disk_full", hint="free some disk space, then: remit resume ID")
    if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY}:
        message = f"{path!r} can't be written: a link, a file or a folder is in its way."
        return Failed(message, code="files.blocked", hint="remit show ID")
    message = f"{path!r} could not be written: {error.strerror}."
    return Failed(message, code="files.failed", hint="remit doctor")


class FilesAdapter:
    """The guard's way to files: `WriteFiles` effects performed in the directory their action names."""

    async def perform(self, action: Action) -> Outcome:
        """Write and delete; the outcome's value holds the manifest, ``{"files": {path: {"sha256", "size"}}}``.

        Raises:
            InvalidInput: A path can't stand, or the action names no directory.
            Failed: Something is in the way.
            Unavailable: The disk is full.
        """
        effect = action.effect
        if not isinstance(effect, WriteFiles):
            message = f"The files adapter writes files, it does not perform effects of kind {action.kind!r}."
            raise InternalError(message)
        if not action.directory:
            message = "The files have no step directory to be written to."
            raise InvalidInput(message, code="files.path")
        done = await asyncio.to_thread(write_files, effect, Path(action.directory))
        manifest: dict[str, Json] = {path: {"sha256": one.sha256, "size": one.size} for path, one in done.items()}
        deleted: list[Json] = [*sorted(effect.delete)]
        return Outcome(ok=True, value={"files": manifest, "deleted": deleted}, text=f"{len(done)} files written")

    async def preview(self, action: Action) -> Preview:
        """The unified diff against what stands in the step's directory.

        Raises:
            InvalidInput: A path can't stand.
        """
        effect = action.effect
        if not isinstance(effect, WriteFiles):
            return Preview()
        check(effect)
        return await asyncio.to_thread(preview, effect, Path(action.directory) if action.directory else None)
