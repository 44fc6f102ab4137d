"""`remit up`: everything answers on one port, work goes on over a restart, and it stops as it says."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from remit.testing.drill import PACK, Drill, until

from .conftest import Starter

pytestmark = pytest.mark.timeout(180)


def web_socket(url: str, path: str) -> int:
    """The status of asking for one."""
    asked = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    with closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)) as one:
        one.request("GET", path, headers={**asked, "Sec-WebSocket-Key": "A" * 22 + "=="})
        return one.getresponse().status


def test_console_api_and_gateway_answer_on_one_port(up: Starter, drill: Drill) -> None:
    served = up()
    assert served.get("/health/live")[0] == 200
    assert json.loads(served.get("/health/ready")[1])["status"] == "ok"
    assert served.get("/api/v1/teams")[0] == 401
    for path in ("/missions", "/v1/chat/completions", "/api/v1/nothing"):
        assert web_socket(served.url, path) == 403, "no stream is there"
    status, body = served.get("/v1/models")
    assert (status, json.loads(body)["error"]["code"]) == (401, "gateway.key")
    assert b"<!doctype html>" in served.get("/approvals", Accept="text/html")[1].lower()
    assert "/set-up#" in served.said["set_up"], "nobody can sign in yet"
    assert drill.remit("teams", "create", "sales").code == 0
    made = drill.remit("teams", "invite", "sales", "--email", "ann@example.org").json()
    assert made["link"].endswith(f"/join#{made['token']}")
    order = {"token": made["token"], "user": "ann", "name": "Ann", "password": "seven rivers under maps"}
    assert served.post("/api/v1/invitations/join", order) == 200, "who was invited comes in with what was printed"
    assert served.stop() == 0
    assert served.get("/health/live") == (0, b"")


def test_a_mission_that_runs_is_put_back_and_finished_by_the_next(up: Starter, drill: Drill) -> None:
    up.environ = {"REMIT_PROBE_LOG": str(drill.bodies), "REMIT_PROBE_WITNESS": ""}
    assert drill.remit("init").code == 0
    ran = drill.remit("run", PACK, drill.intake(pause_s=1.5, witness=""), "--queue")
    mission = str(ran.json()["mission"])
    first = up(REMIT_STOP_NOTICE_S="1")  # which it gives, and then stops by itself
    until(lambda: "feature-red" in drill.look().bodies, what="a step in the middle")
    assert first.stop() == 0
    stopped = drill.look()
    assert stopped.status != "succeeded"
    place = drill.remit("queue").json()["queue"]
    assert [(one["mission"], one["state"]) for one in place] == [(mission, "waiting")]
    second = up()
    until(lambda: drill.look().status == "succeeded", what="the end of the mission")
    assert second.stop() == 0
    assert drill.broken_promises(stopped) == []
    assert drill.remit("audit", "verify").json()["ok"] is True


def test_whoever_asks_or_listens_is_told_before_it_stops_listening(up: Starter, drill: Drill) -> None:
    served = up(REMIT_STOP_NOTICE_S="100")
    token = drill.remit("apikeys", "create", "watcher", "--scope", "read").json()["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    asked = urllib.request.Request(served.url + "/api/v1/events", headers=bearer)  # noqa: S310 - our own server
    with urllib.request.urlopen(asked, timeout=30) as stream:  # noqa: S310 - as above
        assert stream.readline() == b"retry: 2000\n"
        served.process.send_signal(signal.SIGTERM)
        assert stream.read().endswith(b'event: end\ndata: {"why":"stopping"}\n\n'), "its last word"
    until(lambda: served.get("/health/ready")[0] == 503, what="readiness off")
    assert json.loads(served.get("/health/ready")[1])["status"] == "draining"
    assert served.get("/health/live")[0] == 200
    status, body = served.get("/api/v1/events", **bearer)
    assert (status, json.loads(body)["code"]) == (503, "live.stopping")
    assert served.process.poll() is None
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(60) == 0


def test_a_second_signal_does_not_wait(up: Starter) -> None:
    served = up(REMIT_STOP_NOTICE_S="100")
    served.process.send_signal(signal.SIGTERM)
    until(lambda: served.get("/health/ready")[0] == 503, what="readiness off")
    assert served.process.poll() is None
    began = time.monotonic()
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(60) == 0
    assert time.monotonic() - began < 60


def test_on_sqlite_several_processes_are_refused(up: Starter) -> None:
    code, error = up.refused("--workers", "2")
    assert (code, error["code"]) == (2, "up.workers")
    assert "postgresql://" in error["hint"]


def test_on_sqlite_one_home_is_served_once(up: Starter) -> None:
    served = up()
    code, error = up.refused()
    assert (code, error["code"]) == (1, "up.running")
    assert served.get("/health/ready")[0] == 200
    os.kill(served.process.pid, signal.SIGKILL)
    served.process.wait()
    assert up().get("/health/ready")[0] == 200, "a lock dies with its process"


def test_a_home_that_can_not_be_written_is_told(up: Starter, drill: Drill) -> None:
    assert drill.remit("init").code == 0
    (drill.home / "executors").write_text("a file in the way, as root is not kept out by a mode\n")
    code, error = up.refused()
    assert (code, error["code"]) == (5, "up.home")
    assert error["hint"].startswith("remit doctor")


def test_it_listens_nowhere_else_by_accident(up: Starter) -> None:
    code, error = up.refused("--host", "0.0.0.0")  # noqa: S104 - refused
    assert (code, error["code"]) == (2, "up.host")
    assert "--anywhere" in error["hint"]


# ------------------------------------------------------------------------------------------------------------- Postgres


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def several(up: Starter, postgres_url: str) -> Starter:
    """Over a store on Postgres."""
    up.environ = {"REMIT_STORE_URL": postgres_url, "REMIT_LEASE_S": "3"}
    return up


def test_several_processes_share_a_port_and_the_work_and_a_dead_one_is_replaced(
    several: Starter, drill: Drill, postgres_url: str
) -> None:
    several.environ |= {"REMIT_PROBE_LOG": str(drill.bodies), "REMIT_PROBE_WITNESS": ""}
    drill.environ = {"REMIT_STORE_URL": postgres_url}
    served = several("--workers", "2")
    pid = served.process.pid
    until(lambda: len(_workers(postgres_url)) == 2, what="both workers")
    before = _children(pid)
    assert len(before) == 2
    for _ in range(8):
        assert served.get("/health/ready")[0] == 200
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(_children(pid)) == 2 and before[0] not in _children(pid), what="another process")
    ran = drill.remit("run", PACK, drill.intake(witness=""), "--queue")
    assert ran.code == 0, ran.err
    mission = ran.json()["mission"]
    until(lambda: drill.remit("show", mission).json()["status"] == "succeeded", within_s=90, what="the mission")
    after = _children(pid)
    assert served.stop(within_s=60) == 0
    assert not any(_lives(one) for one in after)


def test_when_the_supervisor_dies_its_processes_stop(several: Starter, postgres_url: str) -> None:
    served = several("--workers", "2")
    until(lambda: len(_workers(postgres_url)) == 2, what="both workers")
    children = _children(served.process.pid)
    os.kill(served.process.pid, signal.SIGKILL)
    served.process.wait()
    until(lambda: not any(_lives(one) for one in children), within_s=60, what="the end of its processes")
    assert _workers(postgres_url) == []


def _workers(url: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            return connection.execute("SELECT executor FROM queue_worker").fetchall()
        except psycopg.errors.UndefinedTable:
            return []
