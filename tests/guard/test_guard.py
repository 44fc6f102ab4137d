import asyncio
import threading
import time

import pytest

from remit.accounts.agents import Agent, register_agent
from remit.accounts.budgets import BudgetScope, set_limit
from remit.accounts.kills import KillScope, Target, kill, unkill
from remit.accounts.tables import BUDGET
from remit.accounts.teams import Team, create_team
from remit.guard.records import State, find_outcome, settle_abandoned
from remit.guard.written import Written
from remit.kernel import permits
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.kernel.effects import Command, Fetch, Model, Notify, Tool, WriteFiles
from remit.kernel.errors import (
    BudgetExceeded,
    Cancelled,
    Conflict,
    Denied,
    Failed,
    Fenced,
    InternalError,
    RateLimited,
    Timeout,
    Unavailable,
)
from remit.kernel.mission import Outcome
from remit.kernel.money import Money, usd
from remit.kernel.permits import Head
from remit.kernel.ports import Tx

from ..pace import Pace  # noqa: TID252 - tests are loaded by path
from .fakes import CODER, OWNER, WORKSPACE, World, act, deploy

CLOCK = SystemClock()


async def register(world: World, **of: object) -> None:
    if of.get("team"):
        team = Team(WORKSPACE, str(of["team"]), "A team")
        await create_team(world.journal, team, by=OWNER, clock=CLOCK)
    agent = Agent(WORKSPACE, "coder", OWNER.id, effects=frozenset({"tool", "files"}), tools=frozenset({"echo"}), **of)  # type: ignore[arg-type]
    await register_agent(world.journal, agent, by=OWNER, clock=CLOCK)


async def stop(world: World, target: Target) -> None:
    await kill(world.journal, target, workspace=WORKSPACE, reason="it misbehaves", by=OWNER, clock=CLOCK)


# ------------------------------------------------------------------------------------------------------ the plain way


async def test_an_effect_is_intended_performed_and_recorded(world: World) -> None:
    action = act(key="m1/s1/k/0")
    done = await world.guard.run(action)
    assert done == Outcome(ok=True, value={"done": True}, text="done")
    assert world.journal.names == ["guard.intent", "guard.outcome"]
    (row,) = world.rows()
    assert (row["id"], row["state"], row["tries"]) == (action.id, "ok", 1)
    assert row["closed_us"] >= row["opened_us"]
    intent, outcome = [entry for entry in world.audit() if entry.header["action"].startswith("guard.")]
    assert intent.header["result"] == "pending"
    assert outcome.header["result"] == "success"
    assert intent.header["subject"] == outcome.header["subject"] == action.id
    assert intent.payload is not None
    assert intent.payload["checks"] == [
        "identify", "authorise", "scan", "secrets", "rules", "approval", "breaker", "rate", "budget",
    ]  # fmt: skip
    past = await find_outcome(world.journal, "m1/s1/k/0", workspace=WORKSPACE)
    assert past is not None
    assert past.state is State.OK


async def test_the_adapter_runs_inside_the_permit_and_only_there(world: World) -> None:
    action = act()
    await world.guard.run(action)
    assert world.adapter.permits == [action.id]
    from remit.kernel.permits import CURRENT

    assert CURRENT.get() is None


async def test_the_intent_is_committed_before_the_adapter_is_called(world: World) -> None:
    async def look(action: Action) -> Outcome:
        assert [(row["id"], row["state"]) for row in world.rows()] == [(action.id, "open")]
        return Outcome(ok=True)

    world.adapter.moves = [look]
    await world.guard.run(act())
    assert world.states() == ["ok"]


async def test_what_cannot_be_undone_waits_for_a_signed_checkpoint(world: World) -> None:
    async def look(_action: Action) -> Outcome:
        assert world.store.statistics().signed >= 2, "owner and intent"
        return Outcome(ok=True)

    world.adapter.moves = [look]
    await world.guard.run(act(deploy(), key="k"))


async def test_a_model_call_starts_at_once_and_answers_after_its_intent_is_committed(world: World) -> None:
    action = act(Model("openai", "m", {"messages": []}))
    await world.guard.run(action)
    assert world.states() == ["ok"]


