"""One fetch from beginning to end: page, redirects, robots.txt of each origin, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from time import monotonic

from remit.adapters.fetch.backend import PinnedBackend
from remit.adapters.fetch.client import Answer, Network, exchange
from remit.adapters.fetch.decoding import content_type, is_text, text_of
from remit.adapters.fetch.hooks import Hooks
from remit.adapters.fetch.redirects import HINT, MOST, redirect_of
from remit.guard.fetching import REFERENCE, effect_problem, kept_headers, shown_url
from remit.guard.fetching_hops import Exchange, Host, known_robots, recheck, record
from remit.guard.fetching_robots import MOST_BYTES, MOST_REDIRECTS, PATH, Robots, RobotsFile, State, of_status
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.effects import Fetch
from remit.kernel.errors import Denied, Failed, RateLimited, RemitError, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.urls import Url, read_url

_LATER = frozenset({429, 502, 503, 504})
_OK = range(200, 300)
_TOLD = ("content-language", "date", "etag", "last-modified", "link")
_LONGEST_TOLD = 500
_LONGEST_WAIT_S = 86_400


class Reading:
    """The state of one fetch. ``run`` is called once, under the caller's bound of time."""

    def __init__(self, hooks: Hooks, action: Action, effect: Fetch, *, host: Host, network: Network) -> None:
        self._hooks = hooks
        self._action = action
        self._effect = effect
        self._host = host
        self._terms = host.fetching
        self._network = network
        self._method = effect.method.upper()
        self._address = ""

    async def run(self) -> Outcome:
        """See ``FetchAdapter.perform``."""
        problem = effect_problem(self._effect, self._terms)
        if problem:
            raise Denied(problem, code="fetch.address", hint="remit fetch --help")
        url = read_url(self._effect.url)
        headers: Mapping[str, str] = self._effect.headers
        passed: list[str] = []
        for hop in range(MOST + 1):
            robots = await self._agreed(url, hop)
            answer, seen = await self._ask(url, headers, hop=hop)
            try:
                target = redirect_of(url, answer.status, answer.all("location"), terms=self._terms)
            except Denied as refused:
                record(self._host, self._action, replace(seen, verdict=refused.code))
                raise
            record(self._host, self._action, seen)
            if target is None:
                return await self._outcome(url, answer, passed=passed, robots=robots)
            if target.origin != url.origin:
                headers = kept_headers(headers)
            passed.append(str(url))
            url = target
        message = f"{read_url(self._effect.url).host} redirects more than {MOST} times."
        raise Denied(message, code="fetch.redirects", hint=HINT)

    # -------------------------------------------------------------------------------------------------------- leave

    async def _agreed(self, url: Url, hop: int) -> Robots:
        """What robots.txt says of ``url``, which rules have then judged; read first where it is not known."""
        robots = await known_robots(self._host, self._action, url)
        if hop:  # before anything is asked of that host
            await recheck(self._host, self._action, url, robots=robots)
        if robots is Robots.UNKNOWN:
            robots = (await self._robots(url)).says(url, self._terms.agent)
            await recheck(self._host, self._action, url, robots=robots, counted=False)
        return robots

    async def _robots(self, url: Url) -> RobotsFile:
        """Read the robots.txt of an origin, and keep it.

        Raises:
            RemitError: It can't be had just now, for a reason that would keep the page from being read as well.
        """
        start = at = replace(url, path=PATH, query="")
        seen: Exchange | None = None
        found = RobotsFile(State.NONE, 0)  # what more than five redirects mean to Google: not found
        for hop in range(MOST_REDIRECTS + 1):
            try:
                await recheck(self._host, self._action, at, robots=Robots.ALLOWED, whole=at.origin != start.origin)
                answer, asked = await self._ask(at, {}, hop=hop, purpose="robots")
                if seen is not None:
                    record(self._host, self._action, seen)
                seen = asked
                target = redirect_of(at, answer.status, answer.all("location"), terms=self._terms)
            except (Denied, Failed) as error:
                if seen is None or isinstance(error, RateLimited):
                    raise  # the origin itself, not where its robots.txt leads
                found = RobotsFile(State.UNREACHABLE, 0)
                break
            if target is None:
                found = of_status(answer.status, answer.body)
                break
            at = target
        assert seen is not None  # noqa: S101 - it was asked once at least
        record(self._host, self._action, replace(seen, robots=found, robots_origin=start.origin))
        return found

    # ------------------------------------------------------------------------------------------------------- asking

    async def _ask(
        self, url: Url, headers: Mapping[str, str], *, hop: int, purpose: str = "page"
    ) -> tuple[Answer, Exchange]:
        """One request. One that fails is recorded here, one that does not by whoever knows what it meant."""
        backend = PinnedBackend(self._terms, resolve=self._network.resolve, dial=self._network.dial)
        page = purpose == "page"
        method = self._method if page else "GET"
        seen = Exchange(str(url), method, purpose, hop)
        began = monotonic()
        verdict = "cancelled"
        try:
            answer = await exchange(
                url,
                method=method,
                headers={name: await self._resolved(value) for name, value in headers.items()},
                terms=self._terms,
                backend=backend,
                trust=self._network.trust,
                most=self._terms.most_bytes if page else MOST_BYTES,
                cut=not page,
            )
            verdict = ""
        except RemitError as error:
            verdict = error.code
            raise
        finally:
            took_ms = round((monotonic() - began) * 1000)
            seen = replace(seen, address=backend.address, took_ms=took_ms)
            if verdict:
                record(self._host, self._action, replace(seen, verdict=verdict))
        self._address = backend.address
        return answer, replace(seen, status=answer.status, size=len(answer.body))

    async def _resolved(self, value: str) -> str:
        """A header's value with its reference resolved: now, and nowhere kept."""
        if not REFERENCE.fullmatch(value):
            return value
        text = await asyncio.to_thread(self._hooks.secret, self._action, value)
        if not (text.isascii() and text.isprintable()):
            message = "The secret of a header is no line of printable ASCII."
            raise Failed(message, code="fetch.secret", hint="keep it as one line, and fetch again")
        return text

    # ------------------------------------------------------------------------------------------------------- answer

    async def _outcome(self, url: Url, answer: Answer, *, passed: list[str], robots: Robots) -> Outcome:
        if answer.status in _LATER:
            message = f"{url.host} answered {answer.status}: it asks to come back later."
            raise Unavailable(message, code="fetch.later", retry_after=_seconds(answer.header("retry-after")))
        kind, charset = content_type(answer.header("content-type"))
        text, codec = "", ""
        ok = answer.status in _OK
        if answer.body and is_text(kind, answer.body):
            text, codec = text_of(answer.body, kind=kind, charset=charset)
        elif answer.body and ok:
            message = f"The page is {kind or 'no text'}; only text is read, since nothing else can be looked through."
            raise Failed(message, code="fetch.content_type", hint="fetch a page of text")
        if text and self._hooks.clean is not None:
            text = await asyncio.to_thread(self._hooks.clean, text)  # megabytes may take a while
        told: dict[str, Json] = {name: answer.header(name)[:_LONGEST_TOLD] for name in _TOLD if answer.header(name)}
        provenance: Mapping[str, Json] = {"source": "web", "url": str(url), "trusted": False}
        if self._hooks.label is not None:
            provenance = self._hooks.label(text, str(url))
        value: dict[str, Json] = {
            "url": str(url),
            "asked": shown_url(self._effect.url, self._host.redactor.mask),
            "status": answer.status,
            "type": kind,
            "charset": codec,
            "bytes": len(answer.body),
            "address": self._address,
            "redirects": list(passed),
            "robots": robots.value,
            "headers": told,
            "depth": self._effect.depth,
            "provenance": provenance,
        }
        return Outcome(ok=ok, value=value, text=text)


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdigit() and int(text) <= _LONGEST_WAIT_S else None
