import asyncio
import json
import os
import random
import subprocess
import threading
import time
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from remit.adapters.store.sqlite import SqliteStore
from remit.guard.breaker import Circuit, Numbers, Phase, Report, Ticket, ask, report
from remit.guard.breakers import Order, list_circuits, move
from remit.guard.circuits import MOST, Circuits, Key, Lease
from remit.guard.retry import ONCE
from remit.guard.tables import BREAKER, BREAKER_TRIAL
from remit.guard.trials import NoTrialError, Stored, locked, read_unwell
from remit.kernel.action import Action
from remit.kernel.effects import Command, Deploy, Fetch, Model, Tool
from remit.kernel.errors import (
    Conflict,
    Denied,
    Failed,
    InvalidInput,
    NotFound,
    RateLimited,
    RemitError,
    Timeout,
    Unavailable,
)
from remit.kernel.mission import Outcome
from remit.kernel.permits import first_byte
from remit.testing.memory_journal import MemoryJournal

from ..pace import Pace  # noqa: TID252 - tests are loaded by path
from .fakes import CODER, OWNER, WORKSPACE, HandClock, World, act, make_world

NUMBERS = Numbers()
KEY = Key(WORKSPACE, "tool", "echo")
PROVE = os.environ.get("REMIT_PROVE") == "1"


