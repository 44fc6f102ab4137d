"""Break-glass in the console: one asks, another confirms with what it does before their eyes, whoever may ends it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from playwright.sync_api import Browser, expect

from remit.accounts.break_glass import Lift, Lifts, confirm_glass, request_glass
from remit.accounts.kills import KillScope, Mode, Target, kill
from remit.accounts.kills import pause as halt
from remit.bootstrap import Runtime
from remit.guard.rules.revisions import save
from remit.kernel.action import ActorKind, Principal
from remit.kernel.effects import Order
from remit.kernel.errors import ApprovalPending, RemitError

from .browser import check_page, look_over, looking, settled, shoot, sideways
from .served import WORKSPACE, Served
from .test_approvals import HOSTILE

RULES = """use: []
rules:
  - id: own.small
    on: [order]
    assert: estimate_usd < 0.10
    else: deny
    message: an order costs less than ten cents
"""
ROW = "tbody tr"


async def stopped(served: Served) -> None:
    """An agent that is stopped, one that is paused, a rule."""
    runtime = served.runtime
    about = {"workspace": WORKSPACE, "by": runtime.owner, "clock": runtime.clock}
    await kill(runtime.store, Target(KillScope.AGENT, "quill"), reason="it reads too much", **about)  # type: ignore[arg-type]
    await halt(runtime.store, Target(KillScope.AGENT, "mason"), reason="a look", **about)  # type: ignore[arg-type]
    await save(runtime.store, RULES, name="rules.yaml", reason="small", **about)  # type: ignore[arg-type]
    await runtime.guard.register.refresh(WORKSPACE)


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A console of its own for each test: what one lifts would be lifted for the next."""
    made = Served(tmp_path_factory.mktemp("glass") / "home", stopped).start()
    try:
        yield made
    finally:
        made.stop()


def person(name: str) -> Principal:
    return Principal(ActorKind.USER, name)


def asked(served: Served, lift: Lift, *, by: str = "tomas", reason: str = "the fix must go out") -> str:
    """Somebody has asked somewhere else."""
    return served.run(
        lambda runtime: request_glass(
            runtime.store, lift, workspace=WORKSPACE, reason=reason, by=person(by), clock=runtime.clock
        )
    )


def confirmed(served: Served, which: str, by: str = "priya") -> None:
    async def op(runtime: Runtime) -> None:
        await confirm_glass(runtime.store, which, workspace=WORKSPACE, by=person(by), clock=runtime.clock)

    served.run(op)


def quill(minutes: int = 5) -> Lift:
    return Lift(Lifts.STOP, "agent quill", KillScope.AGENT, "quill", minutes)


def orders(served: Served, agent: str) -> str:
    """What becomes of an order that an agent gives: ``asked`` a person, or the code of what refused it."""

    async def op(runtime: Runtime) -> str:
        await runtime.guard.register.refresh(WORKSPACE)
        try:
            await served.asked(Order("broker-gateway", {"mode": "real", "quantity": 3}), agent=agent)
        except RemitError as error:
            return error.code
        return "asked"

    with suppress(ApprovalPending):
        return served.run(op)
    return "asked"


def test_an_empty_page_teaches(browser: Browser, house: Served) -> None:
    check_page(browser, house, "/break-glass", name="break-glass-none")
    with looking(browser, house, who="vera") as looked:
        page = looked.go("/break-glass")
        expect(page.locator("h1")).to_have_text("Nothing is lifted")
        expect(page.locator(".empty")).to_contain_text("a second one confirms within the hour")
        expect(page.locator("main")).to_contain_text("takes the write permission")
        assert page.locator("main form").count() == 0
        looked.quiet()


