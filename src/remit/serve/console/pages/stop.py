"""Stopping agents: what would stop, before the click; and letting them go again."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from remit.accounts import kills
from remit.accounts.agent_listing import StopRow, stops_in_force
from remit.accounts.agents import AgentStatus
from remit.accounts.kills import KillScope, Mode, Target
from remit.accounts.roles import Resource
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import ReadTx
from remit.missions.stopping import Reach, under_way
from remit.serve.console.asking import Ask
from remit.serve.console.numbers import told
from remit.serve.console.page import form, page


@dataclass(frozen=True, slots=True)
class Standing:
    """A stop in force: what, how, why, whose order, since when.

    ``target`` is what the form sends to lift it, ``lift`` what break-glass calls it.
    """

    target: str
    what: str
    mode: str
    reason: str
    by: str
    since_us: int
    lift: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that could be stopped, and what that would reach now. ``target`` is what the form sends."""

    target: str
    what: str
    reach: Reach


@dataclass(frozen=True, slots=True)
class Stop:
    """The page.

    Attributes:
        title: What is stopped now.
        choices: What could be stopped: the install, each team with agents, each agent that is not retired; and the
            mission that the address names.
        asked: The one of them that the address, or the form that was sent, names; empty: none.
        stops: What is stopped now.
        decided: Whether the title tells of an order just given.
    """

    title: str
    choices: tuple[Choice, ...]
    asked: str
    stops: tuple[Standing, ...]
    decided: bool = False


@page("/stop", template="stop.html")
async def stop(ask: Ask) -> Stop:
    """What would stop, and what is stopped."""
    asked = ask.form.get("target") or ask.query.get("target", "")

    def op(tx: ReadTx) -> Stop:
        under = under_way(tx, ask.workspace, now_us=ask.now_us)
        stops = tuple(_standing(one) for one in stops_in_force(tx, ask.workspace))
        there = {name: agent for name, agent in under.agents.items() if agent.status is not AgentStatus.RETIRED}
        targets = [Target(KillScope.INSTALL)]
        targets += [Target(KillScope.TEAM, team) for team in sorted({each.team for each in there.values()} - {""})]
        targets += [Target(KillScope.AGENT, name) for name in there]
        if asked.startswith("mission:") and len(asked) > len("mission:"):
            targets.append(Target(KillScope.MISSION, asked.partition(":")[2][:64]))
        choices = tuple(
            Choice(f"{one.scope.value}:{one.name}", _what(one.scope, one.name), under.reach(one)) for one in targets
        )
        chosen = next((one.target for one in choices if one.target == asked), "")
        title = told(len(stops), "stop is in force", "stops are in force") if stops else "No agent is stopped"
        return Stop(title, choices, chosen, stops, decided="done" in ask.query)

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


def _standing(one: StopRow) -> Standing:
    lift = f"{one.scope.value} {one.name}".strip()
    return Standing(
        f"{one.scope.value}:{one.name}", _what(one.scope, one.name), one.mode.value, one.reason, one.by, one.at_us, lift
    )


def _what(scope: KillScope, name: str) -> str:
    return "every agent of this install" if scope is KillScope.INSTALL else f"{scope.value} {name}"
