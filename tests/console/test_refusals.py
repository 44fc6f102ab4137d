"""Whoever is turned away before a page is made hears it as a page; programs hear a problem document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import APIResponse, Browser, expect

from remit.serve.console.app import console_of

from .browser import check_page, looking
from .served import Served

#: Forms for whoever is nobody yet, or about nothing but this browser.
OPEN = {"/sign-in", "/sign-in/code", "/sign-in/forgotten", "/set-up", "/join", "/sign-out", "/preferences"}
HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("refusals")
    made = Served(folder / "home", api_body_bytes=4096).start()
    yield made
    made.stop()


def page_of(answer: APIResponse, status: int) -> str:
    assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (status, "text/html"), answer.text()
    assert "script-src 'self' 'nonce-" in answer.headers["content-security-policy"]
    assert "What to do" in answer.text()
    return answer.text()


def test_what_the_edge_refuses_is_a_page_for_a_browser_and_a_problem_for_a_program(
    browser: Browser, house: Served
) -> None:
    with looking(browser, house, scripts=False) as looked:
        page, url = looked.go("/queue"), f"{house.url}/queue/pause"
        page.locator("form[action='/queue/pause'] input[name=csrf]").evaluate("field => field.value = 'wrong'")
        page.fill("#why", "no reason")
        page.locator("button", has_text="Pause the queue").click()
        expect(page.locator("h1")).to_be_visible()
        expect(page.locator("main")).to_contain_text("What to do")
        looked.complaints.clear()
        ask = page.request
        assert "Code api.csrf" in page_of(ask.post(url, form={"csrf": "wrong"}, headers=HTML), 403)
        said = page_of(ask.post(url, form={"csrf": "x", "reason": "y" * 5000}, headers=HTML), 413)
        assert "4,096 bytes" in said
        for accept in ("application/json", "*/*"):
            plain = ask.post(url, form={"csrf": "wrong"}, headers={"Accept": accept})
            assert (plain.status, plain.headers["content-type"]) == (403, "application/problem+json")
        api = ask.get(f"{house.url}/api/v1/nothing", headers=HTML)
        assert api.headers["content-type"] == "application/problem+json"


def test_delegating_and_pausing(browser: Browser, house: Served) -> None:
    check_page(browser, house, "/approvals/delegations")
    with looking(browser, house, scripts=False) as looked:
        page = looked.go("/approvals/delegations")
        page.select_option("#taker", "tomas")
        page.fill("#days", "00000010099")  # neither by its first digits nor whole
        page.fill("#why", "away in <b>May</b>")
        page.locator("button", has_text="Hand it on").click()
        expect(page.locator("#days-e")).to_contain_text("1 to 365")
        assert page.input_value("#why") == "away in <b>May</b>"
        page.fill("#days", "3")
        page.locator("button", has_text="Hand it on").click()
        expect(page.locator("h1")).to_have_text("One right is handed on")
        expect(page.locator("main")).to_contain_text("away in <b>May</b>")
    check_page(browser, house, "/approvals/delegations", name="delegations-one")
    with looking(browser, house, who="vera", scripts=False) as looked:
        page = looked.go("/approvals/delegations")
        assert page.locator("button", has_text="Take it back").count() == 0
        expect(page.locator("main")).to_contain_text("nothing to hand on")
    with looking(browser, house, scripts=False) as looked:
        page = looked.go("/approvals/delegations")
        page.locator("button", has_text="Take it back").focus()
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("No right is handed on")
        page = looked.go("/queue")
        page.fill("#why", "the model is down")
        page.locator("button", has_text="Pause the queue").click()
        expect(page.locator("h1")).to_contain_text("The queue is paused")
    check_page(browser, house, "/queue", name="queue-paused")
    with looking(browser, house, who="tomas", scripts=False) as looked:
        page = looked.go("/queue")
        page.fill("#why", "I want it")
        page.locator("button", has_text="Resume the queue").click()
        expect(page.locator("body")).to_contain_text("may not admin")
    with looking(browser, house, scripts=False) as looked:
        page = looked.go("/queue")
        page.fill("#why", "it is back")
        page.locator("button", has_text="Resume the queue").click()
        expect(page.locator("h1")).to_have_text("Nothing waits")


def test_a_key_that_only_reads_sends_no_form(house: Served) -> None:
    """A page may be read with a key; what a form orders needs more than `read`, whoever the key's person is."""
    routes = console_of(house.runtime).routes
    paths = {path for method, path in routes if method == "POST"} - OPEN
    assert len(paths) > 40
    headers = {"Authorization": "Bearer key-of-ada-to-read", "Accept": "application/json"}
    for page in ("settings", "database", "telemetry"):  # what only administrators read takes that scope as well
        assert httpx.get(f"{house.url}/{page}.json", headers=headers).status_code == 403
    took = {
        path: answer.status_code
        for path in paths
        if (answer := httpx.post(house.url + re.sub(r"{\w+}", "x", path), data={"reason": "x"}, headers=headers))
        and answer.status_code != 403
    }
    assert not took, "these took an order with a key that opens only reading"
    assert httpx.get(f"{house.url}/queue.json", headers=headers).json()["title"] == "Nothing waits"
