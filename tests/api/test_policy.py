"""Rules, the gateway's switches and breakers over the API."""

from .samples_governance import a_file
from .serving import Api

POLICY = "/api/v1/policy"


def test_rules_are_checked_saved_compared_and_restored(api: Api) -> None:
    before = api.owner.get(POLICY).json["revision"]
    name = api.name("own.kept")
    faulty = a_file(name).replace("fetch.depth", "fetch.dephth")
    refused = api.owner.post(f"{POLICY}/revisions", {"text": faulty, "reason": "x"})
    assert (refused.status, refused.json["code"]) == (422, "rules.invalid")
    assert "^" in refused.json["detail"]
    assert "rules:5:" in refused.json["detail"]
    assert api.owner.post(f"{POLICY}/checks", {"text": a_file(name)}).json["own"] == 1
    made = api.owner.post(f"{POLICY}/revisions", {"text": a_file(name), "reason": "a limit"})
    assert (made.status, made.json["revision"], made.json["text"]) == (201, before + 1, a_file(name)), made
    found = api.owner.get(f"{POLICY}/differences?before={before}").json["changes"]
    assert ("added", "rule", name.replace("-", ".")) in [(each["how"], each["what"], each["name"]) for each in found]
    first = api.owner.get(f"{POLICY}/revisions?limit=1").json
    assert [each["revision"] for each in first["items"]] == [before + 1]
    assert api.owner.get(f"{POLICY}/revisions?limit=1&cursor={first['next']}").json["items"][0]["revision"] == before
    back = api.owner.post(f"{POLICY}/revisions/{before}/restoration", {"reason": "too strict"}).json
    assert (back["revision"], back["origin"]) == (before + 2, "restored")


def test_an_action_is_tried_condition_by_condition(api: Api) -> None:
    text = a_file("own.deep")
    action = "kind: fetch\npayload: {url: 'https://a.org/', depth: 11}\n"
    found = api.owner.post(f"{POLICY}/rehearsals", {"action": action, "text": text}).json
    assert (found["kind"], found["verdict"]) == ("fetch", "deny")
    rule = found["rules"][0]
    assert (rule["rule"], rule["said"], rule["else"]) == ("own.deep", "did not hold", "deny")
    assert rule["conditions"][0]["values"] == {"fetch.depth": "11"}
    wrong = api.owner.post(f"{POLICY}/rehearsals", {"action": "kind: fecth"})
    assert (wrong.status, wrong.json["code"]) == (422, "rules.invalid")
    trial = api.owner.post(f"{POLICY}/shadow", {"text": text, "days": 1}).json
    assert trial["changed"] == []


def test_switches_of_the_gateway(api: Api) -> None:
    made = api.owner.patch(f"{POLICY}/gateway", {"switches": {"cache": "on"}}).json
    assert made["switches"]["cache"] == "on"
    assert api.owner.get(f"{POLICY}/gateway").json["known"]["cache"] == ["off", "on"]
    assert api.owner.patch(f"{POLICY}/gateway", {"switches": {"cash": "on"}}).status == 422


def test_a_breaker_is_opened_and_reset(api: Api) -> None:
    order = {"kind": "fetch", "operation": api.name("host.example.org"), "reason": "they asked us to"}
    opened = api.owner.post("/api/v1/breakers/moves", order | {"to": "open"}).json
    assert (opened["phase"], opened["until"]) == ("open", None)
    listed = api.owner.get("/api/v1/breakers?limit=200").json["items"]
    assert order["operation"] in [each["operation"] for each in listed if each["phase"] == "open"]
    assert api.owner.post("/api/v1/breakers/moves", order | {"to": "open"}).status == 409
    assert api.owner.post("/api/v1/breakers/moves", order | {"to": "closed"}).json["phase"] == "closed"
    assert api.client("member").post("/api/v1/breakers/moves", order | {"to": "open"}).status == 403
