"""A mission's repository into one pack and a list of references, and back; while git may be writing to it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from remit.adapters.git.process import BRANCH, Git
from remit.adapters.git.repository import Repository
from remit.kernel.errors import Failed, IntegrityError
from remit.operations.manifest import damaged

_PASSING = "refs/remit/incoming/"
_TRIES = 3


def pack_out(missions: Path, mission: str, head: str, target: Path) -> dict[str, str]:
    """Write everything that ``head`` and the repository's references lead to into ``target``; the references.

    The branch is told as standing at ``head``, which the store's copy knows: commits that came after it are left out,
    as a crash at that moment would have. Nothing that a branch ever pointed to is removed from a repository, so
    ``head`` is there even when a rollback moved the branch meanwhile.

    Raises:
        IntegrityError: A commit is missing.
    """
    git = Git(missions / mission / "repo.git", missions / mission / "workspace")
    listed = git.run("for-each-ref", "--format=%(refname) %(objectname)").decode().splitlines()
    refs = {name: commit for name, _, commit in (line.partition(" ") for line in listed)}
    refs = {name: commit for name, commit in refs.items() if not name.startswith(_PASSING)} | {BRANCH: head}
    wanted = "".join(f"{commit}\n" for commit in sorted(set(refs.values()))).encode()
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        name = _pack(git, Path(folder) / "p", wanted)
        (Path(folder) / f"p-{name}.pack").replace(target)
    return refs


def _pack(git: Git, place: Path, wanted: bytes) -> str:
    """Write the pack; a repack may move objects away while they are looked for, so try again."""
    for _ in range(_TRIES - 1):
        with suppress(Failed, IntegrityError):
            return git.run("pack-objects", "--revs", "-q", str(place), stdin=wanted).decode().strip()
    return git.run("pack-objects", "--revs", "-q", str(place), stdin=wanted).decode().strip()


def pack_in(missions: Path, mission: str, pack: Path, refs: Mapping[str, str]) -> Repository:
    """Make a mission's repository from what ``pack_out`` wrote; every object is checked. ``pack`` moves into it.

    Raises:
        IntegrityError: It is not whole.
    """
    repository = Repository(missions / mission / "repo.git", missions / mission / "workspace")
    asyncio.run(repository.init())
    with pack.open("rb") as file:
        file.seek(-20, 2)  # a pack ends in its own checksum, by which it is named
        name = file.read().hex()
    place = repository.git_dir / "objects" / "pack" / f"pack-{name}.pack"
    pack.replace(place)
    place.chmod(0o444)
    git = repository.git
    git.run("index-pack", "--strict", str(place))
    orders = "".join(f"create {ref} {commit}\n" for ref, commit in refs.items())
    git.run("update-ref", "--no-deref", "--stdin", stdin=orders.encode())
    return repository


def check_commits(repository: Repository, mission: str, head: str, commits: Iterable[str]) -> None:
    """Hold a repository against what the mission's rows say.

    Raises:
        IntegrityError: An object is broken, the branch is not at ``head``, or a step's checkpoint is missing.
    """
    found = asyncio.run(repository.verify())
    if found:
        raise damaged(f"the repository of mission {mission}: {'; '.join(found[:5])}")
    branch = repository.git.run("rev-parse", "--verify", BRANCH).decode().strip()
    if branch != head:
        raise damaged(f"the branch of mission {mission} is at {branch}, and its row says {head}")
    known = set(repository.git.run("rev-list", "--all").decode().split())
    missing = sorted(set(commits) - known)
    if missing:
        raise damaged(f"the repository of mission {mission} lacks the checkpoints {', '.join(missing[:5])}")
