"""Nothing at all, and more than fits: what needs somebody is plain on a new install and on a busy one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, expect

from remit.accounts.break_glass import Lift, Lifts, confirm_glass, request_glass
from remit.accounts.kills import KillScope, Target, kill, pause
from remit.accounts.plans import PlanName
from remit.accounts.sessions import person_of
from remit.accounts.workspaces import set_plan
from remit.kernel.effects import Order
from remit.kernel.errors import RemitError
from remit.serve.console.pages import PAGES

from .browser import WHOLE, check_page, look_over, looking, sideways
from .served import WORKSPACE, Served

LONG = "\u05de\u05e1\u05e2 \U0001f6a2 " + "the-quarterly-rebalancing-of-every-account-" * 3
RTL = "\u062a\u0631\u062d\u064a\u0644 \u0642\u0627\u0639\u062f\u0629 \U0001f9ed"


async def crowd(served: Served) -> None:
    """A mission that waits for a person, below many that are queued; more requests than a list holds; stops."""
    runtime = served.runtime
    about = {"workspace": WORKSPACE, "clock": runtime.clock}
    ada = runtime.owner
    await set_plan(runtime.store, PlanName.ENTERPRISE, workspace=WORKSPACE, by=ada)
    await served.mission("order")
    await served.mission("fail")
    for number in range(23):
        await served.mission("fine", run=False)
        await served.asked(Order(RTL, {"mode": "real", "note": LONG, "quantity": number}), by="priya")
    await kill(runtime.store, Target(KillScope.AGENT, "quill"), reason=RTL, by=person_of("priya"), **about)  # type: ignore[arg-type]
    await pause(runtime.store, Target(KillScope.AGENT, "mason"), reason=LONG, by=ada, **about)  # type: ignore[arg-type]
    for name in ("quill", "mason"):
        lift = Lift(Lifts.STOP, f"agent {name}", KillScope.AGENT, name, 5)
        made = await request_glass(runtime.store, lift, reason=RTL, by=person_of("tomas"), **about)  # type: ignore[arg-type]
        if name == "mason":
            await confirm_glass(runtime.store, made, by=ada, **about)  # type: ignore[arg-type]
    await runtime.guard.register.refresh(WORKSPACE)
    with suppress(RemitError):
        await served.asked(Order("x", {"mode": "real"}), agent="quill")


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("busy") / "home", crowd, approval_hours=3.0).start()
    yield made
    made.stop()


@pytest.fixture
def new(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("new") / "home").start()
    yield made
    made.stop()


def test_every_page_of_a_new_install(browser: Browser, new: Served) -> None:
    """Every other one, all with ``REMIT_PROVE=1``."""
    paths = [each.path for each in PAGES if "{" not in each.path]
    with looking(browser, new, who="ada") as looked:
        for path in paths if WHOLE else paths[::2]:
            page = looked.go(path)
            look_over(page, "dark", 375, 812)
            assert not sideways(page), path
        looked.quiet()


def test_the_start_page_says_that_there_is_more(browser: Browser, busy: Served) -> None:
    check_page(browser, busy, "/", name="home-busy")
    with looking(browser, busy) as looked:
        page = looked.go("/")
        expect(page.locator("h1")).to_have_text("At least 22 things need you")
        need = page.locator("section", has=page.locator("#h-need"))
        expect(need.locator("tbody tr")).to_have_count(22)
        expect(need.locator("tbody tr").first).to_contain_text("Break-glass: lift stop agent quill for agent quill")
        assert "$" not in need.locator("tbody tr").first.inner_text(), "it costs nothing"
        expect(need).to_contain_text("More wait than stand here")
        says = page.locator(".sub")
        expect(says).to_contain_text("1 mission goes on, 23 queued")
        expect(says).to_contain_text("1 refusal is lifted by break-glass")
        going = page.locator("section", has=page.locator("#h-run"))
        expect(going).to_contain_text("waits for a person")
        says.get_by_role("link", name="2 stops are in force").click()
        expect(page.locator("h1")).to_have_text("Two stops are in force")
        looked.quiet()
        found = page.request.get(f"{busy.url}/.json").json()
        told = {name: found[name] for name in ("more_needs", "more", "queued", "stops", "lifted")}
        assert told == {"more_needs": True, "more": False, "queued": 23, "stops": 2, "lifted": 1}


def test_a_stop_says_who_stopped_it_and_when(browser: Browser, busy: Served) -> None:
    check_page(browser, busy, "/stop", name="stop-busy")
    with looking(browser, busy) as looked:
        page = looked.go("/stop")
        now = page.locator("section", has=page.locator("#h-now"))
        expect(now.locator("form", has_text="agent quill")).to_contain_text("by priya at ")
        expect(now.locator("form", has_text="agent mason")).to_contain_text("by ada at ")
        page = looked.go("/agents/quill")
        expect(page.locator("main .kv")).to_contain_text("by priya at ")
        page.get_by_role("link", name="Lift it for minutes").click()
        expect(page.get_by_label("What is lifted")).to_have_value("stop:agent quill")
        expect(page.get_by_label("For whom alone")).to_have_value("agent:quill")
        looked.quiet()
        stops = page.request.get(f"{busy.url}/stop.json").json()["stops"]
        assert {(one["target"], one["by"]) for one in stops} == {
            ("agent:quill", "user:priya"), ("agent:mason", "user:ada"),
        }  # fmt: skip
        assert all(one["since_us"] > 0 for one in stops)
