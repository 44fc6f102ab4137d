"""One governed call: who asks, for which model, what it may cost at most, and what the guard says to that.

The guard decides and records; this module only says what is asked, passes the answer's bytes on, and tells a client in
its own protocol's words what became of its call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

from remit.accounts.gateway_policy import GatewayPolicy, GatewayState, OnApproval, OnFull
from remit.accounts.keys import Key
from remit.accounts.reach import ANY as EVERY
from remit.accounts.reach import reaches_model
from remit.guard import continuing
from remit.guard.cache import replayed
from remit.guard.guard import Guard
from remit.guard.permit import Pending
from remit.kernel.action import Action
from remit.kernel.aside import LARGE, aside
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock
from remit.kernel.effects import Model, Wire
from remit.kernel.errors import ApprovalPending, Denied, InternalError, InvalidInput, NotFound, RemitError, Unavailable
from remit.kernel.ids import is_id, new_id
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO, Money
from remit.models.cache_key import Wish, wish
from remit.models.catalogue import Catalogue, Deployment, Models, ProviderKind
from remit.models.estimate import most
from remit.models.router import Route, Want
from remit.models.wire.errors import error_event, status_of
from remit.models.wire.references import references
from remit.models.wire.request import Request, facts
from remit.serve.gateway.answers import failed, ours
from remit.serve.gateway.asgi import LONGEST_NAME, Receive, Send, decoded, send_whole
from remit.serve.gateway.clients import Presence
from remit.serve.gateway.counted import GONE, Counted
from remit.serve.gateway.missions import Missions
from remit.serve.gateway.paths import Place
from remit.serve.gateway.tap import ClientTap
from remit.serve.gateway.turned_away import TurnedAway
from remit.serve.gateway.waiting import Waiting
from remit.settings import Settings

_log = logging.getLogger(__name__)

FORWARDED = (b"anthropic-version", b"anthropic-beta", b"openai-beta")
USUAL_OUT = 512  # tokens of an answer without a limit, where models are compared; what is reserved is a setting
_ANY: frozenset[str] = frozenset()
#: Interfaces that not every kind of provider has, even by way of another (``models/wire/translate.py``).
_KINDS = {
    Wire.RESPONSES: frozenset({ProviderKind.OPENAI.value, ProviderKind.COMPATIBLE.value}),
    Wire.EMBEDDINGS: frozenset({ProviderKind.OPENAI.value, ProviderKind.COMPATIBLE.value}),
    Wire.COUNT_TOKENS: frozenset({ProviderKind.ANTHROPIC.value}),
}
#: Interfaces whose requests can go on from what a provider keeps.
CONTINUES = frozenset({Wire.RESPONSES, Wire.MESSAGES})
_OPERATIONS = {Wire.EMBEDDINGS: "embeddings", Wire.COUNT_TOKENS: "count_tokens"}
_MICROS = 1_000_000
_LOOK_S = 0.02  # between looks whether the queue of writes has a place


@dataclass(frozen=True, slots=True)
class Host:
    """What calls need of the process that answers them."""

    guard: Guard
    models: Models
    route: Callable[[Catalogue, Want], Awaitable[Route]]
    missions: Missions
    clock: Clock
    settings: Settings
    turned_away: TurnedAway
    counted: Counted
    decisions: Waiting
    waiting: Callable[[], int] = lambda: 0  # writes that are queued


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the headers ``x-remit-*`` of a request ask for.

    Attributes:
        mission: The mission that the call belongs to.
        step: The step of it.
        cache: Whether an answer that was kept will do, as ``models.cache_key.wish`` takes it.
        timeout_s: Seconds that the call may take; ``None``: as long as the provider takes.
    """

    mission: str = ""
    step: str = ""
    cache: str = ""
    timeout_s: float | None = None


NO_WISHES = Wishes()
NOT_KEPT = Wish()


def wishes_of(headers: Mapping[bytes, bytes]) -> Wishes:
    """What a request asks for beside its body.

    Raises:
        InvalidInput: A header says what can't be understood.
    """
    mission, step = _text(headers, b"x-remit-mission"), _text(headers, b"x-remit-step")
    cache, timeout = _text(headers, b"x-remit-cache"), _seconds(headers, b"x-remit-timeout")
    if mission and not is_id(mission):
        told = "The header x-remit-mission names no mission: it takes a mission's whole id."
        raise InvalidInput(told, code="gateway.header", hint="remit missions")
    if step and not mission:
        told = "The header x-remit-step needs x-remit-mission beside it."
        raise InvalidInput(told, code="gateway.header", hint="send both")
    if not (mission or cache or timeout):
        return NO_WISHES
    return Wishes(mission, step, cache, timeout or None)


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    value = headers.get(name)
    return "" if value is None else value.decode("latin-1").strip()[:LONGEST_NAME]


def _seconds(headers: Mapping[bytes, bytes], name: bytes) -> float | None:
    text = _text(headers, name)
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:  # noqa: PLR2004 - a day; also refuses what is no number
        told = f"The header {name.decode()} takes seconds from 0 to 86400."
        raise InvalidInput(told, code="gateway.header", hint=f"send {name.decode()}: 60")
    return seconds


