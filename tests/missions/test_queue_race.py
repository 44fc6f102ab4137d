"""RES-7: races in the queue and in this process's caches are impossible by construction, and here they are tried.

=========================  =========================================================================================
what many touch at once    the invariant, and what makes it so
=========================  =========================================================================================
the queue                  each mission is taken once, by one process; a workspace never runs more than its plan says;
                           nothing is lost. Every change first locks the turnstile row (SQLite: its one write lock)
positions                  read in one snapshot: each number once, from 1, without a gap
rates in memory            never more than the burst; one lock round each look and take
known limits, plans        values are frozen and shared; a cache is replaced whole, never changed in place
=========================  =========================================================================================
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from remit.accounts.owner import create_local_owner
from remit.accounts.tables import WORKSPACE
from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import create_key
from remit.guard.rate_limits import read_limits
from remit.kernel.clock import SystemClock
from remit.missions import queue
from remit.missions.queue import Entered, Place, State
from remit.missions.queue_order import Priority
from remit.missions.queue_tables import QUEUE

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are no package to name
from . import queue_race
from .queue_race import alive, open_store, threads_of

__all__ = ["postgres_server", "postgres_url"]

PROVE = os.environ.get("REMIT_PROVE") == "1"
MISSIONS = 400 if PROVE else 36
PROCESSES = 3
WORKSPACES = ("a", "b", "c")

pytestmark = pytest.mark.timeout(600 if PROVE else 150)


def filled(store: Store) -> None:
    """Missions of three workspaces, two originators and every priority."""
    clock = SystemClock()
    for workspace in WORKSPACES:
        asyncio.run(create_local_owner(store, workspace=workspace, user="ada", name="Ada", clock=clock))
    for number in range(MISSIONS):
        entered = Entered(
            WORKSPACES[number % 3], f"m{number:04}", 1, "p", f"user:{number % 2}", 1_000_000, Priority(number % 4)
        )
        store.submit(
            "queue.enter",
            lambda tx, entered=entered, number=number: queue.enter(
                tx, entered, alive=alive, now_us=number, bounded=False
            ),
        ).result(60)


def race(folder: Path, url: str) -> None:
    create_key(folder / "audit.key")
    (folder / "heads.log").touch()
    store = open_store(folder, url)
    try:
        store.migrate()
        filled(store)
        found: list[Place] = [
            place
            for workspace in WORKSPACES
            for place in store.view(lambda tx, of=workspace: queue.places(tx, of, alive=alive, now_us=1_000_000))
        ]
        for workspace in WORKSPACES:
            mine = [place.position for place in found if place.workspace == workspace]
            assert mine == list(range(1, MISSIONS // 3 + 1)), "no worker lives: in the order of its own workspace"
        started = [
            subprocess.Popen(
                [sys.executable, queue_race.__file__, str(folder), url, f"p{number}", str(number)],
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(PROCESSES)
        ]
        ended = threads_of(folder, url, "here", 99)
        for each in started:
            out, _ = each.communicate(timeout=300)
            assert each.returncode == 0
            ended += json.loads(out)
        assert sorted(ended) == [f"m{number:04}" for number in range(MISSIONS)], "each once, none lost"
        rows = store.view(lambda tx: tx.rows(select(QUEUE)))
        assert {row["state"] for row in rows} == {State.ENDED}
    finally:
        store.close()


def test_threads_of_several_processes_take_each_mission_once_on_sqlite(tmp_path: Path) -> None:
    race(tmp_path, "")


def test_threads_of_several_processes_take_each_mission_once_on_postgres(postgres_url: str, tmp_path: Path) -> None:
    race(tmp_path, postgres_url)


def test_missions_that_come_in_at_once_never_pass_the_room_nor_the_places(tmp_path: Path) -> None:
    """Free plan: two run, ten wait, and whoever comes after that is refused, however many come at the same moment."""
    create_key(tmp_path / "audit.key")
    (tmp_path / "heads.log").touch()
    store = open_store(tmp_path, "")
    outcomes: list[Any] = []

    def come(number: int) -> None:
        entered = Entered("a", f"m{number}", 1, "p", "user:x", 1, Priority.NORMAL, waiter=f"process-{number}")
        try:
            outcomes.append(
                store.submit("queue.enter", lambda tx: queue.enter(tx, entered, alive=alive, now_us=number)).result(60)
            )
        except Exception as error:  # noqa: BLE001 - counted below
            outcomes.append(getattr(error, "code", repr(error)))

    try:
        store.migrate()
        asyncio.run(create_local_owner(store, workspace="a", user="ada", name="Ada", clock=SystemClock()))
        threads = [threading.Thread(target=come, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Counter(map(str, outcomes)) == {"taken": 2, "waiting": 10, "queue.full": 28}
    finally:
        store.close()


def test_limits_that_are_read_while_a_plan_changes_are_whole(tmp_path: Path) -> None:
    create_key(tmp_path / "audit.key")
    (tmp_path / "heads.log").touch()
    store = open_store(tmp_path, "")
    seen: set[tuple[str, int, int]] = set()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            limits = store.view(lambda tx: read_limits(tx, "a"))
            told = limits.by_name
            seen.add((limits.plan.name.value, told["coder.minute"].amount, told["model.tokens"].amount))

    try:
        store.migrate()
        asyncio.run(create_local_owner(store, workspace="a", user="ada", name="Ada", clock=SystemClock()))
        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(40):
            plan = ("free", "pro", "studio")[number % 3]
            store.submit("queue.move", lambda tx, plan=plan: tx.execute(update(WORKSPACE).values(plan=plan))).result(60)
        stop.set()
        for thread in threads:
            thread.join()
        assert seen <= {("free", 10, 100_000), ("pro", 30, 1_000_000), ("studio", 100, 5_000_000)}
    finally:
        store.close()
