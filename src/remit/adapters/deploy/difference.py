"""What a deployment would change: the live release against the tree that is to replace it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from remit.adapters.git import tree as trees
from remit.adapters.git.collect import EXECUTABLE, LINK, Entry, blob_id, bytes_id
from remit.adapters.git.process import Git

MOST_CHARACTERS = 200_000
MOST_BYTES = 256 << 10  # of a file that is shown line by line
_NAMED = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """Paths that come, go and change, and all of it as a unified diff (cut at 200,000 characters, and says so)."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    diff: str

    def summary(self) -> str:
        """In a few lines."""
        parts = (("added", self.added), ("changed", self.changed), ("removed", self.removed))
        lines = [f"{len(paths)} {what}: {_names(paths)}" for what, paths in parts if paths]
        return "\n".join(lines) or "no file differs"


def difference(git: Git, tree: str, live: Path | None) -> Difference:
    """From the files in ``live`` (``None``: nothing is live) to those of ``tree``.

    Raises:
        IntegrityError: The repository does not hold the tree.
        OSError: The live release can't be read.
    """
    new = trees.entries(git, tree) if tree else {}
    old = {} if live is None else dict(_files(live))
    added = tuple(sorted(new.keys() - old.keys()))
    removed = tuple(sorted(old.keys() - new.keys()))
    changed = tuple(sorted(path for path in new.keys() & old.keys() if new[path] != old[path]))
    text: list[str] = []
    room = MOST_CHARACTERS
    for path in sorted((*added, *removed, *changed)):
        before = None if live is None or path not in old else _read(live / path)
        after = None if path not in new else git.run("cat-file", "blob", new[path].blob)
        for line in _unified(path, before, after, modes=(old.get(path), new.get(path))):
            room -= len(line) + 1
            if room < 0:
                return Difference(added, changed, removed, "\n".join([*text, "... the diff is cut here ..."]))
            text.append(line)
    return Difference(added, changed, removed, "\n".join(text))


def _files(root: Path) -> Iterator[tuple[str, Entry]]:
    """Every file and link below a folder, as git would name it."""
    pending = [root]
    while pending:
        for path in sorted(pending.pop().iterdir()):
            name = path.relative_to(root).as_posix()
            if path.is_symlink():
                yield name, Entry(LINK, bytes_id(str(path.readlink()).encode()))
            elif path.is_dir():
                pending.append(path)
            elif path.is_file():
                mode = EXECUTABLE if path.stat().st_mode & 0o100 else "100644"
                yield name, Entry(mode, blob_id(str(path)))


def _read(path: Path) -> bytes:
    return str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()


def _unified(
    path: str, before: bytes | None, after: bytes | None, *, modes: tuple[Entry | None, Entry | None]
) -> Iterator[str]:
    names = (f"a/{path}" if before is not None else "/dev/null", f"b/{path}" if after is not None else "/dev/null")
    if modes[0] is not None and modes[1] is not None and modes[0].mode != modes[1].mode:
        yield f"mode of {path}: {modes[0].mode} -> {modes[1].mode}"
    texts = [_lines(data) for data in (before or b"", after or b"")]
    if texts[0] is None or texts[1] is None:
        yield f"--- {names[0]}"
        yield f"+++ {names[1]}"
        yield f"binary or large file: {len(before or b'')} -> {len(after or b'')} bytes"
        return
    yield from difflib.unified_diff(texts[0], texts[1], *names, lineterm="")


def _lines(data: bytes) -> list[str] | None:
    if len(data) > MOST_BYTES or b"\0" in data:
        return None
    try:
        return data.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return None


def _names(paths: tuple[str, ...]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(paths[:_NAMED]) + more