@dataclass(frozen=True, slots=True)
class Call:
    """A request to ask a model, as it arrived."""

    key: Key
    place: Place
    headers: Mapping[bytes, bytes]
    body: bytes
    request_id: str


async def answer(host: Host, call: Call, receive: Receive, send: Send) -> None:
    """Ask, and pass on what comes. Whatever happens, the client hears it in its protocol's words, unless it went away.

    The answer goes out once its call is durable; what it cost is written behind it.
    """
    wire = call.place.wire
    tap = ClientTap(send, ours(wire, call.request_id))
    presence = Presence(receive, writing=lambda: tap.writing, slow_s=host.settings.gateway_slow_s)
    pending: Pending = []
    error: RemitError
    began, status = perf_counter(), 200
    try:
        outcome = await _asked(host, call, tap, pending)
        presence.over()
        await _finish(tap, outcome, send)
        status = tap.head.status if tap.head is not None else 200
    except RemitError as refused:
        presence.over()
        status = status_of(wire, refused)
        host.turned_away.note(call.key, wire.value, refused)
        await _tell(call, tap, refused, send)
    except asyncio.CancelledError:
        status = GONE
        presence.over()
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        if not presence.gone:
            told = "The gateway is stopping, and the call did not end in its time."
            error = Unavailable(told, code="gateway.stopping", hint="ask again", retry_after=1.0)
            await _tell(call, tap, error, send)
    except Exception as fault:  # noqa: BLE001 - a fault of ours still answers in the client's protocol
        status = 500
        presence.over()
        _log.error("a call failed: %s", type(fault).__name__, exc_info=fault)
        await _tell(
            call, tap, InternalError(f"The gateway failed: {type(fault).__name__}.", code="gateway.fault"), send
        )
    host.counted.call(call.key.workspace, wire, status, perf_counter() - began)
    for written in pending:
        written.future.add_done_callback(_noted)


def _noted(written: Future[None]) -> None:
    """Whether an outcome was written. The answer is out; without it the intent stays, and is settled as abandoned."""
    lost = written.exception()
    if lost is not None:
        _log.error("the outcome of a call was not written (%s)", type(lost).__name__)


async def _asked(host: Host, call: Call, tap: ClientTap, pending: Pending) -> Outcome:
    """The outcome of the call; its bytes have gone to the tap."""
    key, wire = call.key, call.place.wire
    wishes = wishes_of(call.headers)
    if wishes.mission:
        await host.missions.check(key, wishes.mission)
    large = len(call.body) >= LARGE
    document, asked = await aside(_read, wire, call.body) if large else _read(wire, call.body)
    catalogue = host.models.fresh(key.workspace) or await host.models.catalogue(key.workspace)
    candidates = await _candidates(host, call, asked, catalogue)
    if wire in CONTINUES and (refers := references(wire, document)):
        candidates = await _continued(host, key, candidates, refers, catalogue)
    effects = _effects(call, document, candidates)
    estimate, priced = _estimate(host, candidates, asked, catalogue)
    policy = (await _known(host.guard, key)).policy
    if host.waiting() >= host.settings.gateway_queue:
        await _room(host, policy)
    kept = NOT_KEPT
    if policy.cache or wishes.cache:
        control = _text(call.headers, b"cache-control")
        kept = wish(document, wire=wire, asked=wishes.cache, control=control, keeps=policy.cache)
    while True:
        asks = partial(
            Action,
            tap.named(new_id()),
            effects[0],
            key.principal,
            key.on_behalf_of,
            key.workspace,
            mission=wishes.mission,
            step=wishes.step,
            estimate=estimate,
            priced=priced,
            key=key.id,
        )
        action = await aside(asks) if large else asks()
        try:
            return await host.guard.run(
                action,
                pending=pending,
                timeout_s=wishes.timeout_s,
                alternatives=effects[1:],
                keep_s=kept.keep_s,
                refresh=kept.refresh,
                tap=tap,
            )
        except ApprovalPending as waits:
            if policy.approval is OnApproval.ANSWER:
                raise
            streamed = asked.streamed
            beat = tap.beat if streamed else None
            wait_s = None if streamed else host.settings.gateway_wait_s
            known = await host.decisions.decided(
                key.workspace,
                waits.approval_id,
                seconds=wait_s,
                beat=beat,
                beat_s=host.settings.gateway_heartbeat_s,
            )
            if not known:
                raise


def _read(wire: Wire, body: bytes) -> tuple[dict[str, Json], Request]:
    """The request's JSON, and what it asks for."""
    document = decoded(body)
    return document, facts(wire, document, size=len(body))


async def _room(host: Host, policy: GatewayPolicy) -> None:
    """Writes pile up: wait for a place, or refuse, as the policy says. What is queued already is written either way.

    Raises:
        Unavailable: There is none, or none in its time; nothing was asked, reserved or written.
    """
    clock, settings = host.clock, host.settings
    until = clock.monotonic() + settings.gateway_queue_s
    while host.waiting() >= settings.gateway_queue:
        if policy.on_full is OnFull.REFUSE or clock.monotonic() >= until:
            told = "More is to be written than the store takes, so nothing new is begun."
            raise Unavailable(told, code="gateway.full", hint="ask again; remit doctor", retry_after=1.0)
        await asyncio.sleep(_LOOK_S)


