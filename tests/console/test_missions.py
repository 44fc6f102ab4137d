"""Missions, one mission, a new one, and the queue: in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from remit.accounts.agents import Agent, register_agent
from remit.bootstrap import Runtime
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import micros_of
from remit.kernel.mission import MissionStatus, StepStatus
from remit.missions.rows import AttemptRow, insert_attempt, read_mission, read_steps, set_mission, set_step

from .browser import check_page, looking, settled
from .served import WORKSPACE, Served

INTAKE = Path(__file__).parents[2] / "examples/intakes/clinic.yaml"
HOSTILE = "<img src=x onerror=alert(1)><b hx-get='/x'>bold</b> \u202egnp.exe\u200b javascript:alert(1)"
SECOND = 1_000_000


async def order(runtime: Runtime, name: str = "clinic.yaml", by: str = "tomas") -> str:
    return await runtime.missions.create(
        WORKSPACE, "build", INTAKE.read_bytes(), name=name, originator=Principal(ActorKind.USER, by), queue=True
    )


async def stand(runtime: Runtime, mission: str, *, done: int, last: StepStatus, said: str = "it works") -> None:
    """Have a mission stand where a run would have left it: some steps done, the next one as said."""
    now = micros_of(runtime.clock.now())
    owner = runtime.engine.executor if last is not StepStatus.FAILED else ""
    status = MissionStatus.FAILED if last is StepStatus.FAILED else MissionStatus.RUNNING

    def op(tx: Any) -> None:
        row = read_mission(tx, WORKSPACE, mission)
        steps = read_steps(tx, row)
        begun = now - 300 * SECOND
        for number, step in enumerate(steps[: done + 1]):
            ended = begun + (10 + number) * SECOND
            over = number < done
            outcome = "succeeded" if over else "failed"
            attempt = AttemptRow(
                *(WORKSPACE, mission, 1, step.name, 1, 0, outcome, begun, ended),
                error="" if over else said, error_code="" if over else "step.wrong", log=said, cost_micros=3100,
            )  # fmt: skip
            insert_attempt(tx, attempt)
            set_step(
                tx, step, status=StepStatus.SUCCEEDED if over else last, attempts=1 if over else 2, started_us=begun,
                finished_us=ended, changed_us=now, cost_micros=3100,
                not_before_us=0 if over or last is not StepStatus.PENDING else now + 3600 * SECOND,
                error="" if over else said,
            )  # fmt: skip
            begun = ended
        error = said if status is MissionStatus.FAILED else ""
        set_mission(tx, row, status=status, owner=owner, error=error, updated_us=now, cost_micros=3100 * done, fence=1)

    await runtime.store.commit("mission.status", op)


async def furnish(served: Served) -> None:
    """A mission that runs, one that failed (and says hostile things), two that wait."""
    runtime = served.runtime
    scribe = Agent(WORKSPACE, "scribe", runtime.owner.id, kind="worker", effects=frozenset({"files"}))
    await register_agent(runtime.store, scribe, by=runtime.owner, clock=runtime.clock)
    await runtime.guard.register.refresh(WORKSPACE)
    await stand(runtime, await order(runtime), done=9, last=StepStatus.RUNNING)
    await stand(runtime, await order(runtime, "shop.yaml", "ines"), done=4, last=StepStatus.FAILED, said=HOSTILE)
    await order(runtime, "third.yaml")
    await order(runtime, "fourth.yaml")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("house") / "home", furnish).start()
    yield made
    made.stop()


def ids(house: Served) -> list[str]:
    """Oldest first."""
    found = house.run(lambda runtime: runtime.missions.list(WORKSPACE))
    return [one.id for one in found][::-1]


def test_the_list(browser: Browser, house: Served) -> None:
    check_page(browser, house, "/missions")
    check_page(browser, house, "/missions?state=all&q=nothing+has+this", name="missions-none")


def test_one_mission(browser: Browser, house: Served) -> None:
    running, failed, *_ = ids(house)
    check_page(browser, house, f"/missions/{running}", name="mission-running")
    check_page(browser, house, f"/missions/{failed}", name="mission-failed")
    check_page(browser, house, f"/missions/{running}?tab=io", name="mission-io")
    with looking(browser, house, scripts=False) as looked:
        expect(looked.go(f"/missions/{running}?tab=prompts").locator("main")).to_contain_text("asked no model")


def test_a_new_one(browser: Browser, house: Served) -> None:
    check_page(browser, house, "/missions/new", name="mission-new")


def test_the_queue(browser: Browser, house: Served) -> None:
    check_page(browser, house, "/queue")


def test_hostile_text_of_a_step_stays_text(browser: Browser, house: Served) -> None:
    failed = ids(house)[1]
    for path in (f"/missions/{failed}", f"/missions/{failed}?tab=logs", "/missions?state=all"):
        with looking(browser, house) as looked:
            page = looked.go(path)
            page.wait_for_load_state("networkidle")
            assert page.locator("img[src=x], main b[hx-get]").count() == 0
            assert page.locator("a[href^='javascript']").count() == 0
            if path != "/missions?state=all":
                assert "[U+202E]" in page.inner_text("main")
            looked.quiet()


def test_what_a_model_was_asked_and_said_is_inert(browser: Browser, house: Served) -> None:
    """Markup, an escape of terminals and text that hides itself: in prompts, answers, tools' names and arguments."""
    mission = house.run(lambda _: house.mission("talk"))
    view = house.run(lambda runtime: runtime.missions.show(WORKSPACE, mission))
    assert view.status == "succeeded", view.mission.error
    path = f"/missions/{mission}?step=talk&tab=prompts"
    check_page(browser, house, path, name="mission-prompts")
    with looking(browser, house) as looked:
        page = looked.go(path)
        settled(page)
        said = page.locator("section", has=page.locator("#h-step"))
        assert said.locator("pre").count() == 3
        for text in (said.locator("pre").first.inner_text(), said.locator("h3").last.inner_text()):
            assert "<img src=x onerror=alert(1)><script>alert(2)</script>" in text
        first = said.locator("pre").first.inner_text()
        assert first.endswith("[U+001B][31mred[U+001B][0m [U+202E]txt.exe[U+202C] [U+200B]hidden {{ 7 * 7 }}")
        assert page.locator("main :is(img, script, [hx-get], [onload], [onerror], [style])").count() == 0
        assert page.locator("a[href^='javascript']").count() == 0
        whole = said.get_by_role("link", name="the whole file")
        whole.click()
        expect(page.locator("main pre")).to_contain_text("and more of it")
        assert "<img src=x onerror=alert(1)>" in page.inner_text("main pre")
        assert page.locator("main :is(img, script, [hx-get], [onload])").count() == 0
        looked.quiet()


