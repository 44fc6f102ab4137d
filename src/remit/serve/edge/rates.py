"""Which limits a request comes under: of its address, of an endpoint that has its own, and of the key that it shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from remit.kernel.errors import RateLimited
from remit.serve.edge.asgi import Headers
from remit.serve.edge.shares import Shares
from remit.serve.edge.windows import Limits, Standing, Windows
from remit.settings import Settings, words

_PARAMETER = re.compile(r"\{[^/}]*\}")


@dataclass(frozen=True, slots=True)
class EndpointLimit:
    """An endpoint with limits of its own, for each address, within those of the address."""

    method: str
    path: str
    limits: Limits


def read_limits(text: str) -> tuple[EndpointLimit, ...]:
    """``POST /api/v1/missions=10/100, GET /api/v1/audit=30/300``: requests a minute and an hour.

    Raises:
        ValueError: Not of that form.
    """
    found: list[EndpointLimit] = []
    for word in words(text):
        place, parted, numbers = word.rpartition("=")
        method, _, path = place.partition(" ")
        minute, _, hour = numbers.partition("/")
        if not (parted and method.isalpha() and path.startswith("/") and minute.isdigit() and hour.isdigit()):
            message = f"it must be METHOD PATH=MINUTE/HOUR, separated by commas; {word!r} is none"
            raise ValueError(message)
        found.append(EndpointLimit(method.upper(), path, Limits(int(minute), int(hour))))
    return tuple(found)


class Rates:
    """Counts requests and turns away those too many. Health, static files and open streams are not counted.

    Args:
        settings: The settings in force.
        monotonic: Seconds that never go back.
        endpoints: Those with limits of their own; what settings say comes before.
        shares: Where all processes count together; left out: this one is alone.
    """

    def __init__(
        self,
        settings: Settings,
        monotonic: Callable[[], float],
        endpoints: Iterable[EndpointLimit] = (),
        *,
        shares: Shares | None = None,
    ) -> None:
        self._shares = shares
        self._windows = Windows(monotonic)
        self._api = Limits(settings.api_per_minute, settings.api_per_hour)
        self._console = Limits(settings.console_per_minute, settings.console_per_hour)
        self._key = Limits(settings.key_per_minute, settings.key_per_hour)
        self._own: dict[str, list[tuple[re.Pattern[str], EndpointLimit]]] = {}
        for each in (*read_limits(settings.api_limits), *endpoints):
            self._own.setdefault(each.method, []).append((_pattern(each.path), each))

    async def admit(self, bucket: str, method: str, path: str) -> Counted | None:
        """Count a request of an address; ``None``: it is of those that are not counted.

        Raises:
            RateLimited: Too many.
            Unavailable: Processes share the store, and it can't be written.
        """
        if path == "/health" or path.startswith(("/health/", "/static/", "/.well-known/")):
            return None
        api = path.startswith("/api/") or path == "/openapi.json"
        key = f"{'api' if api else 'console'} {bucket}"
        standing = await self._take(key, self._api if api else self._console)
        counted = Counted([key], standing)
        if standing.window:
            raise _refused(standing, "from one address", counted)
        for pattern, own in self._own.get(method, ()):
            if pattern.fullmatch(path):
                key = f"{own.method} {own.path} {bucket}"
                standing = await self._take(key, own.limits)
                counted = Counted([*counted.keys, key], standing)
                if standing.window:
                    raise _refused(standing, f"to {own.method} {own.path} from one address", counted)
                break
        return counted

    async def admit_key(self, session: str) -> None:
        """Count a request that shows a key or token.

        Raises:
            RateLimited: Too many.
        """
        standing = await self._take(f"key {session}", self._key)
        if standing.window:
            raise _refused(standing, "with one key", None)

    def take_back(self, counted: Counted) -> None:
        """It opened a stream, which is not counted."""
        for key in counted.keys:
            self._windows.take_back(key)
            if self._shares is not None:
                self._shares.take_back(key)

    async def _take(self, key: str, limits: Limits) -> Standing:
        """Here first: who has used all up here needs no look at what all together have used."""
        standing = self._windows.take(key, limits)
        if self._shares is None or standing.window:
            return standing
        shared = await self._shares.take(key, limits)
        if shared.window:
            self._windows.take_back(key)
        return shared


@dataclass(frozen=True, slots=True)
class Counted:
    """A request that was counted: under which keys, and how its sender stands."""

    keys: list[str]
    standing: Standing

    @property
    def headers(self) -> Headers:
        """What the answer says of it (API-4)."""
        standing = self.standing
        return [
            (b"x-ratelimit-limit-minute", b"%d" % standing.limits.minute),
            (b"x-ratelimit-remaining-minute", b"%d" % standing.minute),
            (b"x-ratelimit-limit-hour", b"%d" % standing.limits.hour),
            (b"x-ratelimit-remaining-hour", b"%d" % standing.hour),
        ]


class TooOften(RateLimited):
    """Too many requests; ``counted`` is what the answer's headers say."""

    counted: Counted | None = None


def _refused(standing: Standing, where: str, counted: Counted | None) -> TooOften:
    number = getattr(standing.limits, standing.window)
    limit = f"{number} requests a{'n' if standing.window == 'hour' else ''} {standing.window} {where}"
    message = f"Only {limit} are taken; come back in {standing.wait_s:.0f} s."
    error = TooOften(
        message,
        code="api.rate",
        hint="wait, then ask again",
        limit=limit,
        remaining=0,
        retry_after=standing.wait_s,
        wait=standing.wait_s,
    )
    error.counted = counted
    return error


def _pattern(path: str) -> re.Pattern[str]:
    parts = [re.escape(part) for part in _PARAMETER.split(path)]
    return re.compile("[^/]+".join(parts))
