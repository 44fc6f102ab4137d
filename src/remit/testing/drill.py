"""Crash drills from outside: the real command line in processes of its own, ended at a moment, then looked at.

    with witness(folder / "witness.log") as address, Drill(folder, witness=address) as drill:
        drill.remit("run", PACK, drill.intake(features=["red"]), at="step.finish:before")  # dies there
        before = drill.look()                     # what its own store says, read without Remit
        ran = drill.remit("resume", before.mission)
        assert drill.broken_promises(before) == []

Linux only for ``left_over``: it needs to become the reaper of what a dead process leaves.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from remit.adapters.sandbox.processes import MARK
from remit.testing.witness import requests

PACK = "remit.testing.probe:PACK"
DATABASE = "remit.db"
NOBODY = "http://127.0.0.1:9"  # the discard service, which nobody offers: a place to knock in vain
TIMEOUT_S = 180.0
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command came to; ``code`` is negative when a signal ended it."""

    code: int
    out: str
    err: str

    @property
    def killed(self) -> bool:
        """Whether it died of signal 9."""
        return self.code == -signal.SIGKILL

    def json(self) -> dict[str, Any]:
        """Its one JSON object.

        Raises:
            ValueError: Standard output is anything but exactly one JSON object.
        """
        try:
            value: object = json.loads(self.out)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            message = f"no JSON object (exit {self.code}): {self.out[:200]!r}; on stderr: {self.err[-2000:]}"
            raise ValueError(message)  # noqa: TRY004 - bad content, not a bad argument
        return cast("dict[str, Any]", value)


@dataclass(frozen=True, slots=True)
class Look:
    """A home's newest mission as its rows stand, and what the outside world has seen so far."""

    mission: str = ""
    status: str = ""
    done: frozenset[str] = frozenset()
    attempts: Mapping[str, int] = field(default_factory=dict[str, int])
    settled: frozenset[str] = frozenset()  # effect keys whose outcome is recorded
    bodies: tuple[str, ...] = ()  # steps whose bodies ran, in order, with repetitions
    told: Counter[str] = field(default_factory=Counter[str])


