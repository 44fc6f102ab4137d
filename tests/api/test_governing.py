"""What governs, ordered over the API: limits, the plan, break-glass, legal holds, tools, policies, names of models."""

from __future__ import annotations

from .samples_limits import asked
from .samples_models import a_model
from .samples_tools import FORBID, a_server
from .serving import Api


def test_a_limit_is_made_changed_taken_out_of_force_and_forgotten(api: Api) -> None:
    owner, name = api.client("owner"), api.name("own")
    place = f"/api/v1/limits/{name}"
    assert owner.get(place).status == 404
    refused = owner.ask("PUT", place, {"amount": 5})
    assert (refused.status, refused.json["code"]) == (422, "rate.limit"), "a new one says in how long, and of whom"
    made = owner.ask("PUT", place, {"amount": 5, "period_s": 60, "per": "tool", "kind": "tool", "target": name})
    assert made.json["text"] == "5 tool requests a minute"
    tag = owner.get(place).headers["etag"]
    assert owner.ask("PUT", place, {"amount": 6}, **{"If-Match": tag}).json["amount"] == 6
    assert owner.ask("PUT", place, {"amount": 7}, **{"If-Match": tag}).status == 412
    assert any(limit["name"] == name and limit["amount"] == 6 for limit in owner.get("/api/v1/limits").json["limits"])
    assert owner.ask("POST", f"{place}/off").status == 204
    assert owner.get(place).status == 404
    assert owner.ask("DELETE", place).status == 204


def test_a_shipped_limit_comes_back_when_ones_own_order_is_forgotten(api: Api) -> None:
    owner = api.client("owner")
    shipped = owner.get("/api/v1/limits").json["limits"][0]
    place = f"/api/v1/limits/{shipped['name']}"
    assert owner.ask("PUT", place, {"amount": 3}).json["amount"] == 3
    assert owner.ask("DELETE", place).status == 204
    assert owner.get(place).json == shipped


def test_the_plan_is_an_owners_order(api: Api) -> None:
    owner, place = api.client("owner"), "/api/v1/plan"
    before = owner.get(place).json
    told = owner.ask("PUT", place, {"plan": "enterprise", "numbers": {"parallel_missions": 7}}).json
    assert (told["numbers"]["parallel_missions"], told["own"]) == (7, ["parallel_missions"])
    assert owner.ask("PUT", place, {"plan": "enterprise", "numbers": {"wishes": 3}}).json["code"] == "accounts.plan"
    assert api.client("admin").ask("PUT", place, {"plan": "free"}).status == 403
    assert owner.ask("PUT", place, {"plan": before["plan"]}).json == before


def test_break_glass_takes_two_persons(api: Api) -> None:
    member, owner, place = api.client("member"), api.client("owner"), "/api/v1/break-glass"
    lift = {"lifts": "rule", "what": "deploy.hours", "name": "laptop", "minutes": 5, "reason": "the fix must go out"}
    made = member.ask("POST", place, lift).json
    assert (made["status"], made["requested_by"]) == ("requested", "user:member")
    mine = owner.ask("POST", place, lift).json["grant"]
    refused = owner.ask("POST", f"{place}/{mine}/confirm")
    assert (refused.status, refused.json["code"]) == (403, "accounts.same_person")
    opened = owner.ask("POST", f"{place}/{made['grant']}/confirm").json
    assert (opened["status"], opened["confirmed_by"]) == ("open", "user:owner")
    assert owner.ask("POST", f"{place}/{made['grant']}/close", {"reason": "it is out"}).json["status"] == "closed"
    assert owner.ask("POST", f"{place}/{made['grant']}/confirm").status == 409


def test_break_glass_is_listed_newest_first_page_by_page(api: Api) -> None:
    made = [api.do(lambda: asked(api))["grant"] for _ in range(3)]
    owner, seen, cursor = api.client("owner"), list[str](), ""
    while len(seen) < 3:
        page = owner.get(f"/api/v1/break-glass?limit=2{cursor}").json
        seen += [item["grant"] for item in page["items"]]
        cursor = f"&cursor={page['next']}"
    assert seen[:3] == made[::-1]