async def test_a_model_call_that_costs_waits_for_its_reservation(world: World) -> None:
    await set_limit(world.journal, BudgetScope.MISSION, workspace=WORKSPACE, name="m1", limit=usd(1), by=OWNER)
    with pytest.raises(BudgetExceeded):
        await world.guard.run(act(Model("openai", "m", {}), estimate=usd(2)))
    assert world.adapter.calls == []


class Shown:
    """A tap that keeps what passes."""

    def __init__(self) -> None:
        self.passed: list[bytes] = []

    async def begin(self, head: Head) -> None:
        self.passed.append(b"%d" % head.status)

    async def write(self, data: bytes) -> None:
        self.passed.append(data)


async def test_a_model_call_that_costs_is_asked_beside_its_commit_and_shown_after_it(world: World) -> None:
    world.journal.commit_s = 0.1
    shown = Shown()
    seen: list[list[bytes]] = []

    async def answer(_action: Action) -> Outcome:
        delivery = permits.delivery()
        assert delivery is not None
        asyncio.get_running_loop().call_later(0.05, lambda: seen.append(list(shown.passed)))
        await delivery.begin(Head(200))
        await delivery.write(b"said")
        return Outcome(ok=True, cost=usd("0.01"))

    world.adapter.moves = [answer]
    await world.guard.run(act(Model("openai", "m", {}), estimate=usd("0.02")), tap=shown)
    assert (seen, shown.passed) == ([[]], [b"200", b"said"])
    assert world.states() == ["ok"]


@pytest.mark.parametrize("tapped", [True, False])
async def test_nothing_is_shown_or_asked_again_when_the_intent_of_a_model_call_is_lost(
    world: World, *, tapped: bool
) -> None:
    world.journal.lost = {"guard.intent"}
    shown = Shown()

    async def answer(_action: Action) -> Outcome:
        delivery = permits.delivery()
        if delivery is not None:
            await delivery.begin(Head(200))
            await delivery.write(b"said")
        return Outcome(ok=True, text="said")

    world.adapter.moves = [answer]
    model = Model("openai", "m", {})
    for _ in range(6):  # often enough to open a circuit, were it the service's fault
        with pytest.raises(Unavailable, match="disk"):
            await world.guard.run(act(model, estimate=usd("0.02")), tap=shown if tapped else None)
    assert (len(world.adapter.calls), shown.passed, world.states()) == (6, [], [])
    world.journal.lost = set()
    assert (await world.guard.run(act(model, estimate=usd("0.02")))).ok


async def test_a_result_that_is_not_ok_comes_back_and_is_recorded_as_failed(world: World) -> None:
    world.adapter.moves = [Outcome(ok=False, value={"exit": 1}, text="1 test failed")]
    assert not (await world.guard.run(act())).ok
    assert world.states() == ["failed"]


async def test_the_outcome_may_be_left_pending_and_still_commits(world: World) -> None:
    pending: list[Written] = []
    await world.guard.run(act(), pending=pending)
    assert len(pending) == 1
    await pending[0].wait()
    assert world.states() == ["ok"]


async def test_an_outcome_that_could_not_be_written_is_told(world: World) -> None:
    world.journal.failing = {"guard.outcome"}
    with pytest.raises(Unavailable, match="disk"):
        await world.guard.run(act())
    assert world.states() == ["open"]


async def test_the_callers_check_runs_in_both_transactions(world: World) -> None:
    seen: list[list[str]] = []

    def within(_tx: Tx) -> None:
        seen.append(list(world.journal.names))

    await world.guard.run(act(), within=within)
    assert [names[-1] for names in seen] == ["guard.intent", "guard.outcome"]


async def test_a_fenced_worker_starts_nothing_and_writes_nothing(world: World) -> None:
    def fenced(_tx: Tx) -> None:
        raise Fenced("another worker owns the mission")

    with pytest.raises(Fenced):
        await world.guard.run(act(), within=fenced)
    await world.settled()
    assert world.rows() == []
    assert world.adapter.calls == []


