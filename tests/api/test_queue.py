"""The queue and the presets over the API."""

from __future__ import annotations

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
