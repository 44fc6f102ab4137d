"""One process of the race for the queue: threads that take, give back and end; run as a program, or imported."""

from __future__ import annotations

import json
import random
import sys
import threading
from collections import Counter
from pathlib import Path

from sqlalchemy import select

from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import load_key
from remit.adapters.store.postgres import PostgresStore
from remit.adapters.store.sqlite import SqliteStore
from remit.missions import queue
from remit.missions.queue import State, Taken
from remit.missions.queue_tables import QUEUE

THREADS = 4


def open_store(folder: Path, url: str) -> Store:
    signer = load_key(folder / "audit.key")
    if url:
        return PostgresStore(url, [signer], heads=folder / "heads.log")
    return SqliteStore(folder / "remit.db", [signer], heads=folder / "heads.log")


def alive(executor: str) -> bool:
    return executor != "dead"


def take_all(store: Store, name: str, seed: int) -> list[str]:
    """One thread: takes, sometimes gives back, ends, until nothing is left; what it ended."""
    rand = random.Random(seed)
    ended: list[str] = []
    idle = 0
    while idle < 40:
        now = 1_000_000 + len(ended)
        taken: Taken | None = store.submit(
            "queue.take", lambda tx, now=now: queue.take(tx, name, alive=alive, now_us=now)
        ).result(60)
        if taken is None:
            idle += 1
            threading.Event().wait(0.02)
            continue
        idle = 0
        running = store.view(lambda tx: tx.rows(select(QUEUE).where(QUEUE.c.state == State.TAKEN.value)))
        most = max(Counter(row["workspace"] for row in running).values(), default=0)
        assert most <= 2, "a workspace runs more than its plan says"
        if rand.random() < 0.2:
            store.submit("queue.give_back", lambda tx, taken=taken: queue.give_back(tx, taken)).result(60)
        else:
            store.submit("queue.give_back", lambda tx, taken=taken: queue.release(tx, taken, now_us=2)).result(60)
            ended.append(taken.mission)
    return ended


def threads_of(folder: Path, url: str, name: str, seed: int) -> list[str]:
    """One process: its threads share a store."""
    store = open_store(folder, url)
    ended: list[list[str]] = []
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            ended.append(take_all(store, f"{name}-{number}", seed * 100 + number))
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            failed.append(error)

    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        store.close()
    if failed:
        raise failed[0]
    return [mission for each in ended for mission in each]


if __name__ == "__main__":
    place, url, name, seed = sys.argv[1:]
    sys.stdout.write(json.dumps(threads_of(Path(place), url, name, int(seed))))
