"""What the gateway is made of, from a runtime that is open."""

from __future__ import annotations

import threading
import time

from remit.accounts.keys import Keys
from remit.bootstrap import Runtime, give_memory_back
from remit.serve.gateway.app import Gateway
from remit.serve.gateway.calls import Host
from remit.serve.gateway.counted import Counted
from remit.serve.gateway.missions import Missions
from remit.serve.gateway.turned_away import TurnedAway
from remit.serve.gateway.waiting import Waiting

SETTLED_S = 10.0
QUIET_S = 1.0


def gateway_of(runtime: Runtime) -> Gateway:
    """The ASGI callable over a runtime, which must stay open as long as it answers.

    What the first call would wait for (prices) is made ready beside, in a thread; and then what is for many calls: a
    second of processor for the quick scanner, which begins when the first call has its answer, or nobody asks.
    """
    room = runtime.models
    host = Host(
        runtime.guard,
        room.catalogues,
        room.route,
        Missions(runtime.store),
        runtime.clock,
        runtime.settings,
        TurnedAway(runtime.store, runtime.redactor, runtime.clock),
        Counted(runtime.store, runtime.clock, runtime.settings),
        Waiting(runtime.store, runtime.clock),
        lambda: runtime.store.waiting,
    )
    gateway = Gateway(host, Keys(runtime.store, runtime.clock))
    warming = threading.Thread(target=_warm, args=(runtime, gateway), name="remit-gateway-warm", daemon=True)
    warming.start()
    return gateway


def _warm(runtime: Runtime, gateway: Gateway) -> None:
    runtime.models.catalogues.rates.known("openai", "gpt-4o")
    gateway.answered.wait(QUIET_S)
    runtime.redactor.warm()
    give_memory_back()
    time.sleep(SETTLED_S)  # by then the other rules are compiled that this process needs
    give_memory_back()
