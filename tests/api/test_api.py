"""What every noun has of the API: one form of error, pages, entity tags, orders that are sent again, kept answers."""

from __future__ import annotations

import asyncio
import threading
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest

from remit.accounts.repeated_tables import REPEATED
from remit.audit import query
from remit.audit.note import open_note, parse_checkpoint, parse_verifier
from remit.audit.proof import verify_consistency
from remit.kernel.errors import TABLE, RateLimited, Unavailable
from remit.kernel.ids import new_id
from remit.kernel.ports import Tx
from remit.serve.api import health
from remit.serve.edge.problems import headers_of, status_of, told

from .serving import Api, Client, serving

# ------------------------------------------------------------------------------------------------------------ problems


def test_every_kind_of_error_is_a_problem_document() -> None:
    for kind, row in TABLE.items():
        error = kind("It failed.")
        document = told(error, path="/api/v1/x")
        assert document["status"] == status_of(error) == row.http
        assert document["type"] == f"urn:remit:error:{row.code}"
        assert document["title"]
        assert "\n" not in document["title"]
        assert {"detail", "instance", "code", "hint", "docs", "retryable", "request_id"} <= document.keys()
        names = [name for name, _ in headers_of(error)]
        assert (b"www-authenticate" in names) == (row.http == 401)


def test_what_a_limit_knows_is_told() -> None:
    error = RateLimited(
        "Too many.", limit="10 a minute", remaining=0, retry_after=3.2, position=2, wait=9.0, plan="pro"
    )
    document = told(error, path="/x")
    assert (document["position"], document["wait"], document["plan"], document["retry_after"]) == (2, 9.0, "pro", 3.2)
    assert dict(headers_of(error))[b"retry-after"] == b"4"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/api/v1/nothing", None, 404, "api.path"),
        ("GET", "/api/v1/teams/", None, 404, "api.path"),
        ("GET", "/api/v1/../../etc/passwd", None, 404, "api.path"),
        ("GET", "/api/v1/teams/..%2f..%2fx", None, 404, "api.path"),
        ("GET", "/api/v1/teams/UPPER", None, 422, "api.request"),
        ("GET", "/api/v1/teams/none", None, 404, "accounts.team"),
        ("PUT", "/api/v1/teams", {}, 405, "api.method"),
        ("POST", "/api/v1/teams", {"team": "x"}, 422, "api.request"),
        ("POST", "/api/v1/teams", {"team": "x", "name": "X", "colour": "red"}, 422, "api.request"),
        ("POST", "/api/v1/teams", {"team": "x", "name": "X", "billing_email": "none"}, 422, "accounts.team"),
        ("POST", "/api/v1/teams", {"team": "house", "name": "House"}, 409, "accounts.taken"),
        ("GET", "/api/v1/teams?limit=0", None, 422, "api.request"),
        ("GET", "/api/v1/teams?limit=201", None, 422, "api.request"),
        ("GET", "/api/v1/teams?cursor=bm9uc2Vuc2U", None, 422, "api.cursor"),
        ("GET", "/api/v1/teams?cursor=WzFd", None, 422, "api.cursor"),
        ("GET", "/api/v1/teams?cursor=%C3%BC", None, 422, "api.cursor"),
    ],
)
def test_what_is_wrong_is_said_in_one_form(  # noqa: PLR0917 - the table's columns
    owner: Client, method: str, path: str, body: object, status: int, code: str
) -> None:
    reply = owner.ask(method, path, body)
    assert (reply.status, reply.json["code"]) == (status, code), reply
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["request_id"] == reply.headers["x-request-id"]
    if status == 405:
        assert "GET" in reply.headers["allow"]


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff\xfe", b""])
def test_a_body_that_is_none_is_refused(owner: Client, body: bytes) -> None:
    reply = owner.ask("POST", "/api/v1/teams", body=body, content_type="application/json")
    assert (reply.status, reply.json["code"]) == (422, "api.request"), reply


def test_a_refusal_is_on_record_with_team_and_person(api: Api) -> None:
    reply = api.client("viewer").patch("/api/v1/teams/house", {"name": "Mine"})
    assert (reply.status, reply.json["code"]) == (403, "accounts.not_permitted")
    wanted = query.Filter("default", action="accounts.refused", limit=1000)
    last = api.runtime.store.view(lambda tx: query.find(tx, wanted))[-1]
    assert last.payload is not None
    assert (last.payload["user"], last.payload["team"]) == ("user:viewer", "house")


