"""One step's changes as one commit: merged by path, written in one go, on a branch that must have stood still."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from remit.adapters.git.collect import Change, Changes, Entry, content
from remit.adapters.git.process import BRANCH, EMPTY_TREE, NO_OBJECT, Git
from remit.kernel import crash
from remit.kernel.errors import Conflict, Failed, InvalidInput

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9-]*\Z")
_TRAILER = re.compile(r"([A-Za-z][A-Za-z0-9-]*): (.*)\Z")
_STEP = "Remit-Step"
#: Packs after which small ones are rolled into larger ones (each commit leaves one; git looks through all of them).
MANY_PACKS = 100


@dataclass(frozen=True, slots=True)
class Commit:
    """A checkpoint as recorded. ``body`` is the message without subject and trailers."""

    id: str
    tree: str
    parents: tuple[str, ...]
    when: datetime
    subject: str
    body: str
    trailers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a commit says besides its tree: message, trailers, who (``Name <mail>``), when (aware)."""

    message: str
    trailers: Mapping[str, str]
    identity: str
    when: datetime

    def encode(self) -> bytes:
        """The whole message; the last paragraph holds the trailers and nothing else.

        Raises:
            InvalidInput: A trailer that would not read back as it was given, or a time without a zone.
        """
        for key, value in self.trailers.items():
            if not _KEY.match(key) or not value.isprintable() or value != value.strip() or not value:
                message = f"The trailer {key!r}: {value!r} would not read back: one line, printable, not empty."
                raise InvalidInput(message, code="git.trailer")
        if self.when.tzinfo is None:
            message = "A commit's time must carry its zone."
            raise InvalidInput(message, code="git.time")
        text = self.message.replace("\0", "").strip() or "Checkpoint"
        lines = "".join(f"{key}: {value}\n" for key, value in self.trailers.items())
        return f"{text}\n\n{lines}".encode("utf-8", "replace")


def merge(git: Git, changes: Changes, onto: str | None) -> tuple[Change, ...]:
    """The changes that are still to be made on `onto`: those of `changes`, but for what is there already.

    Raises:
        Conflict: A path was changed in another way since the base (``git.conflict``); names the paths and the steps.
    """
    if changes.base == onto:
        return changes.items
    theirs = difference(git, changes.base, onto)
    ours = {change.path: change.entry for change in changes.items}
    wrong = {path for path in ours.keys() & theirs.keys() if ours[path] != theirs[path]}
    wrong |= _crossing(
        {path for path, entry in ours.items() if entry}, {path for path, entry in theirs.items() if entry}
    )
    if wrong:
        who = sorted(_steps_that_changed(git, changes.base, onto, wrong))
        message = (
            f"The changes clash with what {', '.join(who) or 'another step'} did since: "
            f"{', '.join(repr(path) for path in sorted(wrong)[:20])}."
        )
        raise Conflict(message, code="git.conflict", hint="make one step need the other in the plan")
    return tuple(change for change in changes.items if change.path not in theirs)


def difference(git: Git, old: str | None, new: str | None) -> dict[str, Entry | None]:
    """Every path whose file differs between two commits, with what is there in the new one."""
    printed = git.run(
        "diff-tree", "-r", "-z", "--no-renames", "--raw", "--no-abbrev", old or EMPTY_TREE, new or EMPTY_TREE
    )
    fields = printed.split(b"\0")[:-1]
    found: dict[str, Entry | None] = {}
    for head, path in zip(fields[::2], fields[1::2], strict=True):
        _, mode, _, blob, kind = head.decode().split(" ")
        found[os.fsdecode(path)] = None if kind == "D" else Entry(mode, blob)
    return found


def _crossing(ours: set[str], theirs: set[str]) -> set[str]:
    """Paths of which one set has a file where the other has a folder, or that differ only in case."""
    wrong: set[str] = set()
    for mine, other in ((ours, theirs), (theirs, ours)):
        for path in mine:
            parent = path.rpartition("/")[0]
            while parent:
                if parent in other:
                    wrong |= {path, parent}
                parent = parent.rpartition("/")[0]
    folded = {path.casefold(): path for path in theirs}
    for path in ours:
        twin = folded.get(path.casefold(), path)
        if twin != path:
            wrong |= {path, twin}
    return wrong


def _steps_that_changed(git: Git, base: str | None, onto: str | None, paths: Iterable[str]) -> set[str]:
    if onto is None:
        return set()
    wanted = set(paths)
    return {
        commit.trailers.get(_STEP, commit.id[:12])
        for commit in log(git, f"{base}..{onto}" if base else onto)
        if wanted & changed_paths(git, commit.id)
    }


def changed_paths(git: Git, commit: str) -> set[str]:
    """Paths a commit changed against its parent."""
    printed = git.run("diff-tree", "-r", "-z", "--root", "--no-commit-id", "--name-only", "--no-renames", commit)
    return {os.fsdecode(path) for path in printed.split(b"\0")[:-1]}


