"""The proxy that makes bad weather for real connections."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from remit.testing.chaos import Proxy, Weather, running

from ..pace import Pace  # noqa: TID252 - tests are loaded by path


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65_536):
            self.request.sendall(data)


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """An echo server on loopback."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield ("127.0.0.1", server.server_address[1])
        server.shutdown()
        thread.join()


def ask(proxy: Proxy, data: bytes = b"hello", *, timeout: float = 60.0) -> bytes:
    """Send and read as much back."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=timeout) as client:
        client.sendall(data)
        got = b""
        while len(got) < len(data):
            more = client.recv(65_536)
            if not more:
                break
            got += more
        return got


def test_fair_weather_changes_nothing(echo: tuple[str, int]) -> None:
    with running(echo) as proxy:
        assert ask(proxy, b"x" * 1_000_000) == b"x" * 1_000_000
        assert proxy.accepted == 1


def test_latency_holds_back_both_ways(echo: tuple[str, int]) -> None:
    with running(echo, weather=Weather(latency_s=(0.1, 0.1))) as proxy:
        began, pace = time.monotonic(), Pace()
        assert ask(proxy) == b"hello"
        assert time.monotonic() - began >= 0.2
        assert pace.spent() < 3.0


def test_a_drip_is_slow(echo: tuple[str, int]) -> None:
    with running(echo, weather=Weather(drip=20_000)) as proxy:
        began = time.monotonic()
        assert len(ask(proxy, b"x" * 5_000)) == 5_000
        assert time.monotonic() - began >= 0.15


def test_a_blackhole_takes_and_gives_nothing(echo: tuple[str, int]) -> None:
    with running(echo, weather=Weather(blackhole=True)) as proxy, pytest.raises(TimeoutError):
        ask(proxy, timeout=0.2)


def test_a_cut_after_some_bytes_loses_the_rest(echo: tuple[str, int]) -> None:
    with running(echo, weather=Weather(cut_after=3)) as proxy:
        assert ask(proxy) == b"hel"


def test_refused_with_a_reset(echo: tuple[str, int]) -> None:
    with running(echo, weather=Weather(refuse=True, reset=True)) as proxy, pytest.raises(ConnectionError):
        ask(proxy)


def test_every_open_connection_ends_at_once(echo: tuple[str, int]) -> None:
    with running(echo) as proxy, socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as client:
        client.sendall(b"hello")
        assert client.recv(5) == b"hello"
        proxy.cut()
        assert client.recv(5) == b""
        assert ask(proxy) == b"hello", "new ones are served"


def test_the_weather_changes_under_open_connections(echo: tuple[str, int]) -> None:
    with running(echo) as proxy, socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as client:
        client.sendall(b"a")
        assert client.recv(1) == b"a"
        proxy.weather = Weather(blackhole=True)
        client.settimeout(0.2)
        client.sendall(b"b")
        with pytest.raises(TimeoutError):
            client.recv(1)
