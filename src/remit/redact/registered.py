"""Registered values: known secrets, found in every form they are written in, from the moment they are registered.

Scans read an immutable ``Registry``; orders swap in a new one, so that no scan sees half a change. New forms stand in a
small list that is searched one by one; once that costs more than an automaton would, one is built beside the running
scans and swapped in (``literals.present``).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import NamedTuple

from remit.kernel.clock import Clock, SystemClock
from remit.kernel.errors import InvalidInput
from remit.redact.forms import SHORTEST, forms
from remit.redact.literals import FEW, SPACE, Literals, spaceless
from remit.redact.span import MASK, REGISTERED, mask_token

#: A value shorter than this is refused; up to ``SHORTEST`` it is masked only where it stands as a whole word.
SHORTEST_WORD = 4

#: Words that stand in ordinary text: masking them would mask the text.
COMMON = frozenset(
    [
        *("password", "passw0rd", "password1", "changeme", "username", "undefined", "localhost", "12345678"),
        *("administrator", "anonymous", "disabled", "enabled!", "required", "optional", "internal", "external"),
        *("function", "continue", "database", "postgres", "postgresql", "redacted", "00000000", "11111111"),
        *("development", "production", "example.com", "127.0.0.1", "123456789", "1234567890", "qwertyuiop"),
        *("admin", "root", "user", "guest", "test", "tests", "true", "false", "null", "none", "default", "secret"),
        *("token", "login", "pass", "passwd", "public", "private", "local", "prod", "stage", "staging", "debug"),
        *("info", "error", "warn", "warning", "master", "main", "system", "client", "server", "admin1", "demo"),
        *("hello", "world", "value", "example", "sample", "string", "number", "object", "array", "boolean", "enabled"),
        *("letmein", "welcome", "qwerty", "abc123", "1234", "12345", "123456", "1234567", "4321", "654321"),
        *("this", "that", "with", "from", "have", "will", "your", "what", "when", "which", "there", "their", "about"),
        *("http", "https", "html", "json", "yaml", "text", "data", "name", "type", "file", "path", "host", "port"),
    ]
)
_KIND = re.compile(r"[a-z][a-z0-9-]{0,39}")
_WARNING = (
    f"a value of under {SHORTEST} characters is masked only where it stands as a whole word; rotate it to a longer one"
)

_PAYS = 40_000_000  # characters times literals searched one by one, some 12 ms: then an automaton is worth building
_MANY = 1024  # new forms beyond which it is built without waiting for scans
_QUIET_S = 0.05  # registrations mostly come in bursts: build after the last one


@dataclass(frozen=True, slots=True)
class Registration:
    """What a registered value gets.

    ``kind``: that of its masks. ``whole_words``: it is masked only where it stands as a word; then there is a
    ``warning`` for a person to read.
    """

    kind: str
    whole_words: bool
    warning: str | None


class Hit(NamedTuple):
    """A registered value, in some form, at ``[start, end)`` of a text."""

    start: int
    end: int
    value: str
    kind: str


def check(value: str, *, kind: str = REGISTERED) -> Registration:
    """Refuse what can't be masked without harm.

    Raises:
        InvalidInput: Shorter than 4 characters (``redact.short``); a common word, a repeated character, or text that
            occurs in masks themselves (``redact.common``); a kind that is no lower-case word with dashes
            (``redact.kind``). The message doesn't hold the value.
    """
    if not _KIND.fullmatch(kind):
        message = "the kind of a registered value is a word of lower-case letters, digits and dashes"
        raise InvalidInput(message, code="redact.kind", hint="name the kind like api-key")
    bare = value.strip()
    if len(bare) < SHORTEST_WORD:
        message = (
            f"a registered secret needs at least {SHORTEST_WORD} characters: a shorter one would mask ordinary text"
        )
        raise InvalidInput(message, code="redact.short", hint="rotate the secret to a longer one")
    if bare.lower() in COMMON or bare.lower() in _masks(kind) or len(set(bare)) == 1:
        message = "this value is a common word or a repeated character: masking it would mask ordinary text"
        raise InvalidInput(message, code="redact.common", hint="choose a random secret: openssl rand -hex 24")
    short = len(bare) < SHORTEST
    return Registration(kind, whole_words=short, warning=_WARNING if short else None)


@cache
def _masks(kind: str) -> str:
    """The text that masks are made of, those of ``kind`` too."""
    from remit.redact.pack import kinds  # noqa: PLC0415 - most commands register nothing

    return "".join(mask_token(each, "0000") for each in (kind, *kinds())).lower()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A registered value: its kind, and until when it is still looked for once nobody uses it any more."""

    kind: str
    until: datetime | None = None


