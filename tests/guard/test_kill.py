"""Stops, pauses and break-glass at the guard: at the next check, on what runs within a second, across processes."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from remit.accounts.agents import Agent, AgentStatus, list_agents, register_agent
from remit.accounts.break_glass import Lift, Lifts, close_glass, confirm_glass, list_glass, request_glass
from remit.accounts.kills import KillScope, Target, kill, pause, resume, unkill
from remit.accounts.people import Person, add_user
from remit.accounts.roles import Role
from remit.accounts.teams import Team, create_team, set_member
from remit.adapters.store.sqlite import SqliteStore
from remit.audit.refusal import Refused
from remit.guard.cedar import save_cedar
from remit.guard.records import running
from remit.guard.rules.revisions import save as save_rules
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.kernel.effects import Tool
from remit.kernel.errors import Conflict, Denied, InvalidInput, NotFound
from remit.kernel.mission import Outcome

from ..pace import Pace  # noqa: TID252 - tests are loaded by path
from .fakes import CODER, OWNER, WORKSPACE, HandClock, World, act, make_world

CLOCK = SystemClock()
BOB, MIA, VERA = (Principal(ActorKind.USER, name) for name in ("bob", "mia", "vera"))
INSTALL = Target(KillScope.INSTALL)
AGENT = Target(KillScope.AGENT, "coder")
TEAM = Target(KillScope.TEAM, "red")
MISSION = Target(KillScope.MISSION, "m1")
SECRET = "ghp_" + "x9K2" * 9


async def furnish(world: World) -> None:
    """Bob (admin), Mia (member of the team red), Vera (viewer), and the team's agent ``coder``."""
    for name, role in (("bob", Role.ADMIN), ("mia", None), ("vera", Role.VIEWER)):
        await add_user(world.store, Person(WORKSPACE, name, name, role=role), by=OWNER, clock=world.clock)
    await create_team(world.store, Team(WORKSPACE, "red", "Red"), by=OWNER, clock=world.clock)
    await set_member(world.store, "mia", team="red", workspace=WORKSPACE, by=OWNER, role=Role.MEMBER, clock=world.clock)
    agent = Agent(WORKSPACE, "coder", OWNER.id, team="red", effects=frozenset({"tool"}), tools=frozenset({"*"}))
    await register_agent(world.store, agent, by=OWNER, clock=world.clock)


async def answer(world: World, action: Action) -> str:
    await world.guard.register.refresh(WORKSPACE)
    try:
        await world.guard.run(action)
    except Denied:
        (row,) = [row for row in world.rows() if row["id"] == action.id]
        return str(row["reason"])
    return "ok"


async def hang(_action: Action) -> Outcome:
    await asyncio.sleep(30)
    return Outcome(ok=True)


# -------------------------------------------------------------------------------------------------------------- pauses


@pytest.mark.parametrize("target", [AGENT, TEAM, MISSION, INSTALL], ids=str)
async def test_a_pause_lets_what_runs_finish_and_nothing_start(world: World, target: Target) -> None:
    await furnish(world)
    going = asyncio.Event()

    async def slow(_action: Action) -> Outcome:
        await going.wait()
        return Outcome(ok=True)

    world.adapter.moves = [slow]
    task = asyncio.create_task(world.guard.run(act(principal=CODER)))
    await world.adapter.called.wait()
    await pause(world.store, target, workspace=WORKSPACE, reason="look at it", by=OWNER, clock=CLOCK)
    await asyncio.sleep(0.5)  # longer than the watch needs to stop what is killed
    assert not task.done()
    going.set()
    assert (await task).ok
    assert await answer(world, act(principal=CODER)) == "identify.paused"
    (view,) = await list_agents(world.store, workspace=WORKSPACE, activity=running, clock=world.clock)
    stops_agents = target != MISSION
    assert (view.status is AgentStatus.PAUSED) == stops_agents
    assert view.stop.startswith("remit agents resume" if stops_agents else "remit kill")
    with pytest.raises(Conflict):
        await pause(world.store, target, workspace=WORKSPACE, reason="again", by=OWNER, clock=CLOCK)
    await resume(world.store, target, workspace=WORKSPACE, reason="looked", by=OWNER, clock=CLOCK)
    assert await answer(world, act(principal=CODER)) == "ok"
    with pytest.raises(NotFound):
        await resume(world.store, target, workspace=WORKSPACE, reason="looked", by=OWNER, clock=CLOCK)
    assert [entry.payload for entry in world.audit("accounts.pause.lifted")] == [{"reason": "looked"}]


