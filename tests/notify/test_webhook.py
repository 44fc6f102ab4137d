"""Notifications over real sockets: where they may go, how they are signed, what each answer means."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from remit.adapters.notify import NotifyAdapter
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.channels import Channel, ChannelKind
from remit.kernel.clock import SystemClock
from remit.kernel.effects import Notify
from remit.kernel.errors import Denied, Failed, Unavailable
from remit.kernel.signature import HEADER, sign, verify
from remit.testing.clock import ManualClock
from remit.testing.witness import requests, witness

CODER = Principal(ActorKind.AGENT, "coder")
KEY = "k3y-of-sixteen-characters-or-more"


def told(target: str, key: str = "k", subject: str = "done", body: str = "text") -> Action:
    return Action("a", Notify(target, subject, body), CODER, CODER, "default", mission="m", step="s", effect_key=key)


def adapter(
    home: Path, *channels: Channel, allow: tuple[str, ...] = (), seen: list[str] | None = None
) -> NotifyAdapter:
    known: list[str] = [] if seen is None else seen
    return NotifyAdapter(channels, allow=allow, home=home, clock=SystemClock(), register=known.append)


class Receiver:
    """A server that answers as told and keeps what it got."""

    def __init__(self) -> None:
        self.status, self.headers = 200, dict[str, str]()
        self.got: list[tuple[str, dict[str, str], bytes]] = []

    @contextmanager
    def serving(self) -> Iterator[str]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.path, dict(self.headers), body))
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                del format, args

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


async def test_an_allowed_address_is_told_with_its_key(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with witness(log) as address:
        telling = adapter(tmp_path, allow=(f"{address}/*",))
        first = await telling.perform(told(f"{address}/hook"))
        again = await telling.perform(told(f"{address}/hook"))
        await telling.perform(told(f"{address}/hook", "other"))
    assert '"repeat": false' in first.text
    assert '"repeat": true' in again.text
    assert requests(log) == {"k": 2, "other": 1}


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:1/hook",
        "http://127.0.0.1:8080@example.invalid/",
        "http://127.0.0.1:80801/",
        "http://127.0.0.1:8080",
        "http://169.254.169.254/latest/",
        "HTTP://127.0.0.1:8080/hook",
        "https://127.0.0.1:8080/hook",
        "file:///etc/passwd",
        "ops2",
        "",
    ],
)
async def test_nothing_but_channels_and_allowed_addresses_is_reached(tmp_path: Path, target: str) -> None:
    ops = Channel("ops", ChannelKind.CONSOLE)
    telling = adapter(tmp_path, ops, allow=("http://127.0.0.1:8080/*", "http://127.0.0.1:9/exact"))
    with pytest.raises(Denied, match="is no channel of this install"):
        await telling.perform(told(target))


async def test_nobody_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await adapter(tmp_path, allow=("http://127.0.0.1:1/",)).perform(told("http://127.0.0.1:1/"))


async def test_a_channel_is_signed_and_a_retry_has_the_same_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_KEY", f" {KEY}\n")
    receiver, seen = Receiver(), list[str]()
    with receiver.serving() as address:
        ops = Channel("ops", ChannelKind.WEBHOOK, url=f"{address}/hook?a=1", secret="env:HOOK_KEY")
        telling = adapter(tmp_path, ops, seen=seen)
        for _ in range(2):
            await telling.perform(told("ops", "approval/1/ops"))
    assert set(seen) == {KEY}, "masked from the start"
    assert [path for path, _, _ in receiver.got] == ["/hook?a=1"] * 2
    for _, headers, body in receiver.got:
        assert headers["Remit-Delivery"] == headers["Idempotency-Key"] == "approval/1/ops"
        stamp = int(headers[HEADER].removeprefix("t=").partition(",")[0])
        assert verify(KEY.encode(), headers[HEADER], body, now_s=stamp)
        assert json.loads(body) == {
            "id": "approval/1/ops",
            "subject": "done",
            "body": "text",
            "mission": "m",
            "step": "s",
        }


def test_a_signature_holds_for_this_key_body_and_time_only() -> None:
    header = sign(b"key", b"body", at_s=1000)
    assert header.startswith("t=1000,v1=")
    assert verify(b"key", header, b"body", now_s=1000)
    assert verify(b"key", header, b"body", now_s=1300)
    assert not verify(b"key", header, b"body", now_s=1301), "replayed later than the window"
    assert not verify(b"key", header, b"body", now_s=699)
    assert not verify(b"other", header, b"body", now_s=1000)
    assert not verify(b"key", header, b"body2", now_s=1000)
    assert not verify(b"key", header.replace("t=1000", "t=1001"), b"body", now_s=1000)
    for broken in ("", "t=", "t=1000", "v1=ab", "t=x,v1=ab", "t=1000,v1=\u0661", "t=" + "9" * 5000 + ",v1=a"):
        assert not verify(b"key", broken, b"body", now_s=1000)


@pytest.mark.parametrize(
    ("status", "error"),
    [(200, None), (204, None), (301, Failed), (400, Failed), (404, Failed), (429, Unavailable), (503, Unavailable)],
)
async def test_what_an_answer_means(tmp_path: Path, status: int, error: type[Exception] | None) -> None:
    receiver = Receiver()
    receiver.status, receiver.headers = status, {"Retry-After": "7", "Location": "http://127.0.0.1:1/elsewhere"}
    with receiver.serving() as address:
        telling = adapter(tmp_path, allow=(address + "/",))
        if error is None:
            assert (await telling.perform(told(address + "/"))).ok
        else:
            with pytest.raises(error) as caught:
                await telling.perform(told(address + "/"))
            if isinstance(caught.value, Unavailable):
                assert caught.value.retry_after == 7
    assert len(receiver.got) == 1, "no redirect is followed"


async def test_slack_gets_text_in_which_nothing_is_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver = Receiver()
    with receiver.serving() as address:
        place = tmp_path / "slack"
        place.write_text(f"{address}/services/T000/B000/xyz\n", encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        chat = Channel("chat", ChannelKind.SLACK, url=f"file:{place}")
        await adapter(tmp_path, chat).perform(
            told("chat", subject="<!channel> & *now*\x1b[2J", body="```\n<http://evil|ok>\u202e")
        )
    ((path, _, body),) = receiver.got
    assert path == "/services/T000/B000/xyz"
    text = json.loads(body)["text"]
    assert "<" not in text
    assert "&lt;!channel&gt; &amp;" in text
    assert text.count("```") == 2
    assert "\u202e" not in text
    assert "\x1b" not in text


async def test_an_address_that_is_a_secret_stands_in_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_URL", "http://127.0.0.1:1/services/SECRET")
    chat = Channel("chat", ChannelKind.SLACK, url="env:SLACK_URL")
    with pytest.raises(Unavailable) as caught:
        await adapter(tmp_path, chat).perform(told("chat"))
    assert "SECRET" not in str(caught.value)
    assert "chat" in str(caught.value)


@pytest.mark.parametrize("reference", ["env:NOT_SET_ANYWHERE", "file:/nowhere/at/all"])
async def test_a_secret_that_is_not_there_is_named_by_its_reference(tmp_path: Path, reference: str) -> None:
    ops = Channel("ops", ChannelKind.WEBHOOK, url="http://127.0.0.1:1/", secret=reference)
    with pytest.raises(Failed, match=reference):
        await adapter(tmp_path, ops).perform(told("ops"))


async def test_the_console_is_one_harmless_line_in_the_home(tmp_path: Path) -> None:
    telling = NotifyAdapter(
        (Channel("desk", ChannelKind.CONSOLE),), home=tmp_path, clock=ManualClock(), register=lambda _: None
    )
    await telling.perform(told("desk", subject="a\nb\x1b[2J", body="\u202e\U0001f600"))
    await telling.perform(told("desk"))
    path = tmp_path / "notices.log"
    assert path.stat().st_mode & 0o777 == 0o600
    raw = path.read_bytes()
    assert raw.isascii()
    assert b"\x1b" not in raw
    lines: list[dict[str, Any]] = [json.loads(line) for line in raw.splitlines()]
    assert [line["subject"] for line in lines] == ["a\nb\x1b[2J", "done"]
