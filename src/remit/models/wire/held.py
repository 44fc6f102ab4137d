"""Events that wait until everything they say has been let go, and the texts that run through them.

Each text of an answer (what a choice says, the arguments of a tool call) runs through a redactor of streams, and
through what puts tokens' values back, where there is one. What comes out is laid over what went in: events whose text
is as it was go on with their own bytes; only where it differs is an event written anew. The joined text is what came
out, whatever event it stands in.
"""

from __future__ import annotations

import re
from collections import deque

from remit.kernel.permits import Restorer
from remit.models.wire.documents import Document, encoded
from remit.models.wire.sse import Event, written
from remit.redact.stream_deltas import DeltaText

_LONGEST_TOKEN = 38
_TOKEN_END = re.compile(r"[A-Za-z0-9_<>&#;\\]+\Z")  # what a restorer may hold back (redact.vault)
_KEPT = 64

#: What stands for parts of a text: where each begins and ends, and what stands there.
type Over = list[tuple[int, int, str]]


class Held:
    """An event that waits: ``waiting`` counts the pieces of text and tool calls that keep it."""

    __slots__ = ("changed", "document", "event", "waiting")

    def __init__(self, event: Event, document: Document) -> None:
        self.event = event
        self.document = document
        self.waiting = 0
        self.changed = False

    def shown(self) -> bytes:
        """What goes on: its own bytes if nothing in it changed."""
        if not self.changed:
            return self.event.raw
        # Data that was no document stands alone under an empty name.
        loose = self.document.get("")
        data = loose.encode() if isinstance(loose, str) else encoded(self.document)
        return written(self.event, data)


class Piece:
    """A piece of a text: where it stands in its event, and where in the text."""

    __slots__ = ("edits", "end", "held", "key", "over", "settled", "start", "text", "where")

    def __init__(self, held: Held, where: Document, key: str, text: str, start: int) -> None:
        self.held = held
        self.where = where
        self.key = key
        self.text = text
        self.start = start
        self.end = start + len(text)
        self.edits: Over | None = None
        self.over: Over = []  # what reaches over the borders of its text
        self.settled = False

    def settle(self) -> None:
        """Nothing more will change in it."""
        self.held.waiting -= 1
        self.settled = True
        if self.edits is not None or self.over:
            self._write()

    def reaches_over(self, start: int, end: int, text: str) -> None:
        """``text`` stands for ``[start, end)``, whatever else was masked in there; also once it is settled."""
        self.over.append((start, end, text))
        if self.settled:
            self._write()

    def _write(self) -> None:
        self.held.changed = True
        known = self.where[self.key]
        # Probabilities of tokens tell the tokens: where a text was changed, there are none.
        self.where[self.key] = laid(self.text, self.edits or [], self.over) if isinstance(known, str) else None
        if self.over and self.where.get("logprobs"):
            self.where["logprobs"] = []


def laid(text: str, own: Over, over: Over) -> str:
    """``text`` with what stands for parts of it; where both have something to say, ``over`` has it."""
    parts: list[str] = []
    done = 0
    for start, end, shown in _merged(own, over) if over else own:
        parts += (text[done:start], shown)
        done = end
    parts.append(text[done:])
    return "".join(parts)