def apply(git: Git, changes: Changes, onto: str | None, stamp: Stamp) -> str:
    """Commit `changes` on top of `onto`, which must be where the branch stands; the new commit.

    Everything is on disk before the branch moves, and it moves in one step. The same arguments give the same commit.

    Raises:
        Failed: The directory holds what can't be committed (``git.violation``).
        Conflict: Another commit changed the same paths (``git.conflict``), or the branch moved (``git.moved``).
        Drift: A file is no longer what was collected.
    """
    if changes.violations:
        named = "; ".join(f"{found.path!r} {found.text}" for found in changes.violations[:20])
        message = f"The step left what can't be part of a checkpoint: {named}."
        raise Failed(message, code="git.violation", hint="correct the step; nothing was committed")
    message = stamp.encode()
    items = merge(git, changes, onto)
    incoming = f"refs/remit/incoming/{os.getpid()}"
    crash.reach("git.objects:before")
    new = _import(git, changes, items, onto, incoming, message, stamp)
    crash.reach("git.objects:after")
    move(git, new, expected=onto, also=f"delete {incoming}\0{new}\0")
    _roll_up(git)
    return new


def _import(  # noqa: PLR0917 - all parts of one commit
    git: Git, changes: Changes, items: tuple[Change, ...], onto: str | None, ref: str, message: bytes, stamp: Stamp
) -> str:
    """Write contents, trees and commit as one pack, in one process (git-fast-import(1))."""
    who = f"{stamp.identity} {int(stamp.when.timestamp())} +0000"
    answered = ""
    with git.conversation("fast-import", "--quiet", "--done", "--force", "--date-format=raw") as (feed, answer):
        feed.write(f"feature done\nreset {ref}\n\n".encode())
        for number, change in enumerate(items, start=2):
            if change.entry is None:
                continue
            parts = content(changes.source, change)
            feed.write(b"blob\nmark :%d\ndata %s\n" % (number, next(parts)))
            for part in parts:
                feed.write(part)
            feed.write(b"\n")
        feed.write(f"commit {ref}\nmark :1\nauthor {who}\ncommitter {who}\ndata {len(message)}\n".encode() + message)
        feed.write(f"\nfrom {onto}\n".encode() if onto else b"\n")
        for change in items:  # deletions first: a file may give way to a folder of its name
            if change.entry is None:
                feed.write(b"D " + _quoted(change.path) + b"\n")
        for number, change in enumerate(items, start=2):
            if change.entry is not None:
                feed.write(b"M %s :%d %s\n" % (change.entry.mode.encode(), number, _quoted(change.path)))
        feed.write(b"\nget-mark :1\ndone\n")
        feed.flush()
        answered = answer.readline().decode().strip()
    if len(answered) != len(NO_OBJECT):
        said = f"git fast-import named no commit but {answered!r}."
        raise Failed(said, code="git.failed")
    return answered


def _quoted(path: str) -> bytes:
    """A path as fast-import reads it: in quotes, with backslash, quote and newline escaped."""
    return b'"' + os.fsencode(path).replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


def move(git: Git, new: str | None, *, expected: str | None, also: str = "") -> None:
    """Move the branch in one step from `expected` to `new`; ``None`` is no commit at all.

    Raises:
        Conflict: The branch was not at `expected` (``git.moved``); nothing was moved.
    """
    old = expected or NO_OBJECT
    order = f"update {BRANCH}\0{new}\0{old}\0" if new else f"delete {BRANCH}\0{old}\0"
    if new is None and expected is None:
        return
    crash.reach("git.ref:before")
    code, _, complaint = git.attempt("update-ref", "--no-deref", "--stdin", "-z", stdin=(order + also).encode())
    if code:
        if "but expected" in complaint or "reference already exists" in complaint or "unable to resolve" in complaint:
            message = (
                f"The branch of {git.git_dir} is not at {expected or 'its start'} any more; another writer moved it."
            )
            raise Conflict(message, code="git.moved", hint="remit show ID")
        raise git.error(("update-ref",), code, complaint)
    crash.reach("git.ref:after")


def _roll_up(git: Git) -> None:
    if sum(1 for _ in (git.git_dir / "objects" / "pack").glob("*.pack")) >= MANY_PACKS:
        git.run("repack", "-q", "-d", "--geometric=2")


def log(git: Git, span: str, *, grep: str = "", limit: int = 0) -> list[Commit]:
    """Commits of a span, newest first, along the branch."""
    arguments = ["log", "-z", "--first-parent", "--format=%H%n%T%n%P%n%ct%n%B", "--no-show-signature"]
    if grep:
        arguments += ["--fixed-strings", f"--grep={grep}"]
    if limit:
        arguments.append(f"--max-count={limit}")
    printed = git.run(*arguments, "--end-of-options", span, "--")
    return [_parse(record) for record in printed.decode("utf-8", "replace").split("\0") if record.strip()]


def _parse(record: str) -> Commit:
    ident, tree, parents, seconds, message = record.split("\n", 4)
    paragraphs = message.rstrip("\n").split("\n\n")
    lines = paragraphs[-1].split("\n") if len(paragraphs) > 1 else []
    pairs = [found.groups() for line in lines if (found := _TRAILER.match(line))]
    whole = bool(pairs) and len(pairs) == len(lines)
    text = "\n\n".join(paragraphs[:-1] if whole else paragraphs)
    subject, _, body = text.partition("\n")
    when = datetime.fromtimestamp(int(seconds), tz=UTC)
    trailers = {str(key): str(value) for key, value in pairs} if whole else {}
    return Commit(ident, tree, tuple(parents.split()), when, subject, body.strip("\n"), trailers)
