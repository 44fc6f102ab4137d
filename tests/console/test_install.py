"""Settings, the database, telemetry: what administrators see of the install."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from remit.accounts.telemetry_events import list_events

from .browser import check_page, looking, shoot
from .served import WORKSPACE, Served
from .test_approvals import HOSTILE


def test_settings_say_where_they_come_from(browser: Browser, served: Served) -> None:
    check_page(browser, served, "/settings")
    with looking(browser, served) as looked:
        page = looked.go("/settings?changed=1")
        shoot(page, "settings-set", "light", 1440)
        expect(page.locator("main")).to_contain_text("approval_hours")
        expect(page.locator("main")).not_to_contain_text("breaker_failures")
        page = looked.go("/settings?q=circuit")
        expect(page.locator("main")).to_contain_text("breaker_failures")
        page = looked.go("/settings?q=environment")
        expect(page.locator("main td code").first).to_be_visible()
        assert "`" not in page.inner_text("main")
        page = looked.go("/settings?q=no-such-thing")
        expect(page.locator("h3")).to_have_text("No setting fits")
        looked.quiet()
    with looking(browser, served, who="vera") as looked:
        for path in ("/settings", "/database", "/telemetry"):
            looked.go(path, status=403)


def test_the_database_and_what_is_kept(browser: Browser, served: Served) -> None:
    with looking(browser, served) as looked:
        assert looked.page.request.get(f"{served.url}/api/v1/database").status == 200
    check_page(browser, served, "/database")
    with looking(browser, served) as looked:
        page = looked.go("/database")
        expect(page.locator("dl.facts")).to_contain_text("SQLite")
        expect(page.locator("section", has=page.locator("#h-tables"))).to_contain_text("approval")
        kept = page.locator("section", has=page.locator("#h-api"))
        expect(kept).to_contain_text("/api/v1/database")
        kept.get_by_role("button").click()
        expect(page.locator("h1")).to_have_text("The API's kept answers are forgotten")
        looked.quiet()


def test_switches_are_turned_and_what_was_recorded_is_found(browser: Browser, served: Served) -> None:
    check_page(browser, served, "/telemetry", name="telemetry-off")
    with looking(browser, served) as looked:
        page = looked.go("/telemetry")
        expect(page.locator("h1")).to_have_text("Nothing is recorded")
        assert page.locator("section", has=page.locator("#h-leave")).get_by_text("stays here").count() == 3
        for name, word in (("telemetry", "Events are recorded"), ("feedback", "Feedback is kept")):
            page.fill(f"#r-{name}", HOSTILE)
            page.locator(f"#r-{name}").press("Enter")
            expect(page.locator("h1")).to_have_text(f"{word} from now on")
        page.select_option("#rating", "4")
        page.fill("#comment", HOSTILE)
        page.get_by_role("button", name="Keep it").click()
        expect(page.locator("h1")).to_have_text("It is kept, without your name")
        assert "<img src=x onerror=alert(1)>" in page.inner_text("main")
        assert "[U+202E]txt.exe" in page.inner_text("main")
        assert page.locator("main img, main script, main b[hx-get], main svg[onload]").count() == 0
        looked.quiet()
    check_page(browser, served, "/telemetry")
    with looking(browser, served) as looked:
        page = looked.go("/telemetry?kind=feedback")
        expect(page.locator("section", has=page.locator("#h-events"))).to_contain_text("4 of 5")
        page.fill("#r-forget", "enough")
        page.get_by_role("button", name="Delete every event").click()
        expect(page.locator("h1")).to_have_text("Every recorded event is deleted")
    assert served.run(lambda runtime: runtime.store.read(lambda tx: list_events(tx, WORKSPACE))) == []
