"""200,000 calls in a row through one gateway: its memory stays flat, and nothing that was asked is missing anywhere.

The provider counts what reached it. Afterwards each call has its action, its intent and its outcome in the audit log,
and its row of usage; no money is held; the log verifies. One call in twenty is a stream. Memory is the resident set of
the gateway's process, read after each of ten equal parts; the first two are warm-up.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

from sqlalchemy import func, select

from benchmarks.gateway import LOAD, Running, _pinned, _provider, _remit
from benchmarks.harness import ROOT, report
from remit.kernel.ports import ReadTx

REQUESTS = 200_000
PARTS, WARM = 10, 2
CALLERS = 32
STREAMED = 20  # one call in so many
PATIENCE_S = 1800.0


def soak(requests: int = REQUESTS) -> dict[str, object]:
    """Run it; the figures.

    ``lost_*`` is how many records are missing (or too many) for the calls that the provider witnessed.
    """
    with tempfile.TemporaryDirectory() as folder, _provider() as provider:
        home = Path(folder) / "home"
        with _remit(home, provider) as row:
            assert row.process is not None
            first = _witnessed(provider)  # what told that it answers
            began = time.perf_counter()
            memory = [_resident_mb(row.process.pid)]
            for _ in range(PARTS):
                _calls(row, requests // PARTS)
                memory.append(_resident_mb(row.process.pid))
            took = time.perf_counter() - began
            asked = _witnessed(provider)
            _stop(row)
        figures = {
            "requests": asked - first,
            "per_s": round((asked - first) / took, 1),
            "rss_idle_mb": round(memory[0], 1),
            "rss_warm_mb": round(memory[WARM], 1),
            "rss_end_mb": round(memory[-1], 1),
            "rss_growth_mb": round(max(memory[WARM + 1 :]) - memory[WARM], 1),
            "lost_requests": requests - (asked - first),
            **_lost(home, asked),
            "log_verifies": int(_verifies(home)),
        }
    return report("gateway_soak", figures, {})


def figures(*, small: bool = False) -> dict[str, object]:
    """As ``soak``, in the shape that ``remit bench`` asks for."""
    return soak(2_000 if small else REQUESTS)


def _calls(row: Running, count: int) -> None:
    streams = count // STREAMED
    for requests, stream in ((count - streams, False), (streams, True)):
        words = [sys.executable, str(LOAD), "callers", row.url, row.key, "--callers", str(CALLERS)]
        words += ["--seconds", str(PATIENCE_S), "--requests", str(requests), "--model", row.model]
        done = subprocess.run(_pinned([*words, *(["--stream"] if stream else [])], 1), capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.decode()[-600:])
        if json.loads(done.stdout)["requests"] != requests:
            raise RuntimeError(f"of {requests} calls {json.loads(done.stdout)['requests']} were answered")


def _witnessed(provider: str) -> int:
    with urlopen(f"{provider}/count", timeout=10) as answer:  # noqa: S310 - http, at loopback
        count: int = json.load(answer)["count"]
        return count


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) / 1024


def _stop(row: Running) -> None:
    """In good order: what is still to be written is, and the process ends by itself."""
    assert row.process is not None
    row.process.send_signal(signal.SIGTERM)
    row.process.wait(60)


def _lost(home: Path, asked: int) -> Mapping[str, int]:
    from remit.accounts.budget_tables import BUDGET, USAGE
    from remit.audit.tables import ENTRY
    from remit.bootstrap import open_store
    from remit.guard.tables import ACTION
    from remit.settings import Settings

    counted = {
        "lost_actions": select(func.count()).select_from(ACTION).where(ACTION.c.state == "ok"),
        "lost_intents": select(func.count()).select_from(ENTRY).where(ENTRY.c.action == "guard.intent"),
        "lost_outcomes": select(func.count()).select_from(ENTRY).where(ENTRY.c.action == "guard.outcome"),
        "lost_usage": select(func.count()).select_from(USAGE).where(USAGE.c.settled_us.is_not(None)),
    }
    with open_store(Settings(home=home), migrate=False) as store:

        def count(tx: ReadTx) -> dict[str, int]:
            found = {name: asked - int(next(iter(tx.row(query).values()))) for name, query in counted.items()}
            held = select(func.coalesce(func.sum(BUDGET.c.reserved), 0))
            return found | {"held_micros": int(next(iter(tx.row(held).values())))}

        told: dict[str, int] = store.view(count)
        return told


def _verifies(home: Path) -> bool:
    words = [sys.executable, "-m", "remit.cli", "audit", "verify", "--home", str(home), "--json"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run(words, capture_output=True, env=environ, check=False, timeout=600).returncode == 0
    return False
