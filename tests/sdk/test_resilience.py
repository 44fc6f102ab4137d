"""Retries, breakers, fallbacks, caches and links as any program uses them: without a home, sync and async."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Hashable, Iterator
from inspect import signature
from typing import Any

import pytest
import stamina
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from remit.guard.breaker import SLICES
from remit.kernel.errors import Failed, InvalidInput, RateLimited, Timeout, Unavailable
from remit.sdk.resilience import (
    AsyncLink,
    Breaker,
    Call,
    CircuitOpen,
    Link,
    MemoryCache,
    Numbers,
    Patience,
    Phase,
    Profile,
    RetryBudget,
    Retrying,
    cached,
    fallback,
    reconnecting,
    retry_call,
    retrying,
)
from remit.sdk.resilience_cache import Kept
from remit.testing.clock import ManualClock

QUICK = Patience(tries=4, first_s=0.001, cap_s=0.01, cooldown_s=60.0)


class Flaky:
    """Fails with the given errors, one a call, then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self, words: str = "hi", *, loud: bool = False) -> str:
        """Answer."""
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return words.upper() if loud else words

    @property
    def sync(self) -> Callable[..., str]:
        def ask(words: str = "hi", *, loud: bool = False) -> str:
            return self(words, loud=loud)

        return ask

    @property
    def later(self) -> Callable[..., Awaitable[str]]:
        async def ask(words: str = "hi", *, loud: bool = False) -> str:
            await asyncio.sleep(0)
            return self(words, loud=loud)

        return ask