async def test_a_permit_is_used_once_and_an_unused_one_is_closed(world: World) -> None:
    async with world.guard.admit(act()) as permit:
        await permit.perform()
        with pytest.raises(InternalError):
            await permit.perform()
    async with world.guard.admit(act()):
        pass
    assert world.states() == ["ok", "unused"]
    assert len(world.adapter.calls) == 1


# ---------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (act(principal=Principal(ActorKind.USER, "eve")), "identify.unknown_user"),
        (act(principal=Principal(ActorKind.AGENT, "ghost")), "identify.unknown_agent"),
        (act(origin=Principal(ActorKind.USER, "eve")), "identify.unknown_user"),
        (act(origin=Principal(ActorKind.SYSTEM, "remit")), "identify.no_originator"),
        (act(Tool("rm"), principal=CODER), "authorise.tool"),
        (act(Fetch("https://example.com"), principal=CODER), "authorise.effect"),
        (act(Fetch("https://example.com"), principal=OWNER, origin=CODER), "authorise.effect"),
    ],
    ids=["user", "agent", "origin", "system origin", "tool", "kind", "more than the originator"],
)
async def test_who_may_not_is_refused_with_who_what_and_why(world: World, action: Action, reason: str) -> None:
    await register(world)
    with pytest.raises(Denied) as told:
        await world.guard.run(action)
    assert told.value.decision_id == action.id
    assert told.value.hint == f"remit why {action.id}"
    assert world.adapter.calls == []
    (row,) = world.rows()
    assert (row["state"], row["reason"]) == ("refused", reason)
    (entry,) = world.audit("guard.refused")
    assert (entry.header["actor"], entry.header["reason"], entry.header["result"]) == (
        str(action.principal), reason, "blocked",
    )  # fmt: skip


async def test_an_agent_may_what_it_was_registered_for(world: World) -> None:
    await register(world)
    assert (await world.guard.run(act(principal=CODER))).ok


async def test_a_kind_without_an_adapter_is_refused(world: World) -> None:
    world.guard._kinds = frozenset({"tool"})
    with pytest.raises(Denied, match="performs"):
        await world.guard.run(act(Fetch("https://example.com")))


async def test_an_uninitialised_workspace_is_refused(world: World) -> None:
    from dataclasses import replace

    with pytest.raises(Denied, match="remit init"):
        await world.guard.run(replace(act(), workspace="elsewhere"))


async def test_nothing_starts_when_the_kill_switch_cannot_be_read(world: World) -> None:
    world.journal.failing = {"read"}
    with pytest.raises(Unavailable) as told:
        await world.guard.run(act())
    assert told.value.code == "guard.unreadable"
    assert world.adapter.calls == []
    assert world.states() == ["refused"]


@pytest.mark.parametrize(
    "effect", [Tool("echo"), deploy(), WriteFiles({"a": b"b"}), Command(("ls",))], ids=lambda e: e.trait.kind
)
async def test_nothing_starts_without_a_committed_intent(world: World, effect: Tool) -> None:
    world.journal.failing = {"guard.intent"}
    with pytest.raises(Unavailable):
        await world.guard.run(act(effect, key="k"))
    assert world.adapter.calls == []


async def test_a_refusal_stands_when_it_cannot_be_recorded(world: World) -> None:
    world.journal.failing = {"guard.refused"}
    with pytest.raises(Denied) as told:
        await world.guard.run(act(principal=Principal(ActorKind.USER, "eve")))
    assert any("could not be recorded" in note for note in told.value.__notes__)


# ----------------------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "effect",
    [
        Command(("curl", "-H", "X: hunter2-hunter2")),
        Command(("cat",), stdin=b"hunter2-hunter2"),
        Command(("env",), env={"A": "hunter2-hunter2"}),
        WriteFiles({"a.py": b"KEY = 'hunter2-hunter2'"}),
        WriteFiles({"hunter2-hunter2": b""}),
        Tool("echo", {"text": "hunter2-hunter2"}),
        Fetch("https://example.com/?k=hunter2-hunter2"),
    ],
    ids=["argv", "stdin", "env", "file", "path", "tool", "url"],
)
async def test_a_secret_in_what_is_executed_refuses(world: World, effect: Tool) -> None:
    world.redactor.register("hunter2-hunter2")
    with pytest.raises(Denied) as told:
        await world.guard.run(act(effect))
    assert "hunter2" not in f"{told.value} {world.rows()} {[entry.payload for entry in world.audit()]}"
    assert world.adapter.calls == []


