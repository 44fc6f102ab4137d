"""Missions over the API: made, watched, looked into, and ordered about, as by the command line."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from .quick import NAME
from .serving import Api, Client, serving
from .watching import watching

GONE = "0193a2f4-0000-7000-8000-00000000dead"


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API whose process runs what is ordered."""
    with serving(tmp_path_factory.mktemp("busy") / "home", worker=True) as made:
        yield made


def order(client: Client, text: str, **more: Any) -> str:
    reply = client.post("/api/v1/missions", {"pack": NAME, "input": text, "name": "note.txt", **more})
    assert reply.status == 201, reply
    assert reply.headers["location"] == f"/api/v1/missions/{reply.json['mission']}"
    return str(reply.json["mission"])


def until(client: Client, mission: str, *statuses: str) -> dict[str, Any]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = client.get(f"/api/v1/missions/{mission}").json
        if found["status"] in statuses:
            return dict(found)
        time.sleep(0.1)
    raise AssertionError(found)


async def test_a_mission_made_here_runs_in_this_process_and_is_told_live(busy: Api) -> None:
    owner = busy.owner
    token = busy.key("viewer")
    async with watching(busy.url, token) as watch:
        await anext(aiter(watch.events()))
        mission = order(owner, "rain")
        found = await watch.until(
            lambda seen: any(one.data["action"] == "mission.status" and one.data["mission"] == mission for one in seen),
            seconds=60,
        )
    actions = [one.data["action"] for one in found if one.data["mission"] == mission]
    assert actions[0] == "mission.create"
    assert actions[-1] == "mission.status"
    assert actions.count("step.finish") == 2
    shown = until(owner, mission, "succeeded")
    assert [step["status"] for step in shown["steps"]] == ["succeeded", "succeeded"]
    assert shown["steps"][0]["result"] == {"noted": "rain"}
    assert shown["steps"][0]["attempts"][0]["log"] == "noted rain"
    assert shown["features"] == ["notes"]
    one = f"/api/v1/missions/{mission}"
    files = owner.get(f"{one}/artefacts").json
    assert [each["path"] for each in files["files"]] == ["note.txt"]
    assert owner.get(f"{one}/artefacts/content?path=note.txt").json["text"] == "rain\n"
    assert owner.get(f"{one}/artefacts/content?path=../secret").status == 404
    assert "+rain" in owner.get(f"{one}/steps/note/diff").json["text"]
    assert owner.get(f"{one}/logs?step=end").json["items"][0]["log"] == "over"
    assert owner.get(f"{one}/actions").json["items"][0]["kind"] == "files"
    action = owner.get(f"{one}/actions").json["items"][0]["action"]
    story = owner.get(f"/api/v1/why?id={action}").json
    assert owner.get(f"{one}/report").json["mission"]["status"] == "succeeded"
    assert story["actions"][0]["checks"][0]["check"] == "identify"


def test_what_is_wrong_with_an_input_is_told_with_its_place_and_nothing_is_written(busy: Api) -> None:
    owner = busy.owner
    before = owner.get("/api/v1/missions").json["items"]
    for path in ("/api/v1/missions", "/api/v1/missions/plan"):
        reply = owner.post(path, {"pack": NAME, "input": " ", "name": "note.txt"})
        assert reply.status == 422
        assert reply.json["place"] == "note.txt:1"
        assert reply.json["problems"] == ["line 1: a word is missing"]
        assert owner.post(path, {"pack": NAME, "inputt": "x"}).status == 422
    assert owner.get("/api/v1/missions").json["items"] == before
    planned = owner.post("/api/v1/missions/plan", {"pack": NAME, "input": "rain"}).json
    assert planned["critical_path"] == ["note", "end"]


def test_a_pack_named_from_outside_imports_nothing(busy: Api) -> None:
    assert "antigravity" not in sys.modules
    for pack in ("antigravity:fly", "os:system", "tests.api.quick:quick", "trade"):
        reply = busy.owner.post("/api/v1/missions", {"pack": pack, "input": "x"})
        assert reply.status == 404, reply
    assert "antigravity" not in sys.modules


def test_a_failed_mission_goes_on_and_says_how_its_attempts_differ(busy: Api) -> None:
    owner = busy.owner
    mission = order(owner, "fall")
    shown = until(owner, mission, "failed", "rolled_back")
    assert shown["error_code"] == "quick.wet"
    one = f"/api/v1/missions/{mission}"
    assert owner.post(f"{one}/resume", {}).status == 202
    until(owner, mission, "succeeded")
    diff = owner.get(f"{one}/steps/fall/diff?old=1&new=2").json["text"]
    assert "-it is wet" in diff
    assert "+it is dry" in diff
    assert owner.get(f"{one}/steps/fall/diff?old=1&new=9").status == 404
    branch = owner.post(f"{one}/branches", {"from_step": "note"})
    assert branch.status == 201
    assert until(owner, branch.json["mission"], "succeeded", "failed")["parent"] == mission
    back = owner.post(f"{one}/rollback", {"to_step": "note"})
    assert (back.status, back.json["status"]) == (202, "rolled_back")
    assert [step["status"] for step in back.json["steps"]] == ["succeeded", "rolled_back", "rolled_back"]
    assert owner.post(f"{one}/rollback", {"to_step": "note", "feature": "notes"}).status == 422
    assert owner.post(f"{one}/cancel").status == 409


def test_a_deployment_is_asked_of_the_guard(busy: Api) -> None:
    owner = busy.owner
    mission = order(owner, "sun")
    until(owner, mission, "succeeded")
    site = busy.settings.home.parent / "site"
    site.mkdir()
    asked = {"target": str(site), "smoke": ["true"]}
    reply = owner.post(f"/api/v1/missions/{mission}/deployments", asked)
    assert (reply.status, reply.json["code"].partition(".")[0]) == (403, "guard"), reply  # no critic has seen it
    assert reply.json["decision_id"]
    assert not any(site.iterdir())
    assert owner.post(f"/api/v1/missions/{mission}/deployments", {"target": "site"}).status == 422


def test_lists_are_filtered_by_the_query_and_paged_by_cursor(busy: Api) -> None:
    owner = busy.owner
    made = [order(owner, f"word {number}") for number in range(3)]
    for mission in made:
        until(owner, mission, "succeeded")
    first = owner.get("/api/v1/missions?limit=2&status=succeeded&q=note").json
    assert [one["mission"] for one in first["items"]] == made[:0:-1]
    second = owner.get(f"/api/v1/missions?limit=2&status=succeeded&q=note&cursor={first['next']}").json
    assert second["items"][0]["mission"] == made[0]
    assert owner.get("/api/v1/missions?status=nothing").status == 422
    assert owner.get("/api/v1/missions?q=nothing%20has%20this").json == {"items": [], "next": None}
    assert owner.get("/api/v1/missions?since=2999-01-01T00:00:00Z").json["items"] == []
    assert owner.get("/api/v1/missions?cursor=zzz").status == 422


def test_what_is_not_there_is_not_found(busy: Api) -> None:
    for path in ("", "/steps", "/logs", "/actions", "/artefacts", "/report"):
        assert busy.owner.get(f"/api/v1/missions/{GONE}{path}").status == 404
    for word in ("resume", "rollback", "cancel"):
        assert busy.owner.post(f"/api/v1/missions/{GONE}/{word}", {}).status == 404
