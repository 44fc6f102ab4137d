"""The audit log: durable appends against a per-entry-commit hash chain, proofs, full verification.

Appends are what the guard does: one business row and one entry a write, 64 callers, SQLite at synchronous=FULL. The
peer is what published packages do: one hash-chained row a commit, canonicalised by rfc8785, same disk, same run, with
its database at FULL as well. Rounds alternate, medians are reported.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for place in (ROOT, ROOT / "src"):  # run as a script from the tree
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from sqlalchemy import BigInteger, Column, MetaData, Table, Text, insert, text  # noqa: E402 - after the path

from benchmarks import harness  # noqa: E402 - after the path
from remit.adapters.store import open_store  # noqa: E402 - as above
from remit.adapters.store.journal import Store  # noqa: E402 - as above
from remit.audit import Entry, Result, query  # noqa: E402 - as above
from remit.kernel.action import ActorKind, Principal  # noqa: E402 - as above

CALLERS = 64


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    entries: int = 1_000_000
    rounds: int = 3
    chain: int = 300
    appends: int = 12_800
    proofs: int = 2000


SMALL = Size(entries=4000, rounds=1, chain=40, appends=1280, proofs=200)

ACTOR = Principal(ActorKind.AGENT, "coder")
EFFECT = Table("bench_effect", MetaData(), Column("id", BigInteger, primary_key=True), Column("state", Text))
ADD_EFFECT = insert(EFFECT)


def entry(n: int) -> Entry:
    return Entry(
        actor=ACTOR,
        action="guard.intent",
        domain="command",
        result=Result.PENDING,
        workspace="acme",
        subject=f"{n:064x}",
        mission="0199e1b2-0000-7000-8000-000000000000",
        step=f"step-{n % 50}",
        policy_rev="1",
    )


def payload(n: int) -> dict[str, object]:
    return {"argv": ["python", "-m", "pytest", "-q"], "cwd": f"steps/{n % 50}", "timeout_s": 60}


def bare_commit_ms(folder: Path) -> float:
    """The floor under every durable write on this disk: one small row, committed at FULL; median."""
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE IF NOT EXISTS bare (n INTEGER)")
        return statistics.median(_timed(lambda: db.execute("INSERT INTO bare VALUES (1)")) for _ in range(200)) * 1e3


def chain_appends_per_s(folder: Path, entries: int) -> float:
    """The peer: header and payload as one RFC 8785 document, hashed over the row before, a commit each."""
    import rfc8785

    with closing(sqlite3.connect(folder / f"chain{time.monotonic_ns()}.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE effect (id INTEGER PRIMARY KEY, state TEXT)")
        db.execute("CREATE TABLE log (seq INTEGER PRIMARY KEY, doc BLOB, prev BLOB, hash BLOB)")
        last = bytes(32)
        start = time.perf_counter()
        for n in range(entries):
            doc = rfc8785.dumps({**entry(n).fields(), "seq": n, "ts_us": time.time_ns() // 1000, "payload": payload(n)})
            mark = hashlib.sha256(last + doc).digest()
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO effect VALUES (?, 'open')", (n,))
            db.execute("INSERT INTO log VALUES (?, ?, ?, ?)", (n, doc, last, mark))
            db.execute("COMMIT")
            last = mark
        return entries / (time.perf_counter() - start)


async def _append(store: Store, start: int, count: int, waits: list[float]) -> None:
    for n in range(start, start + count):

        def op(tx, n=n) -> None:  # noqa: ANN001 - a write transaction
            tx.execute(ADD_EFFECT, {"id": n, "state": "open"})
            tx.append(entry(n), payload(n))

        began = time.perf_counter()
        await store.commit("guard.intent", op)
        waits.append(time.perf_counter() - began)


def store_appends_per_s(store: Store, first: int, count: int, waits: list[float]) -> float:
    """Ours: 64 coroutines, each waiting for its commit before it writes again."""
    share = count // CALLERS

    async def main() -> None:
        await asyncio.gather(*(_append(store, first + i * share, share, waits) for i in range(CALLERS)))

    start = time.perf_counter()
    asyncio.run(main())
    return count / (time.perf_counter() - start)


def fill(store: Store, size: int) -> float:
    """Append until the log holds ``size`` entries; seconds."""
    start = time.perf_counter()
    at = store.view(query.size)
    futures = []
    while at < size:
        stop = min(at + 500, size)
        futures.append(
            store.submit(
                "guard.intent", lambda tx, a=at, b=stop: [tx.append(entry(n), payload(n)) for n in range(a, b)]
            )
        )
        if len(futures) > 8:
            futures.pop(0).result()
        at = stop
    for future in futures:
        future.result()
    store.seal()
    return time.perf_counter() - start


def proof_times(store: Store, size: int, count: int) -> list[float]:
    """Seconds for the inclusion proof of entries spread over the log: read, built, signature and proof checked."""
    times: list[float] = []

    def prove(tx) -> None:  # noqa: ANN001 - a read transaction
        for trial in range(count + 50):
            seq = trial * 7919 % size
            began = time.perf_counter()
            query.prove(tx, seq, verifiers=store.verifiers)
            times.append(time.perf_counter() - began)

    store.view(prove)
    return times[50:]


def consistency_times(store: Store, size: int) -> list[float]:
    """Seconds for a consistency proof from sizes spread over the log."""
    times: list[float] = []

    def prove(tx) -> None:  # noqa: ANN001 - a read transaction
        for trial in range(500):
            began = time.perf_counter()
            query.prove_consistency(tx, trial * 7919 % size + 1, size)
            times.append(time.perf_counter() - began)

    store.view(prove)
    return times


def measure(home: Path, sizes: Size) -> tuple[dict[str, object], dict[str, object]]:
    ours: list[float] = []
    chain: list[float] = []
    waits: list[float] = []
    busy: list[float] = []
    bare = bare_commit_ms(home)
    with open_store(home) as store:
        store.write(
            "mission.create",
            lambda tx: tx.execute(text("CREATE TABLE bench_effect (id INTEGER PRIMARY KEY, state TEXT)")),
        )
        for turn in range(sizes.rounds):
            chain.append(chain_appends_per_s(home, sizes.chain))
            began = time.process_time()
            ours.append(store_appends_per_s(store, turn * sizes.appends, sizes.appends, waits))
            busy.append((time.process_time() - began) / sizes.appends * 1e6)
        alone = [_timed(lambda n=n: store.write("guard.intent", lambda tx: tx.append(entry(n)))) for n in range(300)]
        filled = fill(store, sizes.entries)
        size = store.view(query.size)
        proofs = sorted(proof_times(store, size, sizes.proofs))
        consistent = sorted(consistency_times(store, size))
        verified: list[float] = []
        for _ in range(sizes.rounds):
            began = time.perf_counter()
            report = store.verify()
            verified.append(time.perf_counter() - began)
            assert report.ok, report.discrepancies[:3]
            assert report.size == report.signed == size
        stored = store.statistics().bytes
    appends, peer, verify_s = statistics.median(ours), statistics.median(chain), statistics.median(verified)
    figures: dict[str, object] = {
        "appends_per_s": round(appends),
        "append_cpu_us": round(statistics.median(busy), 1),
        "bare_commit_p50_ms": round(bare, 3),
        "append_wait_p50_ms": round(statistics.median(waits) * 1e3, 3),
        "append_wait_p95_ms": round(_at(sorted(waits), 0.95) * 1e3, 3),
        "append_alone_p50_ms": round(statistics.median(alone) * 1e3, 3),
        "chain_appends_per_s": round(peer),
        "entries": size,
        "fill_s": round(filled, 2),
        "bytes_per_entry": round(stored / size),
        "proof_p50_ms": round(statistics.median(proofs) * 1e3, 3),
        "proof_p99_ms": round(_at(proofs, 0.99) * 1e3, 3),
        "consistency_p99_ms": round(_at(consistent, 0.99) * 1e3, 3),
        "verify_s": round(verify_s, 2),
    }
    ratios: dict[str, object] = {
        "appends/chain": round(statistics.median(a / b for a, b in zip(ours, chain, strict=True)), 1),
        "proof_p99_ms/1": figures["proof_p99_ms"],
        "verify_s_per_million/5": round(verify_s / size * 1e6 / 5, 2),
    }
    return figures, ratios


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def figures(*, small: bool = False, entries: int = 0) -> dict[str, object]:
    """Appends, proofs and verification; the log is filled to ``entries`` (a million) for the latter two."""
    sizes = SMALL if small else Size()
    harness.wait_for_quiet(patience_s=0 if small else 120)
    with tempfile.TemporaryDirectory(prefix="remit-bench-audit-") as folder:
        found, ratios = measure(Path(folder), replace(sizes, entries=entries or sizes.entries))
    return harness.report("audit", found, ratios)


if __name__ == "__main__":
    import json

    print(json.dumps(figures(entries=int(sys.argv[1]) if len(sys.argv) > 1 else 0), indent=2))
