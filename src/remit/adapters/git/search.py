"""Which commits of a mission's repository hold an identifier: in a file, or in their own message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from remit.adapters.git.process import Git
from remit.kernel.errors import Failed

_AT_ONCE = 200  # commits in one search


@dataclass(frozen=True, slots=True)
class Holding:
    """A commit that holds it, with the paths; a commit whose message holds it has the path ``(message)``."""

    commit: str
    paths: tuple[str, ...]


def search(git_dir: Path, needles: Sequence[str]) -> list[Holding]:
    """Every commit that holds one of the texts, byte for byte, those that a rollback left behind included.

    Raises:
        Failed, IntegrityError: The repository can't be read.
    """
    git = Git(git_dir, git_dir.with_name("workspace"))
    listed = (
        git.run("cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)").decode().split("\n")
    )
    commits = [line.partition(" ")[0] for line in listed if line.endswith(" commit")]
    patterns = [word for needle in needles for word in ("-e", needle)]
    found: dict[str, set[str]] = {}
    for start in range(0, len(commits), _AT_ONCE):
        part = commits[start : start + _AT_ONCE]
        code, out, complaint = git.attempt("grep", "--text", "-F", "-l", "-z", "--full-name", *patterns, *part, "--")
        if code > 1:
            message = f"The repository {git_dir} can't be searched: {complaint}."
            raise Failed(message, code="git.failed", hint="remit doctor")
        for hit in out.decode("utf-8", "replace").split("\0"):
            commit, colon, path = hit.partition(":")
            if colon:
                found.setdefault(commit, set()).add(path)
    for commit, text in _texts(git, commits):
        if any(needle.encode() in text for needle in needles):
            found.setdefault(commit, set()).add("(message)")
    return [Holding(commit, tuple(sorted(paths))) for commit, paths in sorted(found.items())]


def _texts(git: Git, commits: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Each commit's own bytes: trailers, names, message."""
    out = git.run("cat-file", "--batch", stdin="".join(f"{commit}\n" for commit in commits).encode())
    while out:
        heading, _, rest = out.partition(b"\n")
        name, _, size = heading.split(b" ")
        yield name.decode(), rest[: int(size)]
        out = rest[int(size) + 1 :]
