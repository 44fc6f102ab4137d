"""What somebody tries who would like a server to be busy with them for ever: every connection comes to an end."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop

from remit.serve.connections import MOST_LOOSE, MOST_PIPELINED, places
from remit.serve.listening import configured, listen
from remit.settings import Settings

SOON_S = 60.0  # what ends, ends long before; who waits so long has waited in vain
GET = b"GET /x HTTP/1.1\r\nhost: here\r\n\r\n"
SOCKET = (
    b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Server:
    """One that listens, in a thread; its application says what it was asked, as soon as the body is there."""

    def __init__(self, settings: Settings) -> None:
        self.asked: list[tuple[str, list[tuple[bytes, bytes]], bytes]] = []
        self.gone = threading.Event()
        self.hold = threading.Event()
        self._listener = listen("127.0.0.1", 0, anywhere=False, command="up")
        self._server = uvicorn.Server(configured(self, settings, websockets=True))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.005)

    def _run(self) -> None:
        with self._listener:
            asyncio.run(self._server.serve(sockets=[self._listener]), loop_factory=uvloop.new_event_loop)

    def stop(self) -> None:
        self.hold.set()
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()

    @property
    def open(self) -> int:
        return len(self._server.server_state.connections)

    def connect(self, data: bytes = b"") -> socket.socket:
        made = socket.create_connection(self._listener.getsockname()[:2], timeout=SOON_S)
        made.sendall(data)
        return made

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await asyncio.to_thread(self.hold.wait, SOON_S)
            await send({"type": "websocket.close"})
            return
        if scope["path"] == "/early":
            await _answer(send, b"early")
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone.set()
                return
            body, more = body + message["body"], message["more_body"]
        self.asked.append((scope["path"], list(scope["headers"]), body))
        if scope["path"] == "/hold":
            await asyncio.to_thread(self.hold.wait, SOON_S)
        await _answer(send, b"a" * (16 << 20) if scope["path"] == "/large" else scope["path"].encode())


async def _answer(send: Any, body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving(folder: Path, **settings: Any) -> Iterator[Server]:
    server = Server(Settings(home=folder / "home", **settings))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One whose patience is short."""
    with serving(tmp_path_factory.mktemp("quick"), connection_head_s=0.4, gateway_slow_s=1.0) as server:
        yield server


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One whose patience outlasts the tests."""
    with serving(tmp_path_factory.mktemp("patient"), connection_head_s=300.0) as server:
        yield server


def rest(one: socket.socket) -> bytes:
    """All that comes until it is closed."""
    parts: list[bytes] = []
    with one:
        try:
            while data := one.recv(1 << 16):
                parts.append(data)
        except ConnectionError:
            pass
    return b"".join(parts)


def is_answered(one: socket.socket, end: bytes) -> bool:
    """Whether what comes ends so, in however many packets."""
    said = b""
    while not said.endswith(end) and (data := one.recv(4096)):
        said += data
    return said.endswith(end)


def dripped(one: socket.socket, data: Callable[[], bytes]) -> bytes:
    """Byte by byte, until the other side has had enough; what it said."""
    began = time.monotonic()
    one.settimeout(0.05)
    said = b""
    with one:
        while time.monotonic() - began < SOON_S:
            try:
                one.sendall(data())
                came = one.recv(1 << 16)
                if not came:
                    return said
                said += came
            except TimeoutError:
                continue
            except ConnectionError:
                return said
    raise AssertionError("it listens for ever")


def until(holds: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < SOON_S
        time.sleep(0.01)


# --------------------------------------------------------------------------------------------------------------- time


def test_who_says_nothing_is_let_go_without_a_word(quick: Server) -> None:
    assert rest(quick.connect()) == b""
    until(lambda: quick.open == 0)


@pytest.mark.parametrize(
    "begin", [b"GET /", b"GET /x HTTP/1.1\r\nx-", GET[:-2] + b"x-", GET + b"GET /y HTTP/1.1\r\nx-a: "]
)
def test_a_head_that_comes_drop_by_drop_has_its_time_and_is_told_so(quick: Server, begin: bytes) -> None:
    said = dripped(quick.connect(begin), lambda: b"a")
    assert b"HTTP/1.1 408 " in said
    assert b'"server.head_slow"' in said
    assert b"connection: close" in said


def test_a_body_that_goes_on_after_its_answer_has_its_time(quick: Server) -> None:
    one = quick.connect(b"POST /early HTTP/1.1\r\nhost: here\r\ncontent-length: 1000000\r\n\r\n")
    said = dripped(one, lambda: b"a")
    assert said.endswith(b"early"), "nothing is said twice"


def test_who_takes_nothing_of_an_answer_is_let_go(quick: Server) -> None:
    with quick.connect(GET.replace(b"/x", b"/large")) as one:
        until(lambda: quick.open == 1)
        until(lambda: quick.open == 0)
        assert len(rest(one)) < 16 << 20


def test_who_takes_it_slowly_gets_all_of_it(quick: Server) -> None:
    asked = GET.replace(b"/x", b"/large").replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    for _ in range(10):  # who is stopped by the machine for a second takes nothing either
        size = 0
        with quick.connect(asked) as one, suppress(ConnectionError):
            for _ in range(8):
                time.sleep(0.2)  # in sum longer than it waits for who takes nothing
                size += len(one.recv(1 << 20))
            size += len(rest(one))
        if size > 16 << 20:
            break
    assert size > 16 << 20


def test_a_connection_is_kept_between_requests_whatever_time_a_head_has(quick: Server) -> None:
    with quick.connect(GET) as one:
        assert is_answered(one, b"/x")
        time.sleep(1.0)
        one.sendall(GET)
        assert is_answered(one, b"/x")


# ------------------------------------------------------------------------------------------------------------- amounts


def test_a_head_without_end_is_refused(patient: Server) -> None:
    one = patient.connect(b"GET /x HTTP/1.1\r\nhost: here\r\nx-long: ")
    said = dripped(one, lambda: b"a" * 20_000)
    assert said.startswith(b"HTTP/1.1 431 ")
    assert b'"server.head_large"' in said


def test_a_trailer_without_end_is_refused_and_the_request_gone(patient: Server) -> None:
    patient.gone.clear()
    one = patient.connect(
        b"POST /x HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-long: "
    )
    assert dripped(one, lambda: b"a" * 20_000).startswith(b"HTTP/1.1 431 ")
    until(patient.gone.is_set)


def test_a_long_body_in_small_chunks_is_neither(patient: Server) -> None:
    body = b"1\r\na\r\n" * (2 * MOST_LOOSE // 6) + b"0\r\n\r\n"
    one = patient.connect(b"POST /x HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n")
    one.sendall(body)
    assert rest(one).endswith(b"/x")
    assert len(patient.asked[-1][2]) == 2 * MOST_LOOSE // 6


def test_a_packet_full_of_requests_is_not_kept(patient: Server) -> None:
    before = len(patient.asked)
    said = rest(patient.connect(GET.replace(b"/x", b"/hold") + GET * 5000))
    assert said == b"", "the answer to the first would be cut"
    assert len(patient.asked) - before <= MOST_PIPELINED
    until(lambda: patient.open == 0)


def test_some_requests_at_once_are_answered_in_their_order(patient: Server) -> None:
    sent = b"".join(GET.replace(b"/x", b"/%d" % at) for at in range(MOST_PIPELINED))
    said = rest(patient.connect(sent + GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")))
    assert [part.partition(b"\r\n\r\n")[2] for part in said.split(b"HTTP/1.1 200 OK")[1:]] == [
        *(b"/%d" % at for at in range(MOST_PIPELINED)),
        b"/x",
    ]


def test_when_all_places_are_taken_who_asks_nothing_makes_way(tmp_path: Path) -> None:
    with serving(tmp_path, connections=16, connection_head_s=300.0) as server:
        silent = [server.connect() for _ in range(40)]
        answered = server.connect(GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        assert rest(answered).endswith(b"/x")
        until(lambda: server.open <= 16)
        held = [server.connect(GET.replace(b"/x", b"/hold")) for _ in range(16)]
        until(lambda: sum(path == "/hold" for path, _, _ in server.asked) == 16)
        said = rest(server.connect(GET))
        assert said.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1\r\n" in said
        assert b'"server.full"' in said
        server.hold.set()
        assert all(is_answered(each, b"/hold") for each in held)
        for each in (*silent, *held):
            each.close()


def test_no_more_places_than_files_may_be_open() -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        assert places(64) == 64
        many = places(1_000_000)
        assert 2 * many < resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --------------------------------------------------------------------------------------------------------------- forms


def test_trailers_are_nobodys_headers(patient: Server) -> None:
    body = b"1\r\na\r\n0\r\nauthorization: Bearer b\r\nx-forwarded-for: 192.0.2.1\r\n\r\n"
    for more in (b"", b"connection: upgrade\r\nupgrade: h2c\r\n"):
        head = b"POST /x HTTP/1.1\r\nhost: here\r\n" + more + b"transfer-encoding: chunked\r\n"
        said = rest(patient.connect(head + b"connection: close\r\n\r\n" * (not more) + b"\r\n" * bool(more) + body))
        assert said.endswith(b"/x")
        names = [name for name, _ in patient.asked[-1][1]]
        assert b"transfer-encoding" in names
        assert not {b"authorization", b"x-forwarded-for"} & set(names)


BROKEN = [
    b"GET /x HTTP/1.1\r\nhost: here\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /x HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"GET /x HTTP/1.1\r\nhost: here\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
    b"GET /x HTTP/1.1\r\nhost: here\r\ncontent-length: -1\r\n\r\n",
    b"GET /x HTTP/1.1\r\nhost: here\r\n folded: a\r\n\r\n",
    b"GET /x HTTP/1.1\r\nhost : here\r\n\r\n",
    b"GET /x HTTP/1.1\nhost: here\n\n",
    b"CONNECT here:80 HTTP/1.1\r\nhost: here\r\n\r\n",
    b"GET * HTTP/1.1\r\nhost: here\r\n\r\n",
    b"GET /s HTTP/1.1\r\nhost: here\r\ncontent-length: 5\r\n" + SOCKET + b"hello",
    b"GET /s HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n" + SOCKET + b"0\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"POST /x HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
]


@pytest.mark.parametrize("sent", BROKEN)
def test_what_no_two_servers_read_alike_is_refused_and_the_connection_over(patient: Server, sent: bytes) -> None:
    before = len(patient.asked)
    said = rest(patient.connect(sent + GET))
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b'"server.request"' in said
    assert said.count(b"HTTP/1.1 ") == 1
    assert len(patient.asked) == before


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        (b"GET http://elsewhere/x HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n", b"/x"),
        (b"GET /x HTTP/1.0\r\n\r\n", b"/x"),
        (b"GET /x HTTP/1.1\r\nhost: here\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", b"/x"),
        (b"TRACE /x HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n", b"/x"),
    ],
)
def test_what_is_old_or_odd_is_answered_once_and_closed(patient: Server, sent: bytes, path: bytes) -> None:
    said = rest(patient.connect(sent))
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in said
    assert said.endswith(path)


def test_no_web_socket_begins_behind_a_request_that_is_being_answered(patient: Server) -> None:
    patient.hold.clear()
    one = patient.connect(GET.replace(b"/x", b"/hold"))
    until(lambda: patient.asked[-1][0] == "/hold")
    one.sendall(b"GET /s HTTP/1.1\r\nhost: here\r\n" + SOCKET)
    assert rest(one) == b""
    until(lambda: patient.open == 0)


def test_what_asks_for_a_web_socket_and_becomes_none_is_let_go(quick: Server) -> None:
    assert rest(quick.connect(b"GET /s HTTP/1.1\r\nhost: here\r\n" + SOCKET)) == b""
    until(lambda: quick.open == 0)