def test_asked_for_from_the_stop_and_confirmed_by_keyboard(browser: Browser, house: Served) -> None:
    assert orders(house, "quill") == "guard.killed"
    with looking(browser, house, who="tomas") as looked:
        page = looked.go("/stop")
        page.locator("form", has_text="agent quill").get_by_role("link", name="Lift it for minutes").click()
        expect(page.get_by_label("What is lifted")).to_have_value("stop:agent quill")
        page.get_by_label("For whom alone").select_option("agent:quill")
        page.get_by_label("Minutes").select_option("10")
        page.get_by_label("Reason, kept in the audit log").focus()
        page.keyboard.type("the register closes at noon")
        page.keyboard.press("Control+Enter")
        expect(page.locator("h1")).to_have_text("Asked: it waits for a second person")
        expect(page.locator("h1")).to_be_focused()
        waits = page.locator("section.decide", has_text="Waits")
        expect(waits).to_contain_text("You asked for it: another person who may approve must confirm it.")
        assert waits.locator("form[action$=confirm]").count() == 0
        looked.quiet()
    assert orders(house, "quill") == "guard.killed", "asking lifts nothing"
    check_page(browser, house, "/break-glass", name="break-glass-waits")
    with looking(browser, house, who="priya") as looked:
        page = looked.go("/")
        expect(page.locator(".nav")).to_contain_text("Break-glass 1")
        need = page.locator("section", has=page.locator("#h-need")).locator(ROW)
        expect(need).to_contain_text("Break-glass: lift stop agent quill for agent quill")
        expect(need).to_contain_text("the register closes at noon")
        need.get_by_role("link", name="Review").click()
        waits = page.locator("section.decide", has_text="Waits")
        for says in ("the stop of agent quill", "agent quill and nobody else", "10 minutes from the moment", "tomas"):
            expect(waits.locator("dl")).to_contain_text(says)
        expect(waits).to_contain_text("What agent quill asks for is let through although agent quill is stopped.")
        waits.get_by_label("I have read what it lifts").focus()
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Lift it for 10 minutes")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("It is lifted from now on")
        expect(page.locator("h1")).to_be_focused()
        assert orders(house, "quill") == "guard.denied", "the stop is lifted, and no rule"
        looked.quiet()


def test_it_is_seen_and_ended_before_its_time(browser: Browser, house: Served) -> None:
    confirmed(house, asked(house, quill(10)), by="ada")
    assert orders(house, "quill") == "guard.denied"
    house.run(lambda _: house.spend(agent="quill"))
    with looking(browser, house, who="priya") as looked:
        page = looked.go("/break-glass")
        expect(page.locator("h1")).to_have_text("One refusal is lifted now")
        opened = page.locator("section.decide", has_text="Lifted now")
        expect(opened).to_contain_text("left of 10 minutes")
        expect(opened.locator("dd", has_text=re.compile("action"))).to_have_text("1 action")
        looked.quiet()
        check_page(browser, house, "/break-glass", name="break-glass-open")
        opened.locator("summary").press("Enter")
        opened.get_by_label("Reason, kept in the audit log").fill("it is out")
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("It is ended: nothing is lifted by it any more")
        expect(page.locator(ROW)).to_contain_text("ended by priya: it is out")
        page.locator(ROW).get_by_role("link").click()
        expect(page.locator(ROW)).to_have_count(4)  # asked, opened, used, ended
        looked.quiet()
    assert orders(house, "quill") == "guard.killed"


def test_a_rule_for_one_agent(browser: Browser, house: Served) -> None:
    assert orders(house, "broker") == "guard.denied"
    with looking(browser, house, who="ines", scripts=False) as looked:
        page = looked.go("/break-glass?what=rule%3Aown.small&whom=agent%3Abroker")
        expect(page.get_by_label("What is lifted")).to_have_value("rule:own.small")
        expect(page.get_by_label("For whom alone")).to_have_value("agent:broker")
        page.get_by_label("Reason, kept in the audit log").fill("one large order")
        page.get_by_role("button", name="Ask a second person").click()
        expect(page.locator("main")).to_contain_text("The rule own.small does not hold for agent broker")
    with looking(browser, house, who="ada", scripts=False) as looked:
        page = looked.go("/break-glass")
        page.get_by_label("I have read what it lifts").check()
        page.get_by_role("button", name="Lift it for 15 minutes").click()
        expect(page.locator("h1")).to_have_text("It is lifted from now on")
    assert orders(house, "broker") == "asked"
    assert orders(house, "lantern") == "guard.denied"


def test_who_may_not_confirm_is_told_why_and_refused(browser: Browser, house: Served) -> None:
    which = asked(house, quill(), by="ines")
    with looking(browser, house, who="tomas") as looked:  # a member asks, and approves nothing
        page = looked.go("/break-glass")
        expect(page.locator("section.decide", has_text="Waits")).to_contain_text("no right to approve here")
        send = page.request.post
        address = f"{house.url}/break-glass/{which}/confirm"
        assert send(address, form={"csrf": looked.csrf(), "seen": "yes"}).status == 403
    with looking(browser, house, who="ines") as looked:
        page = looked.go("/break-glass")
        answer = page.request.post(address, form={"csrf": looked.csrf(), "seen": "yes"})
        assert answer.status == 403
        assert "another person with the approve permission must confirm it" in answer.text()
        assert page.request.post(address, form={"seen": "yes"}).status == 403, "without the form's token"
    assert orders(house, "quill") == "guard.killed"


