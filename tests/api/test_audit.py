"""The audit log over the API: search, proof, verification, export."""

import asyncio
from base64 import b64decode
from pathlib import Path

import pytest

from remit.audit.note import parse_verifier
from remit.audit.proof import parse_proof
from remit.bootstrap import check_export
from remit.serve import audit_reads

from .serving import Api
from .test_api import together


def test_search_in_pages_by_what_the_header_says(api: Api) -> None:
    for _ in range(5):
        api.owner.post("/api/v1/agents", {"name": api.name("logged"), "effects": []})
    seen: list[int] = []
    cursor = ""
    while cursor is not None:
        page = api.owner.get(
            f"/api/v1/audit/entries?action=accounts.agent.registered&domain=accounts&text=logged-&limit=2&cursor={cursor}"
        ).json
        seen += [each["seq"] for each in page["items"]]
        assert all(each["subject"].startswith("logged-") for each in page["items"])
        cursor = page["next"]
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)
    assert api.owner.get("/api/v1/audit/entries?result=blocked&actor=user:nobody-at-all").json["items"] == []
    assert api.owner.get("/api/v1/audit/entries?result=well").status == 422
    assert api.owner.get("/api/v1/audit/entries?since=2100-01-01T00:00:00Z").json == {"items": [], "next": None}


def test_an_entry_says_from_where_a_person_gave_the_order_over_the_api(api: Api) -> None:
    name = api.name("from-somewhere")
    asked = api.open(api.key("owner"), user_agent="a tool/1.0 \u00e9" + "x" * 900)
    assert asked.post("/api/v1/agents", {"name": name, "effects": []}).status == 201
    api.do(lambda: asyncio.to_thread(api.runtime.store.seal))
    (found,) = api.owner.get(
        f"/api/v1/audit/entries?action=accounts.agent.registered&domain=accounts&text={name}"
    ).json["items"]
    origin = api.owner.get(f"/api/v1/audit/entries/{found['seq']}").json["payload"]["origin"]
    assert (origin["via"], origin["ip"]) == ("key", "127.0.0.1")
    assert origin["agent"].startswith("a tool/1.0 ")
    assert len(origin["agent"]) < 300


def test_an_entry_and_its_proof_hold_without_the_server(api: Api) -> None:
    api.do(lambda: asyncio.to_thread(api.runtime.store.seal))
    seq = api.owner.get("/api/v1/audit/entries?limit=1&action=accounts.team.created").json["items"][0]["seq"]
    entry = api.owner.get(f"/api/v1/audit/entries/{seq}").json
    assert (entry["header"]["seq"], entry["header"]["action"]) == (seq, "accounts.team.created")
    found = api.owner.get(f"/api/v1/audit/entries/{seq}/proof").json
    proof = parse_proof(found["tlog_proof"])
    keys = [parse_verifier(key) for key in found["keys"]]
    assert proof.verify(keys) >= seq
    assert proof.header == b64decode(found["header"])
    head = api.owner.get("/api/v1/audit/checkpoint").json
    assert head["note"].splitlines()[1] == str(head["size"])
    assert api.owner.get("/api/v1/audit/entries/99999999").status == 404
    system = api.owner.get("/api/v1/audit/entries/0").status
    assert system == 404, "the log's own first entry is no entry of a workspace"


def test_verify_and_export(api: Api, tmp_path: Path) -> None:
    report = api.owner.post("/api/v1/audit/verifications").json
    assert (report["ok"], report["discrepancies"]) == (True, [])
    made = api.owner.post("/api/v1/audit/exports", {"action": "accounts.team.created"})
    assert made.status == 201, made
    for name in made.json["files"]:
        reply = api.owner.get(f"/api/v1/audit/exports/{made.json['export']}/{name}")
        assert reply.status == 200
        (tmp_path / name).write_bytes(reply.body)
    checked = check_export(tmp_path, [parse_verifier(made.json["key"])])
    assert checked.ok
    assert checked.rows == made.json["manifest"]["rows"] > 0
    assert api.owner.get(f"/api/v1/audit/exports/{made.json['export']}/..%2f..%2faudit.key").status in {404, 422}
    assert api.owner.get(f"/api/v1/audit/exports/{made.json['export']}/audit.key").status == 404
    refused = api.client("stranger").post("/api/v1/audit/exports", {})
    assert refused.status == 403


def test_exports_are_written_one_at_a_time_and_only_the_newest_stay(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_reads, "KEPT", 2)
    asked = {"action": "accounts.team.created"}
    made = [api.owner.post("/api/v1/audit/exports", asked).json["export"] for _ in range(3)]
    found = [api.owner.get(f"/api/v1/audit/exports/{each}/manifest.json").status for each in made]
    assert found == [404, 200, 200]
    askers = [api.limited("owner", "read") for _ in range(4)]
    replies = together(4, lambda number: askers[number].post("/api/v1/audit/exports", asked))
    assert set(replies) <= {201, 409}
    assert 201 in replies
    assert api.owner.post("/api/v1/audit/exports", asked).status == 201
