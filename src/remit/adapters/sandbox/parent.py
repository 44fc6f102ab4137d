"""A process of Remit's that must not outlive the one that started it, however that one ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

LOOK_S = 1.0


def end_with_parent(parent: int) -> None:
    """Have this process asked to stop (SIGTERM) when ``parent`` is gone; at once when it is gone already.

    On Linux the kernel does it. Elsewhere a thread looks every second.
    """
    if sys.platform == "linux":
        from remit.adapters.sandbox.landlock import PR_SET_PDEATHSIG, prctl

        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    else:
        threading.Thread(target=_watch, args=(parent,), name="remit-parent", daemon=True).start()
    if os.getppid() != parent:  # it went before it could be asked for
        os.kill(os.getpid(), signal.SIGTERM)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)
