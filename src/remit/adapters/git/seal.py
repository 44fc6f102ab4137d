"""The files of a repository that git would obey, held to bytes we know.

Git runs programs that a configuration names (hooks, filters, fsmonitor, textconv, pagers) and changes content that
attributes name. All of that is off, and set back before each use: what somebody wrote there is never run and is gone.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from remit.adapters.files.removal import remove_tree

HEAD = b"ref: refs/heads/main\n"
#: These win over every .gitattributes in a tree: content is never converted, also when a person uses plain git here.
ATTRIBUTES = b"* -text -ident !eol !filter !working-tree-encoding !diff !merge !export-subst\n"
EXCLUDE = (
    b"# Remit decides by its own list what a checkpoint holds; this one serves people who use git here.\n"
    + b"".join(
        line + b"\n"
        for line in (b"__pycache__/", b"*.py[co]", b".pytest_cache/", b".mypy_cache/", b".ruff_cache/", b".hypothesis/")
    )
)
#: Where a repository can be led elsewhere or told to run something.
FORBIDDEN = (
    *("hooks", "config.worktree", "commondir", "gitdir", "worktrees", "modules", "shallow", "branches", "remotes"),
    *("info/grafts", "info/sparse-checkout", "objects/info/alternates", "objects/info/http-alternates"),
)


def config(git_dir: Path, workspace: Path) -> bytes:
    """The configuration of a mission's repository. Its work tree is named relatively, so a home can be moved."""
    tree = os.path.relpath(workspace, git_dir).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f"""\
[core]
\trepositoryformatversion = 0
\tbare = false
\tworktree = "{tree}"
\tfilemode = true
\tsymlinks = true
\tignorecase = false
\tprecomposeunicode = false
\tlogallrefupdates = false
\tautocrlf = false
\tsafecrlf = false
\tprotectHFS = true
\tprotectNTFS = true
\tquotepath = false
\thooksPath = {os.devnull}
\tattributesFile = {os.devnull}
\texcludesFile = {os.devnull}
\tfsmonitor = false
\tuntrackedCache = false
\tfsync = all
[gc]
\tauto = 0
[maintenance]
\tauto = false
[fastimport]
\tunpackLimit = 1
[pack]
\twriteBitmapHashCache = false
[commit]
\tgpgSign = false
[protocol]
\tallow = never
""".encode("utf-8", "surrogateescape")


def gitfile(git_dir: Path, workspace: Path) -> bytes:
    """The ``.git`` file of a work tree: it lets a person use plain git there."""
    return b"gitdir: " + os.fsencode(os.path.relpath(git_dir, workspace)) + b"\n"


def seal(git_dir: Path, workspace: Path) -> list[str]:
    """Set everything back that git would obey; the names of what had been changed."""
    changed: list[str] = []
    for name in FORBIDDEN:
        path = git_dir / name
        if os.path.lexists(path):
            changed.append(name)
            remove_tree(path)
    known = {
        "config": config(git_dir, workspace),
        "HEAD": HEAD,
        "info/attributes": ATTRIBUTES,
        "info/exclude": EXCLUDE,
    }
    for name, content in known.items():
        path = git_dir / name
        if not is_exactly(path, content):
            changed.append(name)
            put(path, content)
    return changed


def is_exactly(path: Path, content: bytes) -> bool:
    """Whether a regular file (not a link to one) holds exactly this."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        info = os.fstat(file)
        return (
            stat.S_ISREG(info.st_mode) and info.st_size == len(content) and os.read(file, len(content) + 1) == content
        )
    finally:
        os.close(file)


def put(path: Path, content: bytes) -> None:
    """Replace whatever is at `path` by a file with this content, durably and in one step."""
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    if path.parent.is_symlink():
        path.parent.unlink()
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f"{path.name}.remit-{os.getpid()}")
    remove_tree(temporary)
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    try:
        os.write(file, content)
        os.fsync(file)
    finally:
        os.close(file)
    temporary.replace(path)
