"""Retries, breakers, fallbacks, caches and reconnection for any program: functions and decorators, sync and async.

    from remit.sdk.resilience import Breaker, Profile, fallback, retrying

    search = Breaker("search")

    @fallback(search_in_the_local_index)
    @retrying(profile=Profile.PROVIDER)
    @search
    async def search_online(words: str) -> list[str]: ...

No home, no guard, no settings: what an agent's effects get inside the guard, for calls that are not an agent's. The
machines are the same (``guard/breaker.py``, ``guard/retry.py``); retries are made by stamina. A decorated function
keeps its signature, and stays sync or async.
"""

from remit.guard.breaker import Numbers, Phase
from remit.guard.retry import Patience, Profile, RetryBudget, retry_after, transient
from remit.sdk.resilience_breaker import Breaker, Call, CircuitOpen
from remit.sdk.resilience_cache import Cache, MemoryCache, cached
from remit.sdk.resilience_fallback import fallback
from remit.sdk.resilience_link import AsyncLink, Link, reconnecting
from remit.sdk.resilience_retry import Retrying, retry_call, retrying

__all__ = [
    "AsyncLink",
    "Breaker",
    "Cache",
    "Call",
    "CircuitOpen",
    "Link",
    "MemoryCache",
    "Numbers",
    "Patience",
    "Phase",
    "Profile",
    "RetryBudget",
    "Retrying",
    "cached",
    "fallback",
    "reconnecting",
    "retry_after",
    "retry_call",
    "retrying",
    "transient",
]