@pytest.mark.parametrize(
    "effect",
    [
        Model("openai", "m", {"messages": [{"role": "user", "content": "it is hunter2-hunter2"}], "max_tokens": 5}),
        Notify("#ops", "hunter2-hunter2", "body hunter2-hunter2"),
    ],
    ids=["model", "notify"],
)
async def test_a_secret_in_what_is_read_goes_on_masked_and_the_decision_says_so(world: World, effect: Tool) -> None:
    world.redactor.register("hunter2-hunter2")
    await world.guard.run(act(effect))
    (sent,) = world.adapter.calls
    assert b"hunter2" not in sent.payload
    assert b"[REDACTED:registered:" in sent.payload
    (entry,) = world.audit("guard.intent")
    assert entry.payload is not None
    assert entry.payload["checks"][2]["reason"] == "masked"


async def test_secrets_in_outcomes_and_errors_are_masked_before_anybody_reads_them(world: World) -> None:
    world.redactor.register("hunter2-hunter2")
    secret = "hunter2-hunter2"
    world.adapter.moves = [Outcome(ok=True, value={"out": [secret], "password": 1}, text=f"token {secret}")]
    done = await world.guard.run(act())
    assert secret not in repr(done)
    assert done.value["password"] == 1, "a step reads values; only what is a secret is masked"
    for error in (Failed(f"failed with {secret}"), RuntimeError(secret)):
        world.adapter.moves = [error]
        with pytest.raises((Failed, InternalError)) as told:
            await world.guard.run(act())
        assert secret not in str(told.value)
    assert secret not in repr([entry.payload for entry in world.audit()])


# ------------------------------------------------------------------------------------- attempts, timeouts, repetition


async def test_a_hiccup_is_tried_again_inside_the_permit(world: World) -> None:
    world.adapter.moves = [Unavailable("gone"), RateLimited("slow down"), Outcome(ok=True)]
    assert (await world.guard.run(act())).ok
    assert world.waits == [1.0, 2.0]
    assert world.rows()[0]["tries"] == 3


async def test_tries_end_and_the_last_error_is_told(world: World) -> None:
    world.adapter.moves = [Unavailable("gone")]
    with pytest.raises(Unavailable, match="gone"):
        await world.guard.run(act())
    assert len(world.adapter.calls) == 4
    assert world.states() == ["failed"]


async def test_retry_after_is_honoured_up_to_the_cap(world: World) -> None:
    world.adapter.moves = [Unavailable("busy", retry_after=7.0), Unavailable("busy", retry_after=60.0)]
    with pytest.raises(Unavailable) as told:
        await world.guard.run(act())
    assert world.waits == [7.0]
    assert told.value.retry_after == 60.0


@pytest.mark.parametrize("effect", [Command(("ls",)), WriteFiles({"a": b""}), deploy()], ids=lambda e: e.trait.kind)
async def test_steps_own_the_retries_of_commands_and_files_and_nobody_repeats_a_deploy(
    world: World, effect: Tool
) -> None:
    world.adapter.moves = [Unavailable("gone")]
    with pytest.raises(Unavailable):
        await world.guard.run(act(effect, key="k"))
    assert len(world.adapter.calls) == 1


async def test_a_certain_error_is_not_tried_again(world: World) -> None:
    world.adapter.moves = [Failed("no such column")]
    with pytest.raises(Failed):
        await world.guard.run(act())
    assert len(world.adapter.calls) == 1


async def test_an_attempt_that_takes_too_long_ends(world: World) -> None:
    async def hang(_action: Action) -> Outcome:
        await asyncio.sleep(60)
        raise AssertionError

    world.adapter.moves = [hang]
    with pytest.raises(Timeout):
        await world.guard.run(act(Command(("sleep", "60"))), timeout_s=0.05)
    assert world.states() == ["failed"]


