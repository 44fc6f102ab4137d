"""The provider: reads values from where they are kept, has them masked first, and hands them to adapters only.

A value is in the backend, in the bounded cache before it, in the redactor's registry, and for a moment in the adapter
that needs it. It is in no payload, row, log or error.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, cast
from urllib.parse import urlsplit

from remit.guard.secrets_check import UNMASKABLE
from remit.guard.secrets_rules import NOTHING, SecretsInForce
from remit.guard.secrets_use import Used, using
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import Denied, Failed, InternalError, InvalidInput, NotFound
from remit.kernel.permits import CURRENT
from remit.kernel.ports import Journal, SecretBackend, SecretValue
from remit.kernel.references import Reference, check_name, parse
from remit.redact.redactor import Redactor

SHORTEST = 8  # characters: the base64 of less is shorter than what can be masked in ordinary text
SHORTEST_LINE = 16  # of a value of several lines: a shorter one may be an ordinary word
_MARKS = ("-----BEGIN ", "-----END ")

_log = logging.getLogger(__name__)


class CachedBackend(SecretBackend, Protocol):
    """A backend that can be told to forget what it kept."""

    def invalidate(self, name: str) -> None:
        """The next to ask gets what is there then."""
        ...


@dataclass(frozen=True, slots=True)
class Access:
    """What a listener is told: a value was read (``read``) or handed to an adapter (``resolved``)."""

    name: str
    version: str
    backend: str
    what: str
    action: str = ""


type Listener = Callable[[Access], None]


class Secrets:
    """The provider of one workspace. Any thread may call it.

    Args:
        backend: Where values are kept, behind a cache.
        workspace: Whose; another workspace's actions get nothing.
        redactor: Told each value before anybody else gets it.
        journal: Where the uses of channels are written.
        clock: When.
        known: The rules and revisions as they were read last.
    """

    def __init__(
        self,
        backend: CachedBackend,
        *,
        workspace: str,
        redactor: Redactor,
        journal: Journal,
        clock: Clock,
        known: Callable[[], SecretsInForce] = lambda: NOTHING,
    ) -> None:
        self.backend = backend
        self.workspace = workspace
        self.known = known
        self.listeners: list[Listener] = []
        self._redactor = redactor
        self._journal = journal
        self._clock = clock
        self._lock = threading.Lock()
        self._revisions: dict[str, int] = {}
        self._salt = secrets.token_bytes(16)
        self._learned: set[bytes] = set()

    def __repr__(self) -> str:
        return f"Secrets({self.workspace!r}, {self.backend!r})"

    # ------------------------------------------------------------------------------------------------- for the guard

    async def ready(self, action: Action, reference: Reference, known: SecretsInForce) -> Used:
        """As ``secrets_check.Source.ready``; what others changed since is asked for anew."""
        if action.workspace != self.workspace:
            message = f"There is no source of secrets for the workspace {action.workspace!r} here."
            raise NotFound(message, code="secrets.unknown", hint="remit secrets list")
        self._keep_to(known, reference.name)
        value = await asyncio.to_thread(self.read, reference)
        return Used(value.name, value.version, value.backend)

    # --------------------------------------------------------------------------------------------------- for adapters

    def resolve(self, action: Action, text: str) -> str:
        """A text of the action's payload with the value in place of the reference; one that is none stays as it is.

        To be called by the adapter that performs ``action``, in its permit, when the value is needed and not earlier.

        Raises:
            InternalError: There is no permit for this action here.
            NotFound, Failed, Unavailable, IntegrityError: It can't be resolved any more.
        """
        placed = parse(text)
        if placed is None:
            return text
        return placed.filled(self._hand_over(action, placed.reference).text)

    def resolve_tree(self, action: Action, value: Json) -> Json:
        """A JSON value of the payload with every reference resolved, see ``resolve``; keys are left as they are."""
        if isinstance(value, str):
            return self.resolve(action, value)
        if isinstance(value, Mapping):
            return {key: self.resolve_tree(action, each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.resolve_tree(action, each) for each in cast("list[Json]", value)]
        return value

    def resolve_setting(self, action: Action, text: str) -> str:
        """A reference that the owner wrote into the settings (a channel's key): allowed unless a rule denies it.

        Counted and logged as a use of ``action``'s principal.

        Raises:
            Denied: A rule denies it.
            InternalError, NotFound, Failed, Unavailable, IntegrityError: As ``resolve``.
        """
        placed = parse(text)
        if placed is None:
            return text
        name = placed.reference.name
        if self.known().denied(name, action):
            message = f"A rule denies the secret {name!r} to this {action.kind}."
            raise Denied(message, code="secrets.denied", hint=f"remit secrets show {name}")
        value = self._hand_over(action, placed.reference)
        used = (Used(value.name, value.version, value.backend),)
        self._journal.submit("secret.use", using(action, used, now_us=micros_of(self._clock.now())))
        return placed.filled(value.text)

    def _hand_over(self, action: Action, reference: Reference) -> SecretValue:
        if CURRENT.get() != action.id or action.workspace != self.workspace:
            message = "A secret was asked for outside the permit of its action."
            raise InternalError(message, code="secrets.permit", hint=f"remit why {action.id}")
        self._keep_to(self.known(), reference.name)
        value = self.read(reference)
        self._tell(Access(value.name, value.version, value.backend, "resolved", action.id))
        return value

    # ------------------------------------------------------------------------------------------------------- values

    def read(self, reference: Reference) -> SecretValue:
        """The value, masked from now on wherever it turns up. Blocks.

        Raises:
            NotFound, Failed, Unavailable, IntegrityError: As ``SecretBackend.get``; ``Failed`` also when the value is
                too short or too common to be masked (``secrets.unmaskable``).
        """
        value = self.backend.get(check_name(reference.name), version=reference.version)
        try:
            self.learn(value.text)
        except InvalidInput as error:
            message = f"The secret {value.name!r} can't be masked where it turns up: {error.message}."
            raise Failed(message, code=UNMASKABLE, hint=f"remit secrets rotate {value.name} --generate") from None
        self._tell(Access(value.name, value.version, value.backend, "read"))
        return value

    def learn(self, text: str) -> None:
        """Have a value masked, and what of it is a secret by itself: see ``parts_of``.

        Raises:
            InvalidInput: It is too short or too common.
        """
        check_length(text)
        mark = hmac.digest(self._salt, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
        with self._lock:
            if mark in self._learned:
                return
        self._redactor.register(text)
        for part in parts_of(text):
            try:
                self._redactor.register(part)
            except InvalidInput:
                continue  # a user name, a port: the whole value is masked all the same
        with self._lock:
            self._learned.add(mark)

    def _keep_to(self, known: SecretsInForce, name: str) -> None:
        """Forget what was kept under another revision than the store's."""
        now = known.revisions.get(name, 0)
        with self._lock:
            stale = self._revisions.get(name, now) < now
            self._revisions[name] = max(now, self._revisions.get(name, 0))
        if stale:
            self.backend.invalidate(name)

    def _tell(self, access: Access) -> None:
        for listener in self.listeners:
            try:
                listener(access)
            except Exception as error:  # noqa: BLE001 - whoever listens can't keep an action from its secret
                _log.warning("a listener of the secrets failed: %s", type(error).__name__)


def check_length(text: str) -> None:
    """Refuse a value that would show in some of its forms, whatever the redactor makes of it.

    Raises:
        InvalidInput: Shorter than 8 characters; the message doesn't hold the value.
    """
    if len(text.strip()) < SHORTEST:
        message = f"a secret needs at least {SHORTEST} characters: a shorter one can't be masked in all its forms"
        raise InvalidInput(message, code="secrets.short", hint="choose a longer one: openssl rand -hex 24")


def parts_of(text: str) -> Iterator[str]:
    """What of a value is a secret by itself.

    The texts of a JSON object (backends keep user and password so), the password of a URL, the lines of a key.
    """
    if text.lstrip().startswith("{"):
        try:
            yield from _leaves(json.loads(text))
        except (ValueError, RecursionError):
            pass
        else:
            return
    lines = text.splitlines()
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= SHORTEST_LINE and not line.startswith(_MARKS))
    elif "://" in text:
        try:
            password = urlsplit(text).password
        except ValueError:
            password = None
        if password:
            yield password


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in cast("dict[str, object]", value).values():
            yield from _leaves(each)
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from _leaves(each)
