"""Who asks too often hears it as a page, with the time when it may be asked again."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

from .browser import looking
from .served import Served
from .test_refusals import HTML, page_of


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
