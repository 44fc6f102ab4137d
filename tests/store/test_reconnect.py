"""A lost database comes back: attempts back off, a short loss is not noticed, nothing that was acknowledged is lost."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from remit.adapters.store import open_store
from remit.adapters.store.postgres import Connector
from remit.adapters.store.transaction import WriteTransaction
from remit.audit import Entry, Result
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import Unavailable
from remit.testing.chaos import FAIR, Proxy, Upstream, Weather, running
from remit.testing.clock import ManualClock

ENTRY = Entry(
    actor=Principal(ActorKind.AGENT, "a"), action="a.b", domain="test", result=Result.SUCCESS, workspace="acme"
)
GONE = Weather(refuse=True, reset=True)


def add(tx: WriteTransaction) -> None:
    tx.append(ENTRY, {"n": 1})


@pytest.fixture
def proxied(postgres_url: str) -> Iterator[tuple[Proxy, str]]:
    """A proxy before Postgres, and the database's URL by way of it."""
    parts = urlsplit(postgres_url)
    folder = parse_qs(parts.query).get("host", [""])[0]
    port = parts.port or int(parse_qs(parts.query).get("port", ["5432"])[0])
    upstream: Upstream = f"{folder}/.s.PGSQL.{port}" if folder.startswith("/") else (parts.hostname or "", port)
    with running(upstream) as proxy:
        who = f"{parts.username or ''}{f':{parts.password}' if parts.password else ''}"
        options = "sslmode=disable&gssencmode=disable"
        yield proxy, f"postgresql://{who}@127.0.0.1:{proxy.port}{parts.path}?{options}"


def test_a_short_loss_costs_a_wait_and_no_error(proxied: tuple[Proxy, str], tmp_path: Path) -> None:
    proxy, url = proxied
    with open_store(tmp_path, url=url) as store:
        store.write("guard.intent", add)
        proxy.weather = GONE
        proxy.cut()
        back = threading.Timer(0.4, lambda: setattr(proxy, "weather", FAIR))
        back.start()
        began = time.monotonic()
        store.write("guard.intent", add)
        assert time.monotonic() - began >= 0.3
        back.join()
        store.seal()
        report = store.verify()
        assert (report.ok, report.size) == (True, 3), "genesis and two"


def test_a_long_loss_is_told_and_nobody_hammers(proxied: tuple[Proxy, str], tmp_path: Path) -> None:
    proxy, url = proxied
    with open_store(tmp_path, url=url) as store:
        store.write("guard.intent", add)
        proxy.weather = GONE
        proxy.cut()
        before = proxy.accepted
        with pytest.raises(Unavailable) as told:
            store.write("guard.intent", add)
        assert told.value.code == "store.connection"
        refused, until = 1, time.monotonic() + 4.0
        while time.monotonic() < until:
            with pytest.raises(Unavailable, match="growing pauses"):
                store.write("guard.intent", add)
            refused += 1
            time.sleep(0.02)
        attempts = proxy.accepted - before
        assert refused > 3
        # 0.1 s, 0.2, 0.4, 0.8 ... halved by jitter at most; the readers' pool tries on its own account.
        assert attempts <= 20, f"{attempts} attempts while {refused} writes were refused"
        proxy.weather = FAIR
        deadline = time.monotonic() + 60
        while True:
            try:
                store.write("guard.intent", add)
                break
            except Unavailable:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        store.seal()
        assert store.verify().size == 3, "genesis and the two that were acknowledged"


def test_latency_is_only_slow(proxied: tuple[Proxy, str], tmp_path: Path) -> None:
    proxy, url = proxied
    with open_store(tmp_path, url=url) as store:
        proxy.weather = Weather(latency_s=(0.01, 0.03))
        for _ in range(3):
            store.write("guard.intent", add)
        store.seal()
        assert store.verify().size == 4


def test_attempts_are_spaced_as_the_backoff_says(tmp_path: Path) -> None:
    clock = ManualClock()
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.advance(seconds)

    url = f"postgresql://nobody@/none?host={tmp_path}"
    connector = Connector(url, monotonic=clock.monotonic, rand=lambda: 0.0, sleep=sleep)
    with pytest.raises(Unavailable) as told:
        connector.connect(patience_s=2.0)
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert told.value.retry_after == pytest.approx(1.6)
    with pytest.raises(Unavailable) as told:
        connector.connect()
    assert told.value.retry_after == pytest.approx(1.6), "asked too soon: no attempt was made"
    for _ in range(20):
        clock.advance(told.value.retry_after or 0.0)
        with pytest.raises(Unavailable) as told:
            connector.connect()
    assert told.value.retry_after == 5.0