async def test_a_kill_stays_when_a_pause_is_lifted(world: World) -> None:
    await furnish(world)
    await pause(world.store, AGENT, workspace=WORKSPACE, reason="p", by=OWNER, clock=CLOCK)
    await kill(world.store, AGENT, workspace=WORKSPACE, reason="k", by=OWNER, clock=CLOCK)
    await resume(world.store, AGENT, workspace=WORKSPACE, reason="r", by=OWNER, clock=CLOCK)
    assert await answer(world, act(principal=CODER)) == "identify.killed"
    await unkill(world.store, AGENT, workspace=WORKSPACE, reason="u", by=OWNER, clock=CLOCK)
    assert await answer(world, act(principal=CODER)) == "ok"


async def test_an_agent_that_an_older_version_paused_is_let_go(world: World) -> None:
    await furnish(world)
    agent = Agent(
        WORKSPACE, "old", OWNER.id, effects=frozenset({"tool"}), tools=frozenset({"*"}), status=AgentStatus.PAUSED
    )
    await register_agent(world.store, agent, by=OWNER, clock=CLOCK)
    old = Principal(ActorKind.AGENT, "old")
    assert await answer(world, act(principal=old)) == "identify.inactive"
    await resume(world.store, Target(KillScope.AGENT, "old"), workspace=WORKSPACE, reason="r", by=OWNER, clock=CLOCK)
    assert await answer(world, act(principal=old)) == "ok"


# ------------------------------------------------------------------------------------------------------ who may switch


async def test_stopping_takes_little_letting_go_more_and_the_install_an_owner(world: World) -> None:
    await furnish(world)
    store = world.store
    said = {"workspace": WORKSPACE, "reason": "r", "clock": CLOCK}
    for order, target, who, may in (
        (kill, AGENT, VERA, False),
        (kill, AGENT, MIA, True),  # a member of its team
        (unkill, AGENT, MIA, False),
        (unkill, AGENT, BOB, True),
        (pause, TEAM, MIA, True),
        (resume, TEAM, MIA, False),
        (resume, TEAM, BOB, True),
        (kill, MISSION, MIA, False),  # missions are the workspace's
        (kill, MISSION, BOB, True),
        (kill, INSTALL, BOB, False),
        (kill, INSTALL, OWNER, True),
        (unkill, INSTALL, BOB, False),
        (unkill, INSTALL, OWNER, True),
        (kill, INSTALL, CODER, False),
    ):
        refused = len(world.audit("accounts.refused"))
        if may:
            await order(store, target, by=who, **said)  # type: ignore[arg-type]
        else:
            with pytest.raises(Refused):
                await order(store, target, by=who, **said)  # type: ignore[arg-type]
        assert len(world.audit("accounts.refused")) == refused + (not may)


async def test_a_team_that_is_stopped_exists(world: World) -> None:
    await furnish(world)
    with pytest.raises(NotFound, match="did you mean 'red'"):
        await kill(world.store, Target(KillScope.TEAM, "redd"), workspace=WORKSPACE, reason="r", by=OWNER, clock=CLOCK)


async def test_a_reason_carries_no_secret_into_rows_and_log(world: World) -> None:
    await furnish(world)
    await kill(world.store, AGENT, workspace=WORKSPACE, reason=f"it printed {SECRET}", by=OWNER, clock=CLOCK)
    world.redactor.register("our-own-word")
    told = {"workspace": WORKSPACE, "clock": CLOCK, "mask": world.redactor.mask}
    await unkill(world.store, AGENT, reason="our-own-word", by=OWNER, **told)  # type: ignore[arg-type]
    kept = json.dumps([entry.payload for entry in world.audit()])
    assert SECRET not in kept
    assert "our-own-word" not in kept
    assert kept.count("REDACTED") == 2