class Drill:
    """One home, its witness and its log of bodies. Use it as a context manager: what it started ends with it."""

    #: How a command's process begins, as ``subprocess.Popen``: whoever gives many commands may know a quicker way.
    begin: ClassVar[Callable[..., subprocess.Popen[str]]] = subprocess.Popen

    def __init__(self, folder: Path, *, witness: str = "", witness_log: Path | None = None) -> None:
        """Nothing is made yet but the folder.

        Args:
            folder: An empty or missing folder; the home is ``folder/home``.
            witness: Its address, for intakes.
            witness_log: The file that the witness writes.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.home = folder / "home"
        self.bodies = folder / "bodies.log"
        self.moments = folder / "moments.log"
        self.witness = witness
        self.witness_log = witness_log or folder / "witness.log"
        self.environ: dict[str, str] = {}
        self._started: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        """Nothing to do."""
        return self

    def __exit__(self, *_: object) -> None:
        """End what still runs."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def intake(self, name: str = "probe.json", **values: object) -> Path:
        """An input file for the probe; unless told otherwise it names whatever witness the drill has when it runs."""
        path = self.folder / name
        path.write_text(json.dumps({"witness": "environment", "features": ["red", "blue"], **values}), encoding="utf-8")
        return path

    def start(self, *words: object, at: str = "", record: bool = False, **environ: str) -> subprocess.Popen[str]:
        """Start a command without waiting: the home and ``--json`` are added. Pipes are open on both outputs."""
        argv = [sys.executable, "-m", "remit.cli", *map(str, words), "--home", str(self.home), "--json"]
        process = self.begin(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environ(at, environ, record=record),
            cwd=self.folder,
        )
        self._started.append(process)
        return process

    def remit(self, *words: object, at: str = "", record: bool = False, **environ: str) -> Ran:
        """Run a command to its end, or to the moment ``at`` (``point:side[:count]``) at which it kills itself."""
        return self.ended(self.start(*words, at=at, record=record, **environ))

    def ended(self, process: subprocess.Popen[str]) -> Ran:
        """Wait for a started command."""
        out, err = process.communicate(timeout=TIMEOUT_S)
        return Ran(process.returncode, out, err)

    def recorded(self) -> list[str]:
        """Every moment that recording commands reached, as ``point:side:count``, in order."""
        return self.moments.read_text(encoding="utf-8").splitlines() if self.moments.exists() else []

    def look(self) -> Look:
        """Read the home's database as any program could."""
        bodies = tuple(line.partition(" ")[0] for line in _lines(self.bodies))
        told = requests(self.witness_log)
        database = self.home / DATABASE
        if not database.exists():
            return Look(bodies=bodies, told=told)
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            try:
                rows = connection.execute("SELECT id, status FROM mission ORDER BY created_us DESC, id DESC LIMIT 1")
                found = rows.fetchone()
            except sqlite3.OperationalError:
                return Look(bodies=bodies, told=told)  # not migrated yet
            if found is None:
                return Look(bodies=bodies, told=told)
            mission, status = found
            steps = connection.execute(
                "SELECT name, status, attempts FROM step WHERE mission = ?", (mission,)
            ).fetchall()
            settled = connection.execute(
                "SELECT effect_key FROM action WHERE mission = ? AND state <> 'open'", (mission,)
            )
            return Look(
                mission,
                status,
                frozenset(name for name, stands, _ in steps if stands in {"succeeded", "skipped"}),
                {name: attempts for name, _, attempts in steps},
                frozenset(row[0] for row in settled),
                bodies,
                told,
            )

    def broken_promises(self, before: Look, *, rerun: frozenset[str] = frozenset()) -> list[str]:
        """What a resume after ``before`` did that it must not do; empty when nothing.

        Args:
            before: What stood when the process had died.
            rerun: Steps that were ordered to run again.
        """
        after = self.look()
        again = set(after.bodies[len(before.bodies) :]) & (before.done - rerun)
        for step in before.done - rerun:
            if after.mission == before.mission and after.attempts[step] != before.attempts[step]:
                again.add(step)
        found = [f"finished step {step!r} ran again" for step in sorted(again)]
        for key, times in after.told.items():
            if key in before.settled and times > before.told[key]:
                found.append(f"the recorded effect {key} was asked for again")
        keys = {key: place for key, _, place in (line.partition(" ") for line in _lines(self.witness_log))}
        places = Counter((key.partition("/")[0], place) for key, place in keys.items() if place[1:] not in rerun)
        found += [f"{place} was done under {count} keys" for (_, place), count in places.items() if count > 1]
        if left := self.left_over():
            found.append(f"processes of the dead run are left: {left}")
        return found

    def left_over(self, *, patience_s: float = 3.0) -> list[str]:
        """Living processes that belong to this home and that nobody of ours waits for."""
        mine = {process.pid for process in self._started if process.poll() is None}
        deadline = time.monotonic() + patience_s
        while (left := _of_home(str(self.home), mine)) and time.monotonic() < deadline:
            time.sleep(0.02)
        return left

    def _environ(self, at: str, more: Mapping[str, str], *, record: bool) -> dict[str, str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("REMIT_")}
        environ |= {"REMIT_PROBE_LOG": str(self.bodies), "REMIT_PROBE_WITNESS": self.witness}
        environ |= {"REMIT_NOTIFY_ALLOW": ", ".join([f"{self.witness}/*"] * bool(self.witness) + [NOBODY])}
        environ |= {**self.environ, **more}
        if at:
            environ["REMIT_CRASH_AT"] = at
        if record:
            environ["REMIT_CRASH_LOG"] = str(self.moments)
        return environ


def adopt_orphans() -> None:
    """Become the parent of whatever a killed child leaves behind, so that it can be found however it hides."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def until[T](look: Callable[[], T], *, within_s: float = 60.0, what: str = "") -> T:
    """Call ``look`` until it answers something true, and give that.

    Raises:
        TimeoutError: It did not within ``within_s`` seconds.
    """
    deadline = time.monotonic() + within_s
    while not (found := look()):
        if time.monotonic() > deadline:
            message = f"waited {within_s:g} s in vain for {what or look}"
            raise TimeoutError(message)
        time.sleep(0.01)
    return found


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _of_home(home: str, mine: set[int]) -> list[str]:
    """Living processes that name the home in their command or environment or work in it, and sandboxed orphans."""
    found: list[str] = []
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        if pid == os.getpid() or pid in mine:
            continue
        with suppress(OSError):
            state, parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            words, environ = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
            here = home.encode() in words + environ or home in str((folder / "cwd").readlink())
            orphan = int(parent) == os.getpid() and f"{MARK}=".encode() in environ
            if state != "Z" and (here or orphan):
                found.append(f"{pid} {words.replace(bytes(1), b' ')[:200].decode(errors='replace')}")
    return found
