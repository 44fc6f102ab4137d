"""Who asks too often hears it as a page, with the time when it may be asked again; so does who waits too long."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, expect

from remit.serve.console.asking import Ask
from remit.serve.console.page import page
from remit.serve.console.pages import PAGES

from .browser import check_page, looking
from .served import Served
from .test_refusals import HTML, page_of


@dataclass(frozen=True, slots=True)
class Nothing:
    """What is never shown."""

    title: str = "never"


@page("/queue/never", template="queue.html")
async def never(ask: Ask) -> Nothing:
    """A page that waits for what does not come."""
    await asyncio.Event().wait()
    return Nothing(str(ask.now_us))


class Slow(Served):
    """A console with a page that is never done."""

    pages = (*PAGES, never)


def test_too_often_says_when_to_come_back(browser: Browser, tmp_path: Path) -> None:
    made = Served(tmp_path / "home", console_per_minute=1).start()
    try:
        with looking(browser, made, scripts=False) as looked:
            ask = looked.page.request
            answers = [ask.get(f"{made.url}/queue", headers=HTML) for _ in range(3)]
            last = answers[-1]
            assert "can be asked again in" in page_of(last, 429)
            assert int(last.headers["retry-after"]) > 0
    finally:
        made.stop()


def test_too_long_is_a_page_with_a_way_on(browser: Browser, tmp_path: Path) -> None:
    made = Slow(tmp_path / "home", api_time_s=1.0).start()
    try:
        check_page(browser, made, "/queue/never", name="too-long", status=504)
        with looking(browser, made, scripts=False) as looked:
            opened = looked.go("/queue/never", status=504)
            expect(opened.locator("h1")).to_have_text("The request was not answered within 1 s.")
            expect(opened.locator("main")).to_contain_text("Missions are not affected by this page")
            expect(opened.locator("main")).to_contain_text("Code api.slow, request ")
            ways = opened.get_by_role("main").get_by_role("link").all()
            assert [(way.inner_text(), way.get_attribute("href")) for way in ways] == [
                ("Ask for this page again", "/queue/never"),
                ("To queue", "/queue"),
                ("To the start page", "/"),
            ]
            ask = looked.page.request
            page_of(ask.get(f"{made.url}/queue/never", headers=HTML), 504)
            plain = ask.get(f"{made.url}/queue/never", headers={"Accept": "application/json"})
            assert (plain.status, plain.json()["code"]) == (504, "api.slow")
    finally:
        made.stop()
