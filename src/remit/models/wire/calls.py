"""Tool calls in an answer: collected while they come, looked at before any of it goes on."""

from __future__ import annotations

from collections.abc import Callable

from remit.models.wire.documents import Document, encoded
from remit.models.wire.held import Held, Text

#: Of an item that asks for a tool of the interface's own (a shell, a patch, a search), what is no argument.
_NO_ARGUMENTS = frozenset({"id", "type", "status", "call_id", "created_by", "result", "results", "outputs", "output"})
_CALL = "_call"
_MCP = "mcp_"

type Inspect = Callable[[str, str], str]


class Call:
    """A tool call that comes in pieces; ``json``: its arguments are, and no free text."""

    __slots__ = ("held", "json", "name", "text")

    def __init__(self, name: str, text: Text, *, json: bool = True) -> None:
        self.name = name
        self.text = text
        self.json = json
        self.held: list[Held] = []

    def hold(self, held: Held) -> None:
        """Keep an event until the call was looked at."""
        if not self.held or self.held[-1] is not held:
            held.waiting += 1
            self.held.append(held)


class Calls:
    """The tool calls of one answer.

    Args:
        inspect: Says why a call is refused, given name and arguments; empty: it may go on.
    """

    __slots__ = ("_inspect", "blocked", "known")

    def __init__(self, inspect: Inspect | None) -> None:
        self._inspect = inspect
        self.known: list[tuple[str, str]] = []
        self.blocked = ""

    @property
    def gated(self) -> bool:
        """Whether calls are looked at before they go on."""
        return self._inspect is not None

    def told(self, name: str, arguments: str) -> bool:
        """Note a call that is complete; whether it may go on. One that was told before isn't asked about again."""
        if (name, arguments) not in self.known:
            self.known.append((name, arguments))
            if self._inspect is not None and not self.blocked:
                self.blocked = self._inspect(name, arguments)
        return not self.blocked

    def whole(self, item: Document) -> bool:
        """Note a call that stands in one document (an item of responses, a block of messages)."""
        return self.told(name_of(item), arguments_of(item))


def asks(item: Document) -> bool:
    """Whether an item of responses is a model's wish for a tool, whoever would carry it out.

    Those that have no name of their own (``local_shell_call``, ``web_search_call``) end like all others: what is added
    to the interface is a wish as well.
    """
    kind = item.get("type")
    return isinstance(kind, str) and (kind.endswith(_CALL) or kind == "mcp_approval_request")


def name_of(item: Document) -> str:
    """The tool that is asked for: ``server/tool`` for a tool of a server that the provider asks."""
    name, kind = item.get("name"), item.get("type")
    if not isinstance(name, str) or not name:
        return kind.removesuffix(_CALL) if isinstance(kind, str) and kind.endswith(_CALL) else ""
    server = item.get("server_label", item.get("server_name"))
    if isinstance(kind, str) and kind.startswith(_MCP) and isinstance(server, str) and server:
        return f"{server}/{name}"
    return name


def arguments_of(item: Document) -> str:
    """The arguments, as the JSON of an object; of a tool that takes a text (a custom one), ``{"input": TEXT}``."""
    arguments = item.get("arguments", item.get("input"))
    if isinstance(arguments, str):
        return free_text(arguments) if "arguments" not in item else arguments
    if arguments is None and item.get("type") != "function_call":
        arguments = {name: each for name, each in item.items() if name not in _NO_ARGUMENTS and name != "name"}
    return encoded({} if arguments is None else arguments).decode()


def free_text(text: str) -> str:
    """What stands for a text where arguments are an object."""
    return encoded({"input": text}).decode()
