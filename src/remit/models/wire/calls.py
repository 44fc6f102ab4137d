"""Tool calls in an answer: collected while they come, looked at before any of it goes on."""

from __future__ import annotations

from collections.abc import Callable

from remit.models.wire.documents import Document, encoded
from remit.models.wire.held import Held, Text

#: Types of items in which a model asks for a tool, in responses.
ITEMS = frozenset({"function_call", "custom_tool_call", "mcp_call", "mcp_approval_request"})

type Inspect = Callable[[str, str], str]


class Call:
    """A tool call that comes in pieces."""

    __slots__ = ("held", "name", "text")

    def __init__(self, name: str, text: Text) -> None:
        self.name = name
        self.text = text
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
        name = item.get("name")
        arguments = item.get("arguments", item.get("input"))
        text = arguments if isinstance(arguments, str) else encoded({} if arguments is None else arguments).decode()
        return self.told(name if isinstance(name, str) else "", text)
