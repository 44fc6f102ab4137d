"""Processes of `remit up`, which end with the test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from remit.testing.drill import Drill

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are loaded by path
from ..warm import start, warm_commands  # noqa: TID252 - as above

__all__ = ["postgres_server", "postgres_url", "warm_commands"]


@dataclass(slots=True)
class Up:
    """A running `remit up`."""

    process: subprocess.Popen[str]
    said: dict[str, Any]
    took_s: float

    @property
    def url(self) -> str:
        return str(self.said["console"])

    def post(self, path: str, body: object) -> int:
        """The status of an order."""
        data, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers)  # noqa: S310 - our own server
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
            return answer.status

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        """Status and body; status 0: nobody listens."""
        request = urllib.request.Request(self.url + path, headers=headers)  # noqa: S310 - our own server
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:
            return 0, b""

    def stop(self, *, within_s: float = 60.0) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within_s)


@dataclass(slots=True)
class Starter:
    """Starts them over one home."""

    home: Path
    environ: dict[str, str] = field(default_factory=dict[str, str])
    _processes: list[subprocess.Popen[str]] = field(default_factory=list[subprocess.Popen[str]])

    def __call__(self, *words: str, **environ: str) -> Up:
        began = time.monotonic()
        process = self.begin(*words, **environ)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            assert process.stderr is not None
            pytest.fail(process.stderr.read())
        return Up(process, json.loads(line)["up"], time.monotonic() - began)

    def begin(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "remit.cli", "up", "--home", str(self.home), "--port", "0", "--json", *words]
        process = start(
            argv,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | self.environ | environ,
            cwd=self.home.parent,
        )
        self._processes.append(process)
        return process

    def refused(self, *words: str, **environ: str) -> tuple[int, dict[str, Any]]:
        """Exit code and error of one that does not start."""
        process = self.begin(*words, **environ)
        out, _ = process.communicate(timeout=60)
        return process.returncode, json.loads(out)["error"]

    def end(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Starter]:
    """Starts `remit up` over a home of its own."""
    starter = Starter(tmp_path / "home")
    yield starter
    starter.end()


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    """Commands over the same home."""
    with Drill(tmp_path) as made:
        yield made
