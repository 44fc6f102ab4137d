import asyncio
import random
import threading
import time

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from remit.adapters.store.sqlite import SqliteStore
from remit.guard.breaker import Circuit, Numbers, Phase, Report, Ticket, ask, report
from remit.guard.tables import BREAKER
from remit.kernel.action import Action
from remit.kernel.effects import Command, Deploy, Fetch, Tool
from remit.kernel.errors import Failed, RateLimited, RemitError, Unavailable
from remit.kernel.mission import Outcome

from .fakes import WORKSPACE, HandClock, World, act, make_world

NUMBERS = Numbers()


class Breaker(RuleBasedStateMachine):
    """Any order of calls, endings and waiting: never more than the trials, never closed without the successes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.circuit = Circuit()
        self.out: list[tuple[Ticket, float, Phase]] = []
        self.proven = 0  # successes of trials since the circuit was last open
        self.in_a_row = 0

    def _move(self, after: Circuit, *, result: Report | None = None) -> None:
        before, self.circuit = self.circuit, after
        if after.phase is Phase.OPEN and before.phase is not Phase.OPEN:
            assert result is Report.FAILURE, "only a failure opens"
            assert before.phase is Phase.HALF_OPEN or self.in_a_row >= NUMBERS.failures
            self.proven = self.in_a_row = 0
        if before.phase is Phase.OPEN and after.phase is not Phase.OPEN:
            assert after.phase is Phase.HALF_OPEN
            assert self.now >= before.until
        if after.phase is Phase.CLOSED and before.phase is not Phase.CLOSED:
            assert self.proven >= NUMBERS.successes
            self.in_a_row = 0

    @rule()
    def call(self) -> None:
        before = self.circuit
        after, ticket = ask(before, self.now, numbers=NUMBERS)
        self._move(after)
        if before.phase is Phase.CLOSED:
            assert ticket is not None
        if before.phase is Phase.OPEN and self.now < before.until:
            assert ticket is None
        if ticket is not None:
            self.out.append((ticket, self.now, after.phase))

    @precondition(lambda self: self.out)
    @rule(data=st.data(), result=st.sampled_from(Report))
    def end(self, data: st.DataObject, result: Report) -> None:
        ticket, _since, phase = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        counts = ticket.generation == self.circuit.generation
        leased = any(number == ticket.number for number, _ in self.circuit.leases)
        if counts and phase is Phase.HALF_OPEN and leased and result is Report.SUCCESS:
            self.proven += 1
        if counts and phase is Phase.CLOSED and result is not Report.NEUTRAL:
            self.in_a_row = self.in_a_row + 1 if result is Report.FAILURE else 0
        self._move(report(self.circuit, ticket, result, now=self.now, numbers=NUMBERS, rand=lambda: 0.5), result=result)

    @rule(seconds=st.sampled_from([0.5, 30.0, 119.0, 121.0, 500.0, 2500.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def trials_are_bounded(self) -> None:
        assert sum(until > self.now for _, until in self.circuit.leases) <= NUMBERS.trials
        if self.circuit.phase is Phase.CLOSED:
            assert self.circuit.failures < NUMBERS.failures
        if self.circuit.phase is Phase.OPEN:
            assert self.circuit.until - self.now <= NUMBERS.longest_cooldown_s * (1 + NUMBERS.jitter)


TestBreaker = Breaker.TestCase
TestBreaker.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


def opened(numbers: Numbers = NUMBERS) -> Circuit:
    circuit = Circuit()
    for _ in range(numbers.failures):
        circuit, ticket = ask(circuit, 0.0, numbers=numbers)
        assert ticket is not None
        circuit = report(circuit, ticket, Report.FAILURE, now=0.0, numbers=numbers, rand=lambda: 0.0)
    return circuit


def test_the_numbers_are_those_of_the_requirement() -> None:
    circuit = opened()
    assert circuit.phase is Phase.OPEN
    assert circuit.until == 120.0
    circuit, first = ask(circuit, 120.0, numbers=NUMBERS)
    circuit, second = ask(circuit, 120.0, numbers=NUMBERS)
    circuit, third = ask(circuit, 120.0, numbers=NUMBERS)
    assert first is not None
    assert second is not None
    assert third is None
    circuit = report(circuit, first, Report.SUCCESS, now=121.0, numbers=NUMBERS, rand=lambda: 0.0)
    assert circuit.phase is Phase.HALF_OPEN
    circuit = report(circuit, second, Report.SUCCESS, now=121.0, numbers=NUMBERS, rand=lambda: 0.0)
    assert circuit.phase is Phase.CLOSED


def test_a_failed_trial_reopens_for_twice_as_long() -> None:
    circuit, ticket = ask(opened(), 120.0, numbers=NUMBERS)
    assert ticket is not None
    circuit = report(circuit, ticket, Report.FAILURE, now=120.0, numbers=NUMBERS, rand=lambda: 0.0)
    assert circuit.phase is Phase.OPEN
    assert circuit.until == 120.0 + 240.0


def test_a_trial_that_never_comes_back_frees_its_place() -> None:
    circuit = opened()
    for _ in range(2):
        circuit, _ticket = ask(circuit, 120.0, numbers=NUMBERS)
    circuit, refused = ask(circuit, 239.0, numbers=NUMBERS)
    assert refused is None
    circuit, granted = ask(circuit, 240.0, numbers=NUMBERS)
    assert granted is not None


def test_late_failures_of_calls_from_before_the_cooldown_do_not_reopen_it() -> None:
    late = [Ticket(0, 0)] * 5
    circuit = opened()
    for _ in range(2):
        circuit, ticket = ask(circuit, 120.0, numbers=NUMBERS)
        assert ticket is not None
        circuit = report(circuit, ticket, Report.SUCCESS, now=120.0, numbers=NUMBERS, rand=lambda: 0.0)
    assert circuit.phase is Phase.CLOSED
    for ticket in late:
        circuit = report(circuit, ticket, Report.FAILURE, now=121.0, numbers=NUMBERS, rand=lambda: 0.0)
    assert circuit.phase is Phase.CLOSED


# ------------------------------------------------------------------------------------------------- through the guard


async def fail(world: World, times: int, error: Exception | None = None) -> None:
    world.adapter.moves = [error or Unavailable("gone", retry_after=999.0)]
    for _ in range(times):
        with pytest.raises(RemitError):
            await world.guard.run(act())


async def test_an_open_circuit_refuses_at_once_with_the_time_and_a_record(store: SqliteStore) -> None:
    clock = HandClock()
    world = await make_world(store, clock=clock)
    await fail(world, 5)
    with pytest.raises(Unavailable) as told:
        await world.guard.run(act())
    assert told.value.code == "guard.breaker_open"
    assert told.value.retry_after == pytest.approx(120.0)
    assert len(world.adapter.calls) == 5
    await world.settled()
    (row,) = world.rows(BREAKER)
    assert (row["kind"], row["operation"], row["phase"]) == ("tool", "echo", "open")
    assert world.audit("guard.breaker")[0].header["reason"] == "open"
    assert world.audit("guard.refused")[0].header["reason"] == "breaker.open"
    assert (await _ok(world, Tool("other"))).ok, "another operation has a circuit of its own"


async def _ok(world: World, effect: Tool) -> Outcome:
    world.adapter.moves = [Outcome(ok=True)]
    return await world.guard.run(act(effect))


async def test_fifty_calls_at_half_open_let_the_two_trials_through_only(store: SqliteStore) -> None:
    clock = HandClock()
    world = await make_world(store, clock=clock)
    await fail(world, 5)
    world.adapter.calls.clear()
    gate = asyncio.Event()

    async def slow(_action: Action) -> Outcome:
        await gate.wait()
        return Outcome(ok=True)

    world.adapter.moves = [slow]
    clock.advance(121)
    calls = [asyncio.create_task(world.guard.run(act())) for _ in range(50)]
    await asyncio.wait(calls, return_when=asyncio.FIRST_EXCEPTION)
    while sum(call.done() for call in calls) < 48:
        await asyncio.wait([call for call in calls if not call.done()], return_when=asyncio.FIRST_COMPLETED)
    assert len(world.adapter.calls) == 2
    gate.set()
    got = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(each, Outcome) for each in got) == 2
    assert (await world.guard.run(act())).ok, "two successes close it"
    await world.settled()
    assert [entry.header["reason"] for entry in world.audit("guard.breaker")] == ["open", "half_open", "closed"]


async def test_refusals_rate_limits_and_certain_errors_say_nothing_about_the_service(store: SqliteStore) -> None:
    world = await make_world(store, clock=HandClock())
    await fail(world, 4)
    await fail(world, 10, Failed("the request was wrong"))
    await fail(world, 3, RateLimited("slow down"))
    await fail(world, 1, Unavailable("gone", retry_after=999.0))
    with pytest.raises(Unavailable, match="circuit"):
        await world.guard.run(act())


async def test_a_call_that_took_longer_than_a_minute_counts_as_failed(store: SqliteStore) -> None:
    clock = HandClock()
    world = await make_world(store, clock=clock)

    async def crawl(_action: Action) -> Outcome:
        clock.advance(61)
        return Outcome(ok=True)

    world.adapter.moves = [crawl]
    for _ in range(5):
        assert (await world.guard.run(act())).ok
    with pytest.raises(Unavailable, match="circuit"):
        await world.guard.run(act())


async def test_commands_and_files_have_no_circuit(store: SqliteStore) -> None:
    world = await make_world(store, clock=HandClock())
    world.adapter.moves = [Unavailable("gone")]
    for _ in range(8):
        with pytest.raises(Unavailable, match="gone"):
            await world.guard.run(act(Command(("ls",))))


async def test_every_page_of_a_site_shares_one_circuit_and_no_password_names_it(store: SqliteStore) -> None:
    world = await make_world(store, clock=HandClock())
    world.adapter.moves = [Unavailable("gone", retry_after=999.0)]
    for page in range(5):
        with pytest.raises(Unavailable, match="gone"):
            await world.guard.run(act(Fetch(f"https://example.com/{page}")))
    with pytest.raises(Unavailable, match="circuit"):
        await world.guard.run(act(Fetch("https://example.com/new")))
    await world.settled()
    assert [row["operation"] for row in world.rows(BREAKER)] == ["https://example.com"]


async def test_a_refusal_after_the_lease_gives_it_back(store: SqliteStore) -> None:
    clock = HandClock()
    world = await make_world(store, clock=clock)
    await fail(world, 5)
    clock.advance(121)
    world.journal.failing = {"guard.intent"}
    for _ in range(5):
        with pytest.raises(Unavailable, match="disk"):
            await world.guard.run(act())
    world.journal.failing = set()
    assert (await _ok(world, Tool("echo"))).ok


async def test_another_process_takes_over_what_was_left_open(store: SqliteStore) -> None:
    clock = HandClock()
    world = await make_world(store, clock=clock)
    await fail(world, 5)
    await world.settled()
    other = await make_world(store, clock=clock)
    await other.guard.restore(WORKSPACE)
    with pytest.raises(Unavailable, match="circuit"):
        await other.guard.run(act())
    clock.advance(121)
    assert (await _ok(other, Tool("echo"))).ok


async def test_deploys_have_circuits_too(store: SqliteStore) -> None:
    world = await make_world(store, clock=HandClock())
    world.adapter.moves = [Unavailable("gone")]
    for number in range(5):
        with pytest.raises(Unavailable, match="gone"):
            await world.guard.run(act(Deploy("production", {}), key=f"k{number}"))
    with pytest.raises(Unavailable, match="circuit"):
        await world.guard.run(act(Deploy("production", {}), key="k9"))


def test_threads_share_the_trials() -> None:
    from remit.guard.circuits import Circuits, Key

    clock = HandClock()
    circuits = Circuits(clock, lambda: 0.0, numbers=NUMBERS, changed=lambda _change: None)
    key = Key(WORKSPACE, "tool", "echo")
    for _ in range(5):
        lease = circuits.take(key)
        assert lease is not None
        circuits.give(lease, Report.FAILURE)
    clock.advance(121)
    start = threading.Barrier(8)
    granted: list[object] = []

    def ask_often() -> None:
        start.wait()
        for _ in range(50):
            lease = circuits.take(key)
            if lease is not None:
                granted.append(lease)
            time.sleep(random.random() / 10_000)

    threads = [threading.Thread(target=ask_often) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(granted) == 2


def test_failing_operations_without_end_take_bounded_memory() -> None:
    from remit.guard.circuits import MOST, Circuits, Key

    circuits = Circuits(HandClock(), lambda: 0.0, numbers=NUMBERS, changed=lambda _change: None)
    for number in range(MOST + 100):
        lease = circuits.take(Key(WORKSPACE, "fetch", f"https://{number}.example"))
        assert lease is not None
        circuits.give(lease, Report.FAILURE)
    assert len(circuits._circuits) == MOST
