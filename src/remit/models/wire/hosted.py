"""Tools that a provider runs by itself and bills by the use: what a request allows, and what an answer says was used.

Web searches, searches in stored files, code in a container, images. Reading a page (``web_fetch``) and asking a server
of tools (``mcp``) cost nothing beside their tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from remit.kernel.effects import Wire

#: Uses that are reserved for where the request sets no bound: most answers search less often, and what was used is
#: booked in any case.
USUAL_USES = 5

#: The types of such tools, and what each begins with: the interfaces put dates and ``preview`` behind them.
_BILLED = ("web_search", "file_search", "code_interpreter", "image_generation", "code_execution")
_CALL = "_call"
_SEARCH = "web_search"
#: What Anthropic calls the parts of running code.
_CODE = ("code_execution", "bash_code_execution", "text_editor_code_execution")


def uses(wire: Wire, body: Mapping[str, object]) -> tuple[tuple[str, int], ...]:
    """Each such tool that a request offers, and how often it may be used: ``max_uses``, or ``max_tool_calls`` in all.

    A chat of a model that searches does so once.
    """
    tools = body.get("tools")
    found: dict[str, int] = {}
    if isinstance(tools, list):
        most = _bound(body.get("max_tool_calls")) if wire is Wire.RESPONSES else None
        for each in cast("list[object]", tools):
            if not isinstance(each, Mapping):
                continue
            tool = cast("Mapping[str, object]", each)
            if name := _billed(tool.get("type")):
                bound = _bound(tool.get("max_uses"))
                bound = most if bound is None else bound
                found[name] = found.get(name, 0) + (USUAL_USES if bound is None else bound)
    if wire is Wire.CHAT and body.get("web_search_options") is not None:
        found[_SEARCH] = found.get(_SEARCH, 0) + 1
    return tuple(found.items())


def used(item: Mapping[str, object]) -> str:
    """The tool that an item of a response says was used, if uses of it are billed; of web searches only searches are.

    A page that is opened, or searched in, is part of a search (the interface's ``action``).
    """
    kind = item.get("type")
    if not isinstance(kind, str) or not kind.endswith(_CALL):
        return ""
    name = kind.removesuffix(_CALL)
    if name not in _BILLED:
        return ""
    action = item.get("action")
    if name == _SEARCH and isinstance(action, Mapping):
        return _SEARCH if cast("Mapping[str, object]", action).get("type", "search") == "search" else ""
    return name


def used_block(block: Mapping[str, object]) -> str:
    """The same of a block of messages; how many web searches there were, the usage at the end says better."""
    if block.get("type") != "server_tool_use":
        return ""
    name = block.get("name")
    return _SEARCH if name == _SEARCH else "code_execution" if name in _CODE else ""


def _billed(kind: object) -> str:
    if not isinstance(kind, str):
        return ""
    return next((name for name in _BILLED if kind.startswith(name)), "")


def _bound(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
