"""Stopping agents from any page, and letting them go."""

import re

from playwright.sync_api import Browser, expect

from remit.accounts.kills import read_kills

from .browser import check_page, looking
from .served import WORKSPACE, Served


def test_stop_an_agent_and_let_it_go(browser: Browser, served: Served) -> None:
    check_page(browser, served, "/stop")
    with looking(browser, served) as looked:
        page = looked.go("/approvals")
        page.keyboard.press("!")
        expect(page.get_by_role("link", name="Stop agents")).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_url("**/stop")
        page.locator("#target").select_option("agent:quill")
        expect(page.locator(".decide")).to_contain_text("Stopping agent quill: 1 agent starts nothing more")
        page.get_by_role("radio", name="Pause").check()
        expect(page.locator("#do-stop")).to_have_text("Pause agent quill")
        page.get_by_role("radio", name="Now").check()
        page.get_by_label("Reason, kept in the audit log").fill("it reads too much")
        page.get_by_role("button", name="Stop agent quill").click()
        expect(page.locator("h1")).to_have_text("One stop is in force")
        expect(page.locator("h1")).to_be_focused()
        stopped = served.run(lambda runtime: runtime.store.read(lambda tx: read_kills(tx, WORKSPACE)))
        assert [(str(scope), name) for scope, name in stopped] == [("agent", "quill")]
        check_page(browser, served, "/stop", name="stopped")
        page.get_by_label("Why it may go on").fill("looked at it")
        page.get_by_role("button", name="Let go").click()
        expect(page.locator("h1")).to_have_text("No agent is stopped")
        looked.quiet()


def test_the_install_takes_an_owner(browser: Browser, served: Served) -> None:
    with looking(browser, served) as looked:
        page = looked.go("/stop")
        page.locator("#target").select_option("install:")
        page.get_by_label("Reason, kept in the audit log").fill("everything")
        page.get_by_role("button", name="Stop every agent of this install").click()
        expect(page.locator("h1")).to_contain_text(re.compile("may not"))
