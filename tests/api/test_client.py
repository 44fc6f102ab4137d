"""The typed client: every call as the server means it, errors as the rooms raise them, and a log that is held to."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from remit.audit.merkle import Edge as Tree
from remit.audit.note import Checkpoint, new_signer, open_note, parse_checkpoint, sign_note
from remit.client import AsyncClient, Client, Event, EventKind, live, steps
from remit.client import clients as terms
from remit.kernel.errors import (
    Conflict,
    Denied,
    IntegrityError,
    InvalidAnswer,
    InvalidInput,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from remit.serve.edge.checkpoint import Newest

from .serving import Api

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def client(api: Api, tmp_path: Path) -> Iterator[Client]:
    with Client(api.url, api.key("owner"), heads=tmp_path / "heads") as made:
        yield made


def test_a_noun_from_beginning_to_end(api: Api, client: Client) -> None:
    slug = api.name("client")
    made = client.teams.make({"team": slug, "name": "Made"})
    assert made["members"][0]["user"] == "owner"
    assert client.teams.change(slug, {"name": "Changed"})["name"] == "Changed"
    assert client.teams.place(slug, "member", {"role": "viewer"})["may"] == ["read"]
    assert {each["user"] for each in client.teams.members(slug)["items"]} == {"owner", "member"}
    page = client.teams.list(limit=1)
    assert len(page["items"]) == 1
    assert page["next"] is not None
    assert client.teams.list(limit=1, cursor=page["next"])["items"][0]["team"] > page["items"][0]["team"]
    assert client.teams.end(slug) is None
    with pytest.raises(NotFound) as gone:
        client.teams.show(slug)
    assert gone.value.code == "accounts.team"
    assert gone.value.hint == "remit teams list"


def test_errors_are_those_of_the_rooms(api: Api, client: Client) -> None:
    with pytest.raises(Conflict, match="There is a team 'house' already"):
        client.teams.make({"team": "house", "name": "House"})
    with pytest.raises(InvalidInput) as wrong:
        client.teams.make({"team": "Not a slug", "name": ""})
    assert len(wrong.value.problems) == 2
    with Client(api.url, api.key("viewer"), heads=None) as viewer, pytest.raises(Denied, match="An owner could grant"):
        viewer.teams.end("house")


async def test_the_same_for_event_loops(api: Api) -> None:
    token = await asyncio.to_thread(api.key, "owner")
    async with AsyncClient(api.url, token, heads=None) as client:
        found = await asyncio.gather(*(client.teams.show("house") for _ in range(5)))
        assert {each["name"] for each in found} == {"The house"}
        with pytest.raises(NotFound):
            await client.teams.show("none")


def test_nothing_there_is_asked_again_and_then_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "FIRST_WAIT_S", 0.01)
    with Client("http://127.0.0.1:9", "token", heads=None) as client, pytest.raises(Unavailable) as gone:
        client.teams.list()
    assert gone.value.code == "client.connection"


def test_an_order_that_is_asked_again_keeps_its_key() -> None:
    call = steps.Call("POST", "/api/v1/teams", body={"team": "x", "name": "X"})
    run = steps.asked(call.ask())
    first = next(run)
    assert isinstance(run.send(steps.Answer(0, error="cut off")), steps.Wait)
    again = run.send(None)
    assert isinstance(first, steps.Ask)
    assert first == again
    assert len(first.headers["idempotency-key"]) == 36


def test_a_token_is_not_sent_over_plain_http_to_others() -> None:
    with pytest.raises(InvalidInput, match="plain HTTP"):
        Client("http://remit.example.org", "token")
    with pytest.raises(InvalidInput, match="no server's address"):
        Client("file:///etc/passwd", "token")


# ------------------------------------------------------------------------------------------------------------- the log


def remembered(folder: Path) -> dict[str, object]:
    (file,) = (folder / "heads").glob("*.json")
    return json.loads(file.read_text())


def test_heads_are_remembered_and_later_ones_extend_them(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms, "CHECK_EVERY_S", 0.0)
    with Client(api.url, api.key("owner"), heads=tmp_path / "heads") as client:
        client.teams.list()
        first = remembered(tmp_path)
        client.teams.make({"team": api.name("head"), "name": "Head"})
        api.do(lambda: asyncio.to_thread(api.runtime.store.seal))
        forget(api)
        client.teams.list()
        second = remembered(tmp_path)
        verifiers = api.runtime.store.verifiers
        sizes = [parse_checkpoint(open_note(str(each["note"]), verifiers)).size for each in (first, second)]
        assert sizes[0] < sizes[1]
        assert second["keys"] == [verifiers[0].vkey]


def newest(api: Api) -> Newest:
    return api.served.edge._newest


def forget(api: Api) -> None:
    newest(api)._read_at = -1e9
    api.do(lambda: newest(api).value())
    api.do(lambda: asyncio.sleep(0.05))


def forked(api: Api, size: int) -> str:
    """A head of another log, well signed: what whoever holds the key could show."""
    tree = Tree()
    for number in range(size):
        tree.append(b"%032d" % number)
    name = api.runtime.store.verifiers[0].name
    return sign_note(Checkpoint(name, size, tree.root()).text(), api.runtime.store.signers)


@pytest.mark.parametrize("beyond", [0, 3, -5])
def test_a_log_that_was_rewritten_is_refused(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beyond: int
) -> None:
    monkeypatch.setattr(terms, "CHECK_EVERY_S", 0.0)
    with Client(api.url, api.key("owner"), heads=tmp_path / "heads") as client:
        forget(api)
        client.teams.list()
        before = remembered(tmp_path)
        size = parse_checkpoint(open_note(str(before["note"]), api.runtime.store.verifiers)).size
        note = forked(api, size + beyond)
        with monkeypatch.context() as patch:
            patch.setattr(newest(api), "_value", b64encode(note.encode()))
            patch.setattr(newest(api), "_read_at", 1e12)
            with pytest.raises(IntegrityError, match="does not continue") as refused:
                client.teams.list()
        assert refused.value.code == "client.log"
        assert remembered(tmp_path) == before


def test_a_head_that_no_trusted_key_signed_is_refused(api: Api) -> None:
    stranger = new_signer("elsewhere.example", lambda count: b"7" * count)
    key = stranger.verifier.vkey
    with Client(api.url, api.key("owner"), heads=None, audit_key=key) as client, pytest.raises(IntegrityError):
        client.teams.list()


def test_what_is_written_is_what_the_routes_make() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "client_operations.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


# --------------------------------------------------------------------------------------------------------- what happens


def test_events_come_without_a_gap_whatever_becomes_of_the_connection(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "FIRST_WAIT_S", 0.01)
    with Client(api.url, api.key("owner"), heads=tmp_path / "heads") as client, Cutting(api.url) as cut:
        begun = next(client.events(follow=False))
        assert (begun.kind, begun.number is not None) == (EventKind.READY, True)
        with Client(cut.url, api.key("owner"), heads=None) as behind:
            watched = behind.events(kinds="accounts", after=begun.number)
            seen: list[Event] = []
            for _ in range(4):
                for _ in range(2):
                    client.teams.make({"team": api.name("event"), "name": "Event"})
                while (event := next(watched)).kind is not EventKind.ENTRY:
                    pass
                seen.append(event)
                cut.now()  # the next one comes over another connection, or was on its way in this one
            while len(seen) < 8:
                if (event := next(watched)).kind is EventKind.ENTRY:
                    seen.append(event)
            watched.close()
        numbers = [event.number for event in seen]
        assert numbers == sorted(set(numbers))
        again = client.events(kinds="accounts", after=begun.number, follow=False)
        every = [event.number for event in again if event.kind is EventKind.ENTRY]
        assert numbers == every
        assert cut.connections > 2
        assert remembered(tmp_path)["note"]


def test_a_server_that_stops_is_not_the_end_of_the_log() -> None:
    reading = live.Reading(follow=False)
    assert reading.feed(b'event: end\ndata: {"why":"stopping"}\n\n') == []
    assert not reading.over, "what was asked for may go on: the rest is asked for again"
    reading.feed(b'event: end\ndata: {"why":"asked"}\n\n')
    assert reading.over


async def test_events_for_event_loops_end_with_the_right_to_watch(api: Api) -> None:
    token = await asyncio.to_thread(api.key, "owner")
    async with AsyncClient(api.url, token, heads=None) as client:
        seen = [event.kind async for event in client.events(follow=False)]
        assert seen[0] is EventKind.READY
        with pytest.raises(InvalidInput):
            _ = [event async for event in client.events(mission="not one", after=-7)]
    async with AsyncClient(api.url, "rmt_test_none", heads=None) as stranger:
        with pytest.raises(Unauthenticated):
            await anext(stranger.events())


def test_a_stream_is_read_the_same_wherever_it_is_cut() -> None:
    told = (
        b'retry: 2000\n\nevent: ready\nid: 4\ndata: {}\n\n: beat\n\nid: 5\nevent: entry\ndata: {"action":"a.b"}\n\n'
        b'event: state\ndata: {"step":"x"}\n\nid: 5\nevent: entry\ndata: {"action":"a.b"}\n\nevent: later\ndata: 1\n\n'
        b"event: dropped\ndata: {}\n\n"
    )
    for at in range(len(told)):
        reading = live.Reading()
        found = [*reading.feed(told[:at]), *reading.feed(told[at:])]
        assert [(each.kind, each.number) for each in found] == [("ready", 4), ("entry", 5), ("state", None)]
        assert reading.ask().headers["last-event-id"] == "5"
        assert not reading.over
    with pytest.raises(Denied):
        live.Reading().feed(b"event: gone\ndata: {}\n\n")
    with pytest.raises(InvalidAnswer):
        live.Reading().feed(b"event: entry\nid: x\ndata: {}\n\n")
    assert all(reading.failed(steps.Answer(0, error="cut off")) > 0 for _ in range(steps.TRIES - 1))
    with pytest.raises(Unavailable):
        reading.failed(steps.Answer(0, error="cut off"))


def test_the_example_of_the_docs_runs(api: Api, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    (text,) = (block for block in page.split("```python\n")[1:] if "from remit.client" in block)
    shown = text.partition("```")[0].replace("https://remit.example.org", api.url)
    done = subprocess.run(
        [sys.executable, "-c", f"token = {api.key('owner')!r}\n{shown.replace('sales', api.name('docs'))}"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert "docs-" in done.stdout
    assert "accounts.team.created" in done.stdout


class Cutting:
    """A way to the server on which every connection can be cut at once."""

    def __init__(self, url: str) -> None:
        self._there = ("127.0.0.1", int(url.rpartition(":")[2]))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.connections = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.now()
        for thread in self._threads:
            thread.join(10)

    def now(self) -> None:
        """Cut all that are open."""
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _run(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                there = socket.create_connection(self._there)
                self.connections += 1
                self._open += [here, there]
                self._run(self._pass, here, there)
                self._run(self._pass, there, here)

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
