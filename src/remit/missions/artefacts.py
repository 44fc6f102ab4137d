"""What a mission made, to look at: the files of a checkpoint, one file, what a step changed, how two attempts differ.

Everything is masked before it is shown, and bounded: who needs the whole of it has the repository.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from remit.accounts.access import Permission, Resource, reading, require
from remit.kernel.action import Principal
from remit.kernel.errors import NotFound, Unavailable
from remit.kernel.ids import check_id
from remit.kernel.ports import ReadTx
from remit.missions.deps import Deps
from remit.missions.rows import ATTEMPTS_SELECT, AttemptRow, MissionRow, StepRow, read_mission, read_steps

MOST_FILES = 5000
MOST_BYTES = 512 << 10
MOST_DIFF = 512 << 10


@runtime_checkable
class Looked(Protocol):
    """What a mission's repository offers to whoever looks."""

    async def files(self, commit: str) -> Mapping[str, tuple[str, str]]:
        """Every file of a commit by path: its mode and the id of its content."""
        ...

    async def content(self, commit: str, path: str, *, most: int) -> bytes:
        """The first ``most`` bytes of a file.

        Raises:
            NotFound: The commit has no such file.
        """
        ...

    async def diff(self, old: str, new: str) -> str:
        """The difference of two commits as a patch for people."""
        ...


@dataclass(frozen=True, slots=True)
class Artefacts:
    """The files of a checkpoint. ``files`` are (path, id of the content), by path; ``more``: how many are left out."""

    commit: str
    tree: str
    files: tuple[tuple[str, str], ...]
    more: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    """Something to read, masked. ``cut``: there is more of it; ``binary``: it is no text, and none is given."""

    text: str
    cut: bool = False
    binary: bool = False


async def list_artefacts(deps: Deps, workspace: str, mission: str, *, by: Principal, step: str = "") -> Artefacts:
    """The files as a step left them; without a step, as the mission stands.

    Raises:
        Refused: ``by`` may not read here.
        NotFound: No such mission, or the step made no checkpoint.
    """
    row, steps = await _rows(deps, workspace, mission, by)
    commit = _commit(row, steps, step)
    if not commit:
        return Artefacts("", row.tree, ())
    found = await _looked(deps, mission).files(commit)
    listed = sorted((path, blob) for path, (_, blob) in found.items())
    tree = await deps.repository_for(mission).tree(commit)
    return Artefacts(commit, tree, tuple(listed[:MOST_FILES]), max(len(listed) - MOST_FILES, 0))


async def read_artefact(deps: Deps, workspace: str, mission: str, path: str, *, by: Principal, step: str = "") -> Text:
    """One file, as a step left it or as the mission stands.

    Raises:
        Refused, NotFound: As ``list_artefacts``; or there is no such file.
    """
    row, steps = await _rows(deps, workspace, mission, by)
    commit = _commit(row, steps, step)
    if not commit:
        raise NotFound(f"Mission {mission} has no files yet.", code="artefact.missing", hint=f"remit show {mission}")
    data = await _looked(deps, mission).content(commit, path, most=MOST_BYTES + 1)
    if b"\0" in data[:8192]:
        return Text("", binary=True)
    text = data[:MOST_BYTES].decode("utf-8", "replace")
    return Text(deps.redactor.mask(text), cut=len(data) > MOST_BYTES)


async def step_diff(deps: Deps, workspace: str, mission: str, step: str, *, by: Principal) -> Text:
    """What a step's checkpoint changed, as a patch; empty when it changed nothing.

    Raises:
        Refused, NotFound: As ``list_artefacts``.
    """
    row, steps = await _rows(deps, workspace, mission, by)
    commit = _commit(row, steps, step)
    if not commit:
        return Text("")
    history = await deps.repository_for(mission).history()
    parent = next((each.parent for each in history if each.commit == commit), "")
    patch = await _looked(deps, mission).diff(parent, commit)
    return Text(deps.redactor.mask(patch[:MOST_DIFF]), cut=len(patch) > MOST_DIFF)


async def attempts_diff(
    deps: Deps, workspace: str, mission: str, step: str, *, by: Principal, old: int, new: int
) -> Text:
    """How what two attempts of a step said differs: their outcomes, errors and logs, as a unified diff.

    Raises:
        Refused: ``by`` may not read here.
        NotFound: No such mission or attempt.
    """
    row, _ = await _rows(deps, workspace, mission, by)
    asked = {"workspace": workspace, "mission": mission}
    found = await deps.journal.read(lambda tx: tx.rows(ATTEMPTS_SELECT, asked))
    known = {
        each.number: each
        for each in (AttemptRow(**every) for every in found)
        if each.step == step and each.revision == row.revision
    }
    for number in (old, new):
        if number not in known:
            message = f"Step {step[:80]!r} has no attempt {number} that ended."
            raise NotFound(message, code="attempt.missing", hint=f"remit logs {mission}")
    lines = difflib.unified_diff(
        _said(known[old]), _said(known[new]), f"attempt {old}", f"attempt {new}", lineterm="", n=3
    )
    text = "\n".join(lines)
    return Text(deps.redactor.mask(text[:MOST_DIFF]), cut=len(text) > MOST_DIFF)


def _said(attempt: AttemptRow) -> list[str]:
    told = [f"outcome {attempt.outcome}"]
    if attempt.error:
        told.append(f"error {attempt.error_code}: {attempt.error}")
    return [*told, *attempt.log.splitlines()]


async def _rows(deps: Deps, workspace: str, mission: str, by: Principal) -> tuple[MissionRow, list[StepRow]]:
    check_id(mission, "mission")

    def op(tx: ReadTx) -> tuple[MissionRow, list[StepRow]]:
        require(tx, by, workspace=workspace, permission=Permission.READ, resource=Resource.MISSION)
        row = read_mission(tx, workspace, mission)
        return row, read_steps(tx, row)

    return await reading(deps.journal, op)


def _commit(row: MissionRow, steps: list[StepRow], step: str) -> str:
    if not step:
        return row.head_commit
    found = next((each for each in steps if each.name == step), None)
    if found is None:
        message = f"The plan of mission {row.id} has no step {step[:80]!r}."
        raise NotFound(message, code="step.missing", hint=f"remit show {row.id}")
    return found.commit_id


def _looked(deps: Deps, mission: str) -> Looked:
    found = deps.repository_for(mission)
    if not isinstance(found, Looked):
        message = "The mission's repository can't be looked into."
        raise Unavailable(message, code="artefact.closed", hint=f"remit show {mission}")
    return found
