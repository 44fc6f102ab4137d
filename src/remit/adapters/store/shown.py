"""Text columns that people read are masked as they are written; those that are executed refuse a secret.

The rooms above mask what they know to be readable. This is the last net, at the one place that every write passes:
whatever room forgets, no secret that is known by then lies in a text that somebody will be shown.

Columns are told by their names, whatever the table, so that a new table with a ``reason`` is covered before anybody
thinks of it. Ids, codes, hashes and keys are neither: they are compared with, and a mask would only break that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import orjson
from sqlalchemy import Table
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.elements import BindParameter

from remit.audit.entry import Draft, Entry
from remit.kernel.action import Principal
from remit.kernel.canonical import canonical
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import Params

#: Read by people: masked.
READ = frozenset(
    [
        *("reason", "closed_reason", "lifted_reason", "why", "detail", "message", "description", "comment"),
        *("error", "log", "note", "title", "subject_line", "target", "input_name"),
        *("shown", "findings", "facts", "checks"),  # JSON
    ]
)
#: Read by people, in these tables; elsewhere columns of that name are keys.
READ_IN = frozenset(
    {
        ("account_user", "name"),
        ("team", "name"),
        ("workspace", "name"),
        ("break_glass", "what"),
        ("mission", "searched"),
    }
)

#: Executed, or what others are computed from: never changed, so a secret in one refuses the whole write.
EXECUTED = frozenset(
    [
        *(("mission", "input"), ("mission", "plan"), ("step", "result"), ("cedar_policy", "text")),
        *(("rule_revision", "written"), ("rule_revision", "resolved"), ("rate_limit", "body")),
        *(("model_provider", "base_url"), ("model_provider", "headers"), ("model_alias", "target")),
        *(("model_deployment", "name"), ("model_deployment", "model")),
    ]
)
#: Named like text that people read, and exact all the same.
EXACT = frozenset({("audit_checkpoint", "note")})

_EXECUTED_MARK = "!"
_SHORTEST = 4  # characters: nothing shorter is looked for


@dataclass(frozen=True, slots=True)
class Masking:
    """How: a text, and nested JSON. Both give the same object back where there is nothing to mask."""

    text: Callable[[str], str]
    tree: Callable[[object], object]


def read_column(table: str, column: str) -> bool:
    """Whether it is masked."""
    return (column in READ and (table, column) not in EXACT) or (table, column) in READ_IN


def shown_parameters(stmt: Executable, shape: Sequence[str]) -> tuple[str, ...]:
    """The parameters of a statement that become such text; with ``!`` in front what is executed."""
    core: Any = stmt  # what writes has these; ``Executable`` does not declare them
    table = getattr(core, "table", None)
    if not isinstance(table, Table) or not (getattr(core, "is_insert", False) or getattr(core, "is_update", False)):
        return ()
    sources: dict[str, str] = {name: name for name in shape if name in cast("Any", table).columns}  # parameter → column
    conflict = getattr(getattr(core, "_post_values_clause", None), "update_values_to_set", None)
    for column, value in (*_pairs(getattr(core, "_values", None)), *_pairs(conflict)):
        if isinstance(value, BindParameter):
            sources[str(cast("Any", value).key)] = str(getattr(column, "name", column))
    found: list[str] = []
    for parameter, column in sources.items():
        if (table.name, column) in EXECUTED:
            found.append(_EXECUTED_MARK + parameter)
        elif read_column(table.name, column):
            found.append(parameter)
    return tuple(found)


def _pairs(values: Any) -> list[tuple[Any, Any]]:
    """Columns and what they are set to, in whichever form SQLAlchemy keeps them."""
    return list(values.items() if isinstance(values, Mapping) else values or ())  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


def masked_parameters(params: Params, texts: Sequence[str], masking: Masking) -> Params:
    """Parameters with those texts masked; the same object when there is nothing to mask.

    Raises:
        InvalidInput: A secret stands in what is executed.
    """
    if params is None:
        return None
    if isinstance(params, Mapping):
        return _masked(params, texts, masking)
    each = [_masked(one, texts, masking) for one in params]
    return params if all(one is other for one, other in zip(each, params, strict=True)) else each


def masked_rows(
    rows: Sequence[Mapping[str, Any]], texts: Sequence[str], masking: Masking
) -> Sequence[Mapping[str, Any]]:
    """As ``masked_parameters`` for many: all are looked through at once, one by one only if there is something."""
    return rows if clean(texts_of(rows, texts), masking) else [_masked(row, texts, masking) for row in rows]


def texts_of(rows: Sequence[Mapping[str, Any]], texts: Sequence[str]) -> Iterator[str]:
    """What ``masked_rows`` looks through."""
    names = [name.removeprefix(_EXECUTED_MARK) for name in texts]
    return (_text(row.get(name)) for row in rows for name in names)


def clean(texts: Iterable[str], masking: Masking) -> bool:
    """Whether there is nothing to mask in any of them: all in one scan, and each but once, for many are the same."""
    whole = "\n".join(dict.fromkeys(texts))
    return len(whole) < _SHORTEST or masking.text(whole) == whole


def _masked(values: Mapping[str, Any], texts: Sequence[str], masking: Masking) -> Mapping[str, Any]:
    given = {name: _text(values.get(name.removeprefix(_EXECUTED_MARK))) for name in texts}
    whole = "\n".join(given.values())
    if len(whole) < _SHORTEST or masking.text(whole) == whole:  # one scan is cheaper than several
        return values
    changed: dict[str, Any] = {}
    for name, text in given.items():
        executed = name.startswith(_EXECUTED_MARK)
        value = values.get(name.removeprefix(_EXECUTED_MARK))
        masked = masking.text(text)
        if masked == text:
            continue
        if executed:
            message = "What would be stored holds a secret, and it is executed, so it is not masked but refused."
            raise InvalidInput(message, code="store.secret", hint="refer to the secret by name, and rotate its value")
        told = _json(text, masking) or masked
        changed[name] = told if isinstance(value, str) else told.encode("latin-1")
    return {**values, **changed} if changed else values


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return value.decode("latin-1") if isinstance(value, bytes) else ""


def _json(text: str, masking: Masking) -> str:
    """JSON stays JSON; empty when it is none."""
    if text[:1] not in {"{", "["}:
        return ""
    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError:
        return ""
    told = orjson.dumps(masking.tree(value)).decode()
    return told if masking.text(told) == told else ""


class Drafted(NamedTuple):
    """A draft of the log; the entry and payload that it was made of; and what makes another one of such."""

    item: Draft
    entry: Entry
    payload: Mapping[str, Any] | None
    again: Callable[[Entry, Mapping[str, Any] | None], Draft]


def masked_drafts(drafts: Sequence[Drafted], masking: Masking) -> list[Draft]:
    """Drafts of the log without secrets, before they are hashed: as they are when none has one.

    All are looked through at once, and one by one only when there is something to be found.
    """
    if clean(drafted_texts(drafts), masking):
        return [each.item for each in drafts]
    wholes = ("\n".join((*each.item.fields.values(), each.item.body.decode("utf-8"))) for each in drafts)
    return [_masked_draft(each, text, masking) for each, text in zip(drafts, wholes, strict=True)]


def drafted_texts(drafts: Sequence[Drafted]) -> Iterator[str]:
    """What ``masked_drafts`` looks through."""
    for each in drafts:
        yield from each.item.fields.values()
        yield each.item.body.decode("utf-8")


def _masked_draft(each: Drafted, whole: str, masking: Masking) -> Draft:
    item = each.item
    if masking.text(whole) == whole:
        return item
    fields = {name: masking.text(text) for name, text in item.fields.items()}
    actor = Principal(each.entry.actor.kind, masking.text(each.entry.actor.id))
    names = ("reason", "subject", "mission", "step", "approval_id", "policy_rev", "workspace", "domain", "action")
    masked = replace(each.entry, actor=actor, **{name: fields[name] for name in names})
    told = cast("Mapping[str, Any]", masking.tree(each.payload or {}))
    text = canonical(told).decode("utf-8")
    if masking.text(text) != text:
        told = {"masked": masking.text(item.body.decode("utf-8"))}  # a secret that only shows beside its key
    return each.again(masked, told)
