"""What stands before the API and the console: limits, times, headers, forms, proxies, ids."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from typing import Any

import pytest

from remit.kernel.errors import InvalidInput
from remit.kernel.ids import new_id
from remit.serve.edge.asgi import Receive, Scope, Send
from remit.serve.edge.windows import Limits, Windows
from remit.settings import load

from .serving import Api, Client, serving

MEGABYTE = 1 << 20


async def console(scope: Scope, receive: Receive, send: Send) -> None:
    """A page that does as its path says."""
    path = scope["path"]
    if path == "/sleep":
        await asyncio.sleep(600)
    if path == "/broken":
        raise RuntimeError("a secret detail")
    if path == "/late":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(600)
    body = b""
    if scope["method"] == "POST":
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
    stream = path == "/stream"
    kind = b"text/event-stream" if stream else b"text/plain"
    headers = [(b"content-type", kind), (b"content-security-policy", b"default-src 'none'")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for _ in range(4 if stream else 0):
        await send({"type": "http.response.body", "body": b"data: x\n\n", "more_body": True})
        await asyncio.sleep(0.3)
    told = scope["state"]["caller"]
    await send(
        {"type": "http.response.body", "body": f"{told.via} {told.csrf} {len(body)} {scope['client'][0]}".encode()}
    )


def made(tmp_path_factory: pytest.TempPathFactory, **settings: Any) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("home") / "home", console=console, **settings) as api:
        yield api


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Believes proxies on this machine, and lets one other origin in."""
    yield from made(
        tmp_path_factory,
        proxies="127.0.0.0/8, 10.0.0.0/8",
        cors_origins="https://app.example.org",
        hosts="remit.example.org",
    )


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Gives a request one second. Only for tests of that second: on a busy machine anything may take one."""
    yield from made(tmp_path_factory, proxies="127.0.0.0/8", api_time_s=1.0, api_idle_s=1.0)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """As it comes, without proxies; with the limits that it comes with."""
    yield from made(tmp_path_factory, api_per_minute=60, api_per_hour=1000, api_limits="GET /api/v1/teams/{team}=3/50")


def from_(client: Client, address: str, path: str = "/api/v1/teams", **more: str) -> Any:
    return client.get(path, x_forwarded_for=address, **more)


# ------------------------------------------------------------------------------------------------------------ limits


def test_sixty_a_minute_from_one_address_and_the_answer_says_everything(plain: Api) -> None:
    owner = plain.owner
    first = owner.get("/api/v1/teams")
    assert first.headers["x-ratelimit-limit-minute"] == "60"
    assert first.headers["x-ratelimit-limit-hour"] == "1000"
    left = int(first.headers["x-ratelimit-remaining-minute"])
    hour = int(first.headers["x-ratelimit-remaining-hour"])
    for number in range(left):
        reply = owner.get("/api/v1/teams")
        assert reply.status == 200
        assert int(reply.headers["x-ratelimit-remaining-minute"]) == left - number - 1
        assert int(reply.headers["x-ratelimit-remaining-hour"]) == hour - number - 1
    over = owner.get("/api/v1/teams")
    assert over.status == 429
    assert over.headers["content-type"] == "application/problem+json"
    assert 1 <= int(over.headers["retry-after"]) <= 61
    assert over.headers["x-ratelimit-remaining-minute"] == "0"
    told = over.json
    assert (told["code"], told["limit"], told["remaining"]) == ("api.rate", "60 requests a minute from one address", 0)
    assert {"retry_after", "position", "wait", "plan"} <= told.keys()
    assert told["retryable"] is True
    # Not counted: health, what the console shows of itself, the log's keys.
    assert plain.owner.get("/health/live").status == 200
    assert plain.owner.get("/.well-known/remit-audit").status == 200
    assert "x-ratelimit-limit-minute" not in plain.owner.get("/health/live").headers


def test_an_address_may_not_say_that_it_is_another(plain: Api) -> None:
    for number in range(70):
        reply = from_(plain.owner, f"203.0.113.{number}")
    assert reply.status == 429


def test_an_endpoint_has_limits_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path_factory.mktemp("home") / "home", api_limits="GET /api/v1/teams/{team}=3/50") as api:
        statuses = [api.owner.get("/api/v1/teams/house").status for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        assert api.owner.get("/api/v1/teams").status == 200
        assert api.owner.get("/api/v1/teams/house/members").status == 200


def test_a_key_has_limits_wherever_it_is_shown(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(tmp_path_factory.mktemp("home") / "home", key_per_minute=3, proxies="127.0.0.0/8") as api:
        replies = [from_(api.owner, f"203.0.113.{number}") for number in range(4)]
        assert [reply.status for reply in replies] == [200, 200, 200, 429]
        assert replies[-1].json["limit"] == "3 requests a minute with one key"
        assert from_(api.client("admin"), "203.0.113.1").status == 200


def test_windows_never_let_more_pass_in_any_span() -> None:
    now = [1000.0]
    windows, limits = Windows(lambda: now[0]), Limits(10, 25)
    passed: list[float] = []
    for step in range(20_000):
        now[0] = 1000.0 + step * 0.37
        if not windows.take("a", limits).window:
            passed.append(now[0])
    for place, moment in enumerate(passed):
        assert sum(moment <= other < moment + 60 for other in passed[place : place + 30]) <= 10
        assert sum(moment <= other < moment + 3600 for other in passed[place : place + 60]) <= 25
    assert len(passed) >= 2 * 25  # 7400 seconds: two hours' worth pass


def test_what_windows_say_of_waiting_is_so() -> None:
    now = [50.0]
    windows, limits = Windows(lambda: now[0]), Limits(2, 100)
    windows.take("a", limits)
    now[0] += 20
    windows.take("a", limits)
    refused = windows.take("a", limits)
    assert refused.window == "minute"
    now[0] += refused.wait_s - 0.01
    assert windows.take("a", limits).window == "minute"
    now[0] += 0.02
    assert not windows.take("a", limits).window


def test_windows_forget_whom_they_heard_of_longest_ago() -> None:
    windows, limits = Windows(lambda: 0.0, most=2), Limits(1, 1)
    windows.take("a", limits)
    windows.take("b", limits)
    windows.take("c", limits)
    assert windows.take("c", limits).window
    assert not windows.take("a", limits).window


# ------------------------------------------------------------------------------------------------------ bodies, times


def test_ten_megabytes_are_taken_and_no_more(api: Api) -> None:
    assert api.settings.api_body_bytes == 10 * MEGABYTE
    taken = api.owner.ask("POST", "/page", body=b"x" * (10 * MEGABYTE))
    assert (taken.status, taken.body.split()[-2]) == (200, str(10 * MEGABYTE).encode())
    over = api.owner.ask("POST", "/page", body=b"x" * (10 * MEGABYTE + 1))
    assert (over.status, over.json["code"]) == (413, "api.body_large")
    assert api.owner.ask("POST", "/api/v1/teams", body=b"x" * (10 * MEGABYTE + 1)).status == 413


@pytest.mark.parametrize("path", ["/page", "/api/v1/teams"])
def test_bytes_are_counted_as_they_come_whatever_was_promised(api: Api, path: str) -> None:
    with socket.create_connection((api.owner.host, api.owner.port), timeout=20) as wire:
        head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: {api.owner.headers['authorization']}\r\n"
        wire.sendall(f"{head}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        answer = b""
        try:
            for _ in range(12):
                wire.sendall(b"100000\r\n" + b"x" * MEGABYTE + b"\r\n")
            wire.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # it stopped listening
        wire.settimeout(10)
        answer = wire.recv(65536)
    assert b" 413 " in answer.split(b"\r\n")[0], answer


def test_what_takes_too_long_is_answered_504(hurried: Api) -> None:
    began = time.monotonic()
    reply = hurried.owner.get("/sleep")
    assert (reply.status, reply.json["code"]) == (504, "api.slow")
    assert 0.9 < time.monotonic() - began < 60  # the page sleeps for longer
    assert reply.json["retryable"] is True


def test_a_stream_is_not_cut(hurried: Api) -> None:
    whole = False
    for _ in range(10):  # each takes 1.2 s, and the limit is 1 s; a machine that stands still may cut one all the same
        with suppress(OSError, HTTPException):
            whole = from_(hurried.owner, "203.0.113.77", "/stream").body.count(b"data: x") == 4
        if whole:
            break
        hurried.owner.close()
    assert whole


def test_a_stream_is_not_counted(api: Api) -> None:
    before = from_(api.owner, "203.0.113.77", "/page").headers["x-ratelimit-remaining-minute"]
    reply = from_(api.owner, "203.0.113.77", "/stream")
    assert reply.body.count(b"data: x") == 4
    assert "x-ratelimit-remaining-minute" not in reply.headers
    after = from_(api.owner, "203.0.113.77", "/page").headers["x-ratelimit-remaining-minute"]
    assert int(after) == int(before) - 1


def test_a_fault_says_nothing_of_itself(api: Api) -> None:
    reply = api.owner.get("/broken")
    assert (reply.status, reply.json["code"]) == (500, "api.fault")
    assert b"secret" not in reply.body


# ------------------------------------------------------------------------------------------------------------ headers


def test_every_answer_keeps_itself_to_itself(api: Api) -> None:
    for reply in (api.owner.get("/api/v1/teams"), api.owner.get("/nothing"), api.client("nobody").get("/api/v1/x")):
        headers = reply.headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-xss-protection"] == "0"
        assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
        assert "camera=()" in headers["permissions-policy"]
        assert headers["content-security-policy"].startswith("default-src '")
        assert "strict-transport-security" not in headers  # plain HTTP, and no production install
        assert headers["cache-control"] in {"no-store", "private, no-cache"}  # with an ETag: asked for anew each time
    assert api.owner.get("/page").headers["content-security-policy"] == "default-src 'none'"  # the page's own


def test_every_answer_tells_its_ids_and_its_time(api: Api) -> None:
    asked = new_id()
    reply = api.owner.get("/api/v1/teams", x_request_id=asked)
    assert reply.headers["x-request-id"] == asked
    assert reply.headers["traceparent"].startswith(f"00-{asked.replace('-', '')}-")
    assert reply.headers["x-response-time"].endswith("ms")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    reply = api.owner.get("/api/v1/teams/none", traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    assert reply.headers["traceparent"].split("-")[1] == trace
    assert reply.headers["traceparent"].endswith("-01")
    assert reply.headers["traceparent"].split("-")[2] != "00f067aa0ba902b7"
    assert reply.json["request_id"] == reply.headers["x-request-id"]
    other = api.owner.get("/api/v1/teams", x_request_id="no uuid", traceparent="00-0-0-0")
    assert other.headers["x-request-id"] != "no uuid"


def test_the_request_id_goes_into_the_audit_log(api: Api) -> None:
    from remit.audit import query

    asked = new_id()
    api.client("viewer").post("/api/v1/teams", {"team": "mine", "name": "Mine"}, x_request_id=asked)
    wanted = query.Filter("default", action="accounts.refused", limit=1000)
    found = api.runtime.store.view(lambda tx: query.find(tx, wanted))
    assert asked in [record.payload.get("request_id") for record in found if record.payload]


def test_every_request_is_logged_without_its_query(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="remit.requests"):
        from_(api.owner, "203.0.113.9", "/api/v1/teams?limit=7")
        for _ in range(200):  # the line is written behind the answer
            if any("203.0.113.9" in record.getMessage() for record in caplog.records):
                break
            time.sleep(0.02)
    lines = [record.getMessage() for record in caplog.records if record.name == "remit.requests"]
    assert any(line.startswith("203.0.113.9 GET /api/v1/teams 200 ") and line.endswith("ms") for line in lines), lines
    assert not any("limit" in line for line in lines)


def test_every_answer_to_somebody_carries_the_newest_head(api: Api) -> None:
    import base64

    note = base64.b64decode(api.owner.get("/api/v1/teams").headers["remit-checkpoint"]).decode()
    assert note.startswith(api.runtime.store.verifiers[0].name)
    assert "remit-checkpoint" not in api.client("nobody").get("/health").headers


# ------------------------------------------------------------------------------------------------------------ proxies


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ({}, "127.0.0.1"),
        ({"x_forwarded_for": "203.0.113.5"}, "203.0.113.5"),
        ({"x_forwarded_for": "198.51.100.1, 203.0.113.5"}, "203.0.113.5"),  # what stands before it is its word
        ({"x_forwarded_for": "203.0.113.5, 10.0.0.9"}, "203.0.113.5"),  # a proxy of ours before ours
        ({"x_forwarded_for": "203.0.113.5, nonsense"}, "127.0.0.1"),
        ({"forwarded": 'for="[2001:db8::7]:8080";proto=https'}, "2001:db8::7"),
        ({"forwarded": "for=192.0.2.43, for=203.0.113.5"}, "203.0.113.5"),
        ({"forwarded": "for=203.0.113.5", "x_forwarded_for": "198.51.100.1"}, "203.0.113.5"),
        ({"forwarded": 'for="_hidden, for=1.2.3.4"'}, "127.0.0.1"),
    ],
)
def test_where_a_request_came_from(api: Api, headers: dict[str, str], address: str) -> None:
    assert api.client("nobody").get("/page", **headers).body.split()[-1].decode() == address


def test_an_address_of_ipv6_counts_with_its_network(api: Api) -> None:
    def left(address: str) -> int:
        return int(from_(api.client("nobody"), address, "/page").headers["x-ratelimit-remaining-minute"])

    first = left("2001:db8:1:2::1")
    assert left("2001:db8:1:2:ffff::9") == first - 1
    assert left("2001:db8:1:3::1") == first


def test_a_name_that_is_not_ours_is_refused(api: Api) -> None:
    assert api.owner.get("/api/v1/teams", host="remit.example.org").status == 200
    assert api.owner.get("/api/v1/teams", host="localhost:4180").status == 200
    reply = api.owner.get("/api/v1/teams", host="evil.example.net")
    assert (reply.status, reply.json["code"]) == (421, "api.host")


# -------------------------------------------------------------------------------------------------------- other origins


def test_only_named_origins_may_ask_and_read(api: Api) -> None:
    mine, other = "https://app.example.org", "https://evil.example.net"
    ask = {"access_control_request_method": "PATCH", "access_control_request_headers": "if-match"}
    allowed = api.client("nobody").ask("OPTIONS", "/api/v1/teams/x", origin=mine, **ask)
    assert allowed.status == 204
    assert allowed.headers["access-control-allow-origin"] == mine
    assert allowed.headers["access-control-allow-credentials"] == "true"
    assert allowed.headers["access-control-max-age"] == "600"
    assert "*" not in "".join(allowed.headers.values()).replace("*/*", "")
    refused = api.client("nobody").ask("OPTIONS", "/api/v1/teams/x", origin=other, **ask)
    assert refused.status == 403
    assert "access-control-allow-origin" not in refused.headers
    assert api.owner.get("/api/v1/teams", origin=mine).headers["access-control-allow-origin"] == mine
    assert "access-control-allow-origin" not in api.owner.get("/api/v1/teams", origin=other).headers
    written = api.owner.post("/api/v1/teams", {"team": "cross", "name": "Cross"}, origin=other)
    assert (written.status, written.json["code"]) == (403, "api.origin")
    assert api.owner.post("/api/v1/teams", {"team": "cross", "name": "Cross"}, origin=mine).status == 201


@pytest.mark.parametrize("origins", ["*", "https://*.example.org", "app.example.org", "https://app.example.org/path"])
def test_settings_let_in_no_wildcard(origins: str) -> None:
    with pytest.raises(InvalidInput, match="cors_origins"):
        load(flags={"cors_origins": origins, "home": "/nowhere"}, environ={})


# ------------------------------------------------------------------------------------------------------------- forms


def session(api: Api, who: str = "owner", **more: str) -> Client:
    return api.open(cookie=f"remit_session={api.session(who)}", **more)


def test_a_session_writes_only_with_its_token(api: Api) -> None:
    client = session(api)
    token = client.get("/api/v1/csrf").json["token"]
    cookie = client.headers["cookie"]
    body = {"team": api.name("form"), "name": "Form"}
    assert client.post("/api/v1/teams", body).json["code"] == "api.csrf"
    assert client.post("/api/v1/teams", body, x_csrf_token=token).json["code"] == "api.csrf"  # no cookie
    both = f"{cookie}; remit_csrf={token}"
    assert client.post("/api/v1/teams", body, cookie=both).json["code"] == "api.csrf"  # no header
    assert client.post("/api/v1/teams", body, cookie=both, x_csrf_token="A" + token[1:-1] + "x").status == 403
    assert client.post("/api/v1/teams", body, cookie=both, x_csrf_token=token).status == 201


def test_a_token_of_another_session_does_not_do(api: Api) -> None:
    mine, other = session(api), session(api, "admin")
    token = other.get("/api/v1/csrf").json["token"]
    both = f"{mine.headers['cookie']}; remit_csrf={token}"
    reply = mine.post("/api/v1/teams", {"team": "x", "name": "X"}, cookie=both, x_csrf_token=token)
    assert (reply.status, reply.json["code"]) == (403, "api.csrf")


def test_a_form_brings_its_token_in_a_field(api: Api) -> None:
    client = session(api)
    page = client.get("/page")
    token = page.body.split()[1].decode()
    assert page.headers["set-cookie"].startswith(f"remit_csrf={token}; Path=/; HttpOnly; SameSite=Lax")
    both = f"{client.headers['cookie']}; remit_csrf={token}"
    assert "set-cookie" not in client.get("/page", cookie=both).headers
    form = f"name=x&csrf={token}".encode()
    kind = {"content_type": "application/x-www-form-urlencoded", "cookie": both}
    reply = client.ask("POST", "/page", body=form, **kind)
    assert (reply.status, int(reply.body.split()[-2])) == (200, len(form))  # the page gets all of it
    assert client.ask("POST", "/page", body=b"name=x", **kind).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_browser_says_of_another_site_is_heeded_without_a_session(api: Api, site: str) -> None:
    reply = api.client("nobody").ask("POST", "/page", body=b"x", sec_fetch_site=site)
    assert (reply.status, reply.json["code"]) == (403, "api.origin")
    assert api.client("nobody").ask("POST", "/page", body=b"x", sec_fetch_site="same-origin").status == 200
    assert api.client("nobody").get("/page", sec_fetch_site=site).status == 200


def test_programs_need_no_token(api: Api) -> None:
    assert api.owner.post("/api/v1/teams", {"team": api.name("program"), "name": "P"}).status == 201
    assert api.owner.get("/api/v1/csrf").status == 422


# --------------------------------------------------------------------------------------------------------- production


def test_production_speaks_https_only(tmp_path_factory: pytest.TempPathFactory) -> None:
    import secrets

    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    from remit.settings import Environment

    settings: dict[str, Any] = {
        "environment": Environment.PRODUCTION,
        "proxies": "127.0.0.0/8",
        "signing_secret": secrets.token_urlsafe(48),
        "public_url": "https://remit.example.org",
    }
    with serving(tmp_path_factory.mktemp("home") / "home", console=console, **settings) as api:
        reply = api.client("nobody").get("/page?x=1")
        assert (reply.status, reply.headers["location"]) == (308, "https://remit.example.org/page?x=1")
        assert api.owner.post("/api/v1/teams", {}).json["code"] == "api.https"
        assert api.client("nobody").get("/health/live").status == 200
        sockets = api.url.replace("http", "ws") + "/api/v1/events/ws"
        bearer = {"Authorization": f"Bearer {api.key('owner')}"}
        with pytest.raises(InvalidStatus), connect(sockets, additional_headers=bearer, open_timeout=60):
            pass
        behind = bearer | {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.5"}
        with connect(sockets, additional_headers=behind, open_timeout=60) as socket:
            assert '"ready"' in str(socket.recv(10))
        gone = api.owner.post("/api/v1/sign-out", x_forwarded_proto="https", x_forwarded_for="203.0.113.5")
        assert gone.headers["clear-site-data"] == '"cache"'
        secure = api.owner.get("/api/v1/teams", x_forwarded_proto="https", x_forwarded_for="203.0.113.5")
        assert secure.status == 200
        assert secure.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
        planted = api.open(cookie=f"remit_session={api.session('owner')}")
        told = planted.get("/page", x_forwarded_proto="https", x_forwarded_for="203.0.113.5")
        assert told.body.split()[0] == b"none"  # only the __Host- cookie counts
        real = api.open(cookie=f"__Host-remit_session={api.session('owner')}")
        told = real.get("/page", x_forwarded_proto="https", x_forwarded_for="203.0.113.5")
        assert told.body.split()[0] == b"session"
        assert told.headers["set-cookie"].startswith("__Host-remit_csrf=")
        assert "; Secure" in told.headers["set-cookie"]


@pytest.mark.parametrize("secret", ["", "short", "a" * 64, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"])
def test_production_does_not_start_without_a_good_signing_secret(
    tmp_path_factory: pytest.TempPathFactory, secret: str
) -> None:
    from remit.settings import Environment

    settings: dict[str, Any] = {"environment": Environment.PRODUCTION, "signing_secret": secret}
    with pytest.raises(InvalidInput) as refused, serving(tmp_path_factory.mktemp("home") / "home", **settings):
        pass
    assert refused.value.code == "sign_in.secret"
