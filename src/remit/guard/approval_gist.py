"""One line about what a request asks for, from its payload: what a list must say so that rows can be told apart."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

import orjson
from sqlalchemy import bindparam, select

from remit.guard.approval_tables import APPROVAL
from remit.kernel.canonical import Json
from remit.kernel.ports import ReadTx

LONGEST = 160  # characters
_MOST = 6  # fields
_MICROS = 1_000_000
#: Under which name a kind of effect keeps what is special about each.
_WITHIN = {"order": "order", "publish": "asset", "deploy": "release", "tool": "arguments"}
_SHOWN = select(APPROVAL.c.id, APPROVAL.c.kind, APPROVAL.c.shown).where(
    APPROVAL.c.workspace == bindparam("of"), APPROVAL.c.id.in_(bindparam("these", expanding=True))
)


def read_gists(tx: ReadTx, workspace: str, these: Sequence[str]) -> dict[str, str]:
    """What each of some requests asks for, in one statement; what can't be told is left out. Masked as it is kept."""
    if not these:
        return {}
    told = {row["id"]: gist(row["kind"], row["shown"]) for row in tx.rows(_SHOWN, {"of": workspace, "these": these})}
    return {which: text for which, text in told.items() if text}


def gist(kind: str, shown: str) -> str:
    """What a request of a kind asks for, at most 160 characters; empty: its target says it all, or it can't be read."""
    try:
        payload: Json = orjson.loads(orjson.loads(shown)["payload"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""  # cut, or masked where it was no longer JSON
    text = " ".join(_told(kind, payload).split()) if isinstance(payload, Mapping) else ""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _told(kind: str, payload: Mapping[str, Json]) -> str:
    match kind:
        case "command":
            argv = payload.get("argv")
            return shlex.join(map(str, argv)) if isinstance(argv, list) else ""
        case "files":
            return _files(payload)
        case "fetch":
            return "" if payload.get("method") == "GET" else str(payload.get("method", ""))
        case "model":
            return _last_message(payload.get("request"))
        case "notify":
            return str(payload.get("subject", ""))
        case _:
            within = payload.get(_WITHIN.get(kind, ""))
            return ", ".join(_fields(within)) if isinstance(within, Mapping) else ""


def _files(payload: Mapping[str, Json]) -> str:
    files, gone = payload.get("files"), payload.get("delete")
    written = list(files) if isinstance(files, Mapping) else []
    deleted = [str(each) for each in gone] if isinstance(gone, list) else []
    parts = [f"writes {', '.join(written)}"] if written else []
    return "; ".join([*parts, f"deletes {', '.join(deleted)}"] if deleted else parts)


def _last_message(request: Json) -> str:
    """The end of what is asked of a model: the newest message that is plain text."""
    messages = request.get("messages") if isinstance(request, Mapping) else None
    for each in reversed(messages) if isinstance(messages, list) else ():
        content = each.get("content") if isinstance(each, Mapping) else None
        if isinstance(content, str):
            return content
    return ""


def _fields(within: Mapping[str, Json]) -> Iterator[str]:
    """``side buy``, ``quantity 420``: plain values, the first of them; amounts in whole units, hashes left out."""
    plain = [(name, value) for name, value in within.items() if isinstance(value, str | int | float) and value != ""]
    for name, value in [each for each in plain if not each[0].endswith("sha256")][:_MOST]:
        if name.endswith("_micros") and isinstance(value, int):
            yield f"{_spoken(name.removesuffix('_micros'))} {value / _MICROS:,.2f}"
        else:
            yield f"{_spoken(name)} {str(value).lower() if isinstance(value, bool) else value}"


def _spoken(name: str) -> str:
    return name.replace("_", " ")
