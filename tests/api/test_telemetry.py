"""Telemetry, settings and error budgets as programs see them, on a server with everything behind one edge."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from remit.accounts.telemetry_events import Asked, Event, Kind, list_events, prune
from remit.operations.origins import From, list_settings
from remit.serve.edge.recording import NOWHERE, Routes
from remit.settings import SHOWN_NEVER, Settings, load

from .serving import Api

TELEMETRY = "/api/v1/telemetry"


@pytest.fixture
def on(api: Api) -> Iterator[Api]:
    """Both switches are on; afterwards off, and nothing is recorded any more."""
    for name in ("telemetry", "feedback"):
        turned = api.owner.put(f"{TELEMETRY}/switches/{name}", {"on": True, "reason": "a test"})
        assert (turned.status, turned.json["on"], turned.json["setting"]) == (200, True, False)
    time.sleep(1.1)  # every process obeys within a second
    yield api
    for name in ("telemetry", "feedback"):
        assert api.owner.put(f"{TELEMETRY}/switches/{name}", {"on": False, "reason": "over"}).status == 200
    assert api.owner.delete(f"{TELEMETRY}/events?reason=over").status == 200


def events(api: Api, query: str = "", most: int = 50) -> list[dict[str, Any]]:
    return api.owner.get(f"{TELEMETRY}/events?limit={most}{query}").json["items"]


def test_nothing_is_recorded_while_the_switch_is_off(api: Api) -> None:
    assert api.owner.get("/api/v1/teams").status == 200
    assert events(api) == []
    said = api.owner.post(f"{TELEMETRY}/feedback", {"rating": 5})
    assert (said.status, said.json["code"]) == (403, "telemetry.off")


def test_events_tell_features_and_errors_by_route_and_nobodys_name(on: Api) -> None:
    assert on.owner.get("/api/v1/teams/house").status == 200
    assert on.owner.get("/api/v1/teams/no-such-team").status == 404
    assert on.client("viewer").get("/api/v1/settings").status == 403
    wanted = {
        ("feature", "GET /api/v1/teams/{team}", "200"),
        ("error", "GET /api/v1/teams/{team}", "404"),
        ("error", "GET /api/v1/settings", "403"),
    }
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    ends = time.monotonic() + 60
    while not wanted <= found.keys() and time.monotonic() < ends:  # nobody waits for an event to be written
        found = {(one["kind"], one["name"], one["outcome"]): one for one in events(on)}
    assert wanted <= found.keys()
    used = found["feature", "GET /api/v1/teams/{team}", "200"]
    assert used["took_ms"] > 0
    assert set(used) == {"id", "at", "kind", "surface", "name", "outcome", "took_ms", "times", "rating", "comment"}
    everything = str(events(on))
    assert "house" not in everything
    assert "viewer" not in everything
    assert [one["outcome"] for one in events(on, "&kind=error&outcome=404")] == ["404"]
    assert events(on, "&until=1000") == []
    first = on.owner.get(f"{TELEMETRY}/events?limit=2").json
    after = on.owner.get(f"{TELEMETRY}/events?limit=2&cursor={first['next']}").json
    assert not {one["id"] for one in first["items"]} & {one["id"] for one in after["items"]}
    sums = on.owner.get(TELEMETRY).json
    assert {one["name"]: one["errors"] for one in sums["features"]}["GET /api/v1/teams/{team}"] == 1
    assert sums["days"][-1]["uses"] == sums["events"]
    assert [one["leaves"] for one in sums["leaving"]] == [False, False, False]


def test_feedback_is_kept_masked_and_without_a_name_and_old_events_go(on: Api) -> None:
    token = "sk-" + "ant-api03-" + os.urandom(48).hex()[:93] + "AA"
    said = on.client("viewer").post(f"{TELEMETRY}/feedback", {"rating": 2, "comment": f"slow {token}"})
    assert said.status == 201
    (kept,) = events(on, "&kind=feedback")
    assert (kept["rating"], kept["comment"].startswith("slow ")) == (2, True)
    assert token not in kept["comment"]
    store, at_us = on.runtime.store, int(time.time() * 1e6)
    settings = on.runtime.settings
    later = at_us + 40 * 86_400_000_000
    assert on.do(lambda: prune(store, settings.workspace, now_us=at_us, days=30)) == 0
    assert on.do(lambda: prune(store, settings.workspace, now_us=later, days=30)) >= 1
    assert store.view(lambda tx: list_events(tx, settings.workspace, Asked("feedback"))) == []


def test_turning_a_switch_is_on_record_and_takes_an_administrator(on: Api) -> None:
    refused = on.client("member").put(f"{TELEMETRY}/switches/telemetry", {"on": False, "reason": "x"})
    assert refused.status == 403
    found = on.owner.get("/api/v1/audit/entries?action=accounts.telemetry.on&limit=1").json["items"]
    assert [(one["subject"], one["actor"]) for one in found] == [("feedback", "user:owner")]


def test_routes_are_named_by_what_fits_best() -> None:
    routes = Routes([("GET", "/missions/{id}"), ("GET", "/missions/new"), ("GET", "/"), ("GET", "/a/{b}/c")])
    assert routes.name("GET", "/missions/new") == "GET /missions/new"
    assert routes.name("GET", "/missions/0198c0de.json") == "GET /missions/{id}"
    assert routes.name("GET", "/.json") == "GET /"
    assert routes.name("POST", "/missions/new") == NOWHERE
    assert Event(Kind.FEATURE, "api", "GET /", "200", 3400, id="i").as_json()["took_ms"] == 3.4


def test_settings_name_their_file_variable_or_default(tmp_path: Path) -> None:
    (tmp_path / "remit.toml").write_text("parallel = 4\n")
    secret = os.urandom(20).hex()
    env = {
        "REMIT_CONCURRENCY": "3",
        "REMIT_SIGNING_SECRET": secret,
        "REMIT_STORE_URL": f"postgresql://u:{secret}@h/d",
        "REMIT_WITNESS_URL": f"https://me:{secret}@w.example/x?token={secret}",
        "REMIT_HOSTS": "secret.example.org",
    }
    flags = {"home": str(tmp_path), "budget_usd": "3"}
    settings, _ = load(flags=flags, environ=env, folder=tmp_path, user_file=tmp_path / "none.toml")
    found = {one.name: one for one in list_settings(settings)}
    told = {name: (found[name].value, found[name].origin, found[name].place) for name in ("parallel", "concurrency")}
    assert told["parallel"] == ("4", From.FILE, str(tmp_path / "remit.toml"))
    assert told["concurrency"] == ("3", From.ENVIRONMENT, "REMIT_CONCURRENCY")
    assert found["budget_usd"].origin is From.COMMAND
    assert (found["lease_s"].origin, found["lease_s"].value) == (From.DEFAULT, found["lease_s"].default)
    assert secret not in str(found)
    assert found["signing_secret"].changed
    assert found["witness_url"].value.startswith("https://w.example/x ")
    assert all(found[name].hidden and not found[name].value for name in SHOWN_NEVER)
    assert all(one.meaning for one in found.values())
    assert list_settings(Settings(tmp_path, parallel=5))[6].origin is From.PROGRAM


def test_the_api_tells_settings_to_administrators(api: Api) -> None:
    found = {one["name"]: one for one in api.owner.get("/api/v1/settings?changed=true").json["items"]}
    assert found["key_per_minute"]["value"] == "1000000"
    assert "lease_s" not in found
    assert api.client("member").get("/api/v1/settings").status == 403