class Text:
    """One text of an answer.

    Args:
        masked: Masks it; ``None``: it goes on as it is.
        restorer: Puts back what tokens stand for, after masking.
        keep: What came out is kept whole in ``parts`` (the arguments of a tool call).
    """

    __slots__ = ("_at", "_fresh", "_masked", "_parts", "_pieces", "_raw", "_restorer", "_seen", "_total")

    def __init__(self, masked: DeltaText | None, restorer: Restorer | None, *, keep: bool) -> None:
        self._masked = masked
        self._restorer = restorer
        self._parts: list[str] | None = [] if keep else None
        self._pieces: deque[Piece] = deque()
        self._fresh: list[str] = []
        self._raw = ""  # what came and isn't let go
        self._at = 0  # where in the text ``_raw`` begins
        self._total = 0
        self._seen = ""  # the end of what the restorer was given

    def add(self, held: Held, where: Document, key: str, text: str) -> Piece | None:
        """A piece of it stands in the event, as ``where[key]``; see ``run``."""
        if self._masked is None and self._restorer is None:
            if self._parts is not None:
                self._parts.append(text)
            return None
        held.waiting += 1
        piece = Piece(held, where, key, text, self._total)
        self._pieces.append(piece)
        self._total += len(text)
        self._fresh.append(text)
        return piece

    @property
    def plain(self) -> bool:
        """Whether it ends in plain words, with which nothing begins that is looked for."""
        self.run()
        return self._masked is None or self._masked.plain

    @property
    def opened(self) -> str:
        """What stands for the beginning of a private key in it whose end hasn't come."""
        return "" if self._masked is None else self._masked.opened

    @property
    def undecided(self) -> tuple[str, list[tuple[Piece, int]]]:
        """The end of it: what was let go last, then what isn't yet; and its pieces, by where in that they begin.

        Between both stands ``opened``.
        """
        self.run()
        before = "" if self._masked is None else self._masked.behind + self._masked.opened
        return before + self._raw, [(piece, piece.start - self._at + len(before)) for piece in self._pieces]

    def start(self, text: str) -> None:
        """What was told whole elsewhere, masked already, for a text of which no piece came."""
        if self._parts is not None and not self._parts and not self._fresh and not self._pieces:
            self._parts.append(text)

    def run(self) -> None:
        """Let go of what can be let go after the pieces that were added."""
        if self._fresh:
            text = self._fresh[0] if len(self._fresh) == 1 else "".join(self._fresh)
            self._fresh.clear()
            self._raw += text
            masked = self._masked
            out = text if masked is None else masked.feed(text)
            held = 0 if masked is None else masked.held
            if self._restorer is not None:
                self._seen = (self._seen + out)[-_KEPT:]
                tail = _TOKEN_END.search(self._seen)
                held += 0 if tail is None else min(_LONGEST_TOKEN, len(tail[0]))
                out = self._restorer.feed(out)
            size = max(0, len(self._raw) - held)
            if self._restorer is not None and (masked is None or not masked.owes) and self._raw.startswith(out):
                size = len(out)  # as it came, whatever the restorer may hold back
            self._lay(out, size)
            self._settle(all_of_them=False)

    def finish(self) -> str:
        """It ends here: let go of all; what came out of it, if that was to be kept."""
        self.run()
        out = "" if self._masked is None else self._masked.finish()
        if self._restorer is not None:
            out = self._restorer.feed(out) + self._restorer.close()
        if self._masked is not None or self._restorer is not None:
            self._lay(out, len(self._raw))
            self._settle(all_of_them=True)
        return "" if self._parts is None else "".join(self._parts)

    def _lay(self, out: str, size: int) -> None:
        """``out`` stands for the next ``size`` characters of what came."""
        if self._parts is not None:
            self._parts.append(out)
        raw = self._raw
        if len(out) == size and raw.startswith(out):
            self._raw = raw[size:]
            self._at += size
            return
        covered = raw[:size]
        same = _same(covered, out)
        most = min(size, len(out)) - same
        ends = _same(covered[::-1][:most], out[::-1][:most])
        self._replace(self._at + same, self._at + size - ends, out[same : len(out) - ends])
        self._raw = raw[size:]
        self._at += size

    def _replace(self, start: int, end: int, text: str) -> None:
        """``text`` stands in place of what came at ``[start, end)``: in the first piece that has part of it."""
        last = self._pieces[-1]
        for piece in self._pieces:
            part = start < piece.end and piece.start < end
            if not part and not (text and (piece.start <= start < piece.end or piece is last)):
                continue
            low = max(start, piece.start)
            if piece.edits is None:
                piece.edits = []
            piece.edits.append((low - piece.start, max(low, min(end, piece.end)) - piece.start, text))
            text = ""
            if end <= piece.end:
                return

    def _settle(self, *, all_of_them: bool) -> None:
        """Pieces that everything is known of let go of their events.

        While a mask may still come for text that isn't held any more, the last piece waits for it.
        """
        pieces = self._pieces
        if not pieces or pieces[0].end > self._at:
            return
        keep = 0 if all_of_them else int(self._restorer is not None or (self._masked is not None and self._masked.owes))
        while len(pieces) > keep and pieces[0].end <= self._at:
            pieces.popleft().settle()


def _merged(own: Over, over: Over) -> Over:
    """Both in order; where they overlap, all of it becomes what reaches over the border."""
    found: list[tuple[int, int, str, bool]] = []
    for start, end, text, reaches in sorted(
        [*((*each, False) for each in own), *((*each, True) for each in over)], key=lambda each: each[:2]
    ):
        if not found or start >= found[-1][1]:
            found.append((start, end, text, reaches))
            continue
        begun, ended, shown, reached = found[-1]
        if reaches:
            shown = shown + text if reached else text
        found[-1] = begun, max(ended, end), shown, reached or reaches
    return [(start, end, text) for start, end, text, _ in found]


def _same(one: str, other: str) -> int:
    """How many characters both begin with."""
    return next(
        (at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), min(len(one), len(other))
    )
