"""The page about money: its figures add up, a budget is set and removed on it, hostile names stay text."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from remit.accounts.budget_periods import Period
from remit.accounts.budgets import BudgetScope
from remit.guard.budget_limits import read_budgets
from remit.kernel.money import usd
from remit.serve.console.pages.spend import spend

from .browser import check_page, looking
from .money import call, spent
from .served import WORKSPACE, Served
from .test_home import cost


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("home") / "home", spent).start()
    try:
        yield made
    finally:
        made.stop()


def test_the_page_and_its_ranges(browser: Browser, house: Served) -> None:
    check_page(browser, house, "/spend")
    check_page(browser, house, "/spend?span=week", name="spend-week")
    with looking(browser, house) as looked:
        page = looked.go("/spend?span=week")
        each = page.locator("section", has=page.locator("#h-each"))
        assert each.locator("figure.drawn canvas").count() == 1
        assert not each.locator(".still").is_visible()
        found = page.request.get(f"{house.url}/spend.json?span=week").json()
        assert found["spent_micros"] == 20 * 1_000_000 + 100_000 + 1_350_000
        for part in ("models", "agents", "users", "teams"):
            assert sum(line["cost_micros"] for line in found[part]) == found["spent_micros"], part
        assert sum(kind["cost_micros"] for kind in found["kinds"]) == found["spent_micros"]
        assert found["keys_"] == [line for line in found["keys_"] if line["name"] == "k-lint"]
        assert found["missions"][0]["cost_micros"] == 16_000_000
        assert (found["kept"], found["saved_micros"]) == (1, 200_000)
        expect(page.locator("h1")).to_have_text("$21.45 spent in 7 days")
        assert "Rendering, 41:00" in page.inner_text("main")
        assert "Storage, 18.0" in page.inner_text("main")
        budgets = page.locator("section", has=page.locator("#h-bud"))
        expect(budgets.locator("tr", has_text="(mission ")).to_contain_text("Ends as it is told")
        expect(budgets.locator("tr", has_text="agent quill")).to_contain_text("over 80")
        expect(budgets.locator("tr", has_text="agent mason")).to_contain_text("refuses")
        looked.quiet()


def test_without_scripts_the_servers_drawing_stays(browser: Browser, house: Served) -> None:
    with looking(browser, house, scripts=False) as looked:
        each = looked.go("/spend?span=week").locator("section", has=looked.page.locator("#h-each"))
        assert each.locator(".still svg[role=img]").is_visible()
        each.locator("summary").click()
        assert each.locator("tbody tr").count() >= 1


def test_a_name_that_is_markup_stays_text(browser: Browser, house: Served) -> None:
    with looking(browser, house) as looked:
        page = looked.go("/spend")
        models = page.locator("section", has=page.locator("#h-mod"))
        expect(models).to_contain_text('gpt"><script>alert(1)</script>[U+202E]txt[U+200B]<img src=x onerror=alert(2)>')
        assert page.locator("main script, main img").count() == 0
        looked.quiet()


def test_a_budget_is_set_changed_and_removed(browser: Browser, house: Served) -> None:
    def limits() -> dict[tuple[str, str], str]:
        found = house.run(
            lambda runtime: runtime.store.read(lambda tx: read_budgets(tx, WORKSPACE, now_us=0)),
        )
        return {
            (str(one.limit.scope), one.limit.period): str(one.amount) for one in found if one.limit.name == "broker"
        }

    with looking(browser, house) as looked:
        page = looked.go("/spend")
        page.get_by_role("link", name="Set a budget").focus()
        page.keyboard.press("Enter")
        page.locator("#whose").select_option("agent:broker")
        page.locator("#amount").fill("a lot")
        page.locator("#amount").press("Enter")
        expect(page.locator("#amount-e")).to_contain_text("is not an amount of dollars")
        expect(page.locator("#amount")).to_be_focused()
        expect(page.locator("#whose")).to_have_value("agent:broker")
        page.locator("#amount").fill("12.50")
        page.get_by_role("button", name="Set this budget").click()
        expect(page.locator("h1")).to_have_text("The budget is set")
        expect(page.locator("h1")).to_be_focused()
        assert limits() == {(BudgetScope.AGENT, Period.DAY): str(usd("12.50"))}
        row = page.locator("section", has=page.locator("#h-bud")).locator("tr", has_text="agent broker")
        row.locator("summary").click()
        row.get_by_role("button", name="Spend without it").click()
        expect(page.locator("h1")).to_have_text("The budget is removed")
        assert limits() == {}


def test_who_may_not_is_refused(browser: Browser, house: Served) -> None:
    with looking(browser, house, who="tomas") as looked:
        page = looked.go("/spend")
        page.locator("#amount").fill("5")
        page.get_by_role("button", name="Set this budget").click()
        expect(page.locator("main")).to_contain_text("may not admin")


def test_it_takes_a_fixed_number_of_statements(house: Served) -> None:
    before = cost(house, spend)
    for number in range(5):
        house.run(lambda _, number=number: call(house, f"more-{number}", cost="0.01", agent="broker"))
    assert cost(house, spend) == before
    assert before <= 50
