"""Deciding in a real browser: by keyboard, with a reason, about exactly what was read, and never twice."""

import json
import re
from collections.abc import Iterator
from itertools import count

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from remit.accounts.agents import Agent, register_agent
from remit.accounts.budgets import BudgetScope, Limit, remove_limit, set_limit
from remit.accounts.kills import KillScope, Target, kill, unkill
from remit.bootstrap import Runtime
from remit.guard.approval_decisions import decide
from remit.guard.approval_rows import Request, read_request, votes
from remit.guard.breakers import Order as Circuit
from remit.guard.breakers import move
from remit.kernel.action import ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.effects import Command, Fetch, Model, Order, Publish, Tool, WriteFiles
from remit.kernel.money import usd
from remit.models.catalogue import Provider, ProviderKind
from remit.models.orders import SetProvider
from remit.models.orders import order as set_up

from .browser import check_page, look_over, looking, settled, sideways
from .served import WORKSPACE, Served, three_requests

NUMBERS = count(7)
DENIED = re.compile(r"Denied by priya at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\.")
HOSTILE = (
    "<img src=x onerror=alert(1)><script>alert(2)</script><b hx-get='/approvals' hx-trigger='load'>b</b>"
    "<svg onload=alert(3)> [click](javascript:alert(4)) \u202etxt.exe\u202c \u200bhidden {{ 7 * 7 }}"
)


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A console of its own: these tests decide."""
    made = Served(
        tmp_path_factory.mktemp("home") / "home", three_requests, approval_hours=3.0, approval_quorum="1, publish=2"
    ).start()
    try:
        yield made
    finally:
        made.stop()


def request_of(served: Served, which: str) -> Request:
    return served.run(lambda runtime: runtime.store.read(lambda tx: read_request(tx, WORKSPACE, which)))


def order(served: Served, **more: str) -> str:
    """An order like no other before: what was denied once is not asked again."""
    number = next(NUMBERS)
    return served.ask(Order("broker-gateway", {"mode": "real", "instrument": "IDX-EU50", "quantity": number}), **more)


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_approve_with_the_keyboard_alone(browser: Browser, crew: Served) -> None:
    which = order(crew)
    with looking(browser, crew) as looked:
        page = looked.go(f"/approvals/{which}")
        press(page, "a")
        expect(page.get_by_role("button", name="Approve this order")).to_be_focused()
        assert request_of(crew, which).status == "pending", "no key sends anything"
        page.locator("#why").focus()
        page.keyboard.type("read it, the limits hold")
        press(page, "Tab", "Space", "Tab", "Enter")
        page.wait_for_url(re.compile(r"/approvals\?done="))
        title = page.locator("h1")
        expect(title).to_have_text("Approved: order to broker-gateway")
        expect(title).to_be_focused()
        looked.quiet()
    found = request_of(crew, which)
    assert found.status == "approved"
    said = crew.run(lambda runtime: runtime.store.read(lambda tx: votes(tx, found)))
    assert [(vote.voter, vote.verdict, vote.reason) for vote in said] == [
        ("ines", "approved", "read it, the limits hold")
    ]


def test_deny_with_the_keyboard_alone_by_sending_the_form(browser: Browser, crew: Served) -> None:
    which = order(crew)
    with looking(browser, crew) as looked:
        page = looked.go(f"/approvals/{which}")
        page.locator("#why").focus()
        page.keyboard.type("spread too wide")
        press(page, "Escape", "d")
        expect(page.get_by_role("button", name="Deny")).to_be_focused()
        press(page, "Control+Enter")
        expect(page.locator("h1")).to_have_text("Denied: order to broker-gateway")
        looked.quiet()
    assert request_of(crew, which).status == "denied"


def test_without_scripts(browser: Browser, crew: Served) -> None:
    which = order(crew)
    with looking(browser, crew, scripts=False) as looked:
        page = looked.go(f"/approvals/{which}")
        page.locator("#why").fill("no scripts needed")
        page.get_by_label("I have read the effect").check()
        page.get_by_role("button", name="Approve this order").click()
        expect(page.locator("h1")).to_have_text("Approved: order to broker-gateway")
    assert request_of(crew, which).status == "approved"


def test_what_is_missing_is_said_beside_it_and_what_was_typed_stays(browser: Browser, crew: Served) -> None:
    which = order(crew)
    with looking(browser, crew) as looked:
        page = looked.go(f"/approvals/{which}")
        page.get_by_role("button", name="Deny").click()
        expect(page.locator("#why")).to_be_focused()
        expect(page.locator("#why")).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#reason-e")).to_contain_text("needs a reason")
        with page.expect_response(re.compile(f"/approvals/{which}$")) as asked:  # it stays live
            page.evaluate("htmx.trigger('#changes', 'remit:look')")
        assert asked.value.status == 204
        answer = page.request.post(
            f"{crew.url}/approvals/{which}/decision",
            form={"csrf": looked.csrf(), "decision": "approve", "reason": "kept <b>as typed</b>", "hash": "00000000"},
        )
        assert answer.status == 422
        assert "kept &lt;b&gt;as typed&lt;/b&gt;</pre>" in answer.text(), "it was about another effect: not in the form"
        assert "you have read the effect" in answer.text()
    assert request_of(crew, which).status == "pending"


def test_another_hash_decides_nothing(browser: Browser, crew: Served) -> None:
    which = order(crew)
    with looking(browser, crew) as looked:
        page = looked.go(f"/approvals/{which}")
        page.evaluate("document.querySelector('input[name=hash]').value = '0'.repeat(64)")
        page.locator("#why").fill("what I read was something else")
        page.get_by_label("I have read the effect").check()
        page.get_by_role("button", name="Approve this order").click()
        expect(page.get_by_role("alert")).to_contain_text("what you read is not what was asked")
    assert request_of(crew, which).status == "pending"


def test_who_asked_sees_why_they_may_not_and_is_refused(browser: Browser, crew: Served) -> None:
    which = order(crew, by="ines")
    with looking(browser, crew) as looked:
        page = looked.go(f"/approvals/{which}")
        expect(page.locator(".decide")).to_contain_text("You may not decide this")
        expect(page.locator(".decide")).to_contain_text("another person must decide")
        assert page.locator(".decide form").count() == 0
        typed = {"csrf": looked.csrf(), "decision": "approve", "reason": "mine", "seen": "yes", "hash": "0" * 64}
        answer = page.request.post(f"{crew.url}/approvals/{which}/decision", form=typed)
        assert answer.status == 403
    assert request_of(crew, which).status == "pending"


@pytest.mark.parametrize("who", ["tomas", "vera"])
def test_who_has_no_right_is_told_so(browser: Browser, crew: Served, who: str) -> None:
    which = order(crew, by="ada")
    with looking(browser, crew, who=who) as looked:
        page = looked.go(f"/approvals/{which}")
        expect(page.locator(".decide")).to_contain_text("You have no right to approve here")


def test_two_people(browser: Browser, crew: Served) -> None:
    which = crew.ask(Publish("film-channel", {"asset": "harbour-fog"}), agent="lantern")
    for who, says in (("ines", "another person must approve, too"), ("priya", "Approved: publish to film-channel")):
        with looking(browser, crew, who=who) as looked:
            page = looked.go(f"/approvals/{which}")
            page.locator("#why").fill("looked at all of it")
            page.get_by_label("I have read the effect").check()
            page.get_by_role("button", name="Approve this publication").click()
            expect(page.locator("h1")).to_contain_text(says)
    check_page(browser, crew, f"/approvals/{which}", name="approval-decided")


def denied_by_priya(crew: Served, which: str) -> None:
    """She denies it somewhere else."""
    found = request_of(crew, which)
    by = Principal(ActorKind.USER, "priya")
    crew.run(
        lambda runtime: decide(
            *(runtime.store, which),
            workspace=WORKSPACE, by=by, approve=False, subject_hash=found.subject_hash, reason="too late",
            clock=runtime.clock, redactor=runtime.redactor,
        )
    )  # fmt: skip


def test_a_page_that_is_open_gives_way_when_somebody_else_decides(browser: Browser, crew: Served) -> None:
    which = order(crew)
    with looking(browser, crew) as looked:
        page = looked.go(f"/approvals/{which}")
        page.locator("#why").focus()
        page.keyboard.type("half a <b>rea</b>")
        denied_by_priya(crew, which)
        page.evaluate("htmx.trigger('#changes', 'remit:look')")
        notice = page.get_by_role("alert")
        expect(notice).to_contain_text("You can't decide this any more")
        expect(notice).to_contain_text(DENIED)
        expect(notice).to_contain_text("priya wrote: too late")
        expect(notice.get_by_role("region", name="What you wrote")).to_have_text("half a <b>rea</b>")
        expect(notice).to_be_focused()
        assert page.locator("#why").count() == 0
        look_over(page, "light", 1440, 900)
        notice.get_by_role("link", name="Show the request as it stands").click()
        expect(page.locator(".decide")).to_contain_text(DENIED)
        expect(page.locator(".decide")).to_contain_text("too late")
        looked.quiet()


def test_an_open_page_on_which_nothing_was_written_keeps_nothing(browser: Browser, crew: Served) -> None:
    which = order(crew)
    with looking(browser, crew) as looked:
        page = looked.go(f"/approvals/{which}")
        denied_by_priya(crew, which)
        page.evaluate("htmx.trigger('#changes', 'remit:look')")
        expect(page.get_by_role("alert")).to_contain_text(DENIED)
        expect(page.locator("#kept")).to_be_hidden()
        expect(page.locator("body")).to_be_focused()
        looked.quiet()


@pytest.mark.parametrize("says", ["Approve this order", "Deny"])
def test_a_decision_that_comes_too_late_says_who_was_first_and_keeps_what_was_written(
    browser: Browser, crew: Served, says: str
) -> None:
    which = order(crew)

    def late(route: Route) -> None:
        """She was quicker than what is on its way: the open page has had no time to give way."""
        denied_by_priya(crew, which)
        route.continue_()

    with looking(browser, crew) as looked:
        page = looked.go(f"/approvals/{which}")
        page.locator("#why").fill("read it <b>twice</b>,\nall holds")
        page.get_by_label("I have read the effect").check()
        page.route(f"**/approvals/{which}/decision", late)
        page.get_by_role("button", name=says).click()
        notice = page.locator("#problem")
        expect(notice).to_be_focused()
        expect(notice.get_by_role("region", name="reason")).to_have_text("read it <b>twice</b>,\nall holds")
        expect(notice).to_contain_text("Nothing was changed")
        expect(page.locator(".decide")).to_contain_text(DENIED)
        expect(page.locator(".decide")).to_contain_text("too late")
        assert page.locator(".decide form").count() == 0
        look_over(page, "light", 1440, 900)
        look_over(page, "dark", 375, 812)
        assert not sideways(page)
        found = page.request.get(f"{crew.url}/approvals/{which}.json").json()
        assert DENIED.search(found["gone"])
        assert found["seats"][0]["reason"] == "too late"
    assert request_of(crew, which).status == "denied"


def test_the_inbox_holds_still_and_says_what_came(browser: Browser, crew: Served) -> None:
    with looking(browser, crew) as looked:
        page = looked.go("/approvals")
        expect(page.locator("tbody tr").first).to_contain_text("instrument IDX-EU50")
        rows = page.locator("tbody tr").count()
        with page.expect_response(re.compile("/approvals$")) as asked:
            page.evaluate("htmx.trigger('#changes', 'remit:look')")
        assert asked.value.status == 204, "nothing has changed"
        expect(page.locator("#fresh")).to_be_hidden()
        order(crew)
        page.evaluate("htmx.trigger('#changes', 'remit:look')")
        expect(page.locator("#fresh")).to_contain_text("Show what has changed")
        assert page.locator("tbody tr").count() == rows
        page.locator("#fresh a").click()
        expect(page.locator("tbody tr")).to_have_count(rows + 1)
        looked.quiet()


def test_an_event_is_enough(browser: Browser, crew: Served) -> None:
    """Nobody asks now and then: what came is said as it comes."""
    with looking(browser, crew) as looked:
        page = looked.go("/approvals")
        expect(page.locator("#live[data-live=watched]")).to_have_text("Live")
        expect(page.locator("#fresh")).to_be_hidden()
        page.set_viewport_size({"width": 375, "height": 800})
        expect(page.get_by_role("contentinfo")).to_contain_text(
            re.compile(r"Live\s+\d\d:\d\d:\d\d UTC"), use_inner_text=True
        )
        order(crew)
        expect(page.locator("#fresh")).to_contain_text("Show what has changed", timeout=40_000)
        expect(page.locator("#live")).to_contain_text("Changed since")
        looked.quiet()


def test_a_call_of_a_model_and_of_a_tool_say_what_they_are(crew: Served) -> None:
    """Each message of a prompt is told as somebody reads it, and no tool is said to be harmless."""

    async def provider(runtime: Runtime) -> None:
        house = SetProvider(Provider(WORKSPACE, "acme", ProviderKind.COMPATIBLE, "http://127.0.0.1:8000/v1"))
        await set_up(runtime.store, [house], workspace=WORKSPACE, by=runtime.owner, clock=runtime.clock)

    crew.run(provider)
    talk: list[Json] = [
        {"role": "user", "content": "two\nlines"},
        {"role": "tool", "content": [{"text": "<b>part</b>"}]},
    ]
    model = crew.ask(Model("acme", "large", {"model": "large", "messages": talk}), estimate=usd("12"))
    tool = crew.ask(Tool("render", {"frame": "f-1"}), estimate=usd("12"))
    with httpx.Client(base_url=crew.url, cookies={"remit_session": "session-of-ada"}, timeout=60) as client:
        fields = dict(client.get(f"/approvals/{model}.json").json()["fields"])
        assert fields["messages 1, user"] == "two\nlines"
        assert json.loads(fields["messages 2, tool"]) == talk[1]
        assert '<dd class="wrap">two\nlines</dd>' in client.get(f"/approvals/{model}").text
        text = client.get(f"/approvals/{tool}").text
        assert "not by Remit" in text
        assert "nothing to undo" not in text


def test_what_would_not_fit_is_told_before_anybody_approves(browser: Browser, crew: Served) -> None:
    which = order(crew, agent="broker")
    crew.run(
        lambda runtime: set_limit(
            *(runtime.store, BudgetScope.AGENT),
            workspace=WORKSPACE, name="broker", limit=usd("0.10"), by=runtime.owner, clock=runtime.clock,
        )
    )  # fmt: skip
    try:
        check_page(browser, crew, f"/approvals/{which}", name="approval-short")
        with looking(browser, crew) as looked:
            page = looked.go(f"/approvals/{which}")
            expect(page.locator("#short")).to_contain_text("Would not fit now")
            expect(page.locator("#short")).to_contain_text("budget of agent broker has $")
            page = looked.go("/approvals")
            expect(page.locator(f"tr:has(a[href$='{which}'])")).to_contain_text("over budget")
            looked.quiet()
    finally:
        crew.run(
            lambda runtime: remove_limit(
                runtime.store, Limit(BudgetScope.AGENT, "broker"), workspace=WORKSPACE, by=runtime.owner
            )
        )


def test_what_would_refuse_it_though_approved_is_said(browser: Browser, crew: Served) -> None:
    """A stop of its agent, an open breaker of its target: the approver sees it beside the effect."""
    which = crew.ask(Publish("film-channel", {"asset": "held"}), agent="mason")
    other = order(crew)
    target, circuit = Target(KillScope.AGENT, "mason"), Circuit(WORKSPACE, "publish", "film-channel")

    async def hold(runtime: Runtime, *, on: bool) -> None:
        about = {"workspace": WORKSPACE, "reason": "it <b>loops</b>", "by": runtime.owner, "clock": runtime.clock}
        await (kill if on else unkill)(runtime.store, target, **about)  # type: ignore[arg-type]
        await move(runtime.store, circuit, opened=on, reason="down", by=runtime.owner, clock=runtime.clock)
        await runtime.guard.register.refresh(WORKSPACE)

    with looking(browser, crew) as looked:
        page = looked.go(f"/approvals/{which}")
        expect(page.locator("#held")).to_have_count(0)
        crew.run(lambda runtime: hold(runtime, on=True))
        try:
            check_page(browser, crew, f"/approvals/{which}", name="approval-held")
            page = looked.go(f"/approvals/{which}")
            expect(page.locator("#held")).to_contain_text("Agent mason is stopped by ada: it <b>loops</b>")
            expect(page.locator("#held")).to_contain_text("The breaker of publish film-channel is open: down")
            assert len(page.request.get(f"{crew.url}/approvals/{which}.json").json()["held"]) == 2
            expect(looked.go(f"/approvals/{other}").locator("#held")).to_have_count(0)
            looked.quiet()
        finally:
            crew.run(lambda runtime: hold(runtime, on=False))


def test_hostile_text_in_every_field_stays_text(browser: Browser, crew: Served) -> None:
    which = crew.ask(Order(HOSTILE, {"mode": "real", HOSTILE: HOSTILE, "note": [HOSTILE]}))
    other = crew.ask(Fetch("https://a.gov/" + "x" * 800))
    check_page(browser, crew, f"/approvals/{which}", name="approval-hostile")
    check_page(browser, crew, f"/approvals/{other}", name="approval-long")
    with looking(browser, crew) as looked:
        for path in (f"/approvals/{which}", "/approvals"):
            page = looked.go(path)
            assert "<img src=x onerror=alert(1)>" in page.inner_text("main")
            assert page.locator("main img, main script, main [hx-get]").count() == 0
            assert page.locator("main a[href^=javascript]").count() == 0
            settled(page)
            looked.quiet()
        page = looked.go(f"/approvals/{which}")
        assert "[U+202E]txt.exe[U+202C] [U+200B]hidden {{ 7 * 7 }}" in page.inner_text("main")


def test_what_will_happen_is_told_in_units_and_words_of_people(browser: Browser, crew: Served) -> None:
    """A line for each file; the target once; micros, as well, in whole units."""
    agent = Agent(WORKSPACE, "steward", crew.runtime.owner.id, kind="worker", effects=frozenset({"command", "files"}))
    at = {"by": crew.runtime.owner, "clock": crew.runtime.clock}
    crew.run(lambda runtime: register_agent(runtime.store, agent, **at))
    crew.run(lambda runtime: runtime.guard.register.refresh(WORKSPACE))
    files = crew.ask(WriteFiles({"src/a.b.py": b"x = 1\n"}, delete=("old.py",)), agent="steward", estimate=usd("12"))
    make = crew.ask(Command(("make", "deploy", "a b")), agent="steward", estimate=usd("12"))
    with looking(browser, crew) as looked:
        effect = looked.go(f"/approvals/{files}").locator("section", has=looked.page.locator("#h-eff"))
        expect(effect).to_contain_text("6 bytes, mode 644, SHA-256 ")
        assert effect.locator("dt").all_inner_texts() == ["Effect", "delete", "src/a.b.py", "Subject hash"]
        effect = looked.go(f"/approvals/{make}").locator("section", has=looked.page.locator("#h-eff"))
        for told in ("make deploy 'a b'", "4294967296 (4 GiB)", "(of nothing)"):
            expect(effect).to_contain_text(told)
        looked.quiet()


def test_filters_are_the_address(browser: Browser, crew: Served) -> None:
    denied_by_priya(crew, order(crew))
    with looking(browser, crew) as looked:
        page = looked.go("/approvals?state=denied&kind=order")
        assert set(page.locator("tbody tr td:first-child").all_inner_texts()) == {"denied"}
        page.get_by_label("State").select_option("all")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url(re.compile("state=all"))
        looked.go("/approvals?state=denied&kind=fetch")
        expect(page.locator(".empty")).to_contain_text("No request fits these filters")


def test_keys_move_between_rows_and_pages(browser: Browser, crew: Served) -> None:
    with looking(browser, crew) as looked:
        page = looked.go("/approvals")
        press(page, "j", "j")
        expect(page.locator("tr[aria-current]")).to_have_count(1)
        first = page.locator("tr[aria-current] a").first.get_attribute("href")
        press(page, "Enter")
        page.wait_for_url(f"**{first}")
        press(page, "?")
        expect(page.locator("#keys")).to_be_visible()
        press(page, "Escape", "g", "a")
        page.wait_for_url(re.compile(r"/approvals$"))
        looked.quiet()


def test_a_request_that_is_not_there(browser: Browser, crew: Served) -> None:
    check_page(browser, crew, "/approvals/nothing-here", name="not-found", status=404)
    with looking(browser, crew) as looked:
        answer = looked.page.request.get(f"{crew.url}/approvals/nothing-here.json")
        assert answer.status == 404
        assert answer.json()["code"] == "approval.unknown"


def test_who_has_not_signed_in_is_sent_to(browser: Browser, crew: Served) -> None:
    with looking(browser, crew) as looked:
        looked.page.context.clear_cookies()
        answer = looked.page.request.get(f"{crew.url}/approvals", max_redirects=0)
        assert answer.status == 303
        assert answer.headers["location"] == "/sign-in?next=/approvals"


def test_themes_and_keys_are_chosen_without_a_script(browser: Browser, crew: Served) -> None:
    with looking(browser, crew, scripts=False) as looked:
        page = looked.go("/approvals?state=all")
        page.get_by_role("button", name="Dark").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        assert page.url.endswith("/approvals?state=all")
        page.get_by_role("button", name="Keys off").click()
        expect(page.locator("html")).to_have_attribute("data-keys", "off")
