"""Journeys of those who govern: deciding, stopping, people, rules, proof. One server, real sign-ins, a real browser."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from remit.testing.drill import PACK, until
from remit.testing.witness import requests, witness

from .install import PASSWORD, Install, Somebody

RULES = """use: []
rules:
  - id: own.cheap
    on: [notify]
    assert: estimate_usd <= 5.0
    else: deny
    message: telling somebody costs at most five dollars
"""


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Install]:
    """Two decide about every notification that costs much, and nobody about their own."""
    folder = tmp_path_factory.mktemp("governed")
    environ = {"REMIT_APPROVAL_QUORUM": "1, notify=2", "REMIT_APPROVAL_SEPARATION": "on"}
    with witness(folder / "witness.log") as address:
        environ |= {"REMIT_NOTIFY_ALLOW": f"{address}/*", "WITNESS": address}
        with Install(folder, environ) as made:
            for user, role in (("tomas", "member"), ("ines", "admin"), ("priya", "admin")):
                made.add(user, role)
            yield made


def ship(install: Install, *, usd: int, who: str = "tomas", **more: object) -> str:
    """A mission that tells the witness at a price, queued; its id."""
    at = install.environ["WITNESS"]
    return install.order(PACK, who=who, features=[], ship_usd=usd, ship_at=at, **more)


def told(install: Install) -> Counter[str]:
    """What the world outside was told, and how often."""
    return requests(install.folder / "witness.log")


def status(install: Install, mission: str, *wanted: str) -> str:
    """Wait until a mission has one of these states."""

    def look() -> str:
        found = str(install.said(mission)["status"])
        return found if found in wanted else ""

    return until(look, what=f"{mission} to be {wanted}")


def asked_of(install: Install, mission: str) -> str:
    """The request by which a mission waits."""

    def look() -> str:
        waiting = install.remit("approvals")["approvals"]
        return next((str(one["approval"]) for one in waiting if one["mission"] == mission), "")

    return until(look, what="the request")


def sign_in_by_keyboard(somebody: Somebody, user: str, path: str) -> Page:
    """Without a mouse, on the way to a page."""
    page = somebody.page
    somebody.context.clear_cookies()
    page.goto(f"{somebody.install.url}{path}")
    expect(page.locator("#user")).to_be_focused()
    page.keyboard.type(user)
    somebody.keys("Tab")
    page.keyboard.type(PASSWORD)
    somebody.keys("Enter")
    page.wait_for_url(f"{somebody.install.url}{path}")
    return page


def test_two_people_approve_and_one_denies_with_the_keyboard_alone(browser: Browser, install: Install) -> None:
    mission = ship(install, usd=12, ship_text="the first")
    request = asked_of(install, mission)
    with install.person(browser, "tomas") as tomas:
        page = tomas.go(f"/approvals/{request}")
        expect(page.locator(".decide")).to_contain_text("You may not decide this")
        assert page.locator(".decide form").count() == 0
    for user, said in (("ines", "another person must approve, too"), ("priya", "Approved: notify")):
        with install.person(browser, user) as somebody:
            page = sign_in_by_keyboard(somebody, user, "/approvals")
            somebody.keys("j", "Enter")
            page.wait_for_url(f"**/approvals/{request}")
            somebody.keys("a", "Shift+Tab", "Shift+Tab")
            expect(page.locator("#why")).to_be_focused()
            page.keyboard.type("read every word of it")
            somebody.keys("Tab", "Space", "Control+Enter")
            expect(page.locator("h1")).to_contain_text(said)
            expect(page.locator("h1")).to_be_focused()
    status(install, mission, "succeeded")
    (decided,) = [one for one in install.remit("approvals", "--all")["approvals"] if one["approval"] == request]
    assert (decided["state"], {vote["by"] for vote in decided["votes"]}) == ("used", {"ines", "priya"})

    before = told(install)
    denied = ship(install, usd=12, ship_text="the second")
    request = asked_of(install, denied)
    with install.person(browser, "ines") as ines:
        page = sign_in_by_keyboard(ines, "ines", f"/approvals/{request}")
        ines.keys("d", "Shift+Tab", "Shift+Tab", "Shift+Tab")
        expect(page.locator("#why")).to_be_focused()
        page.keyboard.type("nobody needs this")
        ines.keys("Escape", "d", "Enter")
        expect(page.locator("h1")).to_contain_text("Denied: notify")
        status(install, denied, "failed")
        page = ines.go(f"/missions/{denied}")
        expect(page.locator("main")).to_contain_text("nobody needs this")
    assert told(install) == before, "what was denied was not done"
    install.whole()


def test_stop_everything_and_let_go(browser: Browser, install: Install) -> None:
    mission = install.order(PACK, features=[], sleep_s=600)
    until(lambda: install.drill.look().bodies.count("sleep"), what="the step that takes long")
    with install.person(browser) as owner:
        page = owner.go(f"/missions/{mission}")
        owner.keys("!", "Enter")
        page.wait_for_url("**/stop")
        page.get_by_label("What", exact=True).select_option("install:")
        page.get_by_label("Reason, kept in the audit log").fill("something is wrong")
        page.get_by_role("button", name="Stop every agent of this install").click()
        expect(page.locator("h1")).to_have_text("One stop is in force")
        assert status(install, mission, "cancelled", "interrupted", "failed")
        until(lambda: not install.drill.left_over(patience_s=0), what="the end of its command")
        later = install.ran("fetch", "https://example.org/", who="ines")
        assert (later.code, "stop" in later.out) == (3, True), later.out
        page = owner.go("/")
        expect(page.locator("body")).to_contain_text("stop")
        page = owner.go("/stop")
        page.get_by_label("Why it may go on").fill("it was a false alarm")
        page.get_by_role("button", name="Let go").click()
        expect(page.locator("h1")).to_have_text("No agent is stopped")
    works = install.order(PACK, features=[])
    status(install, works, "succeeded")
    actions = [one["action"] for one in install.remit("audit", "show", "--limit", "1000")["entries"]]
    assert {"accounts.kill.set", "accounts.kill.lifted"} <= set(actions), sorted(set(actions))
    install.whole()


def end_account(owner: Somebody, user: str) -> None:
    page = owner.go("/people")
    assert not page.get_by_label(f"End the account of {user}", exact=True).is_visible(), "not by one click"
    page.locator("summary", has_text=re.compile(f"of {user}$")).click()
    page.get_by_label(f"End the account of {user}", exact=True).click()


def test_invite_a_colleague_and_end_the_membership(  # noqa: PLR0915 - one journey
    browser: Browser, install: Install
) -> None:
    with install.person(browser) as owner:
        page = owner.go("/people")
        page.get_by_label("Word for orders").fill("red")
        page.get_by_role("button", name="Make it").click()
        expect(page.locator("h1")).to_have_text("The team is made")
        form = page.get_by_role("form", name="Invite into red")
        form.get_by_label("Invite by e-mail address").fill("zoe@example.org")
        form.get_by_role("button", name="Make an invitation").click()
        link = page.inner_text("pre.once")
        assert link.startswith(f"{install.url}/join#"), "where this install is"
        colleague = browser.new_context(reduced_motion="reduce")
        zoe = Somebody(colleague, install)
        zoe.page.goto(link)
        zoe.page.fill("#user", "zoe")
        zoe.page.fill("#password", "password1")
        zoe.page.click("button.go")
        expect(zoe.page.locator("#password-e")).to_contain_text("many people use it")
        zoe.page.fill("#password", PASSWORD)
        zoe.page.click("button.go")
        expect(zoe.go("/account").locator("main")).to_contain_text("red")
        zoe.page.fill("#k-name", "ci")
        zoe.page.get_by_role("button", name="Make it").click()
        key = zoe.page.inner_text("pre.once")
        assert re.fullmatch(r"rmt_test_[0-9A-Za-z]{49}", key)
        assert key not in zoe.go("/account").content(), "shown once"

        def me() -> int:
            return colleague.request.get(f"{install.url}/api/v1/me", headers={"Authorization": f"Bearer {key}"}).status

        assert me() == 200
        more = {"name": "more", "scopes": ["admin"]}
        bearer = {"Authorization": f"Bearer {key}"}
        forbidden = colleague.request.post(f"{install.url}/api/v1/api-keys", headers=bearer, data=more)
        assert (forbidden.status, forbidden.json()["code"]) == (403, "api.scope")
        # A form without the session's token, as another site would send it, changes nothing.
        assert colleague.request.post(f"{install.url}/account/sessions/end", form={}).status == 403

        page = owner.go("/people")
        expect(page.locator("main")).to_contain_text("joined red as member")
        page.get_by_label("Role of zoe", exact=True).first.select_option("viewer")
        page.get_by_label("Set the role of zoe", exact=True).click()
        expect(page.locator("h1")).to_contain_text("role")
        roles = {one["user"]: one["role"] for one in install.remit("users", "list")["users"]}
        assert roles["zoe"] == "viewer"
        # The last owner can neither step down nor leave.
        page.get_by_label("Role of owner", exact=True).first.select_option("member")
        page.get_by_label("Set the role of owner", exact=True).click()
        expect(page.get_by_role("alert")).to_contain_text("owner")
        end_account(owner, "owner")
        expect(page.get_by_role("alert")).to_contain_text("owner")
        assert {one["user"]: one["role"] for one in install.remit("users", "list")["users"]}["owner"] == "owner"

        end_account(owner, "zoe")
        expect(page.locator("h1")).to_have_text("The account has ended")
        zoe.page.goto(f"{install.url}/account")
        assert "/sign-in" in zoe.page.url, "her session is dead with the next request"
        assert me() == 401
        colleague.close()
    assert "zoe" not in {one["user"] for one in install.remit("users", "list")["users"] if one["status"] == "active"}
    install.whole()


def test_a_rule_is_written_tried_saved_seen_at_work_and_revised(browser: Browser, install: Install) -> None:
    with install.person(browser, "ines") as ines:
        page = ines.go("/policy/edit")
        page.get_by_label("Rule file").fill(RULES.replace("estimate_usd", "estimate_usb"))
        page.get_by_role("button", name="Try it").click()
        expect(page.get_by_role("alert")).to_contain_text("rules:5:")
        page.get_by_label("Rule file").fill(RULES)
        page.get_by_role("button", name="Try it").click()
        expect(page.locator("h1")).to_contain_text("out otherwise")
        expect(page.get_by_role("region", name="Differences")).to_contain_text("+ rule own.cheap")
        page.get_by_label("Reason for saving").fill("cheap words only")
        page.get_by_role("button", name=re.compile("^Save as revision")).click()
        expect(page.locator("h1")).to_contain_text("One rule is in force")

        before = told(install)
        mission = ship(install, usd=6, ship_text="the third")
        status(install, mission, "failed")
        assert told(install) == before
        page = ines.go(f"/missions/{mission}")
        expect(page.locator("main")).to_contain_text("telling somebody costs at most five dollars")
        refused = install.remit("why", mission)
        page = ines.go("/audit?action=guard.refused")
        page.locator("tbody tr").first.get_by_role("link").first.click()
        expect(page.locator("main")).to_contain_text("own.cheap")
        assert "own.cheap" in str(refused)

        page = ines.go("/policy/edit")
        page.get_by_label("Rule file").fill(RULES.replace("5.0", "8.0"))
        page.get_by_label("Reason for saving").fill("six dollars are fine")
        page.get_by_role("button", name=re.compile("^Save as revision")).click()
        expect(page.get_by_role("region", name="Differences")).to_contain_text("8.0")
        page = ines.go(f"/missions/{mission}")
        page.get_by_role("button", name="Resume this mission").click()
        page.wait_for_url("**done=resume")
        status(install, mission, "succeeded")
    assert sum((told(install) - before).values()) == 1
    install.remit("policy", "switch", "1", "--reason", "as it was")
    install.whole()


def test_an_action_is_found_proved_and_exported(browser: Browser, install: Install, tmp_path: Path) -> None:
    refused = install.ran("fetch", "https://forbidden.mil/", who="tomas")
    assert refused.code in {3, 4}, refused.out
    with install.person(browser, "ines") as ines:
        page = ines.go("/audit")
        ines.keys("/")
        expect(page.get_by_label("Search codes and ids")).to_be_focused()
        page.get_by_label("Who, as user:ines").first.fill("user:tomas")
        page.get_by_label("Action", exact=True).first.fill("guard.refused")
        page.get_by_role("button", name="Search").click()
        page.locator("tbody tr").first.get_by_role("link").first.click()
        story = page.locator("section").filter(has=page.get_by_role("heading", name="The story of this action"))
        expect(story).to_contain_text("forbidden.mil")
        page.get_by_role("button", name="Recompute in this browser").click()
        for what in ("Leaf", "Inclusion", "Signature"):
            expect(page.locator("#steps [data-step=done]").filter(has_text=what)).to_have_count(1)
        expect(page.locator("#steps [data-step=failed]")).to_have_count(0)
        page = ines.go("/audit")
        page.get_by_role("button", name="Verify the log").click()
        page.wait_for_url("**/audit?verified=now")
        expect(page.locator("#verify")).to_contain_text("The log is whole")
        page.locator("#x-action").fill("guard.refused")
        page.get_by_role("button", name="Export entries").click()
        page.wait_for_url("**/audit?exported=**")
        name = page.url.rpartition("=")[2]
    folder = install.home / "exports" / "default" / name
    said = install.remit("audit", "verify", folder)
    assert said["ok"] is True
    rows = folder / next(path.name for path in folder.iterdir() if path.suffix == ".jsonl")
    changed = tmp_path / "changed"
    changed.mkdir()
    for path in folder.iterdir():
        (changed / path.name).write_bytes(path.read_bytes())
    (changed / rows.name).write_bytes(rows.read_bytes().replace(b"forbidden", b"permitted"))
    assert install.ran("audit", "verify", changed).code != 0, "an export that was changed is found out"
    install.whole()