@dataclass(frozen=True)
class Registry:
    """The registered values at one moment; immutable.

    ``side`` holds the forms that ``indexed`` doesn't know yet, and ``words`` those of values so short that they count
    only as whole words.
    """

    entries: Mapping[str, _Entry] = field(default_factory=dict[str, _Entry])
    indexed: Literals = field(default_factory=Literals)
    side: Literals = field(default_factory=Literals)

    @cached_property
    def expires(self) -> datetime | None:
        """When the first of the values that nobody uses any more is to be forgotten."""
        return min((each.until for each in self.entries.values() if each.until is not None), default=None)

    def find(self, text: str, *, despaced: bool = False) -> list[Hit]:
        """Each occurrence of each form, by start, the longest first.

        With ``despaced`` also those with white space or zero-width characters in between, as when a model spells a
        value out.
        """
        hits = [
            hit
            for known in self._searched
            for start, end, owners in known.find(text)
            if (hit := self._hit(text, start, end, owners)) is not None
        ]
        if despaced and self._near(text) and (bare := Bare.of(text)) is not None:
            hits += [
                hit
                for known in self._despaced
                for start, end, owners in known.find(bare.text)
                if (hit := self._hit(text, bare.places[start], bare.places[end - 1] + 1, owners)) is not None
            ]
        if len(hits) > 1:
            hits.sort(key=lambda each: (each.start, -each.end, each.value))
        return hits

    def undecided(self, text: str, start: int, *, despaced: bool = False) -> int:
        """Where, from ``start`` on, text begins that may still become an occurrence; ``len(text)`` if nowhere.

        That is the first end of the text that is a proper prefix of a form, or a short value whose right neighbour
        isn't there yet.
        """
        tight = spaceless(text[start:])
        if not (self._words and text.endswith(".")) and all(
            known.begun.live(tight, 0) is None for known in (self.indexed, self.side)
        ):
            return len(text)
        first = self._open_word(text, start)
        for known in (self.indexed, self.side):
            found = known.prefixes.live(text, start)
            first = first if found is None else min(first, found)
        if despaced and len(tight) < len(text) - start:
            for known in self._despaced:
                found = known.prefixes.live(tight, 0)
                first = first if found is None else min(first, _place(text, len(tight) - found))
        return first

    def silent(self, text: str) -> bool:
        """Whether certainly no form occurs in the text, with or without white space; quicker than ``find``."""
        tight = spaceless(text)
        return not any(known.within(tight) for known in (self.indexed, self.side))

    def _near(self, text: str) -> bool:
        """Whether a form occurs in the text without its white space; where it stood is not told."""
        tight = spaceless(text)
        return len(tight) < len(text) and any(True for known in self._despaced for _ in known.present(tight))

    @cached_property
    def _searched(self) -> tuple[Literals, ...]:
        """Those that hold any."""
        return tuple(known for known in (self.indexed, self.side) if known.owners)

    @cached_property
    def _despaced(self) -> tuple[Literals, ...]:
        """The same forms without white space; those of short values are left out."""

        def bare(form: str) -> str | None:
            tight = SPACE.sub("", form)
            return tight if len(tight) >= SHORTEST else None

        return self.indexed.mapped(bare), self.side.mapped(bare)

    @cached_property
    def _words(self) -> tuple[str, ...]:
        """The forms of short values."""
        return tuple(form for value in self.entries if len(value.strip()) < SHORTEST for form in forms(value))

    def _hit(self, text: str, start: int, end: int, owners: tuple[str, ...]) -> Hit | None:
        for value in owners:
            entry = self.entries.get(value)
            if entry is not None and (len(value.strip()) >= SHORTEST or _whole_word(text, start, end)):
                return Hit(start, end, value, entry.kind)
        return None

    def _open_word(self, text: str, start: int) -> int:
        first = len(text)
        for word in self._words:
            for cut in (0, 1) if text.endswith(".") else (0,):  # the point may still turn out to belong to a number
                at = len(text) - cut - len(word)
                if start <= at < first and text.startswith(word, at):
                    first = at
        return first


