"""What a request names that its provider keeps for a whole account: files, stores of vectors, prompts, skills, sounds.

Whoever has a key of the account may name any of it, so every agent of every workspace that uses the account could read
what another has put there. Unlike responses and containers (``continuing``) none of it is told through Remit, so that
nobody is known to own it: it is refused unless the workspace's policy (``stored``) lets it be named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from remit.kernel.effects import Model, Wire

#: Members that hold ids, in any case: some readers of JSON heed none.
_IDS: Final = frozenset({"file_id", "file_ids", "vector_store_id", "vector_store_ids", "skill_id", "batch_id"})
#: What is part of the body whenever one of them stands in it, unless its letters are escaped. No `s` and no `k`: they
#: have other forms that some readers take for them.
_TELLING: Final = (b"file_id", b"tore_id", b"ill_id", b"batch_id", b'"prompt"', b'"audio"', b"\\u00")
#: Members whose content is somebody's own data, and means nothing to the provider.
_FREE: Final = frozenset({"parameters", "input_schema", "schema", "metadata", "arguments"})
_CALL: Final = "tool_use"
_PART: Final = "part_kind"
_PUBLIC: Final = "anthropic"  # skills that every account has


def named(effect: Model) -> str:
    """The first such member of the request; empty: there is none."""
    if not _telling(effect.body):
        return ""
    if effect.wire is Wire.RESPONSES and _prompt(effect.request):
        return "prompt"
    waiting: list[object] = [dict(effect.request) | {"type": None}]  # the request itself is no block
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += cast("list[object]", node)
        elif isinstance(node, Mapping):
            known = cast("Mapping[str, object]", node)
            if not effect.body and _PART in known:
                continue  # of an agent of this process, whose model is no provider's: no request that anybody is sent
            if found := _in(known):
                return found
            waiting += [value for name, value in known.items() if not _free(known, name)]
    return ""


def _telling(body: bytes) -> bool:
    """Whether the request may name any, seen from its bytes; one without bytes may."""
    lowered = body.lower()
    return not body or any(each in lowered for each in _TELLING)


def _prompt(request: Mapping[str, object]) -> bool:
    return any(name.casefold() == "prompt" and value is not None for name, value in request.items())


def _in(node: Mapping[str, object]) -> str:
    for name, value in node.items():
        folded = name.casefold()
        if folded in _IDS and _told(value) and not (folded == "skill_id" and node.get("type") == _PUBLIC):
            return folded
        if folded == "audio" and isinstance(value, Mapping) and _told(cast("Mapping[str, object]", value).get("id")):
            return "audio.id"
    return ""


def _told(value: object) -> bool:
    if isinstance(value, list):
        return any(isinstance(each, str) for each in cast("list[object]", value))
    return isinstance(value, str)


def _free(node: Mapping[str, object], name: str) -> bool:
    return name in _FREE or (name == "input" and str(node.get("type", "")).endswith(_CALL))
