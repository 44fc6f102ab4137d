"""Providers and models: how each is, what it costs and was used for, who would be asked; resetting a breaker."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from remit.kernel.errors import InvalidInput, RemitError
from remit.kernel.ports import ReadTx
from remit.models.catalogue import Deployment, ProviderStatus
from remit.models.health import Standing
from remit.models.orders import MoveProvider, order
from remit.models.prices import Rate
from remit.models.router import Want
from remit.models.standing import (
    POINTS,
    ProviderStanding,
    Standings,
    close_circuits,
    explain,
    standings,
    target_of,
    until_of,
)
from remit.serve.console import words
from remit.serve.console.asking import Ask
from remit.serve.console.numbers import told
from remit.serve.console.page import Form, form, page

#: Of errors, in percent: from here on a model asks for a look, and is called failing.
LOOK, FAILING = 2.0, 20.0
SPANS = (("15m", 15, "15 minutes"), ("1h", 60, "1 hour"), ("6h", 360, "6 hours"), ("24h", 1440, "24 hours"))
SAID = {
    "reset": "The breaker is closed",
    "paused": "The provider is paused",
    "active": "The provider is asked again",
    "same": "It was so already",
}
_MOST_TOKENS = 10_000_000
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Times:
    """How a model, or all of a provider's, answered. Durations in words, empty: nothing answered."""

    calls: int
    errors: int
    error_percent: float
    codes: str
    first_p50: str
    p50: str
    p95: str
    p99: str


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A provider."""

    name: str
    kind: str
    address: str
    key: str
    paused: bool
    mark: str
    word: str
    times: Times
    open_circuits: int


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model that is listed, or was asked. ``history`` are p95 seconds, ``told`` says them in words."""

    name: str
    target: str
    listed: bool
    order: int
    weight: int
    quality: int
    context: int
    price: str
    own_price: bool
    can: tuple[str, ...]
    mark: str
    word: str
    times: Times
    history: tuple[float, ...]
    told: str
    cost_micros: int
    used: int


@dataclass(frozen=True, slots=True)
class Circuit:
    """A breaker that is not closed. ``until_us``: 0 is until somebody resets it."""

    operation: str
    target: str
    phase: str
    why: str
    until_us: int


DRAWN = 3  # models whose latency is drawn: those that were asked most
MINUTE = 60_000_000


@dataclass(frozen=True, slots=True)
class Latency:
    """A model's p95 over time: when each stretch began, and its seconds; ``None``: nothing answered."""

    target: str
    at_us: tuple[int, ...]
    p95: tuple[float | None, ...]
    told: str


@dataclass(frozen=True, slots=True)
class Models:
    """The page. ``route`` explains who would be asked for ``asked``, line by line; empty: nobody asked.

    ``latency`` has the models that were asked most, over the same time.
    """

    title: str
    said: str
    span: str
    providers: tuple[ProviderRow, ...]
    models: tuple[ModelRow, ...]
    circuits: tuple[Circuit, ...]
    aliases: tuple[tuple[str, str], ...]
    fallbacks: tuple[tuple[str, tuple[str, ...]], ...]
    names: tuple[str, ...]
    asked: str
    route: tuple[str, ...]
    refused: str
    latency: tuple[Latency, ...]
    spans: tuple[tuple[str, str], ...] = tuple((span, word) for span, _, word in SPANS)


@page("/models", template="models.html", group="Control", label="Models")
async def models(ask: Ask) -> Models:
    """How the models are, and who would be asked."""
    word = ask.query.get("span", "1h")
    span, minutes = next(((each, size) for each, size, _ in SPANS if each == word), ("1h", 60))
    await ask.runtime.models.catalogues.catalogue(ask.workspace)  # the data of prices is imported, once, in a thread
    rates = ask.runtime.models.catalogues.rates

    def op(tx: ReadTx) -> Standings:
        return standings(tx, ask.workspace, rates=rates, minutes=minutes, now_us=ask.now_us)

    return _view(await ask.read(op), span, ask=ask)


