"""The files of a scan: what git tracks or would add, the index, or every version that was ever committed.

Git runs with the person's own configuration (their ignore files, their safe directories), but for what a repository's
configuration could start: no file-system monitor, no hooks, no external diff, no text conversion.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from remit.adapters.git.process import executable
from remit.kernel.errors import Failed, InvalidInput, Unavailable
from remit.redact.leaks import Source

_TIMEOUT_S = 300.0
_QUIET = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}", "-c", "core.quotePath=false")
_LINK, _MODULE = "120000", "160000"
#: Set by git for its hooks: right for what is staged, misleading for any other folder.
_ABOUT_A_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY")


def tree(paths: Sequence[Path], *, most_bytes: int) -> Iterator[Source]:
    """The files under ``paths``, each once, in order. Symbolic links are never followed.

    In a repository: what git tracks and what it doesn't ignore; a file or folder that is named itself counts even when
    git ignores it. Elsewhere: everything but ``.git`` folders.

    Raises:
        InvalidInput: A path doesn't exist.
        Failed: Git can't list a repository.
    """
    seen: set[Path] = set()
    tops: dict[Path, Path | None] = {}
    for path in paths:
        if not path.exists() and not path.is_symlink():
            message = f"There is no file or folder {path}."
            raise InvalidInput(message, code="scan.path", hint="remit scan .")
        folder = path if path.is_dir() and not path.is_symlink() else path.parent
        if folder not in tops:
            tops[folder] = _top(folder)
        for found in _under(path, tops[folder]):
            real = Path(os.path.abspath(found))  # noqa: PTH100 - resolve() would follow links
            if real not in seen:
                seen.add(real)
                yield _read(found, _shown(real, tops[folder]), most_bytes)


def staged(folder: Path, *, most_bytes: int) -> Iterator[Source]:
    """What the next commit would change or add, as it stands in the index.

    Raises:
        InvalidInput: ``folder`` is in no repository.
        Failed: Git can't tell.
    """
    top = _repository(folder)
    changed = ("diff", "--cached", "--name-only", "-z", "--diff-filter=ACMRT", "--no-renames", "--no-ext-diff")
    names = frozenset(name for name in _git(top, *changed, hook=True).split(b"\0") if name)
    if not names:
        return
    entries: list[tuple[str, bytes]] = []
    for line in _git(top, "ls-files", "--stage", "-z", hook=True).split(b"\0"):
        about, _, name = line.partition(b"\t")
        mode, sha, _stage = [*about.decode().split(" "), "", "", ""][:3]
        if name in names:
            if mode in {_LINK, _MODULE}:
                yield Source(_text(name), skipped="symbolic link" if mode == _LINK else "submodule")
            else:
                entries.append((sha, name))
    yield from _blobs(top, entries, most_bytes, hook=True)


def history(folder: Path, *, most_bytes: int) -> Iterator[Source]:
    """Every version of every file that any branch, tag or stash reaches, once; paths are ``BLOB:path``.

    Raises:
        InvalidInput: ``folder`` is in no repository.
        Failed: Git can't tell.
    """
    top = _repository(folder)
    entries: list[tuple[str, bytes]] = []
    for line in _git(top, "rev-list", "--objects", "--all", "--reflog").split(b"\n"):
        sha, _, name = line.partition(b" ")
        if name:
            entries.append((sha.decode(), name))
    for sha, source in zip((sha for sha, _ in entries), _blobs(top, entries, most_bytes, folders=True), strict=True):
        if source.skipped != "folder":
            yield Source(f"{sha[:12]}:{source.path}", source.data, source.skipped, source.failed)


# -------------------------------------------------------------------------------------------------------------- files


def _under(path: Path, top: Path | None) -> Iterator[Path]:
    """The files under ``path``, links and the rest of what is no folder included."""
    if path.is_symlink() or not path.is_dir():
        yield path
    elif top is None or _ignored(path, top):
        yield from _walk(path)
    else:
        listed = _git(path, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
        linked: dict[Path, bool] = {path: False}
        for name in sorted(filter(None, listed.split(b"\0"))):
            found = path / os.fsdecode(name.rstrip(b"/"))
            if not os.path.lexists(found) or _behind_a_link(found.parent, linked):
                continue
            if found.is_dir() and not found.is_symlink():  # a repository within
                yield from _under(found, _top(found))
            else:
                yield found


def _walk(path: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(path):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        folders[:] = sorted(name for name in folders if name != ".git" and name not in links)
        for name in sorted((*files, *links)):
            yield Path(folder) / name


def _behind_a_link(folder: Path, known: dict[Path, bool]) -> bool:
    """Whether git tracks a file below what is a link by now: it would lead elsewhere."""
    if folder not in known:
        known[folder] = folder.is_symlink() or _behind_a_link(folder.parent, known)
    return known[folder]


def _read(path: Path, shown: str, most_bytes: int) -> Source:
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            return Source(shown, skipped="symbolic link")
        if not stat.S_ISREG(found.st_mode):
            return Source(shown, skipped="no regular file")
        if found.st_size > most_bytes:
            return Source(shown, skipped=f"larger than {most_bytes} bytes")
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            return Source(shown, file.read())
    except OSError as error:
        return Source(shown, skipped=f"unreadable: {error.strerror or error}", failed=True)


def _shown(path: Path, top: Path | None) -> str:
    for start in (top, Path.cwd()):
        if start is not None and path.is_relative_to(start):
            return _text(os.fsencode(path.relative_to(start).as_posix()))
    return _text(os.fsencode(path))


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")


# ---------------------------------------------------------------------------------------------------------------- git


def _environment(*, hook: bool) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if hook or name not in _ABOUT_A_REPOSITORY}
    return {**env, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def _attempt(folder: Path, *words: str, hook: bool = False) -> tuple[int, bytes, str]:
    argv = [executable(), *_QUIET, *words]
    try:
        done = subprocess.run(
            argv,
            cwd=folder,
            env=_environment(hook=hook),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        message = f"git {words[0]} in {folder} did not end in {_TIMEOUT_S:.0f} s."
        raise Failed(message, code="scan.git", hint="remit doctor") from error
    return done.returncode, done.stdout, done.stderr.decode(errors="replace").strip()


def _git(folder: Path, *words: str, hook: bool = False) -> bytes:
    code, out, complaint = _attempt(folder, *words, hook=hook)
    if code:
        message = f"git {words[0]} in {folder} ended with {code}: {complaint or 'no word'}."
        raise Failed(message, code="scan.git", hint="remit doctor")
    return out


def _top(folder: Path) -> Path | None:
    """The top of the repository that ``folder`` lies in; ``None`` without one, or without git: then all is read."""
    try:
        code, out, _ = _attempt(folder, "rev-parse", "--show-toplevel")
    except Unavailable:
        return None
    return Path(os.fsdecode(out.rstrip(b"\n"))) if code == 0 and out.strip() else None


def _ignored(path: Path, top: Path) -> bool:
    inside = Path(os.path.realpath(path))
    return inside != top and _attempt(top, "check-ignore", "--quiet", "--", str(inside))[0] == 0


def _repository(folder: Path) -> Path:
    code, out, _ = _attempt(folder, "rev-parse", "--show-toplevel", hook=True)
    if code or not out.strip():
        message = f"{folder} is in no git repository."
        raise InvalidInput(message, code="scan.repository", hint="remit scan . reads a folder as it is")
    return Path(os.fsdecode(out.rstrip(b"\n")))


def hook_folder(folder: Path) -> Path:
    """Where the repository's hooks lie, as its owner configured it.

    Raises:
        InvalidInput: ``folder`` is in no repository.
    """
    top = _repository(folder)
    argv = [executable(), "rev-parse", "--git-path", "hooks"]  # core.hooksPath counts here
    done = subprocess.run(argv, cwd=top, env=_environment(hook=True), capture_output=True, check=True)
    return top / os.fsdecode(done.stdout.rstrip(b"\n"))


def _blobs(
    top: Path, entries: Sequence[tuple[str, bytes]], most_bytes: int, *, hook: bool = False, folders: bool = False
) -> Iterator[Source]:
    """The content of objects, in order; each is asked for its size first, so that a huge one is never read."""
    if not entries:
        return
    with _conversation(top, hook=hook) as ask:
        for sha, name in entries:
            kind, size, read = ask(sha, most_bytes)
            if kind != "blob":
                yield Source(_text(name), skipped="folder" if folders else f"unreadable: {kind}", failed=not folders)
            elif read is None:
                yield Source(_text(name), skipped=f"larger than {most_bytes} bytes ({size})")
            else:
                yield Source(_text(name), read)


@contextmanager
def _conversation(top: Path, *, hook: bool) -> Generator[Callable[[str, int], tuple[str, int, bytes | None]]]:
    """``ask(object, most)``: its kind, its size, and its content unless it is larger than that."""
    argv = [executable(), *_QUIET, "cat-file", "--batch-command"]
    with subprocess.Popen(
        argv, cwd=top, env=_environment(hook=hook), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError
        words, answers = process.stdin, process.stdout

        def ask(sha: str, most: int) -> tuple[str, int, bytes | None]:
            kind, size = _told(words, answers, f"info {sha}")
            if kind != "blob" or size > most:
                return kind, size, None
            _told(words, answers, f"contents {sha}")
            data = answers.read(size)
            answers.read(1)
            return kind, size, data

        try:
            yield ask
        except BaseException:
            process.kill()
            raise


def _told(words: IO[bytes], answers: IO[bytes], order: str) -> tuple[str, int]:
    words.write(f"{order}\n".encode())
    words.flush()
    said = answers.readline().decode().split(" ")
    return (said[1], int(said[2])) if len(said) == 3 else ("missing", 0)  # noqa: PLR2004 - object, kind, size