def test_the_list_changes_in_its_place_and_new_rows_wait_to_be_asked_for(browser: Browser, house: Served) -> None:
    running = ids(house)[0]
    with looking(browser, house) as looked:
        page = looked.go("/missions?state=all")
        expect(page.locator("#live")).to_have_text("Live")
        cell = page.locator(f'[data-cell="{running}.steps"]')
        before, rows = cell.inner_text(), page.locator("[data-row]").count()
        house.run(lambda runtime: stand_more(runtime, running))
        expect(cell).not_to_have_text(before)
        house.run(lambda runtime: order(runtime, "fifth.yaml"))
        expect(page.locator("#fresh a")).to_contain_text("new")
        assert page.locator("[data-row]").count() == rows
        page.locator("#fresh a").click()
        expect(page.locator("[data-row]")).to_have_count(rows + 1)
        looked.quiet()


async def stand_more(runtime: Runtime, mission: str) -> None:
    """One more step is done, as the log says."""
    from remit.audit.entry import Entry, Result

    def op(tx: Any) -> None:
        row = read_mission(tx, WORKSPACE, mission)
        step = next(each for each in read_steps(tx, row) if each.status == StepStatus.RUNNING)
        set_step(tx, step, status=StepStatus.SUCCEEDED, changed_us=step.changed_us + 1)
        who = Principal(ActorKind.SYSTEM, "worker")
        tx.append(
            Entry(who, "step.finish", "missions", Result.SUCCESS, WORKSPACE, subject=mission, mission=mission), {}
        )

    await runtime.store.commit("step.finish", op)


