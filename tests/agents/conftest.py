"""A home with a registered agent, and a drill with a witness."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, select

from remit.accounts.agents import Agent as Registered
from remit.accounts.agents import register_agent
from remit.adapters.store.journal import Store
from remit.bootstrap import Runtime, open_runtime, open_store, prepare_home
from remit.guard.approval_decisions import decide
from remit.guard.approval_tables import APPROVAL
from remit.guard.rules.revisions import save
from remit.guard.tables import ACTION
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.settings import Settings, load
from remit.testing.drill import Drill, adopt_orphans
from remit.testing.witness import witness

from ..warm import warm_commands  # noqa: TID252 - tests are loaded by path

__all__ = ["warm_commands"]

CLOCK = SystemClock()
ASK = """
use: []
rules:
  - id: team.pay
    on: tool
    when: tool.name == "pay"
    assert: "false"
    else: require_approval
    message: somebody must look at it
  - id: team.drop
    on: tool
    assert: tool.name != "drop"
    else: deny
    message: nothing is dropped here
"""


@dataclass
class Place:
    """A home, and what stands in it."""

    settings: Settings

    @property
    def home(self) -> Path:
        return self.settings.home

    @property
    def owner(self) -> Principal:
        return Principal(ActorKind.USER, self.settings.owner)

    def rows(self, table: Table = ACTION) -> list[dict[str, Any]]:
        """Every row, oldest first."""
        with open_store(self.settings, migrate=False) as store:
            return [dict(row) for row in store.view(lambda tx: tx.rows(select(table)))]

    def actions(self, kind: str = "") -> list[tuple[str, str, str]]:
        """Kind, target and state of each action, oldest first."""
        rows = sorted(self.rows(), key=lambda row: row["id"])
        return [(row["kind"], row["target"], row["state"]) for row in rows if kind in {"", row["kind"]}]

    async def rules(self, text: str) -> None:
        with open_store(self.settings) as store:
            await save(
                store, text, workspace=self.settings.workspace, name="t.yaml", reason="test", by=self.owner, clock=CLOCK
            )

    async def decide(self, which: str, *, approve: bool = True) -> None:
        (subject,) = [row["subject_hash"] for row in self.rows(APPROVAL) if row["id"] == which]
        async with open_runtime(self.settings) as runtime:
            await decide(
                runtime.store,
                which,
                workspace=self.settings.workspace,
                by=self.owner,
                approve=approve,
                subject_hash=subject,
                reason="looked at",
                clock=CLOCK,
                redactor=runtime.redactor,
            )


async def registered(store: Store, settings: Settings, name: str = "helper", **given: Any) -> None:
    agent = Registered(
        workspace=settings.workspace,
        name=name,
        owner=settings.owner,
        kind="helper",
        effects=given.pop("effects", frozenset({"model", "tool", "files"})),
        tools=given.pop("tools", frozenset({"*"})),
        **given,
    )
    await register_agent(store, agent, by=Principal(ActorKind.USER, settings.owner), clock=CLOCK)


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    settings, _ = load(flags={"home": str(tmp_path / "home")}, environ={}, folder=tmp_path, user_file=tmp_path / "none")
    await prepare_home(settings)
    with open_store(settings) as store:
        await registered(store, settings)
    return Place(settings)


@pytest.fixture
async def runtime(place: Place) -> AsyncIterator[Runtime]:
    async with open_runtime(place.settings) as opened:
        yield opened


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    """A home whose agent ``clerk`` is registered, and a witness."""
    adopt_orphans()
    with witness(tmp_path / "witness.log") as address, Drill(tmp_path, witness=address) as found:
        assert found.remit("init").code == 0
        kinds = [word for kind in ("model", "tool", "files") for word in ("--effect", kind)]
        words = ["agents", "register", "clerk", "--kind", "helper", *kinds, "--tool", "*", "--model", "scripted/*"]
        assert found.remit(*words).code == 0
        yield found
