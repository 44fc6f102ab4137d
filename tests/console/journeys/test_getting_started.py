"""The first journey: a new install, its owner, a second factor, a first look."""

from __future__ import annotations

from pathlib import Path

import pyotp
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from ..browser import shoot  # noqa: TID252 - tests are loaded by path
from .install import OWNER, PASSWORD, Install, Somebody


def test_the_first_hour(browser: Browser, tmp_path: Path) -> None:  # noqa: PLR0915 - one journey
    """From the link that `remit up` prints to a signed-in owner with a second factor, at two machines."""
    with Install(tmp_path) as install:
        assert "/set-up#" in install.link, "nobody can sign in yet"
        context = browser.new_context(reduced_motion="reduce")
        owner = Somebody(context, install)
        page = owner.page
        page.goto(install.link)
        assert page.input_value("#token").startswith("rmt_link_")
        assert "#" not in page.url, "out of the address, and out of the history"
        page.get_by_label("New password").fill("password")
        page.get_by_role("button", name="Set the password").click()
        expect(page.locator("#password-e")).to_contain_text("many people use it")
        page.get_by_label("New password").fill(PASSWORD)
        page.get_by_role("button", name="Set the password").click()
        page.wait_for_url(f"{install.url}/")
        expect(page.locator("main")).to_contain_text("nothing waits for you")
        expect(page.locator("main")).to_contain_text("remit demo")
        (cookie,) = [each for each in context.cookies() if each["name"] == "remit_session"]
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
        again = context.request.get(f"{install.url}/set-up")
        assert install.link.rpartition("#")[2] not in again.text()

        page = owner.go("/account")
        page.locator("#s-password").fill(PASSWORD)
        page.get_by_role("button", name="Set it up").click()
        secret = page.inner_text("pre.once")
        expect(page.locator(".qr svg")).to_have_count(1)
        assert Axe().run(page).response["violations"] == []
        shoot(page, "factor", "light", 1440)
        page.get_by_label("Code of the app").fill(pyotp.TOTP(secret).now())
        page.get_by_role("button", name="Turn it on").click()
        expect(page.locator("pre.once")).to_have_count(10)
        codes = page.locator("pre.once").all_inner_texts()
        page.get_by_role("link", name="Go on").click()
        expect(page.locator("main")).to_contain_text("10 recovery codes are left")

        page.get_by_role("button", name="Sign out", exact=True).click()
        page.wait_for_url("**/sign-in")
        page.goto(f"{install.url}/account")
        assert page.url.endswith("/sign-in?next=/account")
        for user in (OWNER, "nobody"):
            page.fill("#user", user)
            page.fill("#password", "not the password")
            page.click("button.go")
            expect(page.locator("#password-e")).to_have_text("The name, the password or the code is not right.")
        page.fill("#user", OWNER)
        page.fill("#password", PASSWORD)
        page.click("button.go")
        expect(page.locator("h1")).to_have_text("Your second factor")
        page.fill("#code", "000000")
        page.click("button.go")
        expect(page.locator(".err")).to_contain_text("not right")
        page.fill("#code", codes[0])
        page.click("button.go")
        expect(page.locator("h1")).to_have_text("Your account")

        elsewhere = Somebody(browser.new_context(), install)
        elsewhere.page.goto(f"{install.url}/account")
        elsewhere.page.fill("#user", OWNER)
        elsewhere.page.fill("#password", PASSWORD)
        elsewhere.page.click("button.go")
        elsewhere.page.fill("#code", codes[1])
        elsewhere.page.click("button.go")
        expect(elsewhere.page.locator("main")).to_contain_text("8 recovery codes are left")
        page = owner.go("/account")
        page.get_by_role("button", name="Sign out everywhere else").click()
        expect(page.locator("h1")).to_have_text("Every other sign-in has ended")
        elsewhere.page.goto(f"{install.url}/account")
        assert "/sign-in" in elsewhere.page.url
        sessions = install.remit("users", "sessions")["sessions"]
        assert [one["status"] for one in sessions].count("open") == 1
        assert owner.complaints + elsewhere.complaints == []
        elsewhere.context.close()
        context.close()
        install.whole()
