"""Stopping agents: what would stop, before the click; and letting them go again."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from remit.accounts import kills
from remit.accounts.agents import read_agents
from remit.accounts.kills import KillScope, Mode, Target, read_stops
from remit.accounts.roles import Resource
from remit.guard.approval_listing import count_waiting
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import ReadTx
from remit.missions.listing import Wanted, find_missions
from remit.missions.shown import Shown
from remit.serve.console.asking import Ask
from remit.serve.console.numbers import told
from remit.serve.console.page import form, page

MOST = 100
_GOING = (Shown.RUNNING, Shown.WAITING)


@dataclass(frozen=True, slots=True)
class Standing:
    """A stop in force: what, how, and why. ``target`` is what the form sends to lift it."""

    target: str
    what: str
    mode: str
    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The page.

    Attributes:
        title: What is stopped now.
        agents: Every agent that is not retired, by name.
        running: Missions that go on, counted up to 100; ``queued`` and ``waiting`` (requests) likewise.
        stops: What is stopped now.
        decided: Whether the title tells of an order just given.
    """

    title: str
    agents: tuple[str, ...]
    running: int
    queued: int
    waiting: int
    stops: tuple[Standing, ...]
    decided: bool = False


@page("/stop", template="stop.html")
async def stop(ask: Ask) -> Stop:
    """What would stop, and what is stopped."""
    alive = ask.runtime.missions.deps.alive

    def op(tx: ReadTx) -> Stop:
        found = read_agents(tx, ask.workspace)
        killed, paused = read_stops(tx, ask.workspace)
        stops = tuple(
            Standing(f"{scope.value}:{name}", _what(scope, name), mode.value, reason)
            for mode, each in ((Mode.KILL, killed), (Mode.PAUSE, paused))
            for (scope, name), reason in each.items()
        )
        running, queued = (
            len(find_missions(tx, ask.workspace, Wanted(some), size=MOST, alive=alive, now_us=ask.now_us).missions)
            for some in (_GOING, (Shown.QUEUED,))
        )
        waiting = count_waiting(tx, ask.workspace, now_us=ask.now_us, most=MOST)
        title = told(len(stops), "stop is in force", "stops are in force") if stops else "No agent is stopped"
        names = tuple(name for name, agent in found.items() if agent.status.value != "retired")
        return Stop(title, names, running, queued, waiting, stops, decided="done" in ask.query)

    return await ask.read(op, resource=Resource.AGENT)


@form("/stop/set", again=stop)
async def set_stop(ask: Ask) -> str:
    """Stop one agent, or all of them."""
    target = _target(ask.form.get("target", ""))
    order = kills.pause if ask.form.get("mode") == Mode.PAUSE else kills.kill
    await order(
        ask.runtime.store,
        target,
        workspace=ask.workspace,
        reason=ask.form.get("reason", ""),
        by=ask.who,
        clock=ask.runtime.clock,
        mask=ask.runtime.redactor.mask,
    )
    return f"/stop?done={quote(str(target))}"


@form("/stop/lift", again=stop)
async def lift(ask: Ask) -> str:
    """Let go what is stopped."""
    target = _target(ask.form.get("target", ""))
    order = kills.resume if ask.form.get("mode") == Mode.PAUSE else kills.unkill
    await order(
        ask.runtime.store,
        target,
        workspace=ask.workspace,
        reason=ask.form.get("reason", ""),
        by=ask.who,
        clock=ask.runtime.clock,
        mask=ask.runtime.redactor.mask,
    )
    return f"/stop?done={quote(str(target))}"


def _target(text: str) -> Target:
    scope, _, name = text.partition(":")
    if scope not in set(KillScope):
        message = "Say what is to be stopped: one agent, or all of them."
        raise InvalidInput(message, code="stop.target", hint="choose from the list")
    return Target(KillScope(scope), name)


def _what(scope: KillScope, name: str) -> str:
    return "every agent of this install" if scope is KillScope.INSTALL else f"{scope.value} {name}"
