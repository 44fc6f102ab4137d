"""Pre- and postconditions: one closed union, the same code before and after a step."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Protocol, assert_never

from remit.kernel.canonical import canonical
from remit.kernel.effects import Command, Effect, Limits
from remit.kernel.errors import RemitError
from remit.kernel.mission import (
    CommandSucceeds,
    Condition,
    FileAbsent,
    FileContains,
    FileExists,
    FileSha,
    NoSecrets,
    Outcome,
    ResultHas,
    StepSpec,
)
from remit.missions.pack import Result
from remit.redact.redactor import Redactor

type FileCondition = FileExists | FileAbsent | FileSha | FileContains


class Scene(Protocol):
    """What a condition is judged in."""

    async def open(self) -> str:
        """The directory with the files."""
        ...

    async def do(self, effect: Effect) -> Outcome:
        """A guarded effect."""
        ...


async def unmet(
    conditions: Iterable[Condition],
    scene: Scene,
    *,
    redactor: Redactor,
    result: Result | None = None,
    changed: Sequence[str] = (),
) -> list[str]:
    """Each condition that does not hold, as a sentence; none when all hold.

    Args:
        conditions: What must hold.
        scene: Opened only when a condition needs files.
        redactor: Judges ``NoSecrets``.
        result: The step's own result, once it has one.
        changed: The paths that the step changed.
    """
    found: list[str] = []
    for condition in conditions:
        match condition:
            case FileExists() | FileAbsent() | FileSha() | FileContains():
                found += file_unmet(condition, await scene.open())
            case CommandSucceeds():
                found += await _command_unmet(condition, scene)
            case ResultHas(key, value):
                if result is None or key not in result or canonical(result[key]) != canonical(value):
                    found.append(f"the result has {key!r} = {_short((result or {}).get(key))}, not {_short(value)}")
            case NoSecrets():
                if changed:
                    root = await scene.open()
                    files = {path: data for path in changed if (data := read(root, path)) is not None}
                    found += [f"{finding.message} ({finding.fix})" for finding in redactor.findings(files)]
            case _:
                assert_never(condition)
    return found


def file_unmet(condition: FileCondition, root: str) -> list[str]:  # noqa: PLR0911 - one return a way to fail
    """The same for conditions that only look at files."""
    path = condition.path
    if not inside(path):
        return [f"the path {path!r} leaves the step's directory"]
    match condition:
        case FileExists():
            return [] if _there(root, path) else [f"there is no file {path}"]
        case FileAbsent():
            return [f"there is something at {path}"] if _there(root, path) else []
        case FileSha(_, wanted):
            data = read(root, path)
            if data is None:
                return [f"there is no file {path}"]
            found = sha256(data).hexdigest()
            return [] if found == wanted.lower() else [f"{path} has SHA-256 {found}, not {wanted}"]
        case FileContains(_, text):
            data = read(root, path)
            if data is None:
                return [f"there is no file {path}"]
            return [] if text in data.decode("utf-8", "replace") else [f"{path} does not contain {_short(text)}"]
        case _:
            assert_never(condition)


async def _command_unmet(condition: CommandSucceeds, scene: Scene) -> list[str]:
    command = Command(
        argv=condition.argv,
        limits=Limits(wall_s=condition.timeout_s),
        expected_exit=condition.exit_code,
    )
    shown = " ".join(condition.argv)
    try:
        outcome = await scene.do(command)
    except RemitError as error:
        if error.row.retryable:
            raise
        return [f"the command `{shown}` failed: {error.message}"]
    return (
        [] if outcome.ok else [f"the command `{shown}` did not end with {condition.exit_code}: {_tail(outcome.text)}"]
    )


def misplaced(spec: StepSpec) -> list[str]:
    """What is wrong with a step's conditions before it runs: paths that leave the tree, results asked too soon."""
    found: list[str] = []
    for condition in (*spec.pre, *spec.post):
        if isinstance(condition, FileExists | FileAbsent | FileSha | FileContains) and not inside(condition.path):
            found.append(f"step {spec.name!r}: the path {condition.path!r} in a condition leaves the tree")
        if isinstance(condition, CommandSucceeds) and not condition.argv:
            found.append(f"step {spec.name!r}: a command condition has no command")
    found += [
        f"step {spec.name!r}: {type(condition).__name__} can only be a postcondition"
        for condition in spec.pre
        if isinstance(condition, ResultHas | NoSecrets)
    ]
    return found


def file_conditions(spec: StepSpec) -> list[FileCondition]:
    """The postconditions that can be asked again at any time, without running anything."""
    return [each for each in spec.post if isinstance(each, FileExists | FileAbsent | FileSha | FileContains)]


def inside(path: str) -> bool:
    """Whether a relative POSIX path stays below its root."""
    pure = PurePosixPath(path)
    return bool(path) and not pure.is_absolute() and ".." not in pure.parts and "\0" not in path


def read(root: str, path: str) -> bytes | None:
    """A regular file's bytes; ``None`` when there is none, or a link leads out of the root."""
    target = Path(root, path)
    try:
        if not target.resolve(strict=True).is_relative_to(Path(root).resolve()) or not target.is_file():
            return None
        return target.read_bytes()
    except OSError:
        return None


def files_below(root: str) -> Iterator[tuple[str, bytes]]:
    """Every regular file below a directory, by relative path, with its bytes; no link is followed."""
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(root).as_posix(), path.read_bytes()


def _there(root: str, path: str) -> bool:
    target = Path(root, path)
    return target.is_symlink() or target.exists()


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - one line of a message


def _tail(text: str) -> str:
    return text.strip()[-400:]