def _whole_word(text: str, start: int, end: int) -> bool:
    """Whether neither neighbour belongs to the same word or number, and no mask's suffix stands there."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before[-1:].isalnum() or after[:1].isalnum() or before[-1:] == "_" or after[:1] == "_":
        return False
    if text[start:end].isdigit() and (_decimal(before[::-1]) or _decimal(after)):
        return False
    return not any(found.start() <= start and end <= found.end() for found in MASK.finditer(text, max(0, start - 80)))


def _decimal(beside: str) -> bool:
    return beside[:1] == "." and beside[1:].isdigit()


def _place(text: str, count: int) -> int:
    """Where the last ``count`` characters that are no white space begin."""
    at = len(text)
    while count:
        at -= 1
        count -= SPACE.match(text, at) is None
    return at


class Bare(NamedTuple):
    """A text without white space and zero-width characters, and where each of its characters stood."""

    text: str
    places: list[int]

    @classmethod
    def of(cls, text: str, start: int = 0) -> Bare | None:
        """The text from ``start`` on; ``None`` when there is nothing to leave out."""
        kept: list[str] = []
        places: list[int] = []
        done = start
        for found in SPACE.finditer(text, start):
            kept.append(text[done : found.start()])
            places += range(done, found.start())
            done = found.end()
        if not kept:
            return None
        kept.append(text[done:])
        places += range(done, len(text))
        return cls("".join(kept), places)


class Registered:
    """The registered values of one redactor. Any thread may call any method at any time.

    Args:
        clock: Tells when a value that nobody uses any more is forgotten.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._now = Registry()
        self._spent = 0
        self._building = False
        self._changes = 0

    def current(self) -> Registry:
        """What is registered at this moment."""
        now = self._now
        if now.expires is not None and now.expires <= self._clock.now():
            now = self._forget_expired()
        return now

    def any(self) -> bool:
        """Whether anything is registered."""
        return bool(self._now.entries)

    def find(self, text: str, *, despaced: bool = False) -> list[Hit]:
        """See ``Registry.find``."""
        now = self.current()
        if not now.entries:
            return []
        waiting = len(now.side.owners)
        if waiting > FEW:
            self._spent += len(text) * waiting  # a race loses a little of the count, nothing else
            if self._spent > _PAYS:
                self._build_soon()
        return now.find(text, despaced=despaced)

    def register(self, value: str, *, kind: str = REGISTERED) -> Registration:
        """Look for ``value`` in every form from now on; a value that was to be forgotten stays.

        Raises:
            InvalidInput: See ``check``.
        """
        told = check(value, kind=kind)
        shown = _masks(kind)
        added = [form for form in forms(value) if form.lower() not in shown]
        with self._lock:
            now = self._now
            side = dict(now.side.owners)
            for form in added:
                owners = side.get(form) or now.indexed.owners.get(form, ())
                if value not in owners:
                    side[form] = (*owners, value)
            self._swap(Registry({**now.entries, value: _Entry(kind)}, now.indexed, Literals(side)))
        if len(side) > _MANY:
            self._build_soon()
        return told

    def unregister(self, value: str, *, until: datetime | None = None) -> None:
        """No longer look for ``value``: from ``until`` on, at once without it.

        Whatever was written under it may still be read: give the end of its retention. A value that isn't registered
        is no error.
        """
        with self._lock:
            entry = self._now.entries.get(value)
            if entry is None:
                return
            if until is not None and until > self._clock.now():
                self._swap(replace(self._now, entries={**self._now.entries, value: replace(entry, until=until)}))
            else:
                self._swap(_without(self._now, [value]))

    def rotate(self, old: str, new: str, *, retain: timedelta, kind: str | None = None) -> Registration:
        """Look for ``new``, and for ``old`` until ``retain`` from now is over.

        ``old`` needn't be registered: it is from now on. ``kind`` is that of ``old`` when left out.

        Raises:
            InvalidInput: ``new`` can't be registered (see ``check``); then nothing changes.
        """
        entry = self._now.entries.get(old)
        told = self.register(new, kind=kind or (entry.kind if entry else REGISTERED))
        if old != new:
            if entry is None:
                with suppress(InvalidInput):  # what can't be registered was never masked
                    self.register(old, kind=told.kind)
            self.unregister(old, until=self._clock.now() + retain)
        return told

    def _swap(self, new: Registry) -> None:
        self._changes += 1
        self._now = new

    def _forget_expired(self) -> Registry:
        with self._lock:
            now = self._clock.now()
            gone = [value for value, each in self._now.entries.items() if each.until is not None and each.until <= now]
            self._swap(_without(self._now, gone))
            return self._now

    def _build_soon(self) -> None:
        with self._lock:
            if self._building:
                return
            self._building = True
            self._spent = 0
        # Not a daemon: a thread that is cut off inside the automaton's builder at exit could take the process with it.
        threading.Thread(target=self._build, name="remit-registered", daemon=False).start()

    def _build(self) -> None:
        try:
            seen = -1
            while seen != self._changes:
                seen = self._changes
                time.sleep(_QUIET_S)
            taken = self._now
            owners = {
                form: kept
                for form, values in {**taken.indexed.owners, **taken.side.owners}.items()
                if (kept := tuple(value for value in values if value in taken.entries))
            }
            built = Literals(owners, built=True)
            built.present("")  # builds it
            with self._lock:
                now = self._now
                side = {form: values for form, values in now.side.owners.items() if owners.get(form) != values}
                self._now = Registry(now.entries, built, Literals(side))
        finally:
            self._building = False


def _without(now: Registry, values: Iterable[str]) -> Registry:
    """``now`` without some values: their forms are found no more, though the automaton still knows them."""
    gone = set(values)
    entries = {value: entry for value, entry in now.entries.items() if value not in gone}
    if not entries:
        return Registry()
    side = {
        form: kept
        for form, owners in now.side.owners.items()
        if (kept := tuple(each for each in owners if each not in gone))
    }
    return Registry(entries, now.indexed, Literals(side))
