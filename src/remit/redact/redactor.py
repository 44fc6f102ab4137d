"""The redactor: finds secrets in texts and bytes, masks them, lists them."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from remit.kernel.clock import Clock
from remit.kernel.finding import Finding, Severity
from remit.redact.registered import Registered, Registration
from remit.redact.span import MASK, REGISTERED, Span, mask_token, union
from remit.redact.tree import mask_tree

if TYPE_CHECKING:
    from remit.redact.engine import Engine

PASSES = 8  # a mask beside what was left may complete another value: masked again, until nothing is found
SUFFIX = 4  # hexadecimal digits of a mask's suffix
_MASK = re.compile(MASK.pattern.encode())
_INSIDE = bytes(range(0x80, 0xC0))  # every byte of a character in UTF-8 but its first


class Redactor:
    """Finds and masks registered values and what the rules describe.

    Any thread may call any method at any time; a value is found from the moment ``register`` returns. Masks are
    idempotent: ``mask(mask(x)) == mask(x)``. Whatever goes wrong in a scan is raised: text that could not be scanned
    never passes for clean.

    ``tier=1`` is what is certain, ``tier=2`` also what is likely: for text that only people read, as logs and reports.

    Args:
        key: Keys the suffix of masks (HMAC-SHA256), so that nobody can tell a value by counting. One per workspace; 16
            random bytes or more.
        clock: Tells when a value that is no longer used is forgotten; the machine's by default.
        regions: Countries whose national phone numbers are known (``personal.find``); a long list by default.
        personal: Whether personal data is masked wherever ``tier=2`` is asked for: logs, errors, traces, reports.
    """

    def __init__(
        self,
        key: bytes,
        *,
        clock: Clock | None = None,
        regions: tuple[str, ...] | None = None,
        personal: bool = False,
    ) -> None:
        self._key = key
        self._regions = regions
        self._always = personal
        self.registered = Registered(clock)

    def register(self, value: str, *, kind: str = REGISTERED) -> Registration:
        """Mask ``value`` in every form it is written in, from now on, as ``[REDACTED:kind:suffix]``.

        A value of 4 to 7 characters is masked only where it stands as a whole word; the answer then carries a warning.

        Raises:
            InvalidInput: It is shorter than 4 characters or a common word (``redact.short``, ``redact.common``).
        """
        return self.registered.register(value, kind=kind)

    def unregister(self, value: str, *, until: datetime | None = None) -> None:
        """No longer look for ``value`` from ``until`` on; at once without it.

        Whatever was written under it stays: give the end of its retention.
        """
        self.registered.unregister(value, until=until)

    def rotate(self, old: str, new: str, *, retain: timedelta, kind: str | None = None) -> Registration:
        """Mask ``new`` from now on, and ``old`` until ``retain`` is over.

        Raises:
            InvalidInput: As ``register``, about ``new``; then nothing changes.
        """
        return self.registered.rotate(old, new, retain=retain, kind=kind)

    def warm(self, *, tier: int = 1, personal: bool = False) -> str:
        """Make the quickest engine ready now instead of after some megabytes; its name. It takes about a second."""
        if personal:
            self._personal("warm: +1 415 555 0132")
        return _engine(tier).warm()

    def scan(self, data: str | bytes, *, tier: int = 1, personal: bool = False, despaced: bool = False) -> list[Span]:
        """Every secret, in order, without overlap; offsets are characters of a text, bytes of a byte string.

        With ``personal`` also personal data; with ``despaced`` also registered values with white space or zero-width
        characters in between, as when a model spells one out: for what a model wrote, on its way out.
        """
        found = self.found(data, tier=tier, personal=personal, despaced=despaced)
        return union(span for span, _ in found) if found else []

    def clean(self, data: str | bytes, *, tier: int = 1) -> bool:
        """Whether ``scan`` finds nothing."""
        return not self.found(data, tier=tier)

    def mask(
        self, text: str, *, tier: int = 1, personal: bool = False, cards: bool = False, despaced: bool = False
    ) -> str:
        """``text`` with each secret replaced by ``[REDACTED:kind:suffix]``; the same object when there is none.

        As ``scan``; with ``cards`` also payment cards, of all personal data these alone.
        """
        for _ in range(PASSES):
            found = self.found(text, tier=tier, personal=personal, cards=cards, despaced=despaced)
            if not found:
                break
            text = self._replace(text, found)
        return text

    def _replace(self, text: str, found: list[tuple[Span, str]]) -> str:
        values = {(span.kind, span.start): value for span, value in reversed(found)}
        parts: list[str] = []
        done = 0
        for span in union(span for span, _ in found):
            value = values.get((span.kind, span.start), text[span.start : span.end])
            parts += (text[done : span.start], mask_token(span.kind, self.suffix(value)))
            done = span.end
        return "".join((*parts, text[done:]))

    def mask_tree(
        self, value: object, *, names: bool = True, tier: int = 1, personal: bool = False, cards: bool = False
    ) -> object:
        """Nested JSON (and tuples, sets, bytes) with every text in it masked, keys too.

        With ``names``, the value under a key that names a secret (``password``, ``authorization``) is masked whatever
        it is. A value without a secret in it comes back as the same object. With ``personal`` also personal data,
        with ``cards`` also payment cards.
        """
        wider = _Wider(self, personal=personal, cards=cards) if personal or cards else self
        return mask_tree(value, wider, names=names, tier=tier)

    def findings(self, files: Mapping[str, bytes]) -> list[Finding]:
        """One critical finding for each secret in ``files`` (path to content), with path and line, never the value."""
        return list(self._findings(files))

    def suffix(self, value: str) -> str:
        """Four hexadecimal digits that are the same for the same value under one key."""
        keyed = self.keyed()
        keyed.update(value.encode("utf-8", "surrogatepass"))
        return keyed.hexdigest()[:SUFFIX]

    def keyed(self) -> hmac.HMAC:
        """The hash that suffixes are made with, for a value that comes in pieces."""
        return hmac.new(self._key, digestmod=hashlib.sha256)

    def _findings(self, files: Mapping[str, bytes]) -> Iterator[Finding]:
        for path in sorted(files):
            data = files[path]
            for span in self.scan(path):
                yield Finding(
                    f"secret.{span.kind}", Severity.CRITICAL, f"The name of a file holds a secret ({span.kind})."
                )
            for span in self.scan(data):
                line = data.count(b"\n", 0, span.start) + 1
                yield Finding(
                    f"secret.{span.kind}",
                    Severity.CRITICAL,
                    f"A secret ({span.kind}) stands in {self.mask(path)} on line {line}.",
                    place=f"{self.mask(path)}:{line}",
                    fix="refer to it as secret://NAME and rotate the value",
                )

    def found(
        self,
        data: str | bytes,
        *,
        tier: int = 1,
        personal: bool = False,
        cards: bool = False,
        despaced: bool = False,
    ) -> list[tuple[Span, str]]:
        """Every span, overlapping ones too, each with what its mask's suffix is made from."""
        if isinstance(data, str):
            plain = data.isascii()
            raw = data.encode() if plain else data.encode("utf-8", "surrogatepass")
        else:
            plain, raw = True, data
        found: list[tuple[Span, str]] = []
        if self.registered.any():
            text = data if isinstance(data, str) else data.decode("latin-1")
            found = [
                (Span(hit.kind, hit.start, hit.end, known=True), hit.value)
                for hit in self.registered.find(text, despaced=despaced)
            ]
        if self.asked(tier=tier, personal=personal):
            found += self._personal(data)
        elif cards:
            found += _cards(data)
        chosen = _engine(tier)
        hits = chosen.find(raw)
        if not hits:
            return found
        rules = chosen.rules
        spans = [Span(rules[index].kind, start, end, rules[index].tier) for index, start, end in hits]
        values = [raw[span.start : span.end].decode("utf-8", "replace") for span in spans]
        if b"[REDACTED:" in raw:
            pairs = list(_beside_masks(raw, spans))
            spans = [span for span, _ in pairs]
            values = [value for _, value in pairs]
        if not plain:
            spans = characters(raw, spans)
        return found + list(zip(spans, values, strict=True))

    def silent(
        self, text: str, raw: bytes, front: int, *, tier: int = 1, personal: bool = False, cards: bool = False
    ) -> bool:
        """Whether ``found`` certainly finds nothing, and no rule matches even where its judge would refuse.

        False says nothing: then ``found`` must be asked. ``raw`` is ``text`` in UTF-8; registered values and
        cards are looked for from ``front`` on.
        """
        if not _engine(tier).silent(raw):
            return False
        if self.registered.any() and not self.registered.current().silent(text[front:]):
            return False
        if self.asked(tier=tier, personal=personal):
            return not self._personal(text)
        return not (cards and _cards(text, front))

    def silent_but_for_rules(self, text: str, *, tier: int = 1) -> bool:
        """Whether ``mask`` certainly changes nothing in a text in which no rule finds anything.

        For a text that another redactor has looked through with the same rules.
        """
        return not self.asked(tier=tier, personal=False) and not self.registered.find(text)

    def asked(self, *, tier: int, personal: bool) -> bool:
        """Whether personal data is looked for when this is asked."""
        return personal or (self._always and tier > 1)

    def _personal(self, data: str | bytes) -> list[tuple[Span, str]]:
        from remit.redact.personal.find import find  # noqa: PLC0415 - no command needs it before there is a text
        from remit.redact.personal.phones import REGIONS  # noqa: PLC0415 - as above

        text = data if isinstance(data, str) else data.decode("latin-1")
        regions = REGIONS if self._regions is None else self._regions
        return [
            (Span(each.kind, each.start, each.end), text[each.start : each.end]) for each in find(text, regions=regions)
        ]