# --------------------------------------------------------------------------------------------------------- break-glass


async def opened(world: World, lift: Lift) -> str:
    """A grant that Bob asked for and Ada confirmed."""
    which = await request_glass(world.store, lift, workspace=WORKSPACE, reason="fire", by=BOB, clock=world.clock)
    await confirm_glass(world.store, which, workspace=WORKSPACE, by=OWNER, clock=world.clock)
    return which


def lift(
    what: str = "agent coder", *, name: str = "m1", scope: KillScope = KillScope.MISSION, minutes: int = 5
) -> Lift:
    return Lift(Lifts.STOP, what, scope, name, minutes)


async def test_it_takes_two_persons_and_both_stand_in_the_log(world: World) -> None:
    await furnish(world)
    await kill(world.store, AGENT, workspace=WORKSPACE, reason="loops", by=OWNER, clock=CLOCK)
    which = await request_glass(world.store, lift(), workspace=WORKSPACE, reason=SECRET, by=BOB, clock=CLOCK)
    assert await answer(world, act(principal=CODER)) == "identify.killed"
    for who, code in ((BOB, "same_person"), (VERA, "not_permitted"), (CODER, "agent_administers")):
        with pytest.raises(Refused) as told:
            await confirm_glass(world.store, which, workspace=WORKSPACE, by=who, clock=CLOCK)
        assert told.value.code == f"accounts.{code}"
    assert len(world.audit("accounts.refused")) == 3
    await confirm_glass(world.store, which, workspace=WORKSPACE, by=OWNER, clock=CLOCK)
    action = act(principal=CODER)
    assert await answer(world, action) == "ok"
    (used,) = world.audit("accounts.break_glass.used")
    assert (used.header["actor"], used.header["subject"]) == ("agent:coder", which)
    assert used.payload is not None
    assert used.payload["action"] == action.id
    (intent,) = [entry for entry in world.audit("guard.intent") if entry.header["subject"] == action.id]
    assert intent.payload is not None
    assert which in json.dumps(intent.payload["checks"])
    (requested,) = world.audit("accounts.break_glass.requested")
    assert SECRET not in json.dumps(requested.payload)
    (grant,) = await list_glass(world.store, workspace=WORKSPACE, by=VERA)
    assert (grant.requested_by, grant.confirmed_by, grant.uses) == ("user:bob", "user:ada", 1)


async def test_it_lifts_what_it_names_for_whom_it_names_and_nothing_else(world: World) -> None:
    await furnish(world)
    for target in (AGENT, TEAM):
        await kill(world.store, target, workspace=WORKSPACE, reason="loops", by=OWNER, clock=CLOCK)
    await opened(world, lift("agent coder"))
    assert await answer(world, act(principal=CODER)) == "identify.killed"  # the team's stop is still there
    await opened(world, lift("team red"))
    assert await answer(world, act(principal=CODER)) == "ok"
    assert len(world.audit("accounts.break_glass.used")) == 2
    assert await answer(world, act(principal=CODER, mission="m2")) == "identify.killed"
    assert await answer(world, act(Tool("echo"), principal=CODER, mission="")) == "identify.killed"
    await opened(world, lift("agent coder", name="red", scope=KillScope.TEAM))
    await opened(world, lift("team red", name="coder", scope=KillScope.AGENT))
    assert await answer(world, act(principal=CODER, mission="m2")) == "ok"
    # It lifts the stop and none of the other checks.
    world.redactor.register("hunter2-hunter2")
    assert await answer(world, act(Tool("echo", {"x": "hunter2-hunter2"}), principal=CODER)) == "scan.secret"