async def called(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The answer of a sync or async function."""
    found = function(*args, **kwargs)
    return await found if isinstance(found, Awaitable) else found


@pytest.fixture(params=["sync", "async"])
def form(request: pytest.FixtureRequest) -> Callable[[Flaky], Callable[..., Any]]:
    """The function of a flaky service, in both forms."""
    return lambda flaky: flaky.sync if request.param == "sync" else flaky.later


type Form = Callable[[Flaky], Callable[..., Any]]


@pytest.fixture
def budget() -> RetryBudget:
    return RetryBudget(ManualClock().monotonic)


# ------------------------------------------------------------------------------------------------------------ retries


async def test_a_call_that_recovers_is_one_call_to_its_caller(form: Form, budget: RetryBudget) -> None:
    flaky = Flaky(Unavailable("gone"), ConnectionResetError())
    asked = retrying(QUICK, budget=budget)(form(flaky))
    assert await called(asked, "hello", loud=True) == "HELLO"
    assert flaky.calls == 3


async def test_the_last_error_is_told_after_the_profiles_tries(form: Form, budget: RetryBudget) -> None:
    flaky = Flaky(*(Unavailable(f"gone {number}") for number in range(9)))
    with pytest.raises(Unavailable, match="gone 3"):
        await called(retrying(QUICK, budget=budget)(form(flaky)))
    assert flaky.calls == 4


@pytest.mark.parametrize("error", [Failed("wrong"), ValueError("a bug"), PermissionError("no")], ids=repr)
async def test_a_certain_error_is_told_at_once(form: Form, budget: RetryBudget, error: Exception) -> None:
    flaky = Flaky(error)
    with pytest.raises(type(error)):
        await called(retrying(QUICK, budget=budget)(form(flaky)))
    assert flaky.calls == 1


async def test_a_filter_of_ones_own_decides(form: Form, budget: RetryBudget) -> None:
    flaky = Flaky(ValueError("half a line"))
    asked = retrying(QUICK, budget=budget, on=lambda error: isinstance(error, ValueError))(form(flaky))
    assert await called(asked) == "hi"


async def test_retry_after_beyond_the_cap_is_the_callers_to_wait(form: Form, budget: RetryBudget) -> None:
    flaky = Flaky(Unavailable("busy", retry_after=60.0))
    with pytest.raises(Unavailable) as told:
        await called(retrying(QUICK, budget=budget)(form(flaky)))
    assert (flaky.calls, told.value.retry_after) == (1, 60.0)


async def test_retries_are_a_tenth_of_the_calls_at_most_or_the_floor(form: Form) -> None:
    budget = RetryBudget(ManualClock().monotonic, floor=5)
    flaky = Flaky(*(Unavailable("gone") for _ in range(9999)))
    asked = retrying(Patience(tries=4, first_s=0.0, cap_s=0.0, cooldown_s=0.0), budget=budget)(form(flaky))
    for _ in range(100):
        with pytest.raises(Unavailable):
            await called(asked)
    assert 100 < flaky.calls <= 110


async def test_after_a_call_in_vain_the_next_is_tried_once(form: Form, budget: RetryBudget) -> None:
    flaky = Flaky(*(Unavailable("gone") for _ in range(9)))
    asked = retrying(QUICK, budget=budget)(form(flaky))
    for _ in range(2):
        with pytest.raises(Unavailable):
            await called(asked)
    assert flaky.calls == 5


async def test_as_a_function(form: Form) -> None:
    flaky = Flaky(Unavailable("gone"))
    assert await called(retry_call, QUICK, form(flaky), "hello", loud=True) == "HELLO"


def test_profiles_have_names() -> None:
    assert Retrying(Profile.PROVIDER).patience == Patience(tries=4, first_s=2.0, cap_s=15.0, cooldown_s=120.0)


def test_stamina_can_make_every_call_one_try_in_tests(budget: RetryBudget) -> None:
    flaky = Flaky(Unavailable("gone"))
    with stamina.set_testing(True), pytest.raises(Unavailable):
        retrying(QUICK, budget=budget)(flaky.sync)()


def test_a_decorated_function_keeps_its_name_and_signature(budget: RetryBudget) -> None:
    def ask(words: str, *, loud: bool = False) -> str:
        """Ask."""
        return words if loud else ""

    for decorate in (retrying(QUICK, budget=budget), Breaker("x"), fallback(ask), cached(1.0)):
        again = decorate(ask)
        assert (again.__name__, again.__doc__, signature(again)) == ("ask", "Ask.", signature(ask))


# ----------------------------------------------------------------------------------------- breaker, one process


def opened(clock: ManualClock, **numbers: Any) -> Breaker:
    """A breaker that just opened."""
    breaker = Breaker("search", clock=clock, rand=lambda: 0.0, numbers=Numbers(**numbers))
    for _ in range(5):
        with pytest.raises(Unavailable), breaker:
            raise Unavailable("gone")
    return breaker


async def test_five_failures_open_it_and_open_means_at_once_with_the_time(form: Form) -> None:
    clock = ManualClock()
    flaky = Flaky(*(Timeout("late") for _ in range(5)))
    breaker = Breaker("search", clock=clock, rand=lambda: 0.0)
    asked = breaker(form(flaky))
    for _ in range(5):
        with pytest.raises(Timeout):
            await called(asked)
    with pytest.raises(CircuitOpen, match="5 failures in a row") as told:
        await called(asked)
    assert (flaky.calls, told.value.retry_after, breaker.phase) == (5, 120.0, Phase.OPEN)
    clock.advance(121)
    assert await called(asked) == "hi"
    assert breaker.phase is Phase.HALF_OPEN
    assert await called(asked) == "hi"
    assert breaker.phase is Phase.CLOSED


@pytest.mark.parametrize("error", [RateLimited("429"), Failed("404"), ValueError("bug")], ids=repr)
def test_rate_limits_and_the_callers_own_errors_do_not_count(error: Exception) -> None:
    breaker = Breaker("search")
    for _ in range(20):
        with pytest.raises(type(error)), breaker:
            raise error
    assert breaker.phase is Phase.CLOSED


async def test_as_a_context_sync_and_async_nested_and_in_many_tasks() -> None:
    one, two = Breaker("one"), Breaker("two")

    async def both() -> None:
        async with one, two:
            await asyncio.sleep(0.001)
            with one:
                await asyncio.sleep(0.001)

    await asyncio.gather(*(both() for _ in range(20)))
    calls = [sum(each[1] for each in breaker.circuit.slices) for breaker in (one, two)]
    assert calls == [40, 20]


def test_a_call_is_late_until_its_first_byte() -> None:
    clock = ManualClock()
    breaker = Breaker("search", clock=clock, numbers=Numbers(failures=1, slow_call_s=60.0))
    with breaker as call:
        clock.advance(59)
        call.first_byte()
        clock.advance(600)
    assert breaker.phase is Phase.CLOSED
    with breaker:
        clock.advance(61)
    assert breaker.phase is Phase.OPEN


def test_a_person_resets_and_holds_open_with_a_reason_and_listeners_hear() -> None:
    heard: list[tuple[str, Phase, Phase]] = []
    breaker = Breaker("search", told=lambda *told: heard.append(told))
    breaker.force_open(reason="maintenance")
    with pytest.raises(CircuitOpen, match="maintenance"):
        breaker.begin()
    with pytest.raises(InvalidInput, match="reason"):
        breaker.reset(reason=" ")
    breaker.reset(reason="it is back")
    assert heard == [("search", Phase.CLOSED, Phase.OPEN), ("search", Phase.OPEN, Phase.CLOSED)]


def test_a_thousand_threads_calls_at_half_open_let_two_through() -> None:
    clock = ManualClock()
    breaker = opened(clock)
    clock.advance(121)
    start, gate = threading.Barrier(50), threading.Event()
    through: list[int] = []
    refused: list[int] = []
    before_any_ended: list[int] = []

    def ask(who: int) -> None:
        start.wait()
        for _ in range(20):
            try:
                with breaker:
                    through.append(who)
                    gate.wait(10)
            except CircuitOpen:
                refused.append(who)
                if len(refused) >= 1000 - 2 * 20:  # all but those of the two threads inside
                    before_any_ended.append(len(through))
                    gate.set()

    threads = [threading.Thread(target=ask, args=(who,)) for who in range(50)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert before_any_ended[0] == 2


class OneProcess(RuleBasedStateMachine):
    """The breaker as a program uses it: any order of calls, ends and waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.breaker = Breaker("x", clock=self.clock, rand=lambda: 0.5)
        self.running: list[tuple[Call, int]] = []
        self.proven = 0

    @rule()
    def call(self) -> None:
        before = self.breaker.phase
        try:
            call = self.breaker.begin()
        except CircuitOpen:
            assert before is not Phase.CLOSED
            return
        if before is Phase.OPEN:
            self.proven = 0
        self.running.append((call, self.breaker.circuit.generation))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), error=st.sampled_from([None, Unavailable("gone"), RateLimited("slow down")]))
    def end(self, data: st.DataObject, error: Exception | None) -> None:
        call, generation = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        before = self.breaker.circuit
        held = any(until > self.clock.monotonic() for _, until in before.leases)
        call.ended(error)
        after = self.breaker.circuit
        if before.phase is Phase.HALF_OPEN and after.successes > before.successes:
            self.proven += 1
        if before.phase is Phase.HALF_OPEN and after.phase is Phase.CLOSED:
            assert self.proven + 1 >= 2, "never closed without the successes"
            assert error is None
            assert generation == before.generation
            assert held or before.leases

    @rule(seconds=st.sampled_from([1.0, 30.0, 121.0, 300.0, 2500.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @invariant()
    def trials_are_bounded(self) -> None:
        circuit = self.breaker.circuit
        assert sum(until > self.clock.monotonic() for _, until in circuit.leases) <= 2
        assert len(circuit.slices) <= SLICES


TestOneProcess = OneProcess.TestCase
TestOneProcess.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


# ----------------------------------------------------------------------------------------------------------- fallback


async def test_the_next_answers_when_the_first_is_gone(form: Form) -> None:
    first, second = Flaky(*(Unavailable("gone") for _ in range(9))), Flaky(Timeout("late"))
    asked = fallback(form(second), form(Flaky()))(form(first))
    assert await called(asked, "hello", loud=True) == "HELLO"
    assert (first.calls, second.calls) == (1, 1)


async def test_an_open_circuit_is_a_reason_to_fall_back_and_a_bug_is_none(form: Form) -> None:
    breaker = Breaker("search")
    breaker.force_open(reason="maintenance")
    assert await called(fallback(form(Flaky()))(breaker(form(Flaky()))), "x") == "x"
    with pytest.raises(ValueError, match="bug"):
        await called(fallback(form(Flaky()))(form(Flaky(ValueError("bug")))))


async def test_when_all_fail_the_first_error_is_told_with_notes(form: Form) -> None:
    asked = fallback(form(Flaky(Timeout("late"))))(form(Flaky(Unavailable("gone"))))
    with pytest.raises(Unavailable, match="gone") as told:
        await called(asked)
    assert "late" in told.value.__notes__[0]


# ------------------------------------------------------------------------------------------- kept answers


class Recording:
    """A cache that can be broken."""

    def __init__(self, clock: ManualClock) -> None:
        self.inner = MemoryCache(monotonic=clock.monotonic)
        self.broken = False

    def get(self, key: Hashable) -> Kept | None:
        if self.broken:
            raise ConnectionError("the cache is gone")
        return self.inner.get(key)

    def put(self, key: Hashable, value: object, *, keep_s: float) -> None:
        if self.broken:
            raise ConnectionError("the cache is gone")
        self.inner.put(key, value, keep_s=keep_s)


async def test_an_answer_is_given_again_until_it_is_old(form: Form) -> None:
    clock = ManualClock()
    flaky = Flaky()
    asked = cached(60.0, cache=Recording(clock))(form(flaky))
    assert [await called(asked, "a"), await called(asked, "a"), await called(asked, "b")] == ["a", "a", "b"]
    assert flaky.calls == 2
    clock.advance(61)
    await called(asked, "a")
    assert flaky.calls == 3


async def test_an_old_answer_is_better_than_none_but_not_than_a_certain_error(form: Form) -> None:
    clock = ManualClock()
    flaky = Flaky()
    asked = cached(60.0, stale_s=3600.0, cache=Recording(clock))(form(flaky))
    await called(asked, "a")
    clock.advance(600)
    flaky.errors = [Unavailable("gone"), ValueError("bug")]
    assert await called(asked, "a") == "a"
    with pytest.raises(ValueError, match="bug"):
        await called(asked, "a")
    clock.advance(3600)
    flaky.errors = [Unavailable("gone")]
    with pytest.raises(Unavailable):
        await called(asked, "a")


async def test_a_broken_cache_changes_nothing_but_the_time(form: Form) -> None:
    cache = Recording(ManualClock())
    flaky = Flaky()
    asked = cached(60.0, cache=cache)(form(flaky))
    await called(asked)
    cache.broken = True
    assert await called(asked) == "hi"
    assert flaky.calls == 2


async def test_a_key_of_ones_own(form: Form) -> None:
    flaky = Flaky()
    asked = cached(60.0, key=lambda words="", **_more: words.lower())(form(flaky))
    assert [await called(asked, "A"), await called(asked, "a")] == ["A", "A"]


# --------------------------------------------------------------------------------------------------------------- links


class Server:
    """Gives out connections, unless it is down."""

    def __init__(self) -> None:
        self.down = 0
        self.attempts = 0
        self.closed: list[int] = []

    def connect(self) -> int:
        self.attempts += 1
        if self.down > 0:
            self.down -= 1
            raise ConnectionRefusedError("down")
        return self.attempts

    async def connect_later(self) -> int:
        return self.connect()


@pytest.fixture(params=["sync", "async"])
def linked(request: pytest.FixtureRequest) -> Iterator[tuple[Server, ManualClock, Link[int] | AsyncLink[int]]]:
    """A link of either form to a server, in a time that passes by sleeping."""
    clock, server = ManualClock(), Server()

    async def later(seconds: float) -> None:
        clock.advance(seconds)

    shared: dict[str, Any] = {"rand": lambda: 0.0, "monotonic": clock.monotonic, "close": server.closed.append}
    if request.param == "sync":
        yield server, clock, Link(server.connect, sleep=clock.advance, **shared)
    else:
        yield server, clock, AsyncLink(server.connect_later, sleep=later, **shared)


type Linked = tuple[Server, ManualClock, Link[int] | AsyncLink[int]]


async def use(link: Link[int] | AsyncLink[int], error: Exception | None = None, *, repeat: bool = False) -> int:
    """Use a link once; ``error`` strikes the first time."""
    errors = [error] if error else []

    def work(connection: int) -> int:
        if errors:
            raise errors.pop()
        return connection

    async def work_later(connection: int) -> int:
        return work(connection)

    return link.use(work, repeat=repeat) if isinstance(link, Link) else await link.use(work_later, repeat=repeat)


async def test_one_connection_serves_until_it_is_lost(linked: Linked) -> None:
    server, _clock, link = linked
    assert [await use(link), await use(link)] == [1, 1]
    with pytest.raises(ConnectionResetError):
        await use(link, ConnectionResetError())
    assert server.closed == [1]
    assert await use(link) == 2
    assert await use(link, ConnectionResetError(), repeat=True) == 3
    with pytest.raises(ValueError, match="bug"):
        await use(link, ValueError("bug"))
    assert await use(link) == 3, "an error of another kind costs no connection"


async def test_attempts_to_connect_back_off_and_the_caller_waits(linked: Linked) -> None:
    server, clock, link = linked
    server.down = 4
    assert await use(link) == 5
    assert clock.monotonic() == pytest.approx(0.1 + 0.2 + 0.4 + 0.8)


async def test_while_it_stays_down_nobody_hammers(linked: Linked) -> None:
    server, clock, link = linked
    server.down = 10_000
    with pytest.raises(ConnectionRefusedError):
        await use(link)
    assert clock.monotonic() <= 10.0
    attempts = server.attempts
    for _ in range(600):
        clock.advance(0.1)
        with pytest.raises((Unavailable, ConnectionRefusedError)):
            await use(link)
        if clock.monotonic() > 130:
            break
    assert server.attempts - attempts <= 130 / 5.0 + 2, "at most one in five seconds"
    server.down = 0
    clock.advance(6)
    assert await use(link) == server.attempts


def test_a_connecting_function_becomes_a_link() -> None:
    server = Server()

    @reconnecting(close=server.closed.append)
    def search() -> int:
        return server.connect()

    assert search.use(lambda connection: connection + 1) == 2
    search.drop()
    assert server.closed == [1]
