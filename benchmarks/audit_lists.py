"""Searching an audit log of 1,000,000 entries over HTTP: every way to filter a list of it, newest pages and deep ones.

The entries are appended by the store itself, without payloads (lists show headers). The server is one process on core
0, whoever asks is on core 1 and asks one page after the other. A page looks through a bounded stretch of the log, so
each is timed, full or empty; filters that find nothing are among them.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
for place in (ROOT, ROOT / "src"):  # run as a script from the tree
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from benchmarks.api import server  # noqa: E402 - after the path
from benchmarks.harness import report, wait_for_quiet  # noqa: E402 - as above
from remit.audit import Entry, Result  # noqa: E402 - as above
from remit.bootstrap import open_store, prepare_home  # noqa: E402 - as above
from remit.kernel.action import ActorKind, Principal  # noqa: E402 - as above
from remit.settings import Settings  # noqa: E402 - as above

ENTRIES, SMALL = 1_000_000, 30_000
BATCH, AT_ONCE = 500, 8
PAGES = 40
ACTIONS = ("guard.intent", "guard.outcome", "step.finish", "accounts.team.made")
DOMAINS = ("command", "fetch", "model", "members")
SEARCHES = {
    "all": "",
    "actor": "actor=agent:coder-3",
    "action": "action=guard.outcome",
    "mission": "mission=mission-000017",
    "domain": "domain=fetch",
    "result": "result=blocked",
    "text": "text=rule-7",
    "text_nowhere": "text=not-to-be-found",
    "result_and_action": "result=blocked&action=guard.intent",
    "actor_nobody": "actor=user:nobody",
    "actor_text_nowhere": "actor=agent:coder-3&text=not-to-be-found",
}


def entry(n: int) -> Entry:
    """One of many kinds; one in a thousand was blocked, by one of ten rules."""
    blocked = n % 1000 == 0
    return Entry(
        actor=Principal(ActorKind.AGENT, f"coder-{n % 10}"),
        action=ACTIONS[n % len(ACTIONS)],
        domain=DOMAINS[n // 7 % len(DOMAINS)],
        result=Result.BLOCKED if blocked else Result.SUCCESS,
        workspace="default",
        reason=f"rule-{n // 1000 % 10}" if blocked else "",
        subject=f"subject-{n:08}",
        mission=f"mission-{n // 200:06}",
        step=f"step-{n % 200}",
    )


def fill(settings: Settings, size: int) -> None:
    """A home whose log has so many entries more."""
    asyncio.run(prepare_home(settings))
    with open_store(settings) as store:
        waiting = []
        for begin in range(0, size, BATCH):
            stop = min(begin + BATCH, size)
            waiting.append(
                store.submit("guard.intent", lambda tx, a=begin, b=stop: [tx.append(entry(n)) for n in range(a, b)])
            )
            if len(waiting) > AT_ONCE:
                waiting.pop(0).result()
        for each in waiting:
            each.result()
        store.seal()


def _pages(url: str, key: str, query: str) -> list[float]:
    """Milliseconds of pages one after the other, from the newest as far as there are some."""
    found: list[float] = []
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    cursor = ""
    for _ in range(PAGES):
        path = f"/api/v1/audit/entries?limit=50&{query}" + (f"&cursor={quote(cursor)}" if cursor else "")
        began = time.perf_counter()
        connection.request("GET", path, headers={"authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        body = answer.read()
        found.append((time.perf_counter() - began) * 1000)
        assert answer.status == 200, f"{path}: {answer.status} {body[:200]!r}"
        cursor = json.loads(body)["next"] or ""
        if not cursor:
            break
    connection.close()
    return found


def figures(*, small: bool = False) -> dict[str, object]:
    """The 95th percentile of a page, for each search; ``p95_ms`` is the slowest search's."""
    size = SMALL if small else ENTRIES
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "home")
        began = time.perf_counter()
        fill(settings, size)
        filled = time.perf_counter() - began
        wait_for_quiet(patience_s=5.0 if small else 120.0)
        year_ago = datetime.now(UTC) - timedelta(days=365)
        searches = SEARCHES | {"text_since": f"text=not-to-be-found&since={quote(year_ago.isoformat())}"}
        found: dict[str, object] = {"entries": size, "filled_s": round(filled, 1)}
        worst = 0.0
        with server("remit", f"{folder}/home") as remit:
            _pages(remit["url"], remit["key"], "")  # warm
            for name, query in searches.items():
                times = [each for _ in range(1 if small else 3) for each in _pages(remit["url"], remit["key"], query)]
                while len(times) < PAGES:
                    times += _pages(remit["url"], remit["key"], query)
                p95 = statistics.quantiles(times, n=20)[-1]
                found[f"{name}_p95_ms"] = round(p95, 2)
                worst = max(worst, p95)
        found["p95_ms"] = round(worst, 2)
    return report("audit_lists", found, {})


if __name__ == "__main__":
    print(json.dumps(figures(small="--small" in sys.argv), indent=2))
