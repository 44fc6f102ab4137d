"""Everything that a mission's repository holds, commit messages and what a rollback left behind included."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from remit.adapters.git.process import Git

MESSAGE = "(message)"
_AT_ONCE = 64  # objects read with one call


def contents(git_dir: Path) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of every file of every commit, each once: ``PATH@OBJECT``; ``(message)@COMMIT`` for a commit.

    Raises:
        Failed, IntegrityError: The repository can't be read.
    """
    git = Git(git_dir, git_dir.with_name("workspace"))
    listed = (
        git.run("cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)").decode().split("\n")
    )
    kinds = dict(line.split(" ", 1) for line in listed if line)
    commits = [name for name, kind in kinds.items() if kind == "commit"]
    paths: dict[str, str] = dict.fromkeys((name for name, kind in kinds.items() if kind == "blob"), "(no path)")
    walked = git.run("rev-list", "--objects", "--stdin", stdin="".join(f"{one}\n" for one in commits).encode())
    for line in walked.decode("utf-8", "replace").split("\n"):
        name, _, path = line.partition(" ")
        if path and name in paths:
            paths[name] = path
    paths |= dict.fromkeys(commits, MESSAGE)
    wanted = sorted(paths)
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        out = git.run("cat-file", "--batch", stdin="".join(f"{name}\n" for name in part).encode())
        at = 0
        for name in part:
            end = out.index(b"\n", at)
            size = int(out[at:end].split(b" ")[2])
            yield f"{paths[name]}@{name[:12]}", out[end + 1 : end + 1 + size]
            at = end + 1 + size + 1
