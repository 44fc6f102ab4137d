"""Journeys of those who give orders: a mission that fails and is mended, one that is watched from a telephone."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Browser, expect

from remit.testing.drill import PACK, until

from .install import PRESS, Install

#: Notes every event of the page's streams, so that what it was told can be held against what happened.
LISTEN = """
{
  const Real = EventSource;
  window.heard = [];
  window.EventSource = class extends Real {
    constructor(...given) {
      super(...given);
      this.addEventListener('entry', (event) => window.heard.push(event.lastEventId));
    }
  };
}
"""


def steps(install: Install, mission: str) -> dict[str, tuple[str, int]]:
    return {one["name"]: (one["status"], one["attempts"]) for one in install.said(mission)["steps"]}


def test_a_failed_mission_is_understood_mended_and_rolled_back(browser: Browser, install: Install) -> None:
    shut = install.drill.bodies.with_name("shut")
    shut.touch()
    mission = install.order(PRESS, features=["red", "blue"], fail="yes")
    until(lambda: install.said(mission)["status"] == "failed", what="the failure")
    with install.person(browser) as owner:
        page = owner.go("/")
        expect(page.get_by_role("region", name="Needs you")).to_contain_text("its door is shut")
        page.get_by_role("region", name="Needs you").get_by_role("link").first.click()
        page.wait_for_url(f"**/missions/{mission}*")
        expect(page.locator(".say.bad")).to_contain_text("its door is shut")
        page = owner.go(f"/missions/{mission}?step=broken&tab=logs")
        expect(page.locator("main")).to_contain_text("its door is shut")
        page = owner.go(f"/missions/{mission}?step=feature-red")
        page.get_by_role("link", name="Diff", exact=True).click()
        expect(page.locator("main")).to_contain_text("feature-red.txt")

        shut.unlink()
        before = steps(install, mission)
        page = owner.go(f"/missions/{mission}")
        page.get_by_role("button", name="Resume this mission").click()
        page.wait_for_url("**done=resume*")
        expect(page.locator("h1")).to_be_focused()
        until(lambda: install.said(mission)["status"] == "succeeded", what="the mended mission")
        after = steps(install, mission)
        done = {name: found for name, found in before.items() if found[0] == "succeeded"}
        assert len(done) >= 3
        assert {name: after[name] for name in done} == done, "nothing that was done was done again"

        tree = install.home / "missions" / mission / "workspace"
        assert (tree / "feature-blue.txt").is_file()
        page = owner.go(f"/missions/{mission}")
        page.get_by_label("After step").select_option("start")
        page.get_by_role("button", name="Branch this mission").click()
        page.wait_for_url("**done=branch")
        child = page.url.rpartition("/")[2].partition("?")[0]
        assert child != mission
        until(lambda: install.said(child)["status"] == "succeeded", what="the branch")

        page = owner.go(f"/missions/{mission}")
        page.get_by_label("Back to").select_option("feature:blue")
        page.get_by_role("button", name="Roll this mission back").click()
        page.wait_for_url("**done=rollback")
        until(
            lambda: install.said(mission)["status"] == "succeeded" and not (tree / "feature-blue.txt").exists(),
            what="the mission without its feature",
        )
        assert (tree / "all").read_text() == "feature-red.txt start.txt"
        assert (install.home / "missions" / child / "workspace" / "feature-blue.txt").is_file()
    install.whole()


def told_of(install: Install, mission: str) -> list[int]:
    """The numbers of a mission's entries in the log."""
    entries: list[dict[str, Any]] = install.remit("audit", "show", "--mission", mission, "--limit", "1000")["entries"]
    return [int(one["seq"]) for one in entries]


def test_a_mission_is_watched_from_a_telephone_while_the_server_restarts(browser: Browser, install: Install) -> None:
    mission = install.order(PACK, features=["red", "blue", "green"], pause_s=1.0, sleep_s=600)
    with install.person(browser, width=375, height=812) as owner:
        owner.context.add_init_script(LISTEN)
        page = owner.go(f"/missions/{mission}")
        expect(page.locator("#live")).to_have_text("Live")
        first = told_of(install, mission)[-1]
        until(lambda: any(step.startswith("feature-") for step in install.drill.look().bodies), what="the middle")
        install.kill()
        expect(page.locator("#live")).to_contain_text("Connection lost")
        assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        before = install.drill.look()
        install.up()
        expect(page.locator("#live")).to_have_text("Live")
        until(lambda: "sleep" in install.drill.look().bodies, what="the long step")
        row = page.locator("#step-sleep")
        expect(row).to_contain_text("running")
        expect(page.locator("#step-join")).to_contain_text("done")
        broken = install.drill.broken_promises(before)
        assert [each for each in broken if not each.startswith("processes")] == [], (
            "the long command runs, as it should"
        )

        def heard() -> list[int]:
            return [int(one) for one in page.evaluate("window.heard")]

        def missed() -> list[int]:
            got = heard()
            return [seq for seq in told_of(install, mission) if seq > first and seq not in got]

        until(lambda: not missed(), what="every event on the page")
        assert len(heard()) == len(set(heard())), "none twice"
        page.get_by_role("link", name="Cancel…").click()
        page.get_by_role("button", name="Cancel this mission").click()
        page.wait_for_url("**done=cancel")
        expect(page.locator("h1")).to_be_focused()
        until(lambda: install.said(mission)["status"] == "cancelled", what="the end of it")
        until(lambda: not install.drill.left_over(patience_s=0), what="the end of its command")
    install.whole()