async def test_it_ends_by_itself_and_early_and_never_holds_longer_than_an_hour(store: SqliteStore) -> None:
    clock = HandClock()
    world = await make_world(store, clock=clock)
    await furnish(world)
    await kill(store, AGENT, workspace=WORKSPACE, reason="loops", by=OWNER, clock=clock)
    await opened(world, lift(minutes=2))
    assert await answer(world, act(principal=CODER)) == "ok"
    clock.advance(119)
    assert await answer(world, act(principal=CODER)) == "ok"
    clock.advance(2)
    assert await answer(world, act(principal=CODER)) == "identify.killed"
    second = await opened(world, lift(minutes=60))
    assert await answer(world, act(principal=CODER)) == "ok"
    await close_glass(store, second, workspace=WORKSPACE, reason="over", by=BOB, clock=clock)
    assert await answer(world, act(principal=CODER)) == "identify.killed"
    with pytest.raises(Conflict, match="closed"):
        await confirm_glass(store, second, workspace=WORKSPACE, by=OWNER, clock=clock)
    late = await request_glass(store, lift(), workspace=WORKSPACE, reason="r", by=BOB, clock=clock)
    clock.advance(3601)
    with pytest.raises(Conflict, match="expired"):
        await confirm_glass(store, late, workspace=WORKSPACE, by=OWNER, clock=clock)
    for minutes in (0, 61):
        with pytest.raises(InvalidInput, match="minutes"):
            lift(minutes=minutes)


async def test_what_it_let_start_is_stopped_within_a_second_of_its_end(world: World) -> None:
    await furnish(world)
    await kill(world.store, AGENT, workspace=WORKSPACE, reason="loops", by=OWNER, clock=CLOCK)
    which = await opened(world, lift())
    await world.guard.register.refresh(WORKSPACE)
    world.adapter.moves = [hang]
    task = asyncio.create_task(world.guard.run(act(principal=CODER)))
    await world.adapter.called.wait()
    await asyncio.sleep(0.5)
    assert not task.done()
    pace = Pace()
    await close_glass(world.store, which, workspace=WORKSPACE, reason="enough", by=OWNER, clock=CLOCK)
    with pytest.raises(Denied, match="loops"):
        await task
    assert pace.spent() < 1.0


async def test_it_lifts_a_custom_policy_by_its_name(world: World) -> None:
    await furnish(world)
    text = '@id("freeze") forbid(principal, action, resource);\n@id("other") forbid(principal, action, resource);'
    await save_cedar(world.store, text, workspace=WORKSPACE, by=OWNER, clock=CLOCK)
    await opened(world, Lift(Lifts.POLICY, "freeze", KillScope.MISSION, "m1", 5))
    assert await answer(world, act()) == "authorise.policy"
    await opened(world, Lift(Lifts.POLICY, "other", KillScope.MISSION, "m1", 5))
    assert await answer(world, act()) == "ok"
    assert await answer(world, act(mission="m2")) == "authorise.policy"


async def test_it_lifts_a_rule_by_its_id_and_no_other(world: World) -> None:
    await furnish(world)
    text = "use: []\nrules:\n" + "".join(
        f"  - {{id: {name}, on: tool, assert: \"hour > 24\", else: {otherwise}, message: 'a rule'}}\n"
        for name, otherwise in (("first", "deny"), ("second", "deny"))
    )
    of = {"workspace": WORKSPACE, "by": OWNER, "clock": CLOCK, "reason": "r"}
    await save_rules(world.store, text, name="r.yaml", **of)  # type: ignore[arg-type]
    assert await answer(world, act()) == "rules.denied"
    await opened(world, Lift(Lifts.RULE, "first", KillScope.MISSION, "m1", 5))
    assert await answer(world, act()) == "rules.denied"
    await opened(world, Lift(Lifts.RULE, "second", KillScope.MISSION, "m1", 5))
    assert await answer(world, act()) == "ok"
    assert len(world.audit("accounts.break_glass.used")) == 2
    assert await answer(world, act(mission="m2")) == "rules.denied"


