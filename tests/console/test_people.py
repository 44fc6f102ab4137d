"""Signing in, one's own account, people and teams: in a real browser, through the real edge."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page

from remit.accounts.api_keys import create_api_key
from remit.accounts.entrance import Visit
from remit.accounts.invitations import invite
from remit.accounts.links import first_link, make_link, use_link
from remit.accounts.people import Person, add_user
from remit.accounts.roles import Role
from remit.accounts.sessions import SessionKind, person_of
from remit.accounts.signing_in import sign_in
from remit.accounts.teams import Team, create_team
from remit.bootstrap import Runtime, open_runtime, prepare_home
from remit.serve.api.app import api_of
from remit.serve.console.app import console_of
from remit.serve.edge.asgi import App, Receive, Scope, Send
from remit.serve.edge.edge import Edge
from remit.serve.listening import listen
from remit.settings import Settings
from remit.testing.issuer import issuer

from .browser import PATIENCE_MS, WATCH, WAYS, check_page, look_over, shoot, sideways
from .served import WORKSPACE, Served

GOOD, OTHER = "three quiet lanterns drift", "seven loud kettles dance"


class Split:
    """The API and the console behind one edge, as ``remit up`` has them."""

    def __init__(self, api: App, console: App) -> None:
        self.api, self.console = api, console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self.api if scope["path"].startswith("/api/") else self.console)(scope, receive, send)


class Install:
    """Everything that people reach, listening on loopback."""

    def __init__(self, home: Path, **more: Any) -> None:
        self.settings = Settings(home=home, workspace="default", owner="ada", console_per_minute=1_000_000, **more)
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self.url = self.link = ""
        self.runtime: Runtime

    def start(self) -> "Install":
        self.thread.start()
        assert self.ready.wait(90)
        return self

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(60)

    async def _main(self) -> None:
        await prepare_home(self.settings)
        async with open_runtime(self.settings) as self.runtime:
            who = self.runtime.owner
            link = await first_link(self.runtime.entrance, workspace="default", owner=who)
            assert link is not None
            self.link = link.path()
            bob = Person("default", "bob", "Bob", "bob@example.org", Role.MEMBER)
            await add_user(self.runtime.store, bob, by=who, clock=self.runtime.clock)
            edge = Edge(
                Split(api_of(self.runtime), console_of(self.runtime)), self.runtime, sign_in=self.runtime.sign_in
            )
            listener = listen("127.0.0.1", 0, anywhere=False, command="up")
            config = uvicorn.Config(edge, http="httptools", ws="none", lifespan="off", log_config=None)  # type: ignore[arg-type]
            self.server = uvicorn.Server(config)
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            self.ready.set()
            await self.server.serve(sockets=[listener])


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    made = Install(tmp_path / "home").start()
    yield made
    made.stop()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(reduced_motion="reduce")
    made.add_init_script(WATCH)
    yield made
    made.close()


def opened(context: BrowserContext, complaints: list[str]) -> Page:
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on("console", lambda told: complaints.append(told.text) if "CSP" in told.text else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


def sign_in_as(page: Page, install: Install, user: str, password: str) -> None:
    page.goto(f"{install.url}/sign-in")
    page.fill("#user", user)
    page.fill("#password", password)
    page.click("button.go")


async def furnish(runtime: Runtime) -> None:
    """Ines has signed in at two places and has a key; there is a team with an open invitation."""
    entrance, ines = runtime.entrance, person_of("ines")
    link = await make_link(entrance, "ines", workspace=WORKSPACE, by=runtime.owner)
    await use_link(entrance, link.token, GOOD, visit=Visit("192.0.2.7", "Firefox 140 on Linux"))
    kind = SessionKind.PROGRAM
    await sign_in(entrance, "ines", GOOD, workspace=WORKSPACE, visit=Visit("198.51.100.9", "curl"), kind=kind)
    await create_api_key(entrance, "nightly", workspace=WORKSPACE, by=ines, scopes=["read", "write"])
    await create_team(runtime.store, Team(WORKSPACE, "crew", "The crew"), by=runtime.owner, clock=runtime.clock)
    await invite(
        runtime.store, "crew", workspace=WORKSPACE, email="zoe@example.org", role=Role.MEMBER, by=runtime.owner,
        clock=runtime.clock, rand=entrance.rand,
    )  # fmt: skip


def test_the_pages_of_people_and_of_ones_own_account(browser: Browser, served: Served) -> None:
    served.run(furnish)
    check_page(browser, served, "/people")
    check_page(browser, served, "/account")
    check_page(browser, served, "/people", who="vera", name="people-viewer")


def test_the_pages_before_sign_in(install: Install, context: BrowserContext) -> None:
    page = context.new_page()
    for path in ("/sign-in", "/set-up", "/join"):
        page.goto(install.url + path)
        for theme, (width, height) in WAYS:
            look_over(page, theme, width, height)
            assert not sideways(page)
            shoot(page, path.strip("/"), theme, width)


def test_signing_in_by_a_provider(tmp_path: Path, context: BrowserContext) -> None:
    complaints: list[str] = []
    with issuer(people={"bob": {"sub": "7", "email": "bob@example.org", "email_verified": True}}) as provider:
        install = Install(
            tmp_path / "home",
            oidc_issuer=provider.address,
            oidc_client_id=provider.client_id,
            oidc_client_secret=provider.client_secret,
            oidc_domains="example.org",
        ).start()
        try:
            page = opened(context, complaints)
            page.goto(f"{install.url}/account")
            page.click("text=Sign in with your provider")
            assert page.url == f"{install.url}/account"
            assert "(bob)" in page.inner_text("main")
            names = {cookie["name"] for cookie in context.cookies()}
            assert names == {"remit_session", "remit_csrf"}
            page.goto(f"{install.url}/oidc/callback?code=x&state=y")
            assert "begin again" in page.inner_text("#problem")
            provider.people["bob"]["email_verified"] = False
            provider.people["bob"]["sub"] = "8"
            context.clear_cookies()
            page.goto(f"{install.url}/sign-in")
            page.click("text=Sign in with your provider")
            assert "Ask for an invitation" in page.inner_text("#problem")
        finally:
            install.stop()
    assert complaints == []
