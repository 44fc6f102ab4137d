"""An install as people have it: a real `remit up` over a home, the command line beside it, people in real browsers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect

from remit.testing.drill import Drill, Ran

from ...warm import start  # noqa: TID252 - tests are loaded by path
from ..browser import WATCH  # noqa: TID252 - as above

ROOT = Path(__file__).resolve().parents[3]
PRESS = "tests.console.journeys.press:PACK"
PASSWORD = "three quiet lanterns drift"
OWNER = "owner"
#: What a page may take on a machine that does much else.
PATIENCE_MS = 60_000
PLENTY = dict.fromkeys(
    ("REMIT_API_PER_MINUTE", "REMIT_API_PER_HOUR", "REMIT_CONSOLE_PER_MINUTE", "REMIT_CONSOLE_PER_HOUR"), "1000000"
)

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Install:
    """A home in ``folder/home`` with its server; use it as a context manager."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict[str, str])
    url: str = ""
    link: str = ""

    def __post_init__(self) -> None:
        self.drill = Drill(self.folder)
        self.environ = {**PLENTY, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}", **self.environ}
        self.drill.environ = self.environ
        self.process: subprocess.Popen[str] | None = None
        self._kept: dict[str, StorageState] = {}

    @property
    def home(self) -> Path:
        """Where its state lives."""
        return self.drill.home

    def __enter__(self) -> Self:
        return self.up()

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.kill()
        self.drill.__exit__()

    def up(self) -> Self:
        """Start it; again on the port that it had, so that open pages find it."""
        port = self.url.rpartition(":")[2] or "0"
        words = ["up", "--home", str(self.home), "--port", port, "--json"]
        plain = {name: value for name, value in os.environ.items() if not name.startswith("REMIT_")}
        witness = {"REMIT_PROBE_LOG": str(self.drill.bodies), "REMIT_PROBE_WITNESS": ""}
        with (self.folder / "up.log").open("a") as log:
            self.process = start(
                [sys.executable, "-m", "remit.cli", *words],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, cwd=self.folder,
                env={**plain, **witness, **self.environ},
            )  # fmt: skip
        self.drill._started.append(self.process)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.folder / "up.log").read_text()[-3000:]
        said = json.loads(line)["up"]
        self.url, self.link = said["console"], said.get("set_up", "")
        return self

    def kill(self) -> None:
        """As when the power fails."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        self.process = None

    def remit(self, *words: object, who: str = OWNER, code: int = 0, **environ: str) -> dict[str, Any]:
        """What a command says that ends with ``code``, as given by somebody at the machine."""
        ran = self.ran(*words, who=who, **environ)
        assert ran.code == code, (words, ran.code, ran.out[-1500:], ran.err[-1500:])
        return ran.json()

    def ran(self, *words: object, who: str = OWNER, **environ: str) -> Ran:
        """A command, however it ends."""
        return self.drill.remit(*words, REMIT_USER=who, **environ)

    def whole(self) -> None:
        """The audit log verifies."""
        assert self.remit("audit", "verify")["ok"] is True

    def said(self, mission: str) -> dict[str, Any]:
        """What the command line knows of a mission."""
        return self.remit("show", mission)

    def order(self, pack: str, *, who: str = OWNER, **intake: object) -> str:
        """Queue a mission; its id."""
        given = self.drill.intake(f"{pack.partition(':')[0].rpartition('.')[2]}.json", **{"witness": "", **intake})
        return str(self.remit("run", pack, given, "--queue", "--budget", "50", who=who)["mission"])

    def ready(self) -> bool:
        """Whether it takes requests."""
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=20) as answer:  # noqa: S310 - our own
                return bool(answer.status == 200)
        except OSError:
            return False

    def add(self, user: str, role: str) -> None:
        """Give somebody an account."""
        self.remit("users", "add", user, "--role", role)

    @contextmanager
    def person(
        self, browser: Browser, user: str = OWNER, *, width: int = 1440, height: int = 900
    ) -> Iterator[Somebody]:
        """Somebody at a browser, signed in: the first time by a one-time link, with which they set their password."""
        context = browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce", storage_state=self._kept.get(user)
        )
        try:
            somebody = Somebody(context, self)
            if user not in self._kept:
                link = self.link if user == OWNER and self.link else self.remit("users", "link", user)["link"]
                page = somebody.page
                page.goto(f"{self.url}{link[link.index('/set-up') :]}")
                page.get_by_label("New password").or_(page.get_by_label("Password", exact=True)).fill(PASSWORD)
                page.get_by_role("button", name="Set the password").click()
                page.wait_for_url(lambda url: "/set-up" not in url)
                self._kept[user] = context.storage_state()
            yield somebody
            assert somebody.complaints == []
        finally:
            context.close()


class Somebody:
    """A browser with one page and what it complained of."""

    def __init__(self, context: BrowserContext, install: Install) -> None:
        context.add_init_script(WATCH)
        context.set_default_timeout(PATIENCE_MS)
        self.context, self.install = context, install
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        page = self.page
        page.on("console", lambda told: self.complaints.append(told.text) if "CSP" in told.text else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))

    def go(self, path: str) -> Page:
        """Open a page of the console."""
        answer = self.page.goto(f"{self.install.url}{path}")
        assert answer is not None
        assert answer.status == 200, (path, answer.status, self.page.inner_text("body")[:500])
        return self.page

    def keys(self, *each: str) -> None:
        """Press them, one after the other."""
        for key in each:
            self.page.keyboard.press(key)
