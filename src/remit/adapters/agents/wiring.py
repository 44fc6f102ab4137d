"""Puts agents into a running Remit: the adapters of tools and of models in this process, and the doors to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

from remit.adapters.agents.performing import ModelsInside
from remit.adapters.agents.tools import Resolve, ToolAdapter
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import Adapter
from remit.missions.pack import Pack
from remit.sdk.tools import ToolFunction

NEEDED = "Governed agents need Pydantic AI, which this installation lacks."


def wire_agents(adapters: dict[str, Adapter], *, packs: Callable[[], Iterable[Pack]], resolve: Resolve) -> None:
    """Add the adapter of tools, and put models of this process before the adapter of providers, if there is one.

    Args:
        adapters: By effect kind; changed in place. One of the kind ``tool`` that is there already stays.
        packs: The loaded packs, whose tools may be called.
        resolve: Resolves references to secrets.
    """

    def find(name: str) -> ToolFunction | None:
        for pack in packs():
            tools = cast("dict[str, ToolFunction]", getattr(pack, "tools", {}))
            if name in tools:
                return tools[name]
        return None

    adapters.setdefault("tool", ToolAdapter(find=find, resolve=resolve))
    adapters["model"] = ModelsInside(adapters.get("model"))


def library_missing(error: ImportError) -> InvalidInput:
    """What is told when the extra ``agents`` is not installed."""
    told = InvalidInput(f"{NEEDED} ({error})", code="agents.extra", hint="pip install 'remit[agents]'")
    told.__cause__ = error
    return told


def doors() -> Any:
    """The module of the governed agents.

    Raises:
        InvalidInput: Pydantic AI isn't installed.
    """
    try:
        from remit.adapters.agents import agent
    except ImportError as error:
        raise library_missing(error) from error
    return agent


def steps() -> Any:
    """The module of agents in steps.

    Raises:
        InvalidInput: Pydantic AI isn't installed.
    """
    try:
        from remit.adapters.agents import steps as found
    except ImportError as error:
        raise library_missing(error) from error
    return found
