"""What is kept of an action for explaining its decision and for shadow mode: the variables that rules read of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import orjson

from remit.guard.cel import Value
from remit.kernel.ports import Row
from remit.redact.redactor import Redactor

MOST_FACTS = 4096  # bytes of what is kept of an action for explaining and for shadow mode
#: Facts that are read from the action's row again.
IN_ROW = frozenset(
    {"kind", "target", "principal", "on_behalf_of", "workspace", "mission", "step", "attempt", "estimate_usd"}
)
CUT = "~cut"  # names of the facts that were not kept, because there were too many bytes
LONGEST_TARGET = 400  # characters; of a longer target the row has the beginning only
_MICROS = 1_000_000
#: What stands for nothing (each is false), and is not kept: of a mission that has read nothing from outside, of an
#: action without an agent or a preset, of plain arguments; and of actions older than these variables.
_NOTHING: Mapping[str, Value] = {
    "agent.kind": "",
    "agent.name": "",
    "agent.team": "",
    "preset.approval": "",
    "preset.name": "",
    "subject": "",
    "tool.hosts": "",
    "tool.leads_out": False,
    "tool.sensitive_paths": 0,
    "tool.server": "",
    "tool.statements": "",
    "tool.url_data": 0,
    "injection.score": 0.0,
    "injection.place": "",
    "injection.signs": "",
    "provenance.outside": False,
    "provenance.source": "",
}


def kept(facts: Mapping[str, Value], redactor: Redactor | None) -> str:
    """The facts as JSON of at most 4 KiB, masked, but for those that the action's row has in columns of its own.

    ``redactor`` is ``None`` for an action that was found to hold nothing secret: then its facts hold nothing either.

    When they are too many the longest texts give way, and their names stand under ``~cut``.
    """
    cut = ["target"] if len(str(facts.get("target", ""))) > LONGEST_TARGET else []
    facts = {name: value for name, value in facts.items() if name not in IN_ROW and (value or name not in _NOTHING)}
    text = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
    if redactor is not None and not redactor.clean(text):
        facts = {name: _masked(value, redactor.mask) for name, value in facts.items()}
        text = orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)
    if len(text) <= MOST_FACTS and not cut:
        return text.decode()
    left: dict[str, object] = dict(facts)
    longest = sorted((name for name in facts if isinstance(facts[name], str)), key=lambda name: -len(str(facts[name])))
    while len(text := orjson.dumps({**left, CUT: cut}, option=orjson.OPT_SORT_KEYS)) > MOST_FACTS and longest:
        cut.append(longest.pop(0))
        del left[cut[-1]]
    return text.decode()


def _masked(value: Value, mask: Callable[[str], str]) -> Value:
    return mask(value) if isinstance(value, str) else value


def facts_from(row: Row) -> tuple[dict[str, Value], frozenset[str]] | None:
    """The facts of an action as its row keeps them, masked; and the names of those that were too long to be kept.

    ``None`` when nothing was kept, or an erasure left nothing that can be read.
    """
    try:
        told = cast("dict[str, object]", orjson.loads(row["facts"] or "null"))
    except orjson.JSONDecodeError:
        return None
    if not isinstance(told, dict):  # pyright: ignore[reportUnnecessaryIsInstance] - JSON
        return None
    cut = set(cast("list[str]", told.pop(CUT, [])))
    facts = {**_NOTHING, **{name: cast("Value", value) for name, value in told.items()}}
    for name in IN_ROW - {"estimate_usd"}:
        facts[name] = row[name]
    facts["estimate_usd"] = row["estimate_micros"] / _MICROS
    if "target" in cut:
        del facts["target"]
    return facts, frozenset(cut)