# --------------------------------------------------------------------------------------------------------------- pages


def test_pages_show_everything_once_whatever_changes_meanwhile(api: Api) -> None:
    made = {api.name("page") for _ in range(7)}
    for slug in made:
        assert api.owner.post("/api/v1/teams", {"team": slug, "name": "P"}).status == 201
    seen: list[str] = []
    path = "/api/v1/teams?limit=3"
    while True:
        page = api.owner.get(path).json
        assert len(page["items"]) <= 3
        seen += [item["team"] for item in page["items"]]
        if len(seen) == 3:
            api.owner.delete(f"/api/v1/teams/{seen[-1]}")  # the one that the cursor names
        if page["next"] is None:
            break
        path = f"/api/v1/teams?limit=3&cursor={page['next']}"
    assert seen == sorted(set(seen))
    assert made <= {*seen}


def test_a_stranger_sees_their_team_alone(api: Api) -> None:
    page = api.client("stranger").get("/api/v1/teams").json
    assert [item["team"] for item in page["items"]] == ["other"]
    assert api.client("stranger").get("/api/v1/teams/other").status == 200
    assert api.client("stranger").get("/api/v1/teams/house").status == 403


# ---------------------------------------------------------------------------------------------------------------- tags


def test_what_did_not_change_is_not_sent_again(api: Api) -> None:
    first = api.owner.get("/api/v1/teams/house")
    tag = first.headers["etag"]
    assert api.owner.get("/api/v1/teams/house", if_none_match=tag).status == 304
    assert api.owner.get("/api/v1/teams/house", if_none_match=f'"x", W/{tag}').body == b""
    assert api.owner.get("/api/v1/teams/house", if_none_match='"x"').status == 200


def test_a_change_holds_only_for_what_was_seen(api: Api) -> None:
    slug = api.name("tag")
    path = f"/api/v1/teams/{slug}"
    tag = api.owner.post("/api/v1/teams", {"team": slug, "name": "One"}).headers["etag"]
    assert api.owner.get(path).headers["etag"] == tag
    changed = api.owner.patch(path, {"name": "Two"}, if_match=tag)
    assert changed.status == 200
    assert changed.headers["etag"] != tag
    late = api.owner.patch(path, {"name": "Three"}, if_match=tag)
    assert (late.status, late.json["code"]) == (412, "api.precondition")
    assert api.owner.delete(path, if_match=tag).status == 412
    assert api.owner.get(path).json["name"] == "Two"
    assert api.client("stranger").patch(path, {"name": "X"}, if_match=tag).status == 403  # and learns nothing more
    assert api.owner.delete(path, if_match=f'"x", {changed.headers["etag"]}').status == 204


def test_of_two_who_saw_the_same_one_changes_it(api: Api) -> None:
    slug = api.name("race")
    tag = api.owner.post("/api/v1/teams", {"team": slug, "name": "One"}).headers["etag"]
    statuses = together(
        8,
        lambda number: api.limited("owner", "admin").patch(
            f"/api/v1/teams/{slug}", {"name": f"N{number}"}, if_match=tag
        ),
    )
    assert sorted(statuses) == [200] + [412] * 7


def together(count: int, ask: Callable[[int], Any]) -> list[int]:
    found: list[int] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait(20)
        found.append(ask(number).status)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return found


# ------------------------------------------------------------------------------------------------------- sent again


def test_an_order_that_is_sent_again_is_carried_out_once(api: Api) -> None:
    key, slug = new_id(), api.name("again")
    body = {"team": slug, "name": "Again"}
    first = api.owner.post("/api/v1/teams", body, idempotency_key=key)
    second = api.owner.post("/api/v1/teams", body, idempotency_key=key)
    assert (first.status, second.status) == (201, 201)
    assert first.body == second.body
    assert first.headers["location"] == second.headers["location"]
    assert first.headers["etag"] == second.headers["etag"]
    assert second.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    other = api.owner.post("/api/v1/teams", {**body, "name": "Other"}, idempotency_key=key)
    assert (other.status, other.json["code"]) == (422, "api.key_reused")
    elsewhere = api.client("admin").post("/api/v1/teams", body, idempotency_key=key)
    assert elsewhere.status == 409  # keys of other people are other keys: this one asks for a team that is there
    assert elsewhere.json["code"] == "accounts.taken"
    lesser = api.limited("owner", "read").post("/api/v1/teams", body, idempotency_key=key)
    assert (lesser.status, lesser.json["code"]) == (422, "api.key_reused")  # nor does a key that opens less hear it
    gone = api.owner.delete(f"/api/v1/teams/{slug}", idempotency_key=(last := new_id()))
    assert (gone.status, api.owner.delete(f"/api/v1/teams/{slug}", idempotency_key=last).status) == (204, 204)


