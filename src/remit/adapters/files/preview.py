"""What writing files would change: a unified diff against the step's directory, for whoever must approve it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from pathlib import Path

from remit.kernel.effects import WriteFiles
from remit.kernel.ports import Preview

MOST_BYTES = 256 << 10  # of one file; a longer one is told by its size
MOST_LINES = 4_000  # compared line by line; the comparison's time grows with their product
LONGEST = 128 << 10  # characters of the whole diff
_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def preview(effect: WriteFiles, directory: Path | None) -> Preview:
    """The diff and a summary. Nothing is followed out of ``directory`` (``None``: nothing is there yet)."""
    parts: list[str] = []
    room = LONGEST
    left_out = 0
    for path in sorted({*effect.files, *effect.delete}):
        text = "".join(_diff(path, _present(directory, path), effect.files.get(path)))
        if len(text) > room:
            left_out += 1
            continue
        room -= len(text)
        parts.append(text)
    told = f"{len(effect.files)} files written, {len(effect.delete)} deleted"
    if left_out:
        told += f"; the changes of {left_out} are too long to be shown, and the hash covers them"
    return Preview(diff="".join(parts), summary=f"{told}.")


def _diff(path: str, before: bytes | str | None, after: bytes | None) -> Iterator[str]:
    """Lines of a unified diff; one line for what can't be compared."""
    if isinstance(before, str):
        yield f"# {path}: {before}\n"
        return
    if before == after:
        return
    old, new = _lines(before), _lines(after)
    if old is None or new is None:
        sizes = " to ".join("nothing" if data is None else f"{len(data)} bytes" for data in (before, after))
        yield f"# {path}: not compared line by line, from {sizes}\n"
        return
    from_file = "/dev/null" if before is None else f"a/{path}"
    to_file = "/dev/null" if after is None else f"b/{path}"
    for line in difflib.unified_diff(old, new, from_file, to_file):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(data: bytes | None) -> list[str] | None:
    """A text's lines; ``None`` when it is no text, or too long."""
    if data is None:
        return []
    if len(data) > MOST_BYTES or b"\0" in data:
        return None
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        return None
    if len(lines) > MOST_LINES:
        return None
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _present(directory: Path | None, path: str) -> bytes | str | None:
    """What stands there now: its bytes, nothing, or why that can't be told."""
    if directory is None:
        return None
    place = directory / path
    if place.resolve() != directory.resolve() / path:
        return "a link is in the way"
    try:
        handle = os.open(place, _READING)
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"it can't be read ({error.strerror})"
    with os.fdopen(handle, "rb") as file:
        try:
            return file.read(MOST_BYTES + 1)
        except OSError as error:
            return f"it can't be read ({error.strerror})"