async def _candidates(host: Host, call: Call, asked: Request, catalogue: Catalogue) -> Sequence[Deployment]:
    """Who may be asked, in order."""
    key, provider = call.key, call.place.provider
    name = asked.model[:LONGEST_NAME]
    if provider:
        if provider not in catalogue.providers:
            told = f"There is no provider {provider[:60]!r} here."
            raise NotFound(told, code="gateway.provider", hint="remit providers list")
        name = name if name.startswith(f"{provider}/") else f"{provider}/{name}"
    want = Want(
        name,
        needs=asked.needs,
        tokens_in=asked.tokens_in,
        max_out=asked.n * (USUAL_OUT if asked.max_out is None else asked.max_out),
        allowed=tuple(key.models),
        kinds=_KINDS.get(asked.wire, _ANY),
    )
    try:
        found = (await host.route(catalogue, want)).candidates
    except Denied:
        # The guard refuses what a key may not ask, and writes it down; a workspace that only observes lets it pass.
        return (await host.route(catalogue, replace(want, allowed=(EVERY,)))).candidates[:1]
    within = reaches(host.guard, key)[-1]
    return [each for each in found if reaches_model(within, each.target)] or found[:1]


def _effects(call: Call, document: dict[str, Json], candidates: Sequence[Deployment]) -> list[Model]:
    wire, headers = call.place.wire, call.headers
    forwarded = tuple((name.decode(), headers[name].decode("latin-1")) for name in FORWARDED if name in headers)
    operation = _OPERATIONS.get(wire, "")
    return [
        Model(each.provider, each.model, document, operation=operation, wire=wire, body=call.body, headers=forwarded)
        for each in candidates
    ]


def _most_out(host: Host, asked: Request) -> int:
    """Tokens that all its answers may have together."""
    return asked.n * (host.settings.gateway_max_out if asked.max_out is None else asked.max_out)


def _estimate(host: Host, candidates: Sequence[Deployment], asked: Request, catalogue: Catalogue) -> tuple[Money, bool]:
    """The most that any of them can cost, and whether that is known. Counting tokens is free everywhere."""
    if asked.wire is Wire.COUNT_TOKENS:
        return ZERO, True
    dearest = most(candidates, asked, max_out=_most_out(host, asked), providers=catalogue.providers)
    return (ZERO, False) if dearest is None else (dearest, True)


async def _continued(
    host: Host,
    key: Key,
    candidates: Sequence[Deployment],
    asked: Sequence[continuing.Reference],
    catalogue: Catalogue,
) -> Sequence[Deployment]:
    """Those that keep what the call goes on from. Nobody goes on from what another has said.

    Raises:
        NotFound: It is another's, or never was: nobody learns which.
    """
    at = {each.target: catalogue.providers[each.provider].base_url for each in candidates}
    party = continuing.Party(key.workspace, key.principal, key.on_behalf_of)
    accounts = tuple(dict.fromkeys(at.values()))
    account = await continuing.check(host.guard.journal, party, asked, accounts=accounts)
    return [each for each in candidates if at[each.target] == account]


async def _known(guard: Guard, key: Key) -> GatewayState:
    """The workspace's switches and keys, as the guard knows them; read anew for a key that was made just now."""
    known = guard.register.known(key.workspace)
    if known is None or key.id not in known.gateway.keys:
        try:
            known = await guard.register.refresh(key.workspace)
        except Exception as error:
            told = "Who may act, and the kill switch, could not be read."
            raise Unavailable(told, code="guard.unreadable", hint="remit doctor") from error
    return known.gateway


def reaches(guard: Guard, key: Key) -> tuple[frozenset[str], ...]:
    """What bounds the models that a key may ask: its own patterns, and those of its agent."""
    known = guard.register.known(key.workspace)
    agent = None if known is None else known.agents.get(key.agent)
    return (key.models,) if agent is None else (key.models, agent.models)


async def _finish(tap: ClientTap, outcome: Outcome, send: Send) -> None:
    """The end of an answer: of a stream its last chunk, else all of it, with what it cost."""
    body, more = tap.held, [(b"x-remit-cost-usd", b"%d.%06d" % divmod(outcome.cost.micros, _MICROS))]
    if tap.head is None:
        kept = replayed(outcome)
        if kept is None:
            told = "The call is over, and its answer can't be given."
            raise InternalError(told, code="gateway.no_answer", hint=f"remit why {tap.action}")
        tap.head, body = kept
        more.append((b"x-remit-cache", b"hit"))
    if tap.started:
        await tap.finish(body)
    else:
        await send_whole(send, tap.head.status, tap.headers() + more, body)


async def _tell(call: Call, tap: ClientTap, error: RemitError, send: Send) -> None:
    """An error: before the head with its own status, behind it as the protocol's event."""
    if tap.started:
        await tap.finish(error_event(call.place.wire, error, request_id=call.request_id))
        return
    await failed(send, call.place.wire, error, request_id=call.request_id)