def test_a_hold_is_in_force_until_it_is_released(api: Api) -> None:
    owner, name, place = api.client("owner"), api.name("case"), "/api/v1/audit/holds"
    order = {"name": name, "subject": "ann", "since": "2026-01-01T00:00:00Z", "reason": "a letter"}
    made = owner.ask("POST", place, order)
    assert (made.status, made.json["since"]) == (201, "2026-01-01T00:00:00Z")
    assert owner.ask("POST", place, order).status == 409
    assert name in [item["name"] for item in owner.get(place).json["items"]]
    assert owner.ask("DELETE", f"{place}/{name}").status == 422, "without a reason"
    assert owner.ask("DELETE", f"{place}/{name}?reason=closed").status == 204
    assert name not in [item["name"] for item in owner.get(place).json["items"]]


def test_a_changed_tool_is_held_until_what_was_read_is_accepted(api: Api) -> None:
    owner, made = api.client("owner"), api.do(lambda: a_server(api))
    (tool,) = owner.get(f"/api/v1/mcp/tools?server={made['server']}").json["items"]
    assert (tool["held"], tool["description"]) == (True, "Reads and writes a file.")
    order = {"server": made["server"], "tools": ["read"]}
    assert owner.ask("POST", "/api/v1/mcp/tools/accept", {**order, "sha256": "0" * 12}).status == 409
    (done,) = owner.ask("POST", "/api/v1/mcp/tools/accept", {**order, "sha256": tool["sha256"][:12]}).json["items"]
    assert (done["held"], done["accepted_by"]) == (False, "user:owner")
    server = next(each for each in owner.get("/api/v1/mcp/servers").json["items"] if each["server"] == made["server"])
    assert (server["env"], "secret://" in str(server)) == (["TOKEN"], False), "names alone"


def test_custom_policies_are_checked_and_every_revision_stays(api: Api) -> None:
    owner, place = api.client("owner"), "/api/v1/policy/cedar"
    saved = owner.ask("POST", place, {"text": FORBID}).json
    wrong = owner.ask("POST", place, {"text": "permit(principal, action, resource);"})
    assert wrong.status == 422
    assert wrong.json["problems"]
    cleared = owner.ask("POST", place, {"text": ""}).json
    assert [item["revision"] for item in owner.get(place).json["items"]][:2] == [
        cleared["revision"], saved["revision"],
    ]  # fmt: skip


def test_names_of_models_are_given_and_taken(api: Api) -> None:
    owner, made = api.client("owner"), api.do(lambda: a_model(api))
    short = api.name("short")

    def change(method: str, path: str, order: object = None) -> None:
        reply = owner.ask(method, f"/api/v1/models/{path}", order)
        assert reply.status == 200, reply
        assert reply.json["changed"], reply

    change("PUT", "aliases", {"name": short, "target": made["name"]})
    change("PUT", "prices", {"target": made["target"], "input": "0", "output": "1.5"})
    change("PUT", "prices", {"target": made["target"], "service": "priority", "input": "0.5", "output": "3"})
    change("PUT", "prices", {"target": made["target"], "tool": "web_search", "each": "0.01"})
    for wrong in (
        {"input": "1", "output": "1", "tool": "x", "each": "1"},
        {"tool": "x"},
        {"each": "1"},
        {"output": "1"},
    ):
        assert owner.ask("PUT", "/api/v1/models/prices", {"target": made["target"], **wrong}).status == 422, wrong
    reply = owner.get("/api/v1/models")
    assert reply.status == 200, reply
    told = reply.json
    (listed,) = [item for item in told["items"] if item["target"] == made["target"]]
    assert (told["aliases"].get(short), listed["own_price"]) == (made["name"], True), told
    lost = owner.ask("PUT", "/api/v1/models/listed", {"name": short, "target": "nowhere/x"})
    assert (lost.status, lost.json["code"]) == (404, "models.provider"), lost
    change("PUT", "aliases", {"name": short})
    assert (listed["price"]["services"]["priority"]["tokens_out"], listed["price"]["tools"]) == (
        "3",
        {"web_search": "0.01"},
    )
    for term in ("", "&service=priority", "&tool=web_search"):
        change("DELETE", f"prices?target={made['target']}{term}")
