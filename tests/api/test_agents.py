"""Agents and stops over the API."""

from .serving import Api


def test_an_agent_from_its_registration_to_its_retirement(api: Api) -> None:
    name = api.name("coder")
    asked = {"name": name, "effects": ["fetch"], "domains": ["example.org"], "may_spend_micros": 5_000_000}
    made = api.owner.post("/api/v1/agents", asked)
    assert made.status == 201, made
    assert made.headers["location"] == f"/api/v1/agents/{name}"
    assert (made.json["owner"], made.json["may_spend_micros"], made.json["status"]) == ("owner", 5_000_000, "active")
    found = api.owner.get("/api/v1/agents?text=EXAMPLE.org&limit=200").json["items"]
    assert name in [each["name"] for each in found]
    tag = made.headers["etag"]
    changed = api.owner.patch(f"/api/v1/agents/{name}", {"effects": ["model"], "owner": "admin"}, if_match=tag)
    assert (changed.status, changed.json["revision"], changed.json["owner"]) == (200, 2, "admin")
    stale = api.owner.patch(f"/api/v1/agents/{name}", {"effects": []}, if_match=tag)
    assert stale.status == 412, stale
    wrong = api.owner.patch(f"/api/v1/agents/{name}", {"effects": ["modle"]})
    assert (wrong.status, wrong.json["code"]) == (422, "accounts.agent")
    gone = api.owner.post(f"/api/v1/agents/{name}/retirement", {"reason": "done"})
    assert gone.json["status"] == "retired"
    assert api.owner.patch(f"/api/v1/agents/{name}", {"effects": []}).status == 409


def test_agents_come_in_pages_of_a_fixed_cost(api: Api) -> None:
    for _ in range(5):
        api.owner.post("/api/v1/agents", {"name": api.name("paged"), "kind": "paged"})
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = api.owner.get(f"/api/v1/agents?kind=paged&limit=2&cursor={cursor}").json
        assert len(page["items"]) <= 2
        seen += [each["name"] for each in page["items"]]
        cursor = page["next"]
    assert len(seen) == 5
    assert seen == sorted(seen)


def test_stop_pause_and_let_go(api: Api) -> None:
    name = api.name("halted")
    api.owner.post("/api/v1/agents", {"name": name, "effects": ["model"]})
    reach = api.owner.get(f"/api/v1/stops/reach?scope=agent&name={name}").json
    assert reach == {
        "agents": 1, "running": 0, "queued": 0, "calls": 0, "requests": 0, "keys": 0, "more": False,
    }  # fmt: skip
    order = {"scope": "agent", "name": name, "reason": "it reads too much"}
    made = api.owner.post("/api/v1/stops", order)
    assert (made.status, made.json["in_force"], made.json["by"]) == (201, True, "user:owner"), made
    assert api.owner.get(f"/api/v1/agents/{name}").json["status"] == "killed"
    assert api.owner.post("/api/v1/stops", order).status == 409
    assert api.owner.post("/api/v1/stops/lift", order | {"mode": "pause"}).status == 404
    assert api.owner.post("/api/v1/stops/lift", order).status == 204
    newest = api.owner.get("/api/v1/stops?limit=1").json["items"][0]
    assert (newest["name"], newest["in_force"], newest["lifted_by"]) == (name, False, "user:owner")
    refused = api.client("admin").post("/api/v1/stops", {"scope": "install", "reason": "all"})
    assert refused.status == 403, "the install takes an owner"
    assert api.owner.post("/api/v1/stops", {"scope": "install", "name": "x", "reason": "all"}).status == 422
