import logging
import os
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.adapters.store.sqlite import SqliteStore
from remit.guard.attempts import attempts_of, attempts_report
from remit.guard.breaker import Numbers
from remit.guard.retry import PROFILES, Patience, Profile, RetryBudget, delay, patience_of, retry_after, transient
from remit.kernel.backoff import backoff
from remit.kernel.effects import Model, Tool
from remit.kernel.errors import (
    BudgetExceeded,
    Denied,
    Failed,
    InvalidInput,
    RateLimited,
    RemitError,
    Timeout,
    Unavailable,
)
from remit.kernel.mission import Outcome
from remit.kernel.money import usd

from .fakes import WORKSPACE, HandClock, World, act, make_world

PROVE = os.environ.get("REMIT_PROVE") == "1"


class Answered(Exception):
    """An error of somebody's HTTP client."""

    def __init__(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.response = self
        self.status_code = status
        self.headers = headers or {}


# ---------------------------------------------------------------------------------------------------- what, how long


def test_the_profiles_are_those_of_the_requirement() -> None:
    told = {name.value: (each.tries - 1, each.first_s, each.cap_s, each.cooldown_s) for name, each in PROFILES.items()}
    assert told["provider"] == (3, 2.0, 15.0, 120.0)
    assert told["generic"][:2] == (3, 1.0)
    assert told["generic"][3] == 60.0
    assert told["background"][:2] == (5, 1.0)
    assert told["once"][0] == 0
    assert patience_of("model") == PROFILES[Profile.PROVIDER]
    assert all(patience_of(kind) == PROFILES[Profile.GENERIC] for kind in ("fetch", "tool", "notify"))


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("gone"),
        Timeout("late"),
        RateLimited("slow down"),
        TimeoutError(),
        ConnectionResetError(),
        *(Answered(status) for status in (429, 502, 503, 504, 529)),
    ],
    ids=str,
)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    assert transient(error)


@pytest.mark.parametrize(
    "error",
    [
        Failed("wrong"),
        Denied("no"),
        BudgetExceeded("spent"),
        InvalidInput("not so"),
        ValueError("bug"),
        PermissionError("no"),
        *(Answered(status) for status in (400, 401, 403, 404, 422, 500)),
    ],
    ids=str,
)
def test_auth_validation_and_bugs_are_never_tried_again(error: Exception) -> None:
    assert not transient(error)