def _cards(data: str | bytes, front: int = 0) -> list[tuple[Span, str]]:
    from remit.redact.personal.cards import cards  # noqa: PLC0415 - no command needs it before there is a text

    text = data if isinstance(data, str) else data.decode("latin-1")
    return [(Span(each.kind, each.start, each.end), text[each.start : each.end]) for each in cards(text, front=front)]


class _Wider:
    """A redactor that looks for personal data too, or for cards, for ``mask_tree``."""

    __slots__ = ("_cards", "_personal", "_redactor")

    def __init__(self, redactor: Redactor, *, personal: bool, cards: bool) -> None:
        self._redactor = redactor
        self._personal = personal
        self._cards = cards

    def mask(self, text: str, *, tier: int = 1) -> str:
        return self._redactor.mask(text, tier=tier, personal=self._personal, cards=self._cards)

    def suffix(self, value: str) -> str:
        return self._redactor.suffix(value)


@cache
def _engine(tier: int) -> Engine:
    from remit.redact.engine import engine  # noqa: PLC0415 - reading the rules costs what many a command never needs

    return engine(tier, personal=False)  # personal data is found by code: the rules are the same with and without


def _beside_masks(raw: bytes, spans: list[Span]) -> Iterator[tuple[Span, str]]:
    """The spans without what is masked already: a mask is no secret, but what a rule finds around one may be."""
    masks = [found.span() for found in _MASK.finditer(raw)]
    for span in spans:
        at = span.start
        for start, end in masks:
            if end <= at or start >= span.end:
                continue
            if start > at:
                yield Span(span.kind, at, start, span.tier), raw[at:start].decode("utf-8", "replace")
            at = end
        if at < span.end:
            yield Span(span.kind, at, span.end, span.tier), raw[at : span.end].decode("utf-8", "replace")


def characters(raw: bytes, spans: list[Span]) -> list[Span]:
    """Spans in bytes of UTF-8 as spans in characters; a character of which a part is meant, is meant whole."""
    places = sorted({place for span in spans for place in (span.start, span.end)})
    counted: dict[int, int] = {}
    done = count = 0
    for place in places:
        count += len(raw[done:place].translate(None, _INSIDE))
        done = place
        counted[place] = count
    return [
        Span(span.kind, counted[span.start] - _cut(raw, span.start), counted[span.end], span.tier) for span in spans
    ]


def _cut(raw: bytes, place: int) -> bool:
    """Whether ``place`` lies inside a character."""
    return place < len(raw) and raw[place] in _INSIDE
