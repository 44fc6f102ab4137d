"""The signed heads of a log, in the file outside and in the table: signatures, order, and that both tell the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, select

from remit.audit.heads import HeadLine
from remit.audit.note import Verifier, parse_checkpoint, signed_note
from remit.audit.report import Findings, LogReader
from remit.audit.tables import CHECKPOINT
from remit.kernel.errors import IntegrityError, RemitError

_SIZES = select(CHECKPOINT.c.size).order_by(CHECKPOINT.c.size)
_NOTES = select(CHECKPOINT.c.size, CHECKPOINT.c.note).order_by(CHECKPOINT.c.size)
_EXACTLY = select(CHECKPOINT.c.note).where(CHECKPOINT.c.note == bindparam("exactly"))
_NOTE = select(CHECKPOINT.c.size, CHECKPOINT.c.note).where(CHECKPOINT.c.size == bindparam("at"))


@dataclass(slots=True)
class SignedHeads:
    """``claims`` maps a size to the places that sign a root over it; the walk holds them against the entries."""

    verifiers: Sequence[Verifier]
    size: int
    findings: Findings
    claims: dict[int, list[tuple[str, bytes]]] = field(default_factory=dict[int, list[tuple[str, bytes]]])
    rows: dict[int, str] = field(default_factory=dict[int, str])
    opened: dict[str, tuple[int, bytes]] = field(default_factory=dict[str, tuple[int, bytes]])
    signed_by: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])

    def _open(self, note: str) -> tuple[int, bytes]:
        if note not in self.opened:
            text, signed_by = signed_note(note, self.verifiers, exact=True)
            head = parse_checkpoint(text)
            if head.origin not in {v.name for v in self.verifiers}:
                message = f"A signed checkpoint does not hold: it speaks of another log, {head.origin}."
                raise IntegrityError(message, code="audit.note")
            self.opened[note] = (head.size, head.root)
            self.signed_by[note] = signed_by
        return self.opened[note]

    def _claim(self, place: str, size: int, root: bytes) -> None:
        if size > self.size:
            self.findings.report(
                place,
                f"a head over {size} entries was signed, the log ends after {self.size}: "
                f"entries {self.size} to {size - 1} are missing",
                "cut",
            )
        elif size:
            self.claims.setdefault(size, []).append((place, root))

    def read_file(self, lines: list[HeadLine]) -> None:
        """Take in the heads file's lines: each signed, each over more entries than the one before."""
        previous = 0
        for line in lines:
            place = f"heads.log line {line.number}"
            if line.note is None:
                self.findings.report(place, "the line is damaged")
                continue
            try:
                size, root = self._open(line.note)
            except IntegrityError as error:
                self.findings.report(place, error.message)
                continue
            if size <= previous:
                self.findings.report(place, f"a head over {size} entries follows one over {previous}", "order")
            previous = max(previous, size)
            self._claim(place, size, root)

    def read_rows(self, reader: LogReader) -> None:
        """Take in ``audit_checkpoint``: each row's note signed, over as many entries as the row says."""
        for size, note in self._notes(reader):
            place = f"audit_checkpoint {size}"
            try:
                signed_size, root = self._open(note)
            except (IntegrityError, AttributeError, TypeError) as error:
                self.findings.report(place, getattr(error, "message", "the note is no text"))
                continue
            if signed_size != size:
                self.findings.report(place, f"the note in it was signed over {signed_size} entries")
                continue
            self.rows[size] = note
            self._claim(place, size, root)

    def _notes(self, reader: LogReader) -> list[tuple[Any, ...]]:
        try:
            return reader.tuples(_NOTES)
        except RemitError:
            found: list[tuple[Any, ...]] = []
            for (size,) in reader.tuples(_SIZES):
                try:
                    found += reader.tuples(_NOTE, {"at": size})
                except RemitError as error:
                    self.findings.report(f"audit_checkpoint {size}", f"the row cannot be read: {error.message}")
            return found

    def compare(self, before: list[HeadLine], after: list[HeadLine], *, every_row_has_head: bool) -> None:
        """Hold file and table against each other; ``after`` is the file as it is by now."""
        if after[: len(before)] != before:
            self.findings.report("heads.log", "the file was rewritten while it was read")
        kept = {line.note for line in after}
        if every_row_has_head:
            for size, note in self.rows.items():
                if note not in kept:
                    self.findings.report(f"audit_checkpoint {size}", "heads.log does not hold this head", "unknown")
        stored = set(self.rows.values())
        for line in before:
            if line.note in self.opened and line.note not in stored:
                size, _ = self.opened[line.note]
                on_its_way = line is before[-1] and size <= self.size
                kind = "unrecorded" if on_its_way else "missing"
                problem = f"the row is missing; heads.log line {line.number} has it"
                self.findings.report(f"audit_checkpoint {size}", problem, kind, note=line.note or "")

    def check_keys(self, keys: list[tuple[int, str]]) -> None:
        """Each head must be signed by the key in force at its size, the first after a change of key by the old one too.

        Args:
            keys: The entries that brought the log's keys and the keys, in the order of the log.
        """
        previous = 0
        for note, (size, _) in sorted(self.opened.items(), key=lambda each: each[1][0]):
            covered = [number for number, (seq, _) in enumerate(keys) if seq < size]
            if not covered:
                continue
            wanted = {keys[number][1] for number in covered if number == covered[-1] or keys[number + 1][0] >= previous}
            if not wanted <= self.signed_by[note]:
                problem = "it is not signed by every key that was in force: see the audit.key entries"
                self.findings.report(f"audit_checkpoint {size}", problem, "key")
            previous = size


def recorded(reader: LogReader, note: str) -> bool:
    """Whether the table holds this head by now."""
    return (note,) in reader.tuples(_EXACTLY, {"exactly": note})