@pytest.mark.parametrize(
    "how", [Unavailable("cut"), RuntimeError("boom"), Timeout("late")], ids=lambda e: type(e).__name__
)
async def test_a_deploy_that_may_have_happened_is_asked_about_and_never_repeated(world: World, how: Exception) -> None:
    world.adapter.moves = [how, Outcome(ok=True)]
    with pytest.raises((Unavailable, InternalError)):
        await world.guard.run(act(deploy(), key="release-1"))
    with pytest.raises(Conflict) as told:
        await world.guard.run(act(deploy(), key="release-1"))
    assert told.value.code == "guard.unknown_outcome"
    assert len(world.adapter.calls) == 1
    assert world.states() == ["unknown", "refused"]
    past = await find_outcome(world.journal, "release-1", workspace=WORKSPACE)
    assert past is not None
    assert past.must_ask


async def test_a_deploy_whose_process_died_is_asked_about(world: World) -> None:
    world.journal.failing = {"guard.outcome"}
    with pytest.raises(Unavailable):
        await world.guard.run(act(deploy(), key="release-1"))
    world.journal.failing = set()
    with pytest.raises(Conflict, match="Nobody knows"):
        await world.guard.run(act(deploy(), key="release-1"))
    settled = await world.store.commit(
        "guard.settle", lambda tx: settle_abandoned(tx, "m1", workspace=WORKSPACE, now_us=1)
    )
    assert [past.state for past in settled] == [State.UNKNOWN]
    with pytest.raises(Conflict, match="Nobody knows"):
        await world.guard.run(act(deploy(), key="release-1"))
    assert len(world.adapter.calls) == 1


async def test_a_deploy_is_done_once_and_one_that_certainly_failed_may_be_tried_again(world: World) -> None:
    world.adapter.moves = [Failed("rejected"), Outcome(ok=True)]
    with pytest.raises(Failed):
        await world.guard.run(act(deploy(), key="release-1"))
    assert (await world.guard.run(act(deploy(), key="release-1"))).ok
    with pytest.raises(Conflict, match="done already"):
        await world.guard.run(act(deploy(), key="release-1"))
    with pytest.raises(Conflict, match="effect key"):
        await world.guard.run(act(deploy()))


# -------------------------------------------------------------------------------------------- cancellation and kills


async def hang(_action: Action) -> Outcome:
    await asyncio.sleep(60)
    raise AssertionError


async def test_cancelling_the_caller_writes_the_outcome(world: World) -> None:
    world.adapter.moves = [hang]
    task = asyncio.create_task(world.guard.run(act()))
    await world.adapter.called.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert world.states() == ["cancelled"]


async def test_remits_own_cancellation_writes_the_outcome(world: World) -> None:
    world.adapter.moves = [Cancelled("the mission was cancelled")]
    with pytest.raises(Cancelled):
        await world.guard.run(act())
    assert world.states() == ["cancelled"]


async def test_a_caller_cancelled_while_the_intent_commits_leaves_nothing_open(world: World) -> None:
    for _ in range(20):
        task = asyncio.create_task(world.guard.run(act()))
        for _ in range(2):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await world.settled()
    assert set(world.states()) <= {"unused", "cancelled", "ok"}


@pytest.mark.parametrize(
    "target",
    [
        Target(KillScope.AGENT, "coder"),
        Target(KillScope.TEAM, "red"),
        Target(KillScope.MISSION, "m1"),
        Target(KillScope.INSTALL),
    ],
    ids=str,
)
async def test_a_kill_refuses_what_starts_and_cancels_what_runs_within_a_second(world: World, target: Target) -> None:
    await register(world, team="red")
    world.adapter.moves = [hang]
    task = asyncio.create_task(world.guard.run(act(principal=CODER)))
    await world.adapter.called.wait()
    await stop(world, target)
    pace = Pace()
    with pytest.raises(Denied) as told:
        await task
    assert pace.spent() < 1.0
    assert told.value.code == "guard.killed"
    assert "it misbehaves" in told.value.message
    assert world.states() == ["blocked"]
    assert world.audit("guard.outcome")[0].header["result"] == "blocked"
    await asyncio.sleep(0.25)
    with pytest.raises(Denied, match="misbehaves"):
        await world.guard.run(act(principal=CODER))
    await unkill(world.journal, target, workspace=WORKSPACE, reason="mended", by=OWNER, clock=CLOCK)
    world.adapter.moves = [Outcome(ok=True)]
    await asyncio.sleep(0.26)
    assert (await world.guard.run(act(principal=CODER))).ok