@pytest.mark.parametrize(
    ("lifts", "what", "scope", "name"),
    [
        (Lifts.STOP, "everything", KillScope.MISSION, "m1"),
        (Lifts.STOP, "install x", KillScope.MISSION, "m1"),
        (Lifts.STOP, "agent", KillScope.MISSION, "m1"),
        (Lifts.RULE, "", KillScope.MISSION, "m1"),
        (Lifts.RULE, "x\ny", KillScope.MISSION, "m1"),
        (Lifts.STOP, "agent coder", KillScope.INSTALL, ""),
        (Lifts.STOP, "agent coder", KillScope.AGENT, ""),
    ],
)
def test_a_break_glass_that_names_nothing_or_everything_can_not_be(
    lifts: Lifts, what: str, scope: KillScope, name: str
) -> None:
    with pytest.raises(InvalidInput):
        Lift(lifts, what, scope, name, 5)


async def test_a_stop_that_is_not_in_force_can_not_be_lifted(world: World) -> None:
    await furnish(world)
    with pytest.raises(NotFound, match="nothing to lift"):
        await request_glass(world.store, lift(), workspace=WORKSPACE, reason="r", by=BOB, clock=CLOCK)


# ----------------------------------------------------------------------------------------------- across real processes

WORKER = """
import asyncio, sys, time
from pathlib import Path
from remit.adapters.store.keyfile import load_key
from remit.adapters.store.sqlite import SqliteStore
from remit.guard.guard import Guard
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.kernel.effects import Tool
from remit.kernel.ids import new_id
from remit.redact.redactor import Redactor

class Slow:
    async def perform(self, action):
        print("running", flush=True)
        await asyncio.sleep(60)

async def main(folder):
    with SqliteStore(folder / "remit.db", [load_key(folder / "audit.key")], heads=folder / "heads.log") as store:
        guard = Guard(store, {"tool": Slow()}, redactor=Redactor(bytes(16)), clock=SystemClock(), rand=lambda: 0.0)
        while True:
            action = Action(id=new_id(), effect=Tool("x"), principal=Principal(ActorKind.AGENT, "coder"),
                            on_behalf_of=Principal(ActorKind.USER, "ada"), workspace="acme", mission="m1")
            try:
                await guard.run(action)
            except Exception as error:
                print("stopped", error.code, flush=True)
                if sys.stdin.readline().strip() != "again":
                    return

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_a_stop_and_its_lifting_reach_another_process_within_a_second(world: World, tmp_path: Path) -> None:
    """This process gives the orders; what they stop runs in another, on the same database."""
    await furnish(world)
    entries = os.pathsep.join(path for path in sys.path if path)
    other = subprocess.Popen(  # noqa: ASYNC220 - it only starts it
        [sys.executable, "-c", WORKER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": entries},
    )
    assert other.stdin is not None
    assert other.stdout is not None
    said = {"workspace": WORKSPACE, "clock": CLOCK}
    try:
        assert await asyncio.to_thread(other.stdout.readline) == "running\n"
        pace = Pace()
        await kill(world.store, TEAM, reason="loops", by=OWNER, **said)  # type: ignore[arg-type]
        word, code = (await asyncio.to_thread(other.stdout.readline)).split()
        assert pace.spent() < 1.0
        assert (word, code) == ("stopped", "guard.killed")

        which = await opened(world, lift("team red"))
        await asyncio.sleep(0.3)
        other.stdin.write("again\n")
        other.stdin.flush()
        assert await asyncio.to_thread(other.stdout.readline) == "running\n"
        pace = Pace()
        await close_glass(world.store, which, reason="enough", by=OWNER, **said)  # type: ignore[arg-type]
        word, code = (await asyncio.to_thread(other.stdout.readline)).split()
        assert pace.spent() < 1.0
        assert (word, code) == ("stopped", "guard.killed")

        await unkill(world.store, TEAM, reason="mended", by=OWNER, **said)  # type: ignore[arg-type]
        await asyncio.sleep(0.3)
        other.stdin.write("again\n")
        other.stdin.flush()
        assert await asyncio.to_thread(other.stdout.readline) == "running\n"
        assert (await list_glass(world.store, workspace=WORKSPACE, by=OWNER))[0].uses == 1
    finally:
        other.kill()
        other.wait(10)
        other.stdin.close()
        other.stdout.close()