class Breaker(RuleBasedStateMachine):
    """Any order of calls, endings and waiting: never more than the trials, never closed without the successes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.circuit = Circuit()
        self.out: list[tuple[Ticket, float, Phase]] = []
        self.proven = 0  # successes of trials since the circuit was last open
        self.in_a_row = 0
        self.calls: list[tuple[float, bool]] = []  # those that counted while it was closed, since it was last

    def _move(self, after: Circuit, *, result: Report | None = None) -> None:
        before, self.circuit = self.circuit, after
        if after.phase is Phase.OPEN and before.phase is not Phase.OPEN:
            assert result is Report.FAILURE, "only a failure opens"
            recent = [bad for at, bad in self.calls if at > self.now - NUMBERS.window_s]
            often = len(recent) >= NUMBERS.window_calls and sum(recent) >= NUMBERS.error_rate * len(recent)
            assert before.phase is Phase.HALF_OPEN or self.in_a_row >= NUMBERS.failures or often
            self.proven = self.in_a_row = 0
        if before.phase is Phase.OPEN and after.phase is not Phase.OPEN:
            assert after.phase is Phase.HALF_OPEN
            assert self.now >= before.until
        if after.phase is Phase.CLOSED and before.phase is not Phase.CLOSED:
            assert self.proven >= NUMBERS.successes
            self.in_a_row = 0
            self.calls.clear()

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
            self.calls.append((self.now, result is Report.FAILURE))
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
TestBreaker.settings = settings(max_examples=5000 if PROVE else 60, stateful_step_count=60, deadline=None)


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


async def _ok_for_ever(world: World) -> None:
    while True:
        await _ok(world, Tool("echo"))
        await asyncio.sleep(0.01)


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


def circuits_on(store: SqliteStore, clock: HandClock, *, numbers: Numbers = NUMBERS) -> Circuits:
    """The circuits of one process on a store."""
    return Circuits(clock, lambda: 0.0, numbers=numbers, write=lambda op: store.submit("guard.breaker", op))


def test_threads_share_the_trials(store: SqliteStore) -> None:
    clock = HandClock()
    circuits = circuits_on(store, clock)
    for number in range(5):
        lease = circuits.take(KEY, f"a{number}")
        assert lease is not None
        circuits.give(lease, Report.FAILURE)
    store.submit("guard.settle", lambda _tx: None).result()
    clock.advance(121)
    start = threading.Barrier(8)
    granted: list[Lease] = []

    def ask_often(who: int) -> None:
        start.wait()
        for number in range(50):
            lease = circuits.take(KEY, f"{who}-{number}")
            if lease is not None and lease_trial(store, circuits, lease):
                granted.append(lease)
            time.sleep(random.random() / 10_000)

    threads = [threading.Thread(target=ask_often, args=(who,)) for who in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(granted) == 2


def lease_trial(store: SqliteStore, circuits: Circuits, lease: Lease) -> bool:
    """What the guard does with a trial, without an action."""
    try:
        store.submit("guard.intent", circuits.leasing(lease)).result()
    except NoTrialError:
        circuits.turned_away(lease)
        return False
    circuits.leased(lease)
    return True


def test_failing_operations_without_end_take_bounded_memory(store: SqliteStore) -> None:
    circuits = circuits_on(store, HandClock())
    for number in range(MOST + 100):
        lease = circuits.take(Key(WORKSPACE, "fetch", f"https://{number}.example"), "a")
        assert lease is not None
        circuits.give(lease, Report.FAILURE)
    assert len(circuits._known) == MOST


def test_half_of_many_calls_failing_opens_it_too() -> None:
    circuit, opened_after = Circuit(), 0
    for number in range(1, 100):
        ticket = Ticket(circuit.generation, 0)
        result = Report.FAILURE if number % 2 else Report.SUCCESS
        circuit = report(circuit, ticket, result, now=number * 0.1, numbers=NUMBERS, rand=lambda: 0.0)
        if circuit.phase is Phase.OPEN:
            opened_after = number
            break
    assert opened_after == 21, "an odd call fails; 20 calls at least"
    assert "11 of 21 calls" in circuit.why


def test_failures_spread_over_time_do_not_open_it() -> None:
    circuit = Circuit()
    for number in range(200):
        result = Report.SUCCESS if number % 4 else Report.FAILURE
        ticket = Ticket(circuit.generation, 0)
        circuit = report(circuit, ticket, result, now=number * 0.1, numbers=NUMBERS, rand=lambda: 0.0)
    assert circuit.phase is Phase.CLOSED


# ---------------------------------------------------------------------------------------------------- many processes


class Shared(RuleBasedStateMachine):
    """Several processes on one store, each with what it knows: any order of calls, endings, looks, deaths, waiting."""

    PROCESSES = 3

    def __init__(self) -> None:
        super().__init__()
        self.clock = HandClock()
        self.journal = MemoryJournal(self.clock)
        self.processes = [self._process() for _ in range(self.PROCESSES)]
        self.out: list[tuple[int, Lease]] = []
        self.number = 0
        self.proven = 0
        self.granted: dict[str, float] = {}  # trials that run: until when

    def teardown(self) -> None:
        self.journal.close()

    def _process(self) -> Circuits:
        return Circuits(
            self.clock, lambda: 0.5, numbers=NUMBERS, write=lambda op: self.journal.submit("guard.breaker", op)
        )

    def _row(self) -> Stored | None:
        return self.journal.submit("guard.settle", lambda tx: locked(tx, KEY)).result()

    def _phase(self) -> Phase:
        row = self._row()
        return Phase.CLOSED if row is None else row.circuit.phase

    @rule(who=st.integers(0, PROCESSES - 1))
    def call(self, who: int) -> None:
        self.number += 1
        circuits, before = self.processes[who], self._phase()
        lease = circuits.take(KEY, f"a{self.number}")
        if lease is None:
            return
        if lease.trial:
            try:
                self.journal.submit("guard.intent", circuits.leasing(lease)).result()
            except NoTrialError:
                circuits.turned_away(lease)
                return
            circuits.leased(lease)
            row = self._row()
            if row is not None and lease.action in row.holders.values():
                if before is Phase.OPEN:
                    self.proven = 0
                self.granted[lease.action] = self.clock.monotonic() + NUMBERS.lease_s
        self.out.append((who, lease))

    @precondition(lambda self: self.out)
    @rule(data=st.data(), result=st.sampled_from(Report))
    def end(self, data: st.DataObject, result: Report) -> None:
        who, lease = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        row, before = self._row(), self._phase()
        held = row is not None and lease.action in row.holders.values()
        self.processes[who].give(lease, result)
        self.granted.pop(lease.action, None)
        if held and before is Phase.HALF_OPEN and result is Report.SUCCESS:
            self.proven += 1
        after = self._phase()
        if before is not Phase.CLOSED and after is Phase.CLOSED:
            assert self.proven >= NUMBERS.successes, "closed without the successes"
        if before is Phase.HALF_OPEN and after is Phase.OPEN:
            assert held
            assert result is Report.FAILURE
        if after is not before and after is not Phase.HALF_OPEN:
            self.proven = 0

    @rule(who=st.integers(0, PROCESSES - 1))
    def look(self, who: int) -> None:
        read_at = self.clock.monotonic()
        rows = self.journal.submit("guard.settle", lambda tx: read_unwell(tx, WORKSPACE)).result()
        self.processes[who].learn(WORKSPACE, rows, read_at=read_at)

    @rule(who=st.integers(0, PROCESSES - 1))
    def die(self, who: int) -> None:
        """Its trials never come back, and a new process knows nothing."""
        self.processes[who] = self._process()
        self.out = [(whose, lease) for whose, lease in self.out if whose != who]

    @rule(seconds=st.sampled_from([0.05, 0.3, 30.0, 119.0, 121.0, 300.0, 2500.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def trials_are_bounded(self) -> None:
        now = self.clock.monotonic()
        assert sum(until > now for until in self.granted.values()) <= NUMBERS.trials
        row = self._row()
        if row is not None and row.circuit.phase is not Phase.HALF_OPEN:
            assert row.holders == {}, "an open or closed circuit has no trials"


TestShared = Shared.TestCase
TestShared.settings = settings(max_examples=2000 if PROVE else 40, stateful_step_count=50, deadline=None)


async def test_a_trip_in_one_process_is_seen_by_another_within_a_quarter_second(store: SqliteStore) -> None:
    one = await make_world(store)
    other = await make_world(store)
    assert (await _ok(other, Tool("echo"))).ok
    await fail(one, 5)
    await one.settled()
    pace = Pace()
    with pytest.raises(Unavailable, match="circuit"):
        await _ok_for_ever(other)
    assert pace.spent() <= 0.5, "0.25 s old at most, and a little for this machine"
    assert [entry.header["reason"] for entry in other.audit("guard.breaker")] == ["open"], "one trip, one entry"


CALLERS = 1000


async def test_a_thousand_calls_at_half_open_in_four_processes_let_two_through(store: SqliteStore) -> None:
    clock = HandClock()
    worlds = [await make_world(store, clock=clock) for _ in range(4)]
    await fail(worlds[0], 5)
    await worlds[0].settled()
    gate, through = asyncio.Event(), 0

    async def slow(_action: Action) -> Outcome:
        nonlocal through
        through += 1
        await gate.wait()
        return Outcome(ok=True)

    clock.advance(121)
    for world in worlds:
        await world.guard.restore(WORKSPACE)
        world.adapter.moves = [slow]
    changes: list[str] = []
    for world in worlds:
        world.guard.listeners.append(lambda change: changes.append(change.after.value))
    calls = [asyncio.create_task(worlds[number % 4].guard.run(act())) for number in range(CALLERS)]
    while sum(call.done() for call in calls) < CALLERS - 2:
        await asyncio.wait([call for call in calls if not call.done()], return_when=asyncio.FIRST_COMPLETED)
    assert through == 2
    gate.set()
    got = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(each, Outcome) for each in got) == 2
    assert {each.code for each in got if isinstance(each, RemitError)} == {"guard.breaker_open"}
    assert through == 2
    await worlds[0].settled()
    assert changes[0] == "half_open"
    assert changes[-1] == "closed"
    assert worlds[0].rows(BREAKER)[0]["phase"] == "closed"
    assert worlds[0].rows(BREAKER_TRIAL) == []


PEERS = Path(__file__).parents[2]


def test_three_libraries_let_every_one_of_a_thousand_calls_through() -> None:
    """The same scenario in other people's breakers (``make bench-peers`` makes their environment)."""
    python = PEERS / ".venv-peers" / "breakers" / "bin" / "python"
    if not python.exists():
        pytest.skip("peer not installed: breakers")
    script = PEERS / "benchmarks" / "peers" / "breakers.py"
    done = subprocess.run([python, script, "--callers", str(CALLERS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    through = json.loads(done.stdout)["through"]
    assert set(through) == {"purgatory", "aiobreaker", "circuitbreaker"}
    assert all(count > NUMBERS.trials for count in through.values()), f"one of them learnt to count: {through}"


async def test_a_dead_process_takes_no_trial_with_it(store: SqliteStore) -> None:
    clock = HandClock()
    world = await make_world(store, clock=clock)
    await fail(world, 5)
    clock.advance(121)
    never_left = [world.guard.admit(act()) for _ in range(2)]
    for admission in never_left:
        await admission.__aenter__()  # and this process is gone
    other = await make_world(store, clock=clock)
    await other.guard.restore(WORKSPACE)
    with pytest.raises(Unavailable, match="circuit"):
        await _ok(other, Tool("echo"))
    clock.advance(121)
    assert (await _ok(other, Tool("echo"))).ok
    for admission in never_left:
        await admission.__aexit__(None, None, None)


# --------------------------------------------------------------------------------------------------- a person's orders


async def test_a_person_opens_and_resets_with_a_reason_and_other_processes_obey(store: SqliteStore) -> None:
    world = await make_world(store, clock=HandClock())
    order = Order(WORKSPACE, "tool", "echo")
    await move(store, order, opened=True, reason="vendor's maintenance", by=OWNER, clock=world.clock)
    world.clock.advance(1.0)
    with pytest.raises(Unavailable, match=r"until a person resets it \(vendor's maintenance\)"):
        await _ok(world, Tool("echo"))
    world.clock.advance(90 * 86_400)
    with pytest.raises(Unavailable, match="circuit"):
        await _ok(world, Tool("echo"))
    (seen,) = await list_circuits(store, workspace=WORKSPACE)
    assert (seen.phase, seen.moved_by, seen.until_us, seen.trips_ever) == (Phase.OPEN, str(OWNER), None, 1)
    await move(store, order, opened=False, reason="it is back", by=OWNER, clock=world.clock)
    world.clock.advance(1.0)
    assert (await _ok(world, Tool("echo"))).ok
    entries = world.audit("guard.breaker")
    assert [entry.header["reason"] for entry in entries] == ["open", "closed"]
    assert {entry.header["actor"] for entry in entries} == {str(OWNER)}
    assert entries[0].payload is not None
    assert entries[0].payload["why"] == "vendor's maintenance"


async def test_orders_without_reason_or_right_or_effect_are_refused(store: SqliteStore) -> None:
    world = await make_world(store)
    order = Order(WORKSPACE, "tool", "echo")
    with pytest.raises(InvalidInput, match="reason"):
        await move(store, order, opened=True, reason=" ", by=OWNER, clock=world.clock)
    with pytest.raises(Denied, match="agents never administer"):
        await move(store, order, opened=True, reason="x", by=CODER, clock=world.clock)
    with pytest.raises(NotFound, match="never opened"):
        await move(store, order, opened=False, reason="x", by=OWNER, clock=world.clock)
    with pytest.raises(InvalidInput, match="kind"):
        await move(store, Order(WORKSPACE, "files", "x"), opened=True, reason="x", by=OWNER, clock=world.clock)
    await move(store, order, opened=True, reason="x", by=OWNER, clock=world.clock)
    with pytest.raises(Conflict, match="open already"):
        await move(store, order, opened=True, reason="x", by=OWNER, clock=world.clock)
    assert len(world.audit("guard.breaker")) == 1


async def test_a_trip_that_could_not_be_written_holds_here_and_is_written_later(store: SqliteStore) -> None:
    clock = HandClock()
    world = await make_world(store, clock=clock)
    world.journal.failing = {"guard.breaker"}
    await fail(world, 5)
    with pytest.raises(Unavailable, match="circuit"):
        await _ok(world, Tool("echo"))
    assert world.rows(BREAKER) == []
    world.journal.failing = set()
    clock.advance(2)
    await world.guard.restore(WORKSPACE)
    await world.settled()
    assert [row["phase"] for row in world.rows(BREAKER)] == ["open"]


async def test_no_first_byte_in_a_minute_ends_the_attempt_and_a_byte_in_time_does_not(store: SqliteStore) -> None:
    world = await make_world(store, numbers=Numbers(slow_call_s=0.05), patience=ONCE)

    async def silent(_action: Action) -> Outcome:
        await asyncio.sleep(30)
        return Outcome(ok=True)

    async def slow(_action: Action) -> Outcome:
        await asyncio.to_thread(first_byte)
        await asyncio.sleep(0.15)
        return Outcome(ok=True, text="all of it")

    world.adapter.moves = [silent]
    for _ in range(4):
        with pytest.raises(Timeout, match="no first byte of an answer"):
            await world.guard.run(act(Model("acme", "m", {})))
    world.adapter.moves = [slow]
    assert (await world.guard.run(act(Model("acme", "m", {})))).text == "all of it"
    world.adapter.moves = [silent]
    for _ in range(4):
        with pytest.raises(Timeout):
            await world.guard.run(act(Model("acme", "m", {})))
    assert world.rows(BREAKER) == [], "the slow answer was a success: never five in a row"


async def test_each_operation_of_a_model_has_its_own_circuit(store: SqliteStore) -> None:
    world = await make_world(store, clock=HandClock())
    world.adapter.moves = [Unavailable("gone", retry_after=999.0)]
    for _ in range(5):
        with pytest.raises(Unavailable, match="gone"):
            await world.guard.run(act(Model("acme", "large", {}, operation="embed")))
    with pytest.raises(Unavailable, match="circuit"):
        await world.guard.run(act(Model("acme", "large", {}, operation="embed")))
    world.adapter.moves = [Outcome(ok=True)]
    assert (await world.guard.run(act(Model("acme", "large", {})))).ok
    assert (await world.guard.run(act(Model("acme", "small", {}, operation="embed")))).ok