@form("/models/reset", again=models)
async def reset(ask: Ask) -> str:
    """Let a model be asked again."""
    await close_circuits(
        ask.runtime.store,
        ask.form.get("target", ""),
        workspace=ask.workspace,
        reason=ask.runtime.redactor.mask(ask.form.get("reason", "")),
        by=ask.who,
        clock=ask.runtime.clock,
    )
    return "/models?done=reset"


@form("/models/providers/move", again=models)
async def move(ask: Ask) -> str:
    """Pause a provider, or let it be asked again."""
    word = ask.form.get("status", "")
    if word not in {each.value for each in ProviderStatus}:
        message = "Say whether it may be asked."
        raise InvalidInput(message, code="models.status", hint="active or paused")
    change = MoveProvider(
        ask.form.get("provider", ""), ProviderStatus(word), ask.form.get("reason", ""), ask.runtime.redactor.mask
    )
    changed = await order(ask.runtime.store, [change], workspace=ask.workspace, by=ask.who, clock=ask.runtime.clock)
    ask.runtime.models.catalogues.forget(ask.workspace)
    return f"/models?done={word if changed else 'same'}"


FORMS: Sequence[Form] = (reset, move)


def _view(found: Standings, span: str, *, ask: Ask) -> Models:
    catalogue, asked = found.catalogue, ask.query.get("model", "")[:200].strip()
    route, refused = _route(found, asked, ask=ask) if asked else ((), "")
    listed = [_model(each, found) for each in catalogue.listed()]
    known = {row.target for row in listed}
    others = [target for target in sorted({*found.health, *found.used} - known) if target in found.health]
    rows = (*listed, *(_other(target, found) for target in others))
    stuck, failing = len(found.circuits), sum(row.mark in {"failed", "warn"} for row in rows)
    if stuck:
        title = told(stuck, "breaker is open", "breakers are open")
    elif failing:
        title = told(failing, "model asks for a look", "models ask for a look")
    elif not catalogue.providers:
        title = "No provider of models yet"
    else:
        title = f"{told(len(catalogue.providers), 'provider answers', 'providers answer')}"
    return Models(
        title=title,
        said=SAID.get(ask.query.get("done", ""), ""),
        span=span,
        providers=tuple(_provider(each) for each in found.providers),
        models=rows,
        circuits=tuple(
            Circuit(each.operation, target_of(each.operation), each.phase, each.why, until_of(each) or 0)
            for each in found.circuits
        ),
        aliases=tuple(catalogue.aliases.items()),
        fallbacks=tuple(catalogue.fallbacks.items()),
        names=catalogue.names(),
        asked=asked,
        route=route,
        refused=refused,
        latency=_latency(found, span, ask.now_us),
    )


def _latency(found: Standings, span: str, now_us: int) -> tuple[Latency, ...]:
    """Of the models that were asked most, where there is more than one point to look at."""
    minutes = next(size for each, size, _ in SPANS if each == span)
    most = sorted(found.health, key=lambda target: -found.health[target].calls)[:DRAWN]
    drawn: list[Latency] = []
    for target in most:
        points = found.history.get(target, ())
        values = tuple(point.p95 for point in points)
        if sum(value is not None for value in values) < 2:  # noqa: PLR2004 - a line has two ends
            continue
        first, step = now_us - minutes * MINUTE, minutes * MINUTE // len(points)
        times = tuple(first + step * place for place in range(len(points)))
        drawn.append(Latency(target, times, values, _history(target, found)[1]))
    return tuple(drawn)


def _route(found: Standings, asked: str, *, ask: Ask) -> tuple[tuple[str, ...], str]:
    tokens_in, max_out = (_number(ask.query.get(name, "")) for name in ("tokens", "out"))
    try:
        chosen = explain(found, Want(asked, tokens_in=tokens_in, max_out=max_out), now_us=ask.now_us)
    except RemitError as error:
        return (), error.message
    return tuple(chosen.why), ""


def _number(text: str) -> int:
    return min(int(text), _MOST_TOKENS) if text.isascii() and text.isdigit() and len(text) < 12 else 1000  # noqa: PLR2004


