"""Tools that a request has its provider run: searches, code, servers of tools that the provider itself asks.

Nothing of their calls comes through the gateway before they are made, so the request is what is judged: whoever asks
for such a tool must be allowed it by name, and the server of an address that the request gives as well. Tools that the
client runs (functions, its own shell) are judged where the model asks for them, in its answer (``tool_rules``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, cast

from remit.accounts.agents import Agent
from remit.accounts.reach import ANY, host_of, reaches_host, reaches_tool
from remit.kernel.effects import Model

#: Types of tools that the client runs, and beginnings of those that have a date: the answer's calls of them are judged.
_CLIENTS: Final = frozenset({"function", "custom", "local_shell", "computer", "apply_patch"})
_DATED: Final = ("bash_", "text_editor_", "memory_", "computer_", "tool_search")
#: Members of a request, beside its tools, that have the provider search; and what that is called.
_SEARCHES: Final = ("web_search_options", "search_parameters")
_SEARCH: Final = "web_search"
#: The end of a model's name by which OpenRouter has it search, as its plugin ``web`` does.
_ONLINE: Final = ":online"
_WEB: Final = "web"


class Hosted(NamedTuple):
    """A tool that the provider runs, ``server/tool`` for one of a server; and that server's address, if it is given."""

    name: str
    url: str = ""


def hosted(request: Mapping[str, object]) -> Iterator[Hosted]:
    """The tools that ``request`` has its provider run. What nobody knows counts among them."""
    for tool in _objects(request.get("tools")):
        kind = tool.get("type")
        if kind is None or (isinstance(kind, str) and (kind in _CLIENTS or kind.startswith(_DATED))):
            continue
        if kind == "mcp":
            yield from _server(_text(tool, "server_label"), tool, "server_url", "allowed_tools")
        else:
            inner = tool.get("function")
            named = cast("Mapping[str, object]", inner) if isinstance(inner, Mapping) else tool
            yield Hosted(_text(named, "name") or str(kind))
    for server in _objects(request.get("mcp_servers")):
        options = server.get("tool_configuration")
        configured: Mapping[str, object] = cast("Mapping[str, object]", options) if isinstance(options, Mapping) else {}
        yield from _server(_text(server, "name"), {**server, **configured}, "url", "allowed_tools")
    for name in _SEARCHES:
        if request.get(name) is not None:
            yield Hosted(_SEARCH)
    for plugin in _objects(request.get("plugins")):
        yield Hosted(_text(plugin, "id") or "plugins")


def beyond(agent: Agent, effect: Model) -> Hosted | None:
    """The first such tool that ``agent`` may not have run; with a ``url``: its server is what is out of reach."""
    searching = (Hosted(_WEB),) if effect.model.endswith(_ONLINE) else ()
    for each in (*searching, *hosted(effect.request)):
        if not reaches_tool(agent.tools, each.name):
            return Hosted(each.name)
        if each.url and not reaches_host(agent.domains, host_of(each.url)):
            return each
    return None


def _server(label: str, server: Mapping[str, object], address: str, listed: str) -> Iterator[Hosted]:
    allowed = server.get(listed)
    if isinstance(allowed, Mapping):
        allowed = cast("Mapping[str, object]", allowed).get("tool_names")
    names = [str(each) for each in cast("list[object]", allowed)] if isinstance(allowed, list) and allowed else [ANY]
    for name in names:
        yield Hosted(f"{label or 'mcp'}/{name}", _text(server, address))


def _objects(value: object) -> list[Mapping[str, object]]:
    if not isinstance(value, list):
        return []
    return [cast("Mapping[str, object]", each) for each in cast("list[object]", value) if isinstance(each, Mapping)]


def _text(value: Mapping[str, object], name: str) -> str:
    told = value.get(name)
    return told if isinstance(told, str) else ""