def test_of_many_with_one_key_one_is_carried_out(api: Api) -> None:
    key, slug = new_id(), api.name("many")
    body = {"team": slug, "name": "Many"}
    asked = [api.limited("owner", "admin") for _ in range(8)]
    statuses = together(8, lambda number: asked[number].post("/api/v1/teams", body, idempotency_key=key))
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    wanted = query.Filter("default", action="accounts.team.created", limit=10_000)
    found = api.runtime.store.view(lambda tx: query.find(tx, wanted))
    assert sum(record.header["subject"] == slug for record in found) == 1


def test_what_may_change_is_judged_anew(api: Api) -> None:
    key = new_id()
    assert api.client("viewer").post("/api/v1/teams", {"team": "v", "name": "V"}, idempotency_key=key).status == 403
    assert api.client("viewer").post("/api/v1/teams", {"team": "w", "name": "W"}, idempotency_key=key).status == 403
    key = new_id()
    assert api.owner.post("/api/v1/teams", {"team": "", "name": "V"}, idempotency_key=key).status == 422
    kept = api.owner.post("/api/v1/teams", {"team": "", "name": "V"}, idempotency_key=key)
    assert (kept.status, kept.headers["idempotency-replayed"]) == (422, "true")


def test_a_refusal_that_was_counted_is_told_again(api: Api) -> None:
    key, asked = new_id(), {"current": "not the password", "new": "four words that do not belong"}
    first, again = (api.owner.post("/api/v1/me/password", asked, idempotency_key=key) for _ in range(2))
    assert (first.status, first.json["code"]) == (401, "sign_in.refused")
    assert (again.status, again.json["code"]) == (401, "sign_in.refused"), "and not that something was carried out"
    assert again.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("key", ["", "x" * 201, "caf\u00e9"])
def test_a_key_that_can_be_none_is_refused(owner: Client, key: str) -> None:
    reply = owner.post("/api/v1/teams", {"team": "k", "name": "K"}, idempotency_key=key)
    assert (reply.status, reply.json["code"]) == (422, "api.key")


def test_answers_are_sealed_under_the_key_that_came_with_the_order(api: Api) -> None:
    key, slug = new_id(), api.name("sealed")
    api.owner.post("/api/v1/teams", {"team": slug, "name": "Sealed"}, idempotency_key=key)
    rows = api.runtime.store.view(lambda tx: tx.rows(REPEATED.select()))
    stored = repr(rows)
    assert rows
    assert slug not in stored
    assert key not in stored


def test_what_a_dead_process_left_is_told_apart(api: Api) -> None:
    """Claimed and not carried out: done now. Carried out and not answered: said, and never done twice."""

    def leave(*, carried: int) -> None:
        async def change() -> None:
            def op(tx: Tx) -> None:
                values = {"owner": "a-process-that-died", "status": 0, "answer": b"", "carried": carried}
                tx.execute(REPEATED.update().where(REPEATED.c.created_us == _newest(tx)).values(**values))

            await api.runtime.store.commit("api.answer", op)

        api.do(change)

    for carried, status, code in ((0, 409, "accounts.taken"), (1, 409, "api.answer_lost")):
        key, slug = new_id(), api.name("dead")
        body = {"team": slug, "name": "Dead"}
        assert api.owner.post("/api/v1/teams", body, idempotency_key=key).status == 201
        leave(carried=carried)
        reply = api.owner.post("/api/v1/teams", body, idempotency_key=key)
        assert (reply.status, reply.json["code"]) == (status, code), reply


def _newest(tx: Tx) -> int:
    return max(row["created_us"] for row in tx.rows(REPEATED.select()))


# -------------------------------------------------------------------------------------------------------------- health


