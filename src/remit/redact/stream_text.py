"""One pass of masking over a text that comes in pieces: the same answer as over the whole text, for any pieces.

Text is *decided* once nothing that may follow can change what is found in it; decided text is sent, the rest held back.
What has been sent stays in view (``behind``), because rules read what stands before a secret. What a mask replaces is
not kept: its mask is sent when the secret is over, with a suffix hashed on the way, so that memory stays flat however
long a secret is.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field

from remit.redact import pem
from remit.redact.redactor import PASSES, SUFFIX, Redactor
from remit.redact.registered import Registry
from remit.redact.span import Span, mask_token, stronger
from remit.redact.undecided import UNKNOWN, undecided
from remit.redact.undecided_personal import undecided_cards, undecided_personal

#: Characters held back for a token that doesn't end, before it is masked unseen: no token is as long.
MOST_HELD = 64 * 1024

_LAZY = 4096  # held back beyond this, new text waits until it is worth looking at again
_ENDS = re.compile(r"[\s\"'<>`]")  # no token goes on behind one of these
_WORDS = re.compile(r"(?:[\s.,;:!?()]*[^\W\d_]{1,16})*[\s.,;:!?()]*")  # what a flush sends although it may be a head
_PRIVATE_KEY = "private-key"
_PEM = "-----BEGIN "
_BESIDE = 96  # characters before a registered value that have a say in whether it is one


@dataclass(frozen=True, slots=True)
class Look:
    """What is looked for: see ``Redactor.scan``."""

    tier: int = 1
    personal: bool = False
    cards: bool = False
    despaced: bool = False


@dataclass(slots=True)
class _Cluster:
    """Overlapping and touching secrets, which get one mask; offsets count from the beginning of the stream."""

    start: int
    end: int
    namer: Span
    values: dict[str, str]
    hashed: hmac.HMAC
    hashed_to: int = field(default=0)
    first: tuple[str, str] | None = None  # the kind of what it began with, and its suffix, once that is over

    def takes(self, span: Span) -> bool:
        """Whether the span overlaps, or touches as one of the same kind (as ``span.union`` has it)."""
        return span.start < self.end or (span.start == self.end and span.kind == self.namer.kind)

    def add(self, span: Span) -> None:
        self.namer = stronger(self.namer, span)
        self.end = max(self.end, span.end)


class Pass:
    """One pass over a stream.

    Args:
        redactor: Finds what is to be masked.
        look: What to look for.
        behind: Text that was sent before.
    """

    def __init__(self, redactor: Redactor, look: Look, *, behind: str = "") -> None:
        self._redactor = redactor
        self._look = look
        self._ends = undecided(look.tier)
        personal = redactor.asked(tier=look.tier, personal=look.personal)
        self._numbers = undecided_personal if personal else undecided_cards if look.cards else None
        self._keep = self._ends.behind
        self._behind = behind
        self._pending = ""
        self._waiting: list[str] = []
        self._waited = 0
        self._base = 0  # the offset of the first character of ``_behind``
        self._cluster: _Cluster | None = None
        self._key: tuple[int, int] | None = None  # an open private key: its start, and the end of its BEGIN line
        self._known: Registry | None = None  # the values that were known when the text was last found clean
        self._flood: int | None = None  # start of a token too long to be held
        self.masks = 0

    @property
    def held(self) -> int:
        """Characters that came in and were neither sent nor masked yet."""
        return len(self._pending) + self._waited

    @property
    def owes(self) -> bool:
        """Whether a secret's mask isn't sent yet, although characters of it aren't held any more."""
        return self._cluster is not None

    @property
    def idle(self) -> bool:
        """Whether nothing is held back and no mask is owed."""
        return self._cluster is None and not self.held

    @property
    def plain(self) -> bool:
        """Whether a flush would send all that is held."""
        if self._cluster is not None or self._key is not None or self._flood is not None or self._waiting:
            return False
        if not _WORDS.fullmatch(self._pending):
            return False
        buffer = self._behind + self._pending
        known = self._redactor.registered.current()
        return known.undecided(buffer, len(self._behind), despaced=self._look.despaced) == len(buffer)

    @property
    def opened(self) -> bool:
        """Whether a private key was begun whose end hasn't come."""
        return self._key is not None

    def feed(self, text: str, *, final: bool = False, flush: bool = False) -> str:
        """What can be sent now. ``final``: the text ends here. ``flush``: send words that may yet go on, too."""
        if not final and not flush and len(self._pending) > _LAZY:
            self._waiting.append(text)
            self._waited += len(text)
            if self._waited * 4 < len(self._pending) and not _ENDS.search(text):
                return ""
            text = ""
        if self._waiting:
            text = "".join((*self._waiting, text))
            self._waiting.clear()
            self._waited = 0
        self._pending += text
        return self._advance(final=final, flush=flush) if self._pending or final else ""

    def _advance(self, *, final: bool, flush: bool) -> str:
        buffer = self._behind + self._pending
        begin = len(self._behind)
        if not flush and self._cluster is None and self._key is None and self._flood is None:
            safe = self._quickly(buffer, begin, final=final)
            if safe is not None:
                return self._let_go(buffer, begin, safe)
        key = self._key_span(buffer, begin)
        safe = len(buffer) if final else self._safe(buffer, begin, key, flush=flush)
        if safe == begin and not final:
            return ""
        spans, values = self._spans(buffer, begin, safe, key)
        sent = self._send(buffer, safe, spans, values)
        if final and self._cluster is not None:
            sent += self._close(buffer)
        self._behind = buffer[:safe]
        self._pending = buffer[safe:]
        if len(self._behind) > 2 * self._keep:
            self._forget()
        return sent

    def _let_go(self, buffer: str, begin: int, safe: int) -> str:
        if safe == begin:
            return ""
        self._behind = buffer[:safe]
        self._pending = buffer[safe:]
        if safe > 2 * self._keep:
            self._forget()
        return buffer[begin:safe]

    # ------------------------------------------------------------------------------------------- what is decided

    def _quickly(self, buffer: str, begin: int, *, final: bool) -> int | None:
        """Up to where the text is decided, and clean; ``None`` where only a closer look can tell.

        As on prose: no rule matches anywhere, so that no judge has a say and nothing is to be masked, and what may
        still become a secret lies in the last word.
        """
        look = self._look
        raw = buffer.encode("utf-8", "surrogatepass")
        known = self._redactor.registered.current()
        # A registered value that began in what was sent would have been held back, had it been known then.
        front = max(0, begin - _BESIDE) if known is self._known else 0
        silent = self._redactor.silent
        if _PEM in buffer or not silent(buffer, raw, front, tier=look.tier, personal=look.personal, cards=look.cards):
            self._known = None
            return None
        self._known = known
        if final:
            return len(buffer)
        plain = len(raw) == len(buffer)
        low = begin if plain else len(buffer[:begin].encode("utf-8", "surrogatepass"))
        end = safe = len(buffer)
        for _ in range(PASSES + 1):  # as in ``_safe``: decided also as a text that ends there
            found = self._ends.word(raw, low)
            if found is None:
                return None
            safe = found if plain else len(raw[:found].decode("utf-8", "ignore"))
            safe = min(safe, known.undecided(buffer, begin, despaced=look.despaced))
            if self._numbers is not None:
                safe = min(safe, self._numbers(buffer, begin))
            if safe in {begin, end}:
                break
            buffer = buffer[:safe]
            raw = raw[:safe] if plain else buffer.encode("utf-8", "surrogatepass")
            end = safe
        return None if len(self._pending) > MOST_HELD else safe

    def _safe(self, buffer: str, begin: int, key: Span | None, *, flush: bool) -> int:
        """Up to where the text is decided."""
        safe = self._undecided(buffer, begin, key, flush=flush)
        if len(buffer) - safe > MOST_HELD and self._flood is None:
            self._flood = self._base + safe
            return len(buffer)
        # What is held back may become a mask, and what stands before it is then read once more, beside that mask: so it
        # must be decided as a text that ends there, too (but for judges that would look past that mask).
        for _ in range(PASSES):
            if not begin < safe < len(buffer):
                break
            before, safe = safe, self._undecided(buffer[:safe], begin, key, flush=flush, judged=False)
            if safe == before:
                break
        return safe

    def _undecided(self, text: str, begin: int, key: Span | None, *, flush: bool, judged: bool = True) -> int:
        """Where the part of the text begins that may still become a secret."""
        safe = self._redactor.registered.current().undecided(text, begin, despaced=self._look.despaced)
        if self._flood is None:
            rules = self._ends.begin(text, begin, judged=judged)
            if self._numbers is not None:
                rules = min(rules, self._numbers(text, begin))
            safe = safe if flush and _WORDS.fullmatch(text, rules) else min(safe, rules)
        opened = begin if key is None else min(key.end - self._base, len(text))
        return min(safe, pem.undecided(text, opened))

    def _key_span(self, buffer: str, begin: int) -> Span | None:
        """The private key that was open before, as far as it reaches now."""
        if self._key is None:
            return None
        start, opened = self._key
        closed = pem.CLOSE.search(buffer, max(0, begin - pem.CLOSE_SIZE, opened - self._base))
        return Span(_PRIVATE_KEY, start, self._base + (len(buffer) if closed is None else closed.end()))

    def _spans(
        self, buffer: str, begin: int, safe: int, key: Span | None
    ) -> tuple[list[Span], dict[tuple[str, int], str]]:
        """The decided spans in order, in offsets of the stream, and what their masks' suffixes are made from."""
        base, low = self._base, self._base + begin
        covered = self._cluster.end if self._cluster is not None else low
        spans: list[Span] = [] if key is None else [key]
        values: dict[tuple[str, int], str] = {}
        look = self._look
        found = self._redactor.found(
            buffer, tier=look.tier, personal=look.personal, cards=look.cards, despaced=look.despaced
        )
        for span, value in found:
            if span.start >= safe or base + span.end <= low:
                continue
            start, end = base + span.start, base + span.end
            if start < low:
                if end <= covered:
                    continue
                start = low  # registered while its beginning had been sent: the rest is masked
            spans.append(Span(span.kind, start, end, span.tier, span.known))
            if (
                span.end < len(buffer) or span.known
            ):  # what reaches the end may be a key that goes on: hashed on the way
                values.setdefault((span.kind, start), value)
        self._open_key(buffer, begin, safe, key)
        if self._flood is not None:
            spans.append(self._flooded(buffer, safe))
        spans.sort(key=lambda each: (each.start, -each.end))
        return spans, values

    def _open_key(self, buffer: str, begin: int, safe: int, key: Span | None) -> None:
        """Remember a private key that begins in decided text and isn't closed in what there is."""
        ended = pem.CLOSE.search(buffer, max(0, len(buffer) - pem.CLOSE_SIZE))
        if key is not None and key.end == self._base + len(buffer) and ended is None:
            return  # the one that was open still is
        self._key = None
        at = begin if key is None else max(begin, key.end - self._base)
        while (opened := pem.OPEN.search(buffer, at, len(buffer))) is not None and opened.start() < safe:
            at = opened.end()
            if (found := pem.key(buffer, *opened.span())) is None:
                continue
            at = found[1]
            if pem.CLOSE.search(buffer, opened.end()) is None:
                self._key = self._base + opened.start(), self._base + opened.end()
                return

    def _flooded(self, buffer: str, safe: int) -> Span:
        """A token too long to be held: masked unseen until a character that ends it."""
        start = self._flood or 0
        low = max(len(self._behind), start - self._base)
        ended = _ENDS.search(buffer, low, safe)
        kind = self._cluster.namer.kind if self._cluster is not None else self._ends.kind(buffer, low) or UNKNOWN
        if ended is None:
            return Span(kind, start, self._base + safe + 1)  # it may go on: the mask waits
        self._flood = None
        return Span(kind, start, self._base + ended.start())

    # ------------------------------------------------------------------------------------------- what is sent

    def _send(self, buffer: str, safe: int, spans: list[Span], values: dict[tuple[str, int], str]) -> str:
        base = self._base
        sent: list[str] = []
        at = base + len(self._behind)
        for span in spans:
            if self._cluster is not None and self._cluster.takes(span):
                self._add(buffer, self._cluster, span)
                continue
            if self._cluster is not None:
                at = self._cluster.end
                sent.append(self._close(buffer))
            sent.append(buffer[at - base : span.start - base])
            here = {kind: value for (kind, start), value in values.items() if start == span.start}
            self._cluster = _Cluster(span.start, span.end, span, here, self._redactor.keyed(), span.start)
        if self._cluster is not None:
            if self._cluster.end >= base + safe:
                self._hash(buffer, base + safe)
                return "".join(sent)
            at = self._cluster.end
            sent.append(self._close(buffer))
        sent.append(buffer[at - base : safe])
        return "".join(sent)

    def _add(self, buffer: str, cluster: _Cluster, span: Span) -> None:
        """One more secret of the cluster. A suffix is made of what it began with alone, as over the whole text."""
        if span.start > cluster.start and span.end > cluster.end and cluster.first is None:
            self._hash(buffer, cluster.end)
            cluster.first = cluster.namer.kind, cluster.hashed.hexdigest()[:SUFFIX]
        cluster.add(span)

    def _close(self, buffer: str) -> str:
        """The mask of the open cluster, which is over."""
        cluster = self._cluster
        if cluster is None:
            return ""
        self._hash(buffer, cluster.end)
        self._cluster = None
        self.masks += 1
        kind = cluster.namer.kind
        value = cluster.values.get(kind)
        if value is not None:
            return mask_token(kind, self._redactor.suffix(value))
        if kind == _PRIVATE_KEY and cluster.first is not None and cluster.first[0] == kind:
            return mask_token(kind, cluster.first[1])
        return mask_token(kind, cluster.hashed.hexdigest()[:SUFFIX])

    def _hash(self, buffer: str, end: int) -> None:
        cluster = self._cluster
        if cluster is not None and end > cluster.hashed_to:
            piece = buffer[cluster.hashed_to - self._base : end - self._base]
            cluster.hashed.update(piece.encode("utf-8", "surrogatepass"))
            cluster.hashed_to = end

    def _forget(self) -> None:
        """Keep what rules may read, from the beginning of a word on: nothing may seem to begin where it doesn't."""
        last = len(self._behind) - self._keep
        space = max(self._behind.rfind(" ", 0, last), self._behind.rfind("\n", 0, last))
        cut = space + 1 if space >= 0 else last
        self._behind = self._behind[cut:]
        self._base += cut