async def test_another_agents_kill_stops_nobody_else(world: World) -> None:
    await register(world)
    other = Agent(WORKSPACE, "other", OWNER.id, effects=frozenset({"tool"}), tools=frozenset({"*"}))
    await register_agent(world.journal, other, by=OWNER, clock=CLOCK)
    await stop(world, Target(KillScope.AGENT, "other"))
    assert (await world.guard.run(act(principal=CODER))).ok


async def test_a_permit_held_for_long_asks_again_before_it_starts(world: World) -> None:
    async with world.guard.admit(act()) as permit:
        await stop(world, Target(KillScope.MISSION, "m1"))
        await asyncio.sleep(0.3)
        with pytest.raises(Denied, match="misbehaves"):
            await permit.perform()
    assert world.adapter.calls == []
    assert world.states() == ["unused"]


async def test_what_runs_is_stopped_when_the_kill_switch_stays_unreadable(world: World) -> None:
    world.adapter.moves = [hang]
    task = asyncio.create_task(world.guard.run(act()))
    await world.adapter.called.wait()
    world.journal.failing = {"read"}
    with pytest.raises(Denied, match="could not be read"):
        await asyncio.wait_for(task, 30)


async def test_an_adapter_that_ignores_the_kill_is_recorded_as_blocked(world: World) -> None:
    async def stubborn(_action: Action) -> Outcome:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return Outcome(ok=True)
        raise AssertionError

    world.adapter.moves = [stubborn]
    task = asyncio.create_task(world.guard.run(act()))
    await world.adapter.called.wait()
    await stop(world, Target(KillScope.INSTALL))
    with pytest.raises(Denied):
        await task
    assert task.cancelling() == 0
    assert world.states() == ["blocked"]


# ------------------------------------------------------------------------------------------------------------ budgets


def budget(world: World, scope: str) -> tuple[int, int]:
    (row,) = [row for row in world.rows(BUDGET) if row["scope"] == scope]
    return row["spent"], row["reserved"]


async def test_the_estimate_is_reserved_and_the_cost_settled(world: World) -> None:
    await set_limit(world.journal, BudgetScope.MISSION, workspace=WORKSPACE, name="m1", limit=usd(1), by=OWNER)

    async def look(_action: Action) -> Outcome:
        assert budget(world, "mission") == (0, 400_000)
        return Outcome(ok=True, cost=usd("0.25"))

    world.adapter.moves = [look]
    await world.guard.run(act(estimate=usd("0.40")))
    assert budget(world, "mission") == (250_000, 0)


async def test_what_does_not_fit_is_refused_and_what_fits_exactly_succeeds(world: World) -> None:
    await set_limit(world.journal, BudgetScope.WORKSPACE, workspace=WORKSPACE, name="", limit=usd(1), by=OWNER)
    world.adapter.moves = [Outcome(ok=True, cost=usd(1))]
    with pytest.raises(BudgetExceeded) as told:
        await world.guard.run(act(estimate=usd("1.000001")))
    assert "$1.00 left" in told.value.message
    assert (await world.guard.run(act(estimate=usd(1)))).ok
    with pytest.raises(BudgetExceeded):
        await world.guard.run(act(estimate=Money(1)))
    assert sorted(world.states()) == ["ok", "refused", "refused"]


async def test_every_scope_must_have_room_and_a_refusal_reserves_in_none(world: World) -> None:
    await register(world)
    for scope, name, limit in (
        (BudgetScope.WORKSPACE, "", 10),
        (BudgetScope.AGENT, "coder", 1),
        (BudgetScope.MISSION, "m1", 10),
    ):
        await set_limit(world.journal, scope, workspace=WORKSPACE, name=name, limit=usd(limit), by=OWNER)
    with pytest.raises(BudgetExceeded, match="agent coder"):
        await world.guard.run(act(principal=CODER, estimate=usd(2)))
    assert budget(world, "workspace") == (0, 0)