def _provider(one: ProviderStanding) -> ProviderRow:
    provider = one.provider
    mark, word = ("paused", "paused") if provider.paused else _mark(one.health, opened=one.open_circuits > 0)
    return ProviderRow(
        name=provider.name,
        kind=provider.kind.value,
        address=provider.base_url,
        key=provider.key,
        paused=provider.paused,
        mark=mark,
        word=word,
        times=_times(one.health),
        open_circuits=one.open_circuits,
    )


def _model(each: Deployment, found: Standings) -> ModelRow:
    health = found.health.get(each.target)
    paused = found.catalogue.providers[each.provider].paused
    mark, word = ("paused", "paused") if paused else _mark(health)
    history, told_ = _history(each.target, found)
    used = found.used.get(each.target)
    return ModelRow(
        name=each.name,
        target=each.target,
        listed=True,
        order=each.order,
        weight=each.weight,
        quality=each.quality,
        context=each.context,
        price=_price(each.rate),
        own_price=each.prices is not None,
        can=tuple(sorted(each.capabilities)),
        mark=mark,
        word=word,
        times=_times(health),
        history=history,
        told=told_,
        cost_micros=used.cost.micros if used else 0,
        used=used.attempts if used else 0,
    )


def _other(target: str, found: Standings) -> ModelRow:
    """A model that nobody listed and somebody asked."""
    health, used = found.health.get(target), found.used.get(target)
    at = found.catalogue.deployment(target)
    mark, word = _mark(health)
    history, told_ = _history(target, found)
    rate = None if at is None else at.rate
    return ModelRow(
        name=target,
        target=target,
        listed=False,
        order=0,
        weight=0,
        quality=0 if at is None else at.quality,
        context=0 if at is None else at.context,
        price=_price(rate),
        own_price=at is not None and at.prices is not None,
        can=() if at is None else tuple(sorted(at.capabilities)),
        mark=mark,
        word=word,
        times=_times(health),
        history=history,
        told=told_,
        cost_micros=used.cost.micros if used else 0,
        used=used.attempts if used else 0,
    )


def _mark(health: Standing | None, *, opened: bool = False) -> tuple[str, str]:
    if health is None:
        return "queued", "not asked"
    if opened or health.phase.value != "closed":
        half = health.phase.value == "half_open"
        return ("half", "half-open") if half else ("open", "breaker open")
    if not health.calls:
        return "queued", "not asked"
    share = 100 * health.error_share
    if share >= FAILING:
        return "failed", "failing"
    if share >= LOOK:
        return "warn", "some fail"
    return "done", "answers"


def _price(rate: Rate | None) -> str:
    """Money has two decimals, or more where it needs them: ``$2.50 in, $0.075 out``."""
    told_ = "" if rate is None else str(rate)
    return re.sub(r"\$(\d+)(?:\.(\d+))?", lambda found: f"${found[1]}.{(found[2] or '').ljust(2, '0')}", told_)


def _times(health: Standing | None) -> Times:
    if health is None:
        return Times(0, 0, 0.0, "", "", "", "", "")
    codes = ", ".join(f"{code} {count}" for code, count in sorted(health.codes.items(), key=lambda each: -each[1])[:3])
    p50, p95, p99 = (_seconds(each) for each in health.total)
    return Times(
        health.calls, health.errors, round(100 * health.error_share, 1), codes, _seconds(health.first[0]), p50, p95, p99
    )


def _seconds(value: float | None) -> str:
    return "" if value is None else str(words.duration(round(value * _SECOND))).replace(words.SPACE, " ")


def _history(target: str, found: Standings) -> tuple[tuple[float, ...], str]:
    """The p95 of each stretch in which something answered, and what it says."""
    values = tuple(point.p95 for point in found.history.get(target, ()) if point.p95 is not None)
    if not values:
        return (), ""
    if min(values) == max(values):
        return values[-POINTS:], f"p95 {_seconds(values[0])}"
    return values[-POINTS:], f"p95 from {_seconds(min(values))} to {_seconds(max(values))}"
