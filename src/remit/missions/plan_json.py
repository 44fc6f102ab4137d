"""Plans as JSON: closed unions carry a tag, and an unknown tag or field is an error, never passed over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import assert_never

import orjson

from remit.kernel.canonical import Json, canonical, sha256_hex
from remit.kernel.errors import IntegrityError, RemitError
from remit.kernel.mission import (
    Backoff,
    CommandSucceeds,
    Condition,
    FileAbsent,
    FileContains,
    FileExists,
    FileSha,
    NoSecrets,
    OnFailure,
    Plan,
    ResultHas,
    RetryPolicy,
    StepSpec,
)
from remit.kernel.money import Money

FORMAT = 1

type Fields = Mapping[str, Json]


def dump(plan: Plan) -> bytes:
    """Canonical JSON of a plan; ``load`` gives the same plan back.

    Raises:
        TypeError: A parameter of a step has no JSON form.
    """
    return canonical(
        {
            "format": FORMAT,
            "pack": plan.pack,
            "summary": plan.summary,
            "notes": list(plan.notes),
            "steps": [*map(_step, plan.steps)],
        }
    )


def plan_hash(plan: Plan) -> str:
    """SHA-256, hexadecimal, of ``dump(plan)``: what ``apply`` checks that it executes."""
    return sha256_hex(dump(plan))


def load(data: bytes) -> Plan:
    """The plan that ``dump`` wrote.

    Raises:
        IntegrityError: Not such a document: another format, an unknown condition or field, a value that can't be.
    """
    try:
        return _load(dict(_mapping(orjson.loads(data))))
    except (ValueError, KeyError, TypeError, AttributeError, RemitError) as error:
        raise IntegrityError(
            f"The stored plan can't be read: {error}.", code="plan.unreadable", hint="remit audit verify"
        ) from error


def _load(document: dict[str, Json]) -> Plan:
    if document.pop("format") != FORMAT:
        raise ValueError("another format")
    steps = tuple(map(_load_step, _list(document.pop("steps"))))
    notes = tuple(str(note) for note in _list(document.pop("notes")))
    plan = Plan(pack=str(document.pop("pack")), summary=str(document.pop("summary")), steps=steps, notes=notes)
    if document:
        raise ValueError(f"unknown fields {sorted(document)}")
    return plan


def _step(step: StepSpec) -> dict[str, Json]:
    retry = step.retry
    # Plans stored before there were critics have no such field: a step that is none is written as they were.
    critic: dict[str, Json] = {"critic": step.critic} if step.critic else {}
    return {
        **critic,
        "name": step.name,
        "uses": step.uses,
        "params": step.params,
        "needs": list(step.needs),
        "title": step.title,
        "feature": step.feature,
        "agent": step.agent,
        "version": step.version,
        "pre": [*map(dump_condition, step.pre)],
        "post": [*map(dump_condition, step.post)],
        "retry": {
            "max_attempts": retry.max_attempts,
            "backoff": retry.backoff.value,
            "initial_delay": retry.initial_delay,
            "max_delay": retry.max_delay,
            "jitter": retry.jitter,
        },
        "timeout_s": step.timeout_s,
        "weight": step.weight,
        "estimate_micros": step.estimate.micros,
        "on_failure": step.on_failure.value,
    }


def _load_step(value: Json) -> StepSpec:
    step = dict(_mapping(value))
    retry = dict(_mapping(step["retry"]))
    unknown = (step.keys() - _STEP_FIELDS) | (retry.keys() - {field.name for field in fields(RetryPolicy)})
    if unknown:
        raise ValueError(f"unknown fields {sorted(unknown)}")
    return StepSpec(
        name=str(step["name"]),
        uses=str(step["uses"]),
        params=_mapping(step["params"]),
        needs=tuple(map(str, _list(step["needs"]))),
        title=str(step["title"]),
        feature=str(step["feature"]),
        agent=str(step["agent"]),
        version=str(step["version"]),
        pre=tuple(map(load_condition, _list(step["pre"]))),
        post=tuple(map(load_condition, _list(step["post"]))),
        retry=RetryPolicy(
            max_attempts=_int(retry["max_attempts"]),
            backoff=Backoff(retry["backoff"]),
            initial_delay=_float(retry["initial_delay"]),
            max_delay=_float(retry["max_delay"]),
            jitter=_float(retry["jitter"]),
        ),
        timeout_s=_float(step["timeout_s"]),
        weight=_float(step["weight"]),
        estimate=Money(_int(step["estimate_micros"])),
        on_failure=OnFailure(step["on_failure"]),
        critic=str(step.get("critic", "")),
    )


_STEP_FIELDS = {field.name for field in fields(StepSpec)} - {"estimate"} | {"estimate_micros"}


def dump_condition(condition: Condition) -> dict[str, Json]:  # noqa: PLR0911 - one return a member of the union
    """A condition with its tag."""
    match condition:
        case FileExists(path):
            return {"kind": "file_exists", "path": path}
        case FileAbsent(path):
            return {"kind": "file_absent", "path": path}
        case FileSha(path, sha256):
            return {"kind": "file_sha", "path": path, "sha256": sha256}
        case FileContains(path, text):
            return {"kind": "file_contains", "path": path, "text": text}
        case CommandSucceeds(argv, exit_code, timeout_s):
            return {"kind": "command", "argv": list(argv), "exit_code": exit_code, "timeout_s": timeout_s}
        case ResultHas(key, value):
            return {"kind": "result_has", "key": key, "value": value}
        case NoSecrets():
            return {"kind": "no_secrets"}
        case _:
            assert_never(condition)


def load_condition(value: Json) -> Condition:
    """The condition behind a tag.

    Raises:
        ValueError: An unknown tag or field.
        KeyError: A field is missing.
    """
    document = dict(_mapping(value))
    kind = document.pop("kind")
    make = _CONDITIONS.get(str(kind))
    if make is None:
        raise ValueError(f"unknown kind of condition {kind!r}")
    condition = make(document)
    unknown = document.keys() - {field.name for field in fields(condition)}
    if unknown:
        raise ValueError(f"unknown fields {sorted(unknown)} in condition {kind!r}")
    return condition


_CONDITIONS: dict[str, Callable[[Fields], Condition]] = {
    "file_exists": lambda v: FileExists(str(v["path"])),
    "file_absent": lambda v: FileAbsent(str(v["path"])),
    "file_sha": lambda v: FileSha(str(v["path"]), str(v["sha256"])),
    "file_contains": lambda v: FileContains(str(v["path"]), str(v["text"])),
    "command": lambda v: CommandSucceeds(
        tuple(map(str, _list(v["argv"]))), _int(v["exit_code"]), _float(v["timeout_s"])
    ),
    "result_has": lambda v: ResultHas(str(v["key"]), v["value"]),
    "no_secrets": lambda _: NoSecrets(),
}


def _mapping(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected an object, got {value!r:.60}")
    return value


def _list(value: Json) -> Sequence[Json]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, got {value!r:.60}")
    return value


def _int(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"expected a whole number, got {value!r:.60}")
    return value


def _float(value: Json) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"expected a number, got {value!r:.60}")
    return float(value)
