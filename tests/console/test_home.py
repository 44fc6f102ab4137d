"""The start page over missions, money, breakers and refusals that are real: each figure, and what it costs to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from remit.accounts.budget_periods import Period
from remit.accounts.budgets import BudgetScope, set_limit
from remit.guard.breakers import Order as CircuitOrder
from remit.guard.breakers import move
from remit.kernel.clock import micros_of
from remit.kernel.effects import Publish
from remit.kernel.errors import RemitError
from remit.kernel.money import usd
from remit.kernel.ports import ReadTx
from remit.serve.console.asking import Ask
from remit.serve.console.frame import read_frame
from remit.serve.console.pages import FORMS, PAGES
from remit.serve.console.pages.approvals import inbox
from remit.serve.console.pages.home import home
from remit.serve.edge.identity import EVERY_SCOPE, Caller

from .browser import check_page, looking
from .served import WORKSPACE, Served, three_requests


async def a_day(served: Served) -> None:
    """Requests, missions of every kind, spend, an open breaker, a refusal."""
    await three_requests(served)
    runtime = served.runtime
    await set_limit(
        runtime.store,
        BudgetScope.WORKSPACE,
        workspace=WORKSPACE,
        name="",
        limit=usd("5"),
        by=runtime.owner,
        period=Period.DAY,
    )
    await runtime.guard.register.refresh(WORKSPACE)
    await served.mission("fail")
    await served.mission("order")
    await served.mission("fine", run=False)
    for _ in range(3):
        await served.spend()
    order = CircuitOrder(WORKSPACE, "publish", "film-channel")
    await move(runtime.store, order, opened=True, reason="it answers nonsense", by=runtime.owner, clock=runtime.clock)
    await runtime.guard.register.refresh(WORKSPACE)
    with suppress(RemitError):
        await served.asked(Publish("nowhere", {"asset": "x"}), agent="nobody")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("home") / "home", a_day, approval_hours=3.0).start()
    try:
        yield made
    finally:
        made.stop()


def test_the_start_page_says_what_there_is(browser: Browser, day: Served) -> None:
    check_page(browser, day, "/", name="home-day")
    with looking(browser, day) as looked:
        page = looked.go("/")
        need = page.locator("section", has=page.locator("#h-need"))
        expect(page.locator("h1")).to_have_text("Four things need you")
        assert need.locator("tbody tr").count() == 4
        expect(need).to_contain_text("has no foreign key <b>at all</b>")
        expect(page.locator(".sub")).to_contain_text("1 mission goes on, 1 queued, 1 request waits for others")
        going = page.locator("section", has=page.locator("#h-run"))
        expect(going).to_contain_text("waits for a person")
        expect(going).to_contain_text("1 of 2")
        spend = page.locator("section", has=page.locator("#h-spend"))
        expect(spend).to_contain_text("Today: $4.11 of $5.00")
        expect(spend).to_contain_text("near the limit")
        expect(page.locator("section", has=page.locator("#h-brk"))).to_contain_text("held open until")
        expect(page.locator("section", has=page.locator("#h-last"))).to_contain_text("nobody")
        budgets = page.locator("section", has=page.locator("#h-slo"))
        expect(budgets).to_contain_text("Actions: 0 of 3 failed")
        expect(budgets).to_contain_text("Missions: 1 of 1 failed")
        page.get_by_role("link", name="All in the audit log").click()
        expect(page.locator("tbody tr").first).to_contain_text("guard.refused")
        looked.quiet()


def test_what_waits_for_a_person_is_no_failure(browser: Browser, day: Served) -> None:
    found = day.run(lambda runtime: runtime.missions.list(WORKSPACE))
    waits = next(one.id for one in found if one.waits_for)
    with looking(browser, day, scripts=False) as looked:
        page = looked.go(f"/missions/{waits}")
        expect(page.locator(".say.wait")).to_contain_text("it is a real order")
        assert page.locator(".say.bad").count() == 0
        decision = page.get_by_role("region", name="Guard decision")
        expect(decision.locator("dl")).to_contain_text("a person must decide")
        expect(decision).to_contain_text("has not happened; audit log")
        assert decision.locator(".st.failed, .st.denied").count() == 0
        decision.get_by_role("link").last.click()
        expect(page.locator("h1")).to_have_text("Send an order to broker-gateway")


def test_its_json_says_the_same(browser: Browser, day: Served) -> None:
    with looking(browser, day) as looked:
        found = looked.page.request.get(f"{day.url}/.json").json()
        assert found["title"] == "Four things need you"
        assert found["spent"]["micros"] == 4_110_000
        assert found["money"] == [
            {"period": "day", "limit_micros": 5_000_000, "spent_micros": 4_110_000, "reserved_micros": 0,
             "ends_us": found["money"][0]["ends_us"]}
        ]  # fmt: skip
        assert found["breakers"][0]["operation"] == "film-channel"


# ------------------------------------------------------------------------------------------------------------- its cost


class Counting:
    """The store, counting what is asked of it."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.asked = 0

    async def read[T](self, op: Callable[[Any], T]) -> T:
        return await self.store.read(lambda tx: op(_Counted(tx, self)))


class _Counted:
    def __init__(self, tx: ReadTx, counting: Counting) -> None:
        self._tx, self._counting = tx, counting

    def rows(self, stmt: Any, params: Any = None) -> list[Mapping[str, Any]]:
        self._counting.asked += 1
        return self._tx.rows(stmt, params)

    def row(self, stmt: Any, params: Any = None) -> Mapping[str, Any] | None:
        self._counting.asked += 1
        return self._tx.row(stmt, params)

    def tuples(self, stmt: Any, params: Any = None) -> list[tuple[Any, ...]]:
        self._counting.asked += 1
        return self._tx.tuples(stmt, params)  # pyright: ignore[reportAttributeAccessIssue]


def cost(served: Served, page: Any) -> int:
    """How many statements a page takes with its frame."""

    async def counted(runtime: Any) -> int:
        counting = Counting(runtime.store)
        ines = Caller(
            replace(runtime.owner, id="ines"), WORKSPACE, "session", EVERY_SCOPE, "s", "c", "127.0.0.1"
        )  # fmt: skip
        counted_runtime = replace(runtime, store=counting)
        ask = Ask(counted_runtime, ines, now_us=micros_of(runtime.clock.now()))
        await page.show(ask)
        await counting.read(lambda tx: read_frame(tx, ask, PAGES, theme="", keys=True))
        return counting.asked

    return served.run(counted)


def test_pages_take_a_fixed_number_of_statements(day: Served) -> None:
    before = {page.path: cost(day, page) for page in (home, inbox)}
    for number in range(3):
        day.ask(Publish("film-channel", {"asset": f"more-{number}"}), agent="lantern")
        day.run(lambda _: day.mission("fine", run=False))
    assert {page.path: cost(day, page) for page in (home, inbox)} == before
    assert before["/"] <= 45
    assert before["/approvals"] <= 20


def test_every_form_leads_back_to_a_page() -> None:
    assert {form.again for form in FORMS} <= set(PAGES)
