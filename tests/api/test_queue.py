"""The queue and the presets over the API."""

from __future__ import annotations

from remit.packs.build.pack import PACK

from .serving import Api
from .test_missions import order


def test_the_queue_says_who_waits_why_and_what_would_help(api: Api) -> None:
    missions = [order(api.owner, f"rain {number}") for number in range(3)]
    found = api.owner.get("/api/v1/queue").json
    waiting = [one for one in found["waiting"] if one["mission"] in missions]
    assert [one["mission"] for one in waiting] == missions
    assert {one["reason"] for one in waiting} == {"no worker runs that would take it"}
    assert found["hint"].startswith("Start a worker")
    assert api.owner.put(f"/api/v1/missions/{missions[2]}/priority", {"priority": "critical"}).status == 200
    again = [one["mission"] for one in api.owner.get("/api/v1/queue").json["waiting"] if one["mission"] in missions]
    assert again == [missions[2], missions[0], missions[1]]
    assert api.client("member").put(f"/api/v1/missions/{missions[0]}/priority", {"priority": "critical"}).status == 403
    for mission in missions:
        reply = api.owner.delete(f"/api/v1/queue/{mission}")
        assert (reply.status, reply.json["status"]) == (202, "cancelled")


def test_presets_say_what_they_cost_what_can_go_wrong_and_whether_they_run_here(api: Api) -> None:
    found = {one["name"]: one for one in api.owner.get("/api/v1/presets").json["items"]}
    assert found["build"]["installed"] is True
    assert found["trade"]["installed"] is False
    assert (found["trade"]["risk"], found["trade"]["approval"]) == ("high", "real trading")
    assert found["build"]["cost_usd"] == {"from": "0.1", "to": "0.5"} or found["build"]["cost_usd"]["from"]


def test_a_pack_shows_its_form_so_that_a_program_can_fill_an_input(api: Api) -> None:
    found = {one["name"]: one for one in api.owner.get("/api/v1/packs").json["items"]}
    assert (found["build"]["presets"], found["build"]["described"], found["build"]["formed"]) == (["build"], True, True)
    reply = api.owner.get("/api/v1/packs/build/form")
    assert reply.json["json_schema"]["type"] == "object"
    fields = {one["path"]: one for one in reply.json["fields"]}
    schema = PACK.schema()
    assert {path for path, one in fields.items() if not one["within"]} <= set(schema["properties"])  # type: ignore[arg-type]
    assert fields["metadata.appName"]["within"] == "metadata"
    assert fields["metadata.appName"]["required"] is True
    assert {one["within"] for one in fields.values()} <= {"", *fields}
    assert any(one["choices"] for one in fields.values())
    assert api.owner.get("/api/v1/packs/build/form", if_none_match=reply.headers["etag"]).status == 304
    for wrong in ("nothing", "trade", "os:environ"):  # what is not listed is neither shown nor imported
        assert api.owner.get(f"/api/v1/packs/{wrong}/form").status == 404
    assert api.client("stranger").get("/api/v1/packs/build/form").status in {403, 404}