def test_health_says_how_it_is_to_anybody_and_why_to_administrators(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path_factory.mktemp("home") / "home") as api:
        nobody = api.client("nobody")
        assert nobody.get("/health/live").json == {"status": "ok", "components": {}}
        ready = nobody.get("/health/ready")
        assert ready.status == 200
        assert {name: each["state"] for name, each in ready.json["components"].items()} == {
            "store": "ok",
            "migrations": "ok",
            "audit": "ok",
        }
        monkeypatch.setattr(health, "KEPT_S", 0.0)
        _set_schema(api, "0001")
        for path in ("/health", "/health/ready"):
            broken = nobody.get(path)
            assert (broken.status, broken.json["status"]) == (503, "failed")
            assert broken.json["components"]["migrations"] == {"state": "failed", "detail": ""}
            assert "0001" in api.client("admin").get(path).json["components"]["migrations"]["detail"]
            assert api.client("viewer").get(path).json["components"]["migrations"]["detail"] == ""
        assert nobody.get("/health/live").status == 200


def _set_schema(api: Api, revision: str) -> None:
    from sqlalchemy import column, table, update

    async def change() -> None:
        stmt = update(table("alembic_version", column("version_num"))).values(version_num=revision)
        await api.runtime.store.commit("accounts.team", lambda tx: tx.execute(stmt))

    api.do(change)


def test_a_store_that_does_not_answer_is_not_ready(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(api.runtime.store, "check_writable", broken)
    monkeypatch.setattr(health, "KEPT_S", 0.0)
    reply = api.client("nobody").get("/health/ready")
    assert (reply.status, reply.json["components"]["audit"]["state"]) == (503, "failed")


def test_looks_at_the_store_are_shared(api: Api) -> None:
    looks = 0
    readiness = health.Readiness(api.runtime)
    real = api.runtime.store.check_writable

    async def counting() -> None:
        nonlocal looks
        looks += 1
        await real()

    async def many() -> None:
        await asyncio.gather(*(readiness.found() for _ in range(50)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api.runtime.store, "check_writable", counting)
        api.do(many)
    assert looks == 1


# -------------------------------------------------------------------------------------------------------- kept answers


def test_kept_answers_are_seen_cleared_and_each_callers_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path_factory.mktemp("home") / "home") as api:
        path = "/api/v1/database"
        first, second = api.owner.get(path), api.owner.get(path)
        assert (first.headers["x-cache"], second.headers["x-cache"]) == ("miss", "hit")
        assert first.body == second.body
        assert first.json["rows"]["team"] >= 2
        assert first.json["database"] == "sqlite"
        assert first.json["bytes"] > 0
        assert api.client("admin").get(path).headers["x-cache"] == "miss"
        seen = api.owner.get("/api/v1/response-cache").json
        assert seen["endpoints"] == [{"endpoint": path, "kept": 2, "hits": 1, "misses": 2}]
        assert seen["bytes"] > 0
        assert api.client("viewer").get(path).status == 403
        _role(api, "admin", "viewer")
        assert api.client("admin").get(path).status == 403  # at once, whatever was kept
        assert api.owner.delete("/api/v1/response-cache?endpoint=/api/v1/nothing").json == {"cleared": 0}
        assert api.owner.delete("/api/v1/response-cache").json == {"cleared": 2}
        assert api.owner.get(path).headers["x-cache"] == "miss"


def _role(api: Api, user: str, role: str) -> None:
    from remit.accounts.people import set_user_role
    from remit.accounts.roles import Role

    runtime = api.runtime
    api.do(lambda: set_user_role(runtime.store, user, workspace="default", by=runtime.owner, role=Role(role)))


# ------------------------------------------------------------------------------------------------------------- the log


def test_heads_and_proofs_show_that_the_log_was_only_added_to(api: Api) -> None:
    keys = api.client("nobody").get("/.well-known/remit-audit").json
    verifiers = [parse_verifier(text) for text in keys["keys"]]

    def head() -> Any:
        asyncio.run_coroutine_threadsafe(asyncio.to_thread(api.runtime.store.seal), api.loop).result(20)
        note = api.client("nobody").get("/.well-known/remit-audit").json["checkpoint"]
        return parse_checkpoint(open_note(note, verifiers))

    old = head()
    for _ in range(5):
        api.owner.post("/api/v1/teams", {"team": api.name("log"), "name": "L"})
    new = head()
    assert new.size > old.size
    found = api.client("viewer").get(f"/api/v1/audit/consistency?old={old.size}&new={new.size}").json
    proof = [b64decode(each) for each in found["proof"]]
    verify_consistency(old.size, new.size, proof, old.root, new.root)
    beyond = api.client("viewer").get(f"/api/v1/audit/consistency?old=1&new={new.size + 10_000}")
    assert (beyond.status, beyond.json["code"]) == (404, "audit.size")
    assert api.client("viewer").get("/api/v1/audit/consistency?old=5&new=2").status == 404