def test_retry_after_is_read_where_it_stands() -> None:
    assert retry_after(Unavailable("x", retry_after=3.0)) == 3.0
    assert retry_after(Answered(429, {"retry-after": "7"})) == 7.0
    assert retry_after(Answered(429, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"})) is None
    assert retry_after(ValueError()) is None


@given(
    tried=st.integers(1, 80),
    first=st.floats(0.01, 10),
    cap=st.floats(0.01, 100),
    drawn=st.floats(0, 1, exclude_max=True),
)
def test_delays_double_up_to_the_cap_and_jitter_takes_half_at_most(
    tried: int, first: float, cap: float, drawn: float
) -> None:
    full = min(first * 2.0 ** (tried - 1), cap)
    assert full / 2 <= backoff(tried, first_s=first, cap_s=cap, rand=lambda: drawn) <= full


@given(tried=st.integers(1, 10), asked=st.none() | st.floats(0, 100), drawn=st.floats(0, 1, exclude_max=True))
def test_retry_after_is_believed_up_to_the_cap(tried: int, asked: float | None, drawn: float) -> None:
    patience = PROFILES[Profile.PROVIDER]
    wait = delay(Unavailable("x", retry_after=asked), tried, patience=patience, rand=lambda: drawn)
    if tried >= patience.tries or (asked is not None and asked > patience.cap_s):
        assert wait is None
    else:
        assert wait is not None
        assert asked is None or wait == asked


# -------------------------------------------------------------------------------------------------- the retry budget


@settings(max_examples=3000 if PROVE else 80, deadline=None)
@given(
    moves=st.lists(st.tuples(st.sampled_from(["call", "retry", "wait"]), st.floats(0, 25)), max_size=200),
    floor=st.integers(0, 5),
    bulk=st.integers(1, 40),
)
def test_retries_are_never_more_than_a_tenth_of_the_calls_or_the_floor(
    moves: list[tuple[str, float]], floor: int, bulk: int
) -> None:
    """Held against a list of everything that happened."""
    clock = HandClock()
    budget = RetryBudget(clock.monotonic, floor=floor)
    calls: list[float] = []
    retries: list[float] = []
    for move, seconds in moves:
        now = clock.monotonic()
        match move:
            case "call":
                for _ in range(bulk):
                    budget.called("op")
                    calls.append(now)
            case "retry":
                recent = [at for at in calls if at > now - 60.0]
                again = [at for at in retries if at > now - 50.0]  # in the five whole slices before this one, at least
                granted = budget.grant("op")
                if granted:
                    retries.append(now)
                    assert len(again) + 1 <= max(floor, 0.1 * len(recent))
                elif len(again) == len(retries):
                    assert len(retries) + 1 > max(floor, 0.1 * len([at for at in calls if at > now - 50.0]))
            case _:
                clock.advance(seconds)


def test_operations_have_budgets_of_their_own_and_few_are_remembered() -> None:
    clock = HandClock()
    budget = RetryBudget(clock.monotonic, floor=1, most=10)
    assert budget.grant("a")
    assert not budget.grant("a")
    assert budget.grant("b")
    for number in range(100):
        budget.called(number)
    assert len(budget._tallies) == 10


def test_after_a_call_in_vain_the_next_are_tried_once_until_one_succeeds_or_time_has_passed() -> None:
    clock = HandClock()
    budget = RetryBudget(clock.monotonic)
    budget.in_vain("op", 60.0)
    assert not budget.grant("op")
    clock.advance(61)
    assert budget.grant("op")
    budget.in_vain("op", 60.0)
    budget.worked("op")
    assert budget.grant("op")


async def test_a_service_that_fails_for_everybody_gets_few_more_calls_than_were_asked_for(store: SqliteStore) -> None:
    numbers = Numbers(failures=10_000, error_rate=2.0)  # a circuit that would stay closed
    world = await make_world(store, clock=HandClock(), numbers=numbers, patience=Patience(cooldown_s=0.0))
    world.guard.retries = RetryBudget(world.clock.monotonic, floor=3)
    world.adapter.moves = [Unavailable("busy")]
    for _ in range(200):
        with pytest.raises(Unavailable, match="busy"):
            await world.guard.run(act())
    assert 200 < len(world.adapter.calls) <= 220


# ----------------------------------------------------------------------------------------------------- inside a permit


async def test_a_model_is_waited_for_as_a_provider(world: World) -> None:
    world.adapter.moves = [Unavailable("overloaded"), Unavailable("overloaded"), Unavailable("x"), Outcome(ok=True)]
    world.guard.terms = type(world.guard.terms)(sleep=world.guard.terms.sleep)
    await world.guard.run(act(Model("acme", "large", {})))
    assert world.waits == [2.0, 4.0, 8.0]


async def test_the_caller_may_ask_for_another_profile(world: World) -> None:
    world.adapter.moves = [*[Unavailable("x")] * 4, Outcome(ok=True)]
    assert (await world.guard.run(act(), profile=Profile.BACKGROUND)).ok
    assert world.waits == [1.0, 2.0, 4.0, 8.0]
    world.adapter.moves = [Unavailable("x")]
    with pytest.raises(Unavailable):
        await world.guard.run(act(Tool("other")), profile=Profile.ONCE)
    assert len(world.waits) == 4


@pytest.mark.parametrize(("error", "told"), [(ConnectionResetError("by peer"), Unavailable), (TimeoutError(), Timeout)])
async def test_a_lost_connection_of_the_adapter_is_tried_again(
    world: World, error: Exception, told: type[RemitError]
) -> None:
    world.adapter.moves = [error, Outcome(ok=True)]
    assert (await world.guard.run(act())).ok
    world.adapter.moves = [error]
    with pytest.raises(told):
        await world.guard.run(act(Tool("other")))


async def test_every_attempt_is_logged_with_provider_and_number_and_has_its_row(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    world.adapter.moves = [
        Unavailable("x", code="model.overloaded"),
        RateLimited("y"),
        Outcome(ok=True, cost=usd("0.02")),
    ]
    action = act(Model("acme", "large", {}))
    await world.guard.run(action)
    assert "model acme/large: attempt 1 of 4 failed (model.overloaded), again in 1.0 s" in caplog.messages
    assert "model acme/large: attempt 2 of 4 failed (rate_limited), again in 2.0 s" in caplog.messages
    rows: list[Mapping[str, Any]] = world.store.view(lambda tx: attempts_of(tx, WORKSPACE, action.id))
    assert [(row["number"], row["code"], row["wait_ms"], row["cost_micros"]) for row in rows] == [
        (1, "model.overloaded", 1000, 0),
        (2, "rate_limited", 2000, 0),
        (3, "", 0, 20_000),
    ]
    assert all(row["began_us"] <= row["ended_us"] for row in rows)


async def test_attempts_that_never_ended_well_have_rows_too(world: World) -> None:
    world.adapter.moves = [ValueError("a bug")]
    action = act()
    with pytest.raises(RemitError):
        await world.guard.run(action)
    (row,) = world.store.view(lambda tx: attempts_of(tx, WORKSPACE, action.id))
    assert row["code"] == "guard.adapter"


async def test_the_report_counts_actions_attempts_retries_and_time(store: SqliteStore) -> None:
    clock = HandClock()
    world = await make_world(store, clock=clock)

    async def slow(_action: Any) -> Outcome:
        clock.advance(2.0)
        return Outcome(ok=True)

    world.adapter.moves = [Unavailable("x"), slow]
    await world.guard.run(act())
    world.adapter.moves = [Failed("wrong", code="t.wrong")]
    with pytest.raises(Failed):
        await world.guard.run(act())
    world.adapter.moves = [Outcome(ok=True)]
    await world.guard.run(act(Model("acme", "m", {})))
    report = world.store.view(lambda tx: attempts_report(tx, WORKSPACE))
    told = report.as_json()
    assert (told["actions"], told["succeeded"], told["attempts"], told["attempts_ok"]) == (3, 2, 4, 2)
    assert (told["retried"], told["recovered"], told["waited_s"]) == (1, 1, 1.0)
    assert told["success_rate"] == pytest.approx(2 / 3, abs=1e-4)
    assert report.errors == {"unavailable": 1, "t.wrong": 1}
    assert report.total.durations.longest == 2.0
    assert (report.steps, report.retried_steps) == (1, 0)
    assert [kind.kind for kind in report.kinds] == ["model", "tool"]
    clock.advance(10)
    later = world.store.view(lambda tx: attempts_report(tx, WORKSPACE, since_us=2_000_000_000_000_000))
    assert later.total.actions == 0
    assert later.total.success_rate == 1.0
