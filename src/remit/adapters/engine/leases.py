"""How long a silent executor counts as alive."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass

from remit.kernel.errors import InvalidInput

#: Beats that must fit in a lease: one may be lost and one may be late without anybody taking over.
MIN_BEATS = 3


@dataclass(frozen=True, slots=True)
class Lease:
    """``lease`` and ``beat`` in seconds: an executor that was silent for ``lease`` is dead, it writes every ``beat``.

    A dead worker's runs are taken over at the latest ``lease + 2 * beat`` after its last sign of life.

    Raises:
        InvalidInput: The lease does not hold three beats.
    """

    lease: float = 15.0
    beat: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.beat * MIN_BEATS <= self.lease:
            message = f"A lease of {self.lease} s must hold at least {MIN_BEATS} beats of {self.beat} s (more than 0)."
            raise InvalidInput(message, hint="set engine.lease to at least three times engine.beat")


def executor_name() -> str:
    """A name that no other boot of any process ever had: host, pid and 64 random bits."""
    host = "".join(c if c.isalnum() or c in "-_" else "-" for c in socket.gethostname())[:40]
    return f"{host}-{os.getpid()}-{secrets.token_hex(8)}"
