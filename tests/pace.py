"""Time limits that a busy machine does not break: seconds in which nobody here had to wait for a processor.

What Remit promises in seconds, it promises on a machine that lets it run. So time in which anything that was ready to
run was kept waiting (Linux tells, in `/proc/pressure/cpu`) is not counted; nor is the time by which a thread here was
woken later than it asked for, which is told everywhere, and also when this machine itself was stopped for a while.

    pace = Pace()
    ...
    assert pace.spent() < 1.0
"""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

_PRESSURE = Path("/proc/pressure/cpu")
_TICK_S = 0.01
#: Lateness up to this comes from the interpreter's own lock and an ordinary scheduler, and counts.
_USUAL_S = 0.015
_LONGEST_S = 120.0


class Pace:
    """Measures from when it is made until ``spent`` is asked."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._late = 0.0
        self._over = threading.Event()
        self._waited = _waited()
        threading.Thread(target=self._watch, name="pace", daemon=True).start()

    def spent(self) -> float:
        """Seconds since it was made, without those in which somebody who could run did not."""
        self._over.set()
        waited = _waited()
        others = 0.0 if waited is None or self._waited is None else waited - self._waited
        return time.monotonic() - self._began - max(self._late, others)

    def _watch(self) -> None:
        while not self._over.is_set() and time.monotonic() - self._began < _LONGEST_S:
            slept = time.monotonic()
            time.sleep(_TICK_S)
            late = time.monotonic() - slept - _TICK_S
            if late > _USUAL_S:
                self._late += late


def _waited() -> float | None:
    """Seconds since the machine started in which some task waited for a processor."""
    try:
        told = re.search(r"^some .*total=(\d+)", _PRESSURE.read_text("ascii"), re.MULTILINE)
    except OSError:
        return None
    return int(told[1]) / 1e6 if told else None
