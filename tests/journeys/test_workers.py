"""Postgres: plain commands, and two workers of which one is killed, or stopped and continued."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from typing import Any

import psycopg
import pytest

from remit.testing.drill import PACK, Drill, Ran, until

from ..pace import Pace  # noqa: TID252 - tests are loaded by path
from .recorded import EMPTY_TREE, Recorded

pytestmark = pytest.mark.timeout(240)

LEASE_S = 2.0
#: A silent worker is noticed after its lease, by the other's next beat; its mission is then validated and taken up.
TAKEOVER_S = LEASE_S + 10.0
TABLES = ("mission", "step", "step_attempt", "action", "child_process")


@pytest.fixture
def shared(drill: Drill, postgres_url: str) -> Drill:
    """A home whose store is on Postgres."""
    drill.environ = {"REMIT_STORE_URL": postgres_url, "REMIT_LEASE_S": str(LEASE_S)}
    ran = drill.remit("init")
    assert ran.code == 0, ran.err
    return drill


def _rows(drill: Drill, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(drill.environ["REMIT_STORE_URL"], autocommit=True) as connection:
        return connection.execute(statement.encode(), values).fetchall()


def _mission(drill: Drill, mission: str) -> tuple[str, str, int]:
    """Status, owner, fence."""
    status, owner, fence = _rows(drill, "SELECT status, owner, fence FROM mission WHERE id = %s", mission)[0]
    return str(status), str(owner), int(fence)


def _everything(drill: Drill, mission: str) -> dict[str, list[str]]:
    """Every row about a mission, audit entries included, all as they stood at one moment."""
    asked = {
        table: (f"SELECT * FROM {table} WHERE {'id' if table == 'mission' else 'mission'} = %s", mission)  # noqa: S608
        for table in TABLES
    }
    header = f'%"mission":"{mission}"%'
    asked["audit"] = ("SELECT seq, header FROM audit_entry WHERE convert_from(header, 'UTF8') LIKE %s", header)
    asked["waiting"] = ("SELECT count(*) FROM audit_pending WHERE fields::text LIKE %s", f"%{mission}%")
    with psycopg.connect(drill.environ["REMIT_STORE_URL"]) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return {
            name: sorted(map(repr, connection.execute(statement.encode(), (value,)).fetchall()))
            for name, (statement, value) in asked.items()
        }


def _settled(drill: Drill, mission: str) -> dict[str, list[str]]:
    """As ``_everything``, once no entry waits for its number and half a second changed nothing: a worker that finishes
    a mission still closes its last actions after it has said so."""
    seen = [_everything(drill, mission)]

    def still() -> bool:
        time.sleep(0.5)
        seen.append(_everything(drill, mission))
        return seen[-1] == seen[-2] and seen[-1]["waiting"] == ["(0,)"]

    until(still, what="the mission's last rows")
    return seen[-1]


def _done(drill: Drill, ran: Ran, *, status: str, tree: str) -> None:
    assert ran.code == 0, ran.err
    assert (ran.json()["status"], ran.json()["tree"]) == (status, tree)
    assert drill.left_over() == []


def test_plain_commands_work_on_postgres_and_after_a_crash(shared: Drill, recorded: Recorded) -> None:
    assert shared.remit("run", PACK, shared.intake(), at="step.finish:before:3").killed
    mission = shared.remit("missions").json()["missions"][0]
    assert mission["status"] == "interrupted"
    ran = shared.remit("resume", mission["mission"])
    _done(shared, ran, status="succeeded", tree=recorded.tree("run"))
    assert shared.remit("rollback", mission["mission"], at="mission.rollback:after:1").killed
    _done(shared, shared.remit("rollback", mission["mission"]), status="rolled_back", tree=EMPTY_TREE)
    ran = shared.remit("resume", mission["mission"])
    _done(shared, ran, status="succeeded", tree=recorded.tree("run"))
    ran = shared.remit("rollback", mission["mission"], "--feature", "red")
    _done(shared, ran, status="succeeded", tree=recorded.tree("feature"))
    ran = shared.remit("branch", mission["mission"], "--from", "start")
    _done(shared, ran, status="succeeded", tree=recorded.tree("feature"))
    assert shared.remit("audit", "verify").json()["ok"] is True


def _worker(drill: Drill) -> tuple[str, subprocess.Popen[str]]:
    process = drill.start("worker")
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, drill.ended(process).err
    return str(json.loads(line)["worker"]), process


def _queued(drill: Drill) -> str:
    ran = drill.remit("run", PACK, drill.intake(pause_s=1.0), "--queue")
    assert ran.json()["status"] == "queued", ran.err
    return str(ran.json()["mission"])


def _owned(drill: Drill, mission: str) -> str:
    """The worker that holds a mission which is in the middle."""
    until(lambda: any(body.startswith("feature-") for body in drill.look().bodies), what="a step in the middle")
    return _mission(drill, mission)[1]


def _succeeded(drill: Drill, mission: str) -> bool:
    return _mission(drill, mission)[0] == "succeeded"


def _finish(drill: Drill, mission: str, tree: str, *workers: subprocess.Popen[str]) -> None:
    """End the workers, then hold the mission against an unbroken one."""
    for process in workers:
        process.send_signal(signal.SIGTERM)
        ended = drill.ended(process)
        assert ended.code == 0, ended.err
    told = drill.remit("show", mission).json()
    assert (told["status"], told["tree"]) == ("succeeded", tree)
    verified = drill.remit("audit", "verify")
    assert verified.code == 0, verified.out
    look = drill.look()
    assert {key.split("/")[1] for key in look.told} == {"start", "feature-red", "feature-blue", "join", "last"}
    assert len(look.told) == 5
    assert drill.left_over() == []


def test_the_other_worker_finishes_what_a_killed_one_had_in_hand(shared: Drill, recorded: Recorded) -> None:
    workers = dict(_worker(shared) for _ in range(2))
    mission = _queued(shared)
    owner = _owned(shared, mission)
    finished = {row[0] for row in _rows(shared, "SELECT name FROM step WHERE status = 'succeeded'")}
    bodies = len(shared.look().bodies)
    os.kill(workers[owner].pid, signal.SIGKILL)
    pace = Pace()
    until(lambda: _mission(shared, mission)[1] not in {owner, ""}, what="a takeover")
    assert pace.spent() <= TAKEOVER_S
    until(lambda: _succeeded(shared, mission), what="the end of the mission")
    assert finished & set(shared.look().bodies[bodies:]) == set()
    (other,) = (process for name, process in workers.items() if name != owner)
    _finish(shared, mission, recorded.tree("run"), other)


def test_a_stopped_worker_that_goes_on_writes_nothing_more(shared: Drill, recorded: Recorded) -> None:
    workers = dict(_worker(shared) for _ in range(2))
    mission = _queued(shared)
    owner = _owned(shared, mission)
    fence = _mission(shared, mission)[2]
    os.kill(workers[owner].pid, signal.SIGSTOP)
    pace = Pace()
    until(lambda: _mission(shared, mission)[1] not in {owner, ""}, what="a takeover")
    assert pace.spent() <= TAKEOVER_S
    assert _mission(shared, mission)[2] > fence
    until(lambda: _succeeded(shared, mission), what="the end of the mission")
    assert shared.remit("audit", "verify").code == 0
    before = _settled(shared, mission)
    assert before["audit"]
    assert before["action"]
    silent = _seen(shared, owner)
    os.kill(workers[owner].pid, signal.SIGCONT)
    until(lambda: _seen(shared, owner) > silent + LEASE_S, what="signs of life of the continued worker")
    assert _changed(before, _everything(shared, mission)) == []
    assert workers[owner].poll() is None
    _finish(shared, mission, recorded.tree("run"), *workers.values())
    assert _changed(before, _everything(shared, mission)) == []


def _changed(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """The rows that are in one of them only."""
    gone = [f"- {name}: {row}" for name, rows in before.items() for row in rows if row not in after[name]]
    return gone + [f"+ {name}: {row}" for name, rows in after.items() for row in rows if row not in before[name]]


def _seen(drill: Drill, executor: str) -> float:
    """The last sign of life of an executor, in seconds."""
    schema = _rows(drill, "SELECT schemaname FROM pg_tables WHERE tablename = 'remit_executor'")
    table = f"{schema[0][0]}.remit_executor" if schema else "remit_executor"
    found = _rows(drill, f"SELECT seen FROM {table} WHERE id = %s", executor)  # noqa: S608 - a name of the catalogue
    return float(found[0][0]) if found else 0.0