async def test_many_callers_at_once_never_overspend_and_what_fits_succeeds(world: World) -> None:
    await set_limit(world.journal, BudgetScope.WORKSPACE, workspace=WORKSPACE, name="", limit=usd("0.10"), by=OWNER)
    world.adapter.moves = [Outcome(ok=True, cost=usd("0.01"))]
    got = await asyncio.gather(*(world.guard.run(act(estimate=usd("0.01"))) for _ in range(40)), return_exceptions=True)
    assert sum(isinstance(each, Outcome) for each in got) == 10
    assert sum(isinstance(each, BudgetExceeded) for each in got) == 30
    assert budget(world, "workspace") == (100_000, 0)


async def test_even_what_is_free_stops_once_a_scope_is_overspent(world: World) -> None:
    await set_limit(world.journal, BudgetScope.MISSION, workspace=WORKSPACE, name="m1", limit=usd(1), by=OWNER)
    world.adapter.moves = [Outcome(ok=True, cost=usd(3))]
    await world.guard.run(act(estimate=usd(1)))
    await asyncio.sleep(0.3)
    with pytest.raises(BudgetExceeded, match="beyond its limit"):
        await world.guard.run(act())
    assert (await world.guard.run(act(mission="m2"))).ok


async def test_a_dead_process_is_charged_its_estimate(world: World) -> None:
    await set_limit(world.journal, BudgetScope.MISSION, workspace=WORKSPACE, name="m1", limit=usd(1), by=OWNER)
    world.journal.failing = {"guard.outcome"}
    with pytest.raises(Unavailable):
        await world.guard.run(act(estimate=usd("0.30")))
    assert budget(world, "mission") == (0, 300_000)
    settled = await world.store.commit(
        "guard.settle", lambda tx: settle_abandoned(tx, "m1", workspace=WORKSPACE, now_us=1)
    )
    assert [past.state for past in settled] == [State.ABANDONED]
    assert budget(world, "mission") == (300_000, 0)
    assert world.audit("guard.outcome")[-1].header["reason"] == "abandoned"
    again = await world.store.commit(
        "guard.settle", lambda tx: settle_abandoned(tx, "m1", workspace=WORKSPACE, now_us=1)
    )
    assert again == []


async def test_an_outcome_that_comes_after_the_settlement_is_told_and_not_written(world: World) -> None:
    async def outlive(_action: Action) -> Outcome:
        await world.store.commit("guard.settle", lambda tx: settle_abandoned(tx, "m1", workspace=WORKSPACE, now_us=1))
        return Outcome(ok=True)

    world.adapter.moves = [outlive]
    with pytest.raises(Conflict, match="settled by another process"):
        await world.guard.run(act())
    assert world.states() == ["abandoned"]


# --------------------------------------------------------------------------------------------- loops and identities


def test_one_guard_serves_several_event_loops(world: World) -> None:
    """Each loop has its own watch: a kill reaches what runs in either."""
    world.adapter.moves = [hang]
    told: list[BaseException] = []

    def work() -> None:
        async def run() -> None:
            try:
                await world.guard.run(act())
            except Denied as error:
                told.append(error)

        asyncio.run(run())

    threads = [threading.Thread(target=work) for _ in range(2)]
    for each in threads:
        each.start()
    deadline = time.monotonic() + 60
    while len(world.adapter.calls) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    asyncio.run(stop(world, Target(KillScope.MISSION, "m1")))
    for each in threads:
        each.join(timeout=60)
    assert [getattr(error, "code", "") for error in told] == ["guard.killed"] * 2
    assert world.states() == ["blocked", "blocked"]


async def test_an_id_is_admitted_once(world: World) -> None:
    action = act()
    await world.guard.run(action)
    with pytest.raises(Conflict):
        await world.guard.run(action)
    assert len(world.adapter.calls) == 1
    assert world.states() == ["ok"]