def test_what_is_not_taken_comes_back(browser: Browser, house: Served) -> None:
    which = asked(house, quill())
    with looking(browser, house, who="priya") as looked:
        page = looked.go("/break-glass")
        page.locator("form[action$=confirm] input[type=checkbox]").evaluate("one => one.required = false")
        page.get_by_role("button", name="Lift it for 5 minutes").click()
        expect(page.get_by_label("I have read what it lifts")).to_be_focused()
        expect(page.locator("#seen-e")).to_contain_text("read what it lifts")
        look_over(page, "dark", 375, 812)
        page = looked.go("/break-glass")
        summary = page.locator("summary", has_text="Withdraw it")
        summary.click()
        page.get_by_label("Reason, kept in the audit log").first.fill(f"not {HOSTILE}")
        confirmed(house, which)
        page.get_by_label("I have read what it lifts").check()
        page.get_by_role("button", name="Lift it for 5 minutes").click()
        expect(page.locator("#problem")).to_contain_text("is open, so it can't be confirmed")
        expect(page.locator("#problem")).to_be_focused()
        look_over(page, "light", 1440, 900)


def test_hostile_names_and_reasons_stay_text(browser: Browser, house: Served) -> None:
    async def stop(runtime: Runtime) -> None:
        target = Target(KillScope.MISSION, "x")
        await kill(runtime.store, target, workspace=WORKSPACE, reason=HOSTILE, by=runtime.owner, clock=runtime.clock)

    house.run(stop)
    for name in ("quill", "mason"):
        which = asked(house, Lift(Lifts.STOP, f"agent {name}", KillScope.MISSION, HOSTILE[:64], 5), reason=HOSTILE)
    confirmed(house, which)
    check_page(browser, house, "/break-glass", name="break-glass-hostile")
    with looking(browser, house) as looked:
        page = looked.go(f"/break-glass?what={HOSTILE[:40]}&whom=mission:{HOSTILE[:40]}")
        assert "<img src=x onerror=alert(1)>" in page.inner_text("main")
        assert "[U+202E]txt.exe" in page.inner_text("main")
        assert page.locator("main img, main script, main b[hx-get], main svg[onload]").count() == 0
        settled(page)
        looked.quiet()


def test_a_long_list_is_paged_and_its_json_says_the_same(browser: Browser, house: Served) -> None:
    made = [asked(house, quill(), reason=f"number {number} " + "very long " * 150) for number in range(23)]
    confirmed(house, made[0])
    with looking(browser, house, width=375, height=812) as looked:
        page = looked.go("/break-glass")
        assert not sideways(page)
        expect(page.locator("h1")).to_have_text("One refusal is lifted now, 22 requests wait for a second person")
        expect(page.locator(ROW)).to_have_count(20)
        shoot(page, "break-glass-many", "light", 375)
        page.get_by_role("link", name="Next").click()
        expect(page.locator(ROW)).to_have_count(3)
        page.go_back()
        expect(page.locator(ROW)).to_have_count(20)
        looked.quiet()
    with httpx.Client(base_url=house.url, cookies={"remit_session": "session-of-priya"}, timeout=60) as client:
        found = client.get("/break-glass.json").json()
        (opened,) = found["open"]
        assert (opened["id"], opened["status"], opened["confirmed_by"]) == (made[0], "open", "user:priya")
        assert opened["expires_us"] - opened["confirmed_us"] == 5 * 60_000_000
        assert len(found["waiting"]) == 22
        assert [one["id"] for one in found["rows"]] == made[:2:-1]
        assert ["stop:agent quill", "agent quill, stopped"] in found["things"][0][1]
        assert ["stop:agent mason", "agent mason, paused"] in found["things"][0][1]
        assert client.get("/break-glass.json?after=9223372036854775808.x").json()["rows"] == found["rows"]


def test_an_open_page_says_what_came_and_keeps_what_is_typed(browser: Browser, house: Served) -> None:
    with looking(browser, house, who="priya") as looked:
        page = looked.go("/break-glass")
        page.locator("#why").focus()
        page.keyboard.type("half a rea")
        asked(house, quill())
        expect(page.locator("#fresh")).to_contain_text("Show what has changed", timeout=60_000)
        expect(page.locator("#why")).to_be_focused()
        expect(page.locator("#why")).to_have_value("half a rea")
        looked.quiet()


@pytest.mark.parametrize("mode", list(Mode))
def test_every_way_to_stop_can_be_lifted(house: Served, mode: Mode) -> None:
    """A pause, too: the page offers what the guard refuses."""
    name = "quill" if mode is Mode.KILL else "mason"
    assert re.match(r"guard\.(killed|paused)", orders(house, name))
    which = asked(house, Lift(Lifts.STOP, f"agent {name}", KillScope.AGENT, name, 5))
    confirmed(house, which)
    assert orders(house, name) == "guard.denied"
