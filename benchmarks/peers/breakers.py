"""How many calls three circuit breakers let through when they are half-open: purgatory, aiobreaker, circuitbreaker.

Runs in the environment that ``benchmarks/peers/setup breakers`` makes, never in Remit's. Prints one JSON line:

    {"peer": "breakers", "callers": 1000, "through": {"purgatory": 1000, ...}, "versions": {...}}

The same for each: five failures open it, its recovery time is waited out, then so many callers call at once a service
that still fails, slowly. ``through`` is how many reached the service. ``tests/guard/test_breaker.py`` does the same
with Remit's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from importlib.metadata import version
from typing import Any

RECOVERY_S = 1


class Service:
    """Always fails, after a moment."""

    def __init__(self) -> None:
        self.calls = 0

    async def call(self) -> None:
        """Fail."""
        self.calls += 1
        await asyncio.sleep(0.05)
        message = "down"
        raise ConnectionError(message)


async def measure(ask: Callable[[], Awaitable[Any]], service: Service, callers: int) -> int:
    """Open it, wait, then everybody at once; how many reached the service."""
    for _ in range(5):
        await asyncio.gather(ask(), return_exceptions=True)
    opened = service.calls
    await asyncio.gather(ask(), return_exceptions=True)
    if service.calls != opened:
        message = "the breaker did not open"
        raise AssertionError(message)
    await asyncio.sleep(RECOVERY_S + 0.2)
    await asyncio.gather(*(ask() for _ in range(callers)), return_exceptions=True)
    return service.calls - opened


async def purgatory(callers: int) -> int:
    """Its asynchronous factory, in memory."""
    from purgatory import AsyncCircuitBreakerFactory

    service = Service()
    factory = AsyncCircuitBreakerFactory(default_threshold=5, default_ttl=RECOVERY_S)

    async def ask() -> None:
        async with await factory.get_breaker("service"):
            await service.call()

    return await measure(ask, service, callers)


async def aiobreaker(callers: int) -> int:
    """Its breaker by ``call_async``."""
    from aiobreaker import CircuitBreaker

    service = Service()
    breaker = CircuitBreaker(fail_max=5, timeout_duration=timedelta(seconds=RECOVERY_S))
    return await measure(lambda: breaker.call_async(service.call), service, callers)


async def circuitbreaker(callers: int) -> int:
    """Its decorator."""
    from circuitbreaker import circuit

    service = Service()
    ask = circuit(failure_threshold=5, recovery_timeout=RECOVERY_S)(service.call)
    return await measure(ask, service, callers)


async def main(callers: int) -> None:
    """Each in turn."""
    through = {
        "purgatory": await purgatory(callers),
        "aiobreaker": await aiobreaker(callers),
        "circuitbreaker": await circuitbreaker(callers),
    }
    versions = {name: version(name) for name in through}
    print(json.dumps({"peer": "breakers", "callers": callers, "through": through, "versions": versions}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--callers", type=int, default=1000)
    asyncio.run(main(parser.parse_args().callers))
