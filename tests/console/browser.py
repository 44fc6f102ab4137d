"""A real browser, and what must hold of every page that it shows."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from weakref import WeakKeyDictionary

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, expect, sync_playwright

from .served import Served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
WIDTHS = (320, 375, 768, 1024)
SHOTS = ((1440, 900), (375, 812))
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
type Theme = Literal["light", "dark"]
#: How a page is looked at. Every theme at every width costs a quarter of all tests' time: only where it is asked for.
WHOLE = os.environ.get("REMIT_PROVE") == "1" or bool(os.environ.get("REMIT_SHOTS"))
WAYS = [(theme, shot) for theme in THEMES for shot in SHOTS] if WHOLE else list(zip(THEMES, SHOTS, strict=True))

#: As long as any other wait of a window: on a busy machine an answer takes its time, and whoever gets it waits no more.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)

#: Tells the console's log of whatever the page's policy has stopped.
WATCH = """
addEventListener('securitypolicyviolation', (event) =>
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, closed afterwards."""
    if not Path(CHROMIUM).exists():
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Looked:
    """A page that is open, with what it complained of and asked for."""

    page: Page
    served: Served
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def go(self, path: str, *, status: int = 200) -> Page:
        """Open a page of the console."""
        answer = self.page.goto(f"{self.served.url}{path}")
        assert answer is not None
        assert answer.status == status, (path, answer.status, self.page.inner_text("body")[:500])
        return self.page

    def csrf(self) -> str:
        """The token of the page's forms."""
        token = self.page.locator("input[name=csrf]").first.get_attribute("value")
        assert token
        return token

    def quiet(self) -> None:
        """Nothing was complained of, and nothing asked of another place."""
        assert self.complaints == []
        assert [url for url in self.asked if not url.startswith((self.served.url, "data:"))] == []


@contextmanager
def looking(
    browser: Browser, served: Served, *, who: str = "ines", theme: Theme = "light",
    width: int = 1440, height: int = 900,
    scripts: bool = True,
) -> Iterator[Looked]:  # fmt: skip
    """A person at a browser."""
    looked = _look(browser, served, who=who, theme=theme, width=width, height=height, scripts=scripts)
    try:
        yield looked
    finally:
        looked.page.context.close()


def _look(
    browser: Browser, served: Served, *, who: str, theme: Theme = "light",
    width: int = 1440, height: int = 900,
    scripts: bool = True,
) -> Looked:  # fmt: skip
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, java_script_enabled=scripts,
        reduced_motion="reduce",
    )  # fmt: skip
    context.add_cookies([{"name": "remit_session", "value": f"session-of-{who}", "url": served.url}])
    if scripts:
        context.add_init_script(WATCH)
    page = context.new_page()
    looked = Looked(page, served)
    page.on("console", lambda told: looked.complaints.append(told.text) if told.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: looked.complaints.append(str(error)))
    page.on("request", lambda request: looked.asked.append(request.url))
    page.on("dialog", lambda dialog: (looked.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.set_default_timeout(PATIENCE_MS)
    return looked


def check_page(
    browser: Browser, served: Served, path: str, *, who: str = "ines", name: str = "", status: int = 200
) -> None:
    """What must hold of every page: light and wide, dark and narrow, no sideways scroll at any width, without scripts.

    With ``REMIT_PROVE=1``, and where ``REMIT_SHOTS`` asks for pictures, each theme at each width. It is opened once for
    all of them: themes and widths are matters of the style sheet, and a browser takes seconds to begin a window anew.
    """
    with _at(_kept(browser, served, who)) as looked:
        page = looked.go(path, status=status)
        page.wait_for_load_state("load")
        for theme, (width, height) in WAYS:
            look_over(page, theme, width, height)
            assert page.locator("h1").count() == 1
            assert "[U+00A0]" not in page.inner_text("body"), "our own spaces are no other people's text"
            shoot(page, name or _named(path), theme, width)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert not sideways(page), f"{path} scrolls sideways at {width}"
        if status == 200:
            looked.quiet()
            plain = page.request.get(f"{served.url}{path}", headers={"Accept": "application/json"})
            assert plain.status == 200
            assert plain.headers["content-type"] == "application/json"
            assert "title" in plain.json()
        with without_scripts(page):
            looked.go(path, status=status)
            assert page.locator("h1").is_visible()


def look_over(page: Page, theme: Theme, width: int, height: int) -> None:
    """Nothing that axe knows of is wrong with a page, in that theme and at that size."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": height})
    problems = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    assert problems == [], [(one["id"], [node["html"] for node in one["nodes"]][:5]) for one in problems]


@contextmanager
def without_scripts(page: Page) -> Iterator[None]:
    """What is opened meanwhile runs no script."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        yield
    finally:
        devtools.send("Emulation.setScriptExecutionDisabled", {"value": False})
        devtools.detach()


#: The windows in which pages are checked, as long as their browser lives.
_KEPT: WeakKeyDictionary[Browser, dict[tuple[str, str], Looked]] = WeakKeyDictionary()


def _kept(browser: Browser, served: Served, who: str) -> Looked:
    """The window in which somebody's pages are checked."""
    kept = _KEPT.setdefault(browser, {})
    if (served.url, who) not in kept:
        kept[served.url, who] = _look(browser, served, who=who)
    return kept[served.url, who]


@contextmanager
def _at(looked: Looked) -> Iterator[Looked]:
    """A window that is used again: it begins with no complaints and nothing asked, wide, and is left empty."""
    looked.complaints.clear()
    looked.asked.clear()
    try:
        looked.page.set_viewport_size({"width": 1440, "height": 900})
        yield looked
    finally:
        looked.page.goto("about:blank")


def settled(page: Page) -> None:
    """Whatever a page's markup could have set off has happened: two frames were drawn, what it asked for was answered.

    Errors of pictures, scripts and handlers come before that, and so do the requests of elements that load.
    """
    page.wait_for_load_state("load")
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")


def sideways(page: Page) -> bool:
    """Whether the page is wider than the window."""
    wide: bool = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return wide


def shoot(page: Page, name: str, theme: str, width: int) -> None:
    """A picture of the whole page, where somebody wants pictures."""
    folder = os.environ.get("REMIT_SHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{folder}/{name}-{theme}-{width}.png", full_page=True)


def _named(path: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-") or "home"
