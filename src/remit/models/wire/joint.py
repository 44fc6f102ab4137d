"""The border between two texts of a streamed answer that a client puts together: what may reach over it is held.

Each text has its own redactor, which lets go of all at the text's end. From the first border on another one reads the
texts as one. As long as it can't say whether what stands before a border is the beginning of a secret, nothing goes on;
that is decided by the next word, or by the answer's end. Where a text ends in plain words nothing is held.
"""

from __future__ import annotations

from remit.models.wire.held import Piece, Text
from remit.redact.blocks import REACH, crossing
from remit.redact.redactor import Redactor
from remit.redact.stream_deltas import DeltaText


class Joint:
    """The texts of one kind in one answer, read as one from the end of the first on.

    Args:
        redactor: Finds and names what is masked.
        personal: Mask personal data too.
        cards: Mask payment cards too.

    Attributes:
        open: Whether something before a border may yet reach over it: nothing may go on.
    """

    __slots__ = ("_base", "_borders", "_cards", "_fed", "_lane", "_personal", "_pieces", "_redactor", "_said", "open")

    def __init__(self, redactor: Redactor, *, personal: bool, cards: bool) -> None:
        self._redactor = redactor
        self._personal = personal
        self._cards = cards
        self._lane = DeltaText(redactor, personal=personal, cards=cards)
        self._said = ""  # the end of what came
        self._base = 0  # where that begins
        self._fed = 0
        self._borders: list[int] = []
        self._pieces: list[tuple[Piece, int]] = []
        self.open = False

    def border(self, text: Text) -> None:
        """A text is about to end; another may follow."""
        if not self._fed:
            said, self._pieces = text.undecided
            self._feed(said)
        self._lane.flush()
        self._borders.append(self._fed)
        self.decide()

    def add(self, piece: Piece) -> None:
        """A piece of a text that follows."""
        self._pieces.append((piece, self._fed))
        self._feed(piece.text)

    def decide(self, *, final: bool = False) -> None:
        """Mask what reaches over a border, once nothing that may follow can change what that is."""
        known = self._fed if final else self._fed - self._lane.held
        self.open = bool(self._borders) and not final and (self._lane.owes or self._borders[-1] > known)
        if self.open:
            return
        if self._borders:
            borders = [border - self._base for border in self._borders]
            for start, end, mask in crossing(
                self._said, borders, self._redactor, personal=self._personal, cards=self._cards
            ):
                self._mask(start + self._base, end + self._base, mask)
            self._borders.clear()
        self._pieces = [(piece, at) for piece, at in self._pieces if at + len(piece.text) > known]
        kept = max(self._base, min(known, self._fed - REACH))
        self._said, self._base = self._said[kept - self._base :], kept

    def _feed(self, text: str) -> None:
        self._lane.feed(text)
        self._said += text
        self._fed += len(text)

    def _mask(self, start: int, end: int, mask: str) -> None:
        for piece, at in self._pieces:
            low, high = max(start, at), min(end, at + len(piece.text))
            if low < high:
                piece.reaches_over(low - at, high - at, mask)
                mask = ""
