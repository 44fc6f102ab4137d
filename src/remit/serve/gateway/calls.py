"""One governed call: who asks, for which model, what it may cost at most, and what the guard says to that.

The guard decides and records; this module only says what is asked, passes the answer's bytes on, and tells a client in
its own protocol's words what became of its call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from remit.accounts.keys import Key
from remit.guard.guard import Guard
from remit.guard.permit import Pending
from remit.kernel import correlation
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock
from remit.kernel.effects import Model, Wire
from remit.kernel.errors import ApprovalPending, InvalidInput, RemitError, Unavailable
from remit.kernel.ids import is_id, new_id
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO, Money
from remit.models.catalogue import Deployment, Models
from remit.models.router import Router, Want
from remit.models.wire.errors import error_body, error_event
from remit.models.wire.request import Request, read_request
from remit.serve.gateway.asgi import LONGEST_NAME, Headers, Receive, Send, decoded, read_body, send_whole
from remit.serve.gateway.clients import Presence
from remit.serve.gateway.paths import Place
from remit.serve.gateway.tap import HEARTBEAT, ClientTap, passed
from remit.serve.gateway.waiting import decided
from remit.settings import Settings

_log = logging.getLogger(__name__)

FORWARDED = (b"anthropic-version", b"anthropic-beta", b"openai-beta")
CUTS_OF_A_TOKEN = 3  # bytes of a request that count as a token before anybody has counted
_OPERATIONS = {Wire.EMBEDDINGS: "embeddings", Wire.COUNT_TOKENS: "count_tokens"}
_MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Host:
    """What calls need of the process that answers them."""

    guard: Guard
    models: Models
    router: Router
    clock: Clock
    settings: Settings


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the headers ``x-remit-*`` of a request ask for.

    Attributes:
        mission: The mission that the call belongs to.
        step: The step of it.
        cache_s: An answer to the same request that is at most so old will do, in seconds; 0: none.
        timeout_s: Seconds that the call may take; ``None``: as long as the provider takes.
    """

    mission: str = ""
    step: str = ""
    cache_s: float = 0.0
    timeout_s: float | None = None


NO_WISHES = Wishes()


def wishes_of(headers: Mapping[bytes, bytes]) -> Wishes:
    """What a request asks for beside its body.

    Raises:
        InvalidInput: A header says what can't be understood.
    """
    mission, step = _text(headers, b"x-remit-mission"), _text(headers, b"x-remit-step")
    cache, timeout = _seconds(headers, b"x-remit-cache"), _seconds(headers, b"x-remit-timeout")
    if mission and not is_id(mission):
        told = "The header x-remit-mission names no mission: it takes a mission's whole id."
        raise InvalidInput(told, code="gateway.header", hint="remit missions")
    if step and not mission:
        told = "The header x-remit-step needs x-remit-mission beside it."
        raise InvalidInput(told, code="gateway.header", hint="send both")
    if not (mission or cache or timeout):
        return NO_WISHES
    return Wishes(mission, step, cache or 0.0, timeout or None)


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str:
    value = headers.get(name)
    return "" if value is None else value.decode("latin-1").strip()[:LONGEST_NAME]


def _seconds(headers: Mapping[bytes, bytes], name: bytes) -> float | None:
    text = _text(headers, name)
    if not text or text == "off":
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:  # noqa: PLR2004 - a day; also refuses what is no number
        told = f"The header {name.decode()} takes seconds from 0 to 86400."
        raise InvalidInput(told, code="gateway.header", hint=f"send {name.decode()}: 60")
    return seconds
