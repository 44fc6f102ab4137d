"""The border between two texts of a streamed answer that a client puts together: what may reach over it is held.

Each text has its own redactor, which lets go of all at the text's end. From the first border on another one reads the
texts as one. As long as it can't say whether what stands before a border is the beginning of a secret, nothing goes on;
that is decided by the next word, or by the answer's end. Where a text ends in plain words nothing is held.

Some interfaces tell a text whole once more behind its pieces, alone or within an item: those are repeats, in which the
same is masked as in the pieces, wherever the border was decided before or is only later.
"""

from __future__ import annotations

from collections.abc import Callable

from remit.models.wire.documents import Document
from remit.models.wire.held import Held, Over, Piece, Text
from remit.redact.blocks import REACH, crossing
from remit.redact.redactor import Redactor
from remit.redact.stream_deltas import DeltaText


class Repeat:
    """A text that is told whole once more.

    Args:
        held: The event.
        where: Where in it, and under which key.
        key: See ``where``.
        text: As the provider wrote it.
        redone: Masks and restores it by itself, given what stands for parts of it.
    """

    __slots__ = ("_held", "_key", "_over", "_redone", "_text", "_where")

    def __init__(self, held: Held, where: Document, key: str, text: str, redone: Callable[[str, Over], str]) -> None:
        self._held = held
        self._where = where
        self._key = key
        self._text = text
        self._redone = redone
        self._over: Over = []

    def mask(self, start: int, end: int, mask: str, covered: str) -> None:
        """``mask`` stands for ``[start, end)``, which is ``covered``; where it isn't, for the whole text."""
        if self._text[start:end] != covered:
            start, end = 0, len(self._text)
        self._over.append((start, end, mask))
        self._held.changed = True
        self._where[self._key] = self._redone(self._text, self._over)
        if self._where.get("logprobs"):
            self._where["logprobs"] = []


class Joint:
    """The texts of one kind in one answer, read as one from the end of the first on.

    Args:
        redactor: Finds and names what is masked.
        personal: Mask personal data too.
        cards: Mask payment cards too.

    Attributes:
        open: Whether something before a border may yet reach over it: nothing may go on.
    """

    __slots__ = (
        "_base",
        "_borders",
        "_cards",
        "_fed",
        "_lane",
        "_masked",
        "_opener",
        "_personal",
        "_pieces",
        "_plain",
        "_redactor",
        "_repeats",
        "_said",
        "open",
    )

    def __init__(self, redactor: Redactor, *, personal: bool, cards: bool) -> None:
        self._redactor = redactor
        self._personal = personal
        self._cards = cards
        self._lane: DeltaText | None = None
        self._plain = ""  # the end of the first text, which is read only if another follows
        self._said = ""  # the end of what came
        self._base = 0  # where that begins
        self._fed = 0
        self._borders: list[int] = []
        self._pieces: list[tuple[Piece, int, object]] = []
        self._masked: dict[object, list[tuple[int, int, str, str]]] = {}  # by text, in its own offsets
        self._repeats: list[tuple[object, Repeat]] = []
        self._opener: tuple[object, int] | None = None  # the first text, if a key is open at its end: and where it is
        self.open = False

    def border(self, name: object, text: Text) -> None:
        """A text is about to end; another may follow."""
        lane = self._lane
        if lane is None:
            said, pieces = text.undecided
            if text.plain:  # nothing in it can reach over
                self._plain = said
                return
            self._pieces = [(piece, at, name) for piece, at in pieces]
            if text.opened:
                self._opener = name, said.index(text.opened)
            lane = self._begin(said)
        lane.flush()
        self._borders.append(self._fed)
        self.decide()

    def add(self, name: object, piece: Piece) -> None:
        """A piece of a text that follows; nothing if none has ended yet."""
        lane = self._lane
        if lane is None:
            if not self._plain:
                return
            lane = self._begin(self._plain)
            lane.flush()
        self._pieces.append((piece, self._fed, name))
        self._feed(lane, piece.text)

    def _begin(self, said: str) -> DeltaText:
        lane = self._lane = DeltaText(self._redactor, personal=self._personal, cards=self._cards)
        self._feed(lane, said)
        return lane

    def repeat(self, name: object, repeat: Repeat) -> None:
        """A text that has ended, whole once more."""
        for start, end, mask, covered in self._masked.get(name, ()):
            repeat.mask(start, end, mask, covered)
        if self.open:
            self._repeats.append((name, repeat))

    def decide(self, *, final: bool = False) -> None:
        """Mask what reaches over a border, once nothing that may follow can change what that is."""
        lane = self._lane
        if lane is None:
            return
        known = self._fed if final else self._fed - lane.held
        self.open = bool(self._borders) and not final and (lane.owes or self._borders[-1] > known)
        if self.open:
            return
        if self._borders:
            # Over a border with nothing behind it nothing reaches.
            borders = [border - self._base for border in self._borders if border < self._fed]
            for start, end, mask in crossing(
                self._said, borders, self._redactor, personal=self._personal, cards=self._cards
            ):
                self._mask(start + self._base, end + self._base, mask)
            self._borders.clear()
        self._repeats.clear()
        self._pieces = [each for each in self._pieces if each[1] + len(each[0].text) > known]
        kept = max(self._base, min(known, self._fed - REACH))
        self._said, self._base = self._said[kept - self._base :], kept

    def _feed(self, lane: DeltaText, text: str) -> None:
        lane.feed(text)
        self._said += text
        self._fed += len(text)

    def _mask(self, start: int, end: int, mask: str) -> None:
        opener: object = None
        if self._opener is not None and start <= self._opener[1] < end:
            opener, mask = self._opener[0], ""  # it has masked its part of the key
        for piece, at, name in self._pieces:
            if opener is not None and name == opener:
                continue
            low, high = max(start, at), min(end, at + len(piece.text))
            if low >= high:
                continue
            low, high = low - at, high - at
            piece.reaches_over(low, high, mask)
            one = (piece.start + low, piece.start + high, mask, piece.text[low:high])
            self._masked.setdefault(name, []).append(one)
            for repeated, repeat in self._repeats:
                if repeated == name:
                    repeat.mask(*one)
            mask = ""
