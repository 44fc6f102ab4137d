"""Signing in, one's own account, people and teams: in a real browser, through the real edge."""

import asyncio
import re
import threading
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from aiosmtpd.controller import Controller
from playwright.sync_api import Browser, BrowserContext, Page, expect

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
from remit.kernel.channels import Channel, ChannelKind
from remit.serve.api.app import api_of
from remit.serve.console.app import console_of
from remit.serve.edge.asgi import App, Receive, Scope, Send
from remit.serve.edge.edge import Edge
from remit.serve.listening import listen
from remit.settings import Settings
from remit.testing.drill import until
from remit.testing.issuer import issuer

from ..notify.test_mail import Box  # noqa: TID252 - tests are loaded by path
from .browser import PATIENCE_MS, WATCH, WAYS, check_page, look_over, looking, shoot, sideways
from .served import WORKSPACE, Served

GOOD, OTHER = "three quiet lanterns drift", "seven loud kettles dance"


class Post(Controller):
    """A mail server on any port that is free."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()


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
        self.loop: asyncio.AbstractEventLoop

    def start(self) -> "Install":
        self.thread.start()
        assert self.ready.wait(90)
        return self

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(60)

    async def _main(self) -> None:
        self.loop = asyncio.get_running_loop()
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


async def a_password(runtime: Runtime, user: str) -> None:
    link = await make_link(runtime.entrance, user, workspace="default", by=runtime.owner)
    await use_link(runtime.entrance, link.token, GOOD, visit=Visit("192.0.2.7"))


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


def test_somebody_with_an_account_is_added_to_a_team(browser: Browser, served: Served) -> None:
    with looking(browser, served, who="ada") as looked:
        page = looked.go("/people")
        form = page.get_by_role("form", name="Add to crew")
        assert "ada" not in form.get_by_label("Add somebody").inner_text().split()
        form.get_by_label("Add somebody").select_option("vera")
        form.get_by_label("As").select_option("viewer")
        form.get_by_role("button", name="Add to the team").click()
        expect(page.locator("h1")).to_have_text("The team is changed")
        expect(page.get_by_label("Role of vera in crew", exact=True)).to_have_value("viewer")
        page.locator("summary", has_text="of vera").click()
        page.get_by_role("button", name="Make a link for vera").click()
        assert page.inner_text("pre.once").startswith(f"{served.url}/")
        looked.quiet()


def test_the_pages_before_sign_in(install: Install, context: BrowserContext) -> None:
    page = context.new_page()
    for path in ("/sign-in", "/sign-in/forgotten", "/set-up", "/join"):
        page.goto(install.url + path)
        for theme, (width, height) in WAYS:
            look_over(page, theme, width, height)
            assert not sideways(page)
            shoot(page, path.strip("/"), theme, width)


def test_who_forgot_their_password_is_mailed_a_link(tmp_path: Path, context: BrowserContext) -> None:
    complaints: list[str] = []
    box = Box()
    post = Post(box, hostname="127.0.0.1", port=0)
    post.start()
    try:
        channel = Channel(
            "mail", ChannelKind.EMAIL, to="ops@example.org", sender="remit@example.org", host="127.0.0.1",
            port=post.port, starttls=False,
        )  # fmt: skip
        install = Install(tmp_path / "home", notify=(channel,)).start()
        try:
            asyncio.run_coroutine_threadsafe(a_password(install.runtime, "bob"), install.loop).result(30)
            page = opened(context, complaints)
            page.goto(f"{install.url}/sign-in")
            page.click("text=Forgotten your password?")
            for theme, (width, height) in WAYS:
                look_over(page, theme, width, height)
                shoot(page, "forgotten", theme, width)
            said: list[str] = []
            for who in ("nobody@example.org", "ada", "bob@example.org"):  # ada has no address
                page.goto(f"{install.url}/sign-in/forgotten")
                page.fill("#user", who)
                page.keyboard.press("Enter")
                expect(page.locator("h1")).to_have_text("Look into your mail")
                said.append(page.inner_text("main"))
            assert said[0] == said[1] == said[2]
            for theme, (width, height) in WAYS:
                look_over(page, theme, width, height)
                shoot(page, "forgotten-asked", theme, width)
            until(lambda: bool(box.got), what="the mail")
            (letter,) = box.got
            assert letter.rcpt_tos == ["bob@example.org"]
            text = message_from_bytes(letter.content, policy=default).get_content()
            link = re.search(r"http://127\.0\.0\.1:4100(/set-up#\S+)", text)
            assert link is not None
            page.goto(install.url + link[1])
            page.fill("#password", OTHER)
            page.click("button.go")
            page.wait_for_url(f"{install.url}/")
            page.goto("about:blank")  # its stream of events would be waited for
        finally:
            install.stop()
        assert complaints == []
    finally:
        post.stop()


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
