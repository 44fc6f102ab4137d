"""Deploying from the browser: what would change, who is asked, what is live, and the way back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from remit.kernel.action import ActorKind, Principal

from .browser import check_page, looking
from .served import WORKSPACE, Served

SHOP = "remit.testing.shop:PACK"


class Yard(Served):
    """A console over a home with two shops, and folders to deploy to. Its deployments are real ones."""

    site: Path
    shops: tuple[str, str]

    def adapters(self) -> dict[str, Any]:
        given = super().adapters()
        del given["deploy"]
        return given

    @property
    def greeting(self) -> str:
        said = self.site / "current" / "greeting.txt"
        return said.read_text().strip() if said.exists() else ""


async def build(served: Served) -> None:
    assert isinstance(served, Yard)
    runtime, who = served.runtime, Principal(ActorKind.USER, "ines")
    made: list[str] = []
    for greeting in ("one", "two"):
        data = json.dumps({"greeting": greeting}).encode()
        mission = await runtime.missions.create(WORKSPACE, SHOP, data, name=f"{greeting}.json", originator=who)
        view = await runtime.missions.run(WORKSPACE, mission)
        assert view.status == "succeeded", view.mission.error
        made.append(mission)
    served.shops = made[0], made[1]


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    folder = tmp_path_factory.mktemp("yard")
    site = folder / "srv" / "site"
    site.mkdir(parents=True, mode=0o755)
    (folder / "elsewhere").mkdir()
    made = Yard(folder / "home", build, deploy_roots=str(folder / "srv"), approval_separation="off")
    made.site = site
    made.start()
    yield made
    made.stop()


def test_a_mission_is_deployed_after_somebody_allowed_it_and_switched_back(browser: Browser, yard: Yard) -> None:
    one, two = yard.shops
    check_page(browser, yard, f"/missions/{one}/deploy?target={yard.site}", name="deploy-first")
    with looking(browser, yard, scripts=False) as looked:
        page = looked.go(f"/missions/{one}")
        page.locator("#deploy select").select_option(str(yard.site))
        page.locator("button, a", has_text="See what would change").first.click()
        expect(page.locator("main")).to_contain_text("nothing is live")
        expect(page.locator("pre.diff")).to_contain_text("one")
        page.fill("#reason", "read every line of it")
        page.locator("button, a", has_text="Attest the review").first.click()
        expect(page.locator("main")).to_contain_text("Your word is kept")
        page.fill("#keep", "no")
        page.locator("form button", has_text="Deploy this mission").click()
        expect(page.locator("#keep-e")).to_contain_text("between 1 and 100")
        assert page.input_value("#keep") == "no"
        page.fill("#keep", "5")
        page.locator("form button", has_text="Deploy this mission").click()
        expect(page.locator("main")).to_contain_text("It waits for a person")
        assert yard.greeting == ""
        page.locator("button, a", has_text="Look at the request").first.click()
        page.fill("#why", "it was tested and read")
        page.check("input[name=seen]")
        page.click("button[value=approve]")
        page.goto(f"{yard.url}/missions/{one}/deploy?target={yard.site}")
        page.locator("button, a", has_text="Deploy it now").first.click()
        expect(page.locator("h1")).to_contain_text(f"is live at {yard.site}")
        expect(page.locator("main")).to_contain_text("It is live")
    assert yard.greeting == "one"
    check_page(browser, yard, f"/missions/{one}/deploy?target={yard.site}", name="deploy-live")
    check_page(browser, yard, f"/missions/{two}/deploy?target={yard.site}", name="deploy-next")
    with looking(browser, yard, scripts=False) as looked:
        page = looked.go(f"/missions/{one}/deploy?target={yard.site}")
        page.locator("button", has_text="Switch back now").focus()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_contain_text("What was live before is live again")
        expect(page.locator("main")).to_contain_text("switched back to nothing")
    assert yard.greeting == ""


def test_no_place_but_those_that_the_settings_name(browser: Browser, yard: Yard) -> None:
    one = yard.shops[0]
    elsewhere = yard.site.parent.parent / "elsewhere"
    (yard.site.parent / "way-out").symlink_to(elsewhere.parent)
    inside = yard.site.parent / "way-out" / "elsewhere"
    outside = (elsewhere, inside, f"{yard.site.parent}/../elsewhere", yard.site.parent.parent / "home")
    with looking(browser, yard, scripts=False) as looked:
        csrf = looked.go(f"/missions/{one}").locator("input[name=csrf]").first.get_attribute("value")
        for place in outside:
            looked.go(f"/missions/{one}/deploy?target={place}", status=403)
            sent = looked.page.request.post(
                f"{yard.url}/missions/{one}/deploy", form={"csrf": csrf or "", "target": str(place)}, max_redirects=0
            )
            assert sent.status == 403, place
            assert "deploy.root" in sent.text()
    assert list(elsewhere.iterdir()) == []
