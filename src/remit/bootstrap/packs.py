"""The packs that missions are planned with, and the agents that the shipped ones act as."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from remit.kernel.errors import NotFound

if TYPE_CHECKING:
    from remit.accounts.agents import Agent
    from remit.missions.pack import Pack


class Packs(Mapping[str, "Pack"]):
    """The shipped packs, and any other by ``module:attribute``; each is imported when it is asked for."""

    SHIPPED: Final = MappingProxyType({"build": "remit.packs.build.pack:PACK"})

    def __init__(self, extra: str = "") -> None:
        self._extra = extra if ":" in extra else ""

    def __getitem__(self, name: str) -> Pack:
        place = self.SHIPPED.get(name) or (name if ":" in name else None)
        if place is None:
            raise KeyError(name)
        module, _, attribute = place.partition(":")
        try:
            found: Pack = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            message = f"The pack {name!r} can't be loaded: {error}."
            raise NotFound(message, code="pack.missing", hint="remit run --help") from error
        return found

    def __iter__(self) -> Iterator[str]:
        return iter([*self.SHIPPED, *([self._extra] if self._extra else [])])

    def __len__(self) -> int:
        return len(list(iter(self)))


def shipped_agents(workspace: str, owner: str) -> tuple[Agent, ...]:
    """The agents that the shipped packs act as, with no more than they need."""
    from remit.accounts.agents import Agent

    return (
        Agent(
            workspace=workspace,
            name="coder",
            owner=owner,
            kind="coder",
            effects=frozenset({"files", "command", "notify"}),
        ),
        Agent(workspace=workspace, name="apptester", owner=owner, kind="tester", effects=frozenset({"command"})),
    )
