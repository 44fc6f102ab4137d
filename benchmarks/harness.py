"""What every benchmark shares: the machine it ran on, medians, and a database server to measure on."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parent.parent
MAX_LOAD = 2.0
SERVER = "REMIT_TEST_POSTGRES_URL"


def machine() -> dict[str, object]:
    """Where figures come from: they mean nothing without it."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "load": round(os.getloadavg()[0], 2),
        "commit": commit(),
    }


def commit() -> str:
    """The commit that was measured, with ``+changes`` when the tree differs from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False)
    # What `make prove` writes into proof/ is no change of what it measures.
    changed = [*git, "status", "--porcelain", "--", ":!proof"]
    dirty = subprocess.run(changed, capture_output=True, text=True, check=False).stdout.strip()
    return (head.stdout.strip() or "unknown") + ("+changes" if dirty else "")


def wait_for_quiet(*, patience_s: float = 120.0) -> float:
    """Wait until the one-minute load is at most ``MAX_LOAD``; the load when measuring starts."""
    end = time.monotonic() + patience_s
    while os.getloadavg()[0] > MAX_LOAD and time.monotonic() < end:
        time.sleep(2)
    return os.getloadavg()[0]


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median_seconds(work: Callable[[], object], *, runs: int = 3) -> float:
    """Median wall time of ``work`` over ``runs`` runs."""
    return statistics.median(timed(work) for _ in range(runs))


def report(name: str, figures: Mapping[str, object], ratios: Mapping[str, object]) -> dict[str, object]:
    """The one shape every benchmark answers in."""
    return {"name": name, "machine": machine(), "figures": dict(figures), "ratios": dict(ratios)}


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a server: the one that ``REMIT_TEST_POSTGRES_URL`` names, else one started here; empty without one."""
    given = os.environ.get(SERVER, "")
    if given:
        yield given
        return
    from tests.postgres import cluster, find_binaries

    binaries = find_binaries()
    if binaries is None:
        yield ""
        return
    with cluster(binaries) as url:
        yield url


@contextmanager
def fresh_database(server: str, name: str) -> Iterator[str]:
    """The URL of an empty database on ``server``, dropped afterwards; empty for no server."""
    if not server:
        yield ""
        return
    import psycopg
    from psycopg import sql

    made = sql.Identifier(f"remit_bench_{name}_{os.getpid()}")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(made))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(made))
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/remit_bench_{name}_{os.getpid()}"))
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(made))
