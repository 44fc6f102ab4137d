"""Agents: five questions on one screen, changed and stopped from there."""

import re

from playwright.sync_api import Browser, expect

from remit.accounts.agents import find_agent
from remit.accounts.budget_periods import Period
from remit.accounts.budgets import BudgetScope, set_limit
from remit.bootstrap import Runtime
from remit.kernel.money import usd

from .browser import check_page, looking
from .served import WORKSPACE, Served


def test_the_pages(browser: Browser, served: Served) -> None:
    check_page(browser, served, "/agents")
    check_page(browser, served, "/agents/broker")
    check_page(browser, served, "/agents/new")


def test_one_row_an_agent_answers_the_five_questions(browser: Browser, served: Served) -> None:
    with looking(browser, served) as looked:
        page = looked.go("/agents")
        row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=re.compile("^quill")))
        expect(row).to_contain_text("ada")
        expect(row).to_contain_text("deploy, fetch, model, order, publish")
        expect(row).to_contain_text("no limit of its own")
        expect(row).to_contain_text("$0.00 spent today")
        row.get_by_role("link", name="Stop… quill").click()
        page.wait_for_url("**/stop?target=agent:quill")
        expect(page.locator("#target")).to_have_value("agent:quill")
        expect(page.get_by_text("Stopping agent quill: 1 agent starts nothing more")).to_be_visible()
        expect(page.locator(".decide")).to_contain_text("1 open request can't be used until it is lifted")
        looked.quiet()


def test_what_it_may_spend_is_what_budgets_say(browser: Browser, served: Served) -> None:
    async def spent(runtime: Runtime) -> None:
        for amount, period in (("100", Period.MONTH), ("2", Period.DAY)):
            await set_limit(
                runtime.store, BudgetScope.AGENT, workspace=WORKSPACE, name="lantern", limit=usd(amount),
                by=runtime.owner, period=period,
            )  # fmt: skip
        await runtime.guard.register.refresh(WORKSPACE)
        await served.spend(agent="lantern")
        await served.spend(agent="mason")

    served.run(spent)
    with looking(browser, served) as looked:
        page = looked.go("/agents")
        for name, told in (("lantern", "$1.37 of $2.00 today, and 1 more"), ("mason", "$1.37 spent today")):
            row = page.locator("tbody tr", has=page.locator(f"a[href='/agents/{name}']"))
            expect(row).to_contain_text(told)
        page = looked.go("/agents/lantern")
        expect(page.locator("main .kv")).to_contain_text("$1.37 of $100.00 this month")
        looked.quiet()


def test_register_and_change_an_agent(browser: Browser, served: Served) -> None:
    with looking(browser, served) as looked:
        page = looked.go("/agents/new")
        page.get_by_label("Name", exact=True).fill("scribe")
        page.get_by_label("Effects").fill("fetch, modle")
        page.get_by_label("Hosts").fill("example.org")
        page.get_by_role("button", name="Register the agent").click()
        expect(page.locator("#effects-e")).to_contain_text("did you mean 'model'?")
        expect(page.get_by_label("Effects")).to_be_focused()
        expect(page.get_by_label("Hosts")).to_have_value("example.org")
        page.get_by_label("Effects").fill("fetch, model")
        page.get_by_role("button", name="Register the agent").click()
        expect(page.locator("h1")).to_have_text("Agent scribe registered")
        expect(page.locator("h1")).to_be_focused()
        page.get_by_label("May spend, in all, in dollars").fill("12.50")
        page.get_by_label("Team").fill("")
        page.get_by_role("button", name="Change scribe").click()
        expect(page.locator("h1")).to_have_text("Agent scribe changed")
        expect(page.locator("main .kv")).to_contain_text("$0.00 of $12.50 in all")
    made = served.run(lambda runtime: runtime.store.read(lambda tx: find_agent(tx, workspace=WORKSPACE, name="scribe")))
    assert (made.effects, made.domains, made.revision) == ({"fetch", "model"}, {"example.org"}, 2)


def test_a_viewer_may_look_and_not_change(browser: Browser, served: Served) -> None:
    with looking(browser, served, who="vera") as looked:
        page = looked.go("/agents/broker")
        page.get_by_label("Kind").fill("other")
        page.get_by_role("button", name="Change broker").click()
        expect(page.locator("h1")).to_contain_text("may not")