def test_an_input_is_checked_and_ordered_and_stays_as_typed(browser: Browser, house: Served) -> None:
    with looking(browser, house) as looked:
        page = looked.go("/missions/new?preset=build")
        page.click("text=Begin with an example")
        assert page.input_value("#in").strip() == INTAKE.read_text().strip()
        assert page.input_value("#name") == INTAKE.name
        wrong = INTAKE.read_text().replace("type: crud", "type: crudd", 1)
        page.fill("#in", wrong)
        page.click("text=Check and plan")
        expect(page.locator("[role=alert]")).to_contain_text("crudd")
        assert page.input_value("#in").strip() == wrong.strip()
        page.fill("#in", INTAKE.read_text())
        page.fill("#name", "sixth.yaml")
        page.click("text=Check and plan")
        expect(page.locator("[role=status] >> text=The input is good")).to_be_visible()
        assert page.locator(".graph .nd").count() > 10
        page.click("text=Order this mission")
        expect(page.locator("main")).to_contain_text("It is queued.")
        page.wait_for_load_state("networkidle")


def test_a_mission_is_filled_in_field_by_field_and_nothing_is_lost(browser: Browser, house: Served) -> None:
    check_page(browser, house, "/missions/new?preset=build&way=form", name="mission-form")
    text = "# kept as it is\n" + INTAKE.read_text()
    with looking(browser, house, scripts=False) as looked:
        page = looked.go("/missions/new?preset=build")
        page.fill("#in", text)
        page.locator("button", has_text="Fill in field by field").click()
        assert page.input_value("#f-in-metadata-appname") in text
        page.locator("button", has_text="Go on in the editor").click()
        assert page.input_value("#in") == text
        page.locator("button", has_text="Fill in field by field").click()
        page.fill("#f-in-metadata-version", "one")
        page.locator("#f-in-secrets > summary").click()
        page.locator("button", has_text="Add to secrets").click()
        page.locator("#f-in-secrets-1 > summary").click()
        page.fill("#f-in-secrets-1-name", "mail_password")
        page.fill("#f-in-secrets-1-path", "MAIL_PASSWORD")
        page.fill("#name", "filled.yaml")
        page.locator("button:visible", has_text="Check and plan").click()
        field = page.locator("#f-in-metadata-version")
        assert field.get_attribute("aria-invalid") == "true"
        assert field.input_value() == "one"
        expect(page.locator("#f-in-metadata-version-e")).to_contain_text("metadata.version")
        page.fill("#f-in-metadata-version", "2.0.1")
        page.locator("button:visible", has_text="Check and plan").click()
        expect(page.locator("[role=status] >> text=The input is good")).to_be_visible()
        page.locator("button:visible", has_text="Order this mission").click()
        expect(page.locator("main")).to_contain_text("It is queued.")
        mission = page.url.partition("/missions/")[2].partition("?")[0]
    row = house.run(lambda runtime: runtime.missions.show(WORKSPACE, mission)).mission
    assert b"mail_password" in row.input
    assert b"2.0.1" in row.input


def test_without_a_mouse_and_without_scripts_a_mission_is_cancelled(browser: Browser, house: Served) -> None:
    mission = ids(house)[-1]
    with looking(browser, house, scripts=False) as looked:
        page = looked.go(f"/missions/{mission}")
        button = page.locator("#cancel button")
        button.focus()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_contain_text("It is cancelled.")
        again = page.locator("#cancel")
        expect(again).to_contain_text("It is over: cancelled.")
    view = house.run(lambda runtime: runtime.missions.show(WORKSPACE, mission))
    assert view.status == "cancelled"


def test_a_waiting_mission_is_moved(browser: Browser, house: Served) -> None:
    last = [each.mission for each in house.run(lambda runtime: runtime.missions.queue(WORKSPACE))][-1]
    with looking(browser, house, scripts=False) as looked:
        page = looked.go("/queue")
        row = page.locator("tr", has=page.locator(f"a[href='/missions/{last}']"))
        row.locator("summary").click()
        row.locator("select").select_option("critical")
        row.locator("text=Move").click()
        expect(page.locator("main")).to_contain_text("It has its new place.")
    first = next(each for each in house.run(lambda runtime: runtime.missions.queue(WORKSPACE)) if each.position == 1)
    assert first.mission == last


def test_a_viewer_is_refused_what_they_may_not_order(browser: Browser, house: Served) -> None:
    waiting = house.run(lambda runtime: runtime.missions.queue(WORKSPACE))
    mission = next(each.mission for each in waiting if each.position)
    with looking(browser, house, who="vera", scripts=False) as looked:
        page = looked.go(f"/missions/{mission}")
        page.locator("#cancel button").click()
        expect(page.locator("body")).to_contain_text("may not write")
    assert mission in {each.mission for each in house.run(lambda runtime: runtime.missions.queue(WORKSPACE))}
