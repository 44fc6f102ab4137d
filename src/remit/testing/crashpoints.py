"""Crash drills: end this process, as ``kill -9`` would, at a chosen named write.

``REMIT_CRASH_AT=step.finish:before`` dies just before the first such write, ``git.ref:after:3`` just after the third.
``REMIT_CRASH_LOG=FILE`` appends each moment that was reached, one a line, so that a drill can learn which moments a
journey has. Both are refused in production.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from remit.kernel import crash
from remit.kernel.errors import InvalidInput

SIDES = ("before", "after")


@dataclass(frozen=True, slots=True)
class Moment:
    """The ``count``-th time that ``point`` is reached on ``side``."""

    point: str
    side: str
    count: int = 1

    def __str__(self) -> str:
        """As written in ``REMIT_CRASH_AT``."""
        return f"{self.point}:{self.side}:{self.count}"


def parse(text: str) -> Moment:
    """A moment from ``point:side[:count]``.

    Raises:
        InvalidInput: No such point or side, or a count below 1.
    """
    point, _, rest = text.partition(":")
    side, _, count = rest.partition(":")
    number = int(count) if count.isdigit() else (1 if not count else 0)
    if point not in crash.POINTS or side not in SIDES or number < 1:
        message = f"{text!r} is no crash point: write POINT:before or POINT:after, then optionally :COUNT."
        raise InvalidInput(message, hint="the points are listed in remit.kernel.crash.POINTS")
    return Moment(point, side, number)


def install(environ: Mapping[str, str], *, production: bool) -> None:
    """Arm what the environment asks for; without the two variables, nothing happens.

    Raises:
        InvalidInput: The variables are malformed, or this is a production install.
    """
    at, log = environ.get("REMIT_CRASH_AT", ""), environ.get("REMIT_CRASH_LOG", "")
    if not at and not log:
        return
    if production:
        message = "Crash points are refused because this install's environment is production."
        raise InvalidInput(message, hint="unset REMIT_CRASH_AT and REMIT_CRASH_LOG")
    target = parse(at) if at else None
    seen: Counter[str] = Counter()
    lock = threading.Lock()

    def hook(moment: str) -> None:
        with lock:
            seen[moment] += 1
            number = seen[moment]
            if log:
                descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                os.write(descriptor, f"{moment}:{number}\n".encode())
                os.close(descriptor)
        if target is not None and moment == f"{target.point}:{target.side}" and number == target.count:
            os.kill(os.getpid(), signal.SIGKILL)

    crash.install(hook)
