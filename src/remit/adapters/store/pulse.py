"""What tells that the store may have changed, whoever changed it: this process, a command beside it, another machine.

A pulse is a hint and says nothing of what changed: who hears it reads the rows.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_log = logging.getLogger(__name__)

#: Seconds between two looks at SQLite's ``data_version``: some microseconds each.
LOOK_S = 0.1
#: Seconds after which Postgres' rows are looked at although nobody notified.
AGAIN_S = 1.0
CHANNEL = "remit_log"

type Tell = Callable[[], None]


class Pulse(Protocol):
    """Tells, from a thread of its own, from ``start`` until ``close``."""

    def start(self, tell: Tell) -> None:
        """Call ``tell`` soon after every change, and perhaps without one."""
        ...

    def close(self) -> None:
        """End it; ``tell`` is not called any more when this returns."""
        ...


class Looking(ABC):
    """A thread that looks until it is told to end."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, tell: Tell) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, args=(tell,), name="remit-pulse", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, tell: Tell) -> None:
        while not self._ended.is_set():
            try:
                self._look(tell)
            except Exception as error:  # noqa: BLE001 - of either driver; it looks again, and whoever reads hears why not
                _log.warning("changes of the store are not seen now: %s", type(error).__name__)
                tell()
                self._ended.wait(AGAIN_S)

    @abstractmethod
    def _look(self, tell: Tell) -> None:
        """Look until the end, telling of each change; what it raises is looked past."""


class SqlitePulse(Looking):
    """By ``PRAGMA data_version``, which changes when any other connection has committed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def _look(self, tell: Tell) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            connection.execute("PRAGMA query_only=ON")
            seen = None
            while not self._ended.wait(LOOK_S if seen is not None else 0):
                found = connection.execute("PRAGMA data_version").fetchone()
                if found != seen:
                    seen = found
                    tell()
        finally:
            connection.close()
