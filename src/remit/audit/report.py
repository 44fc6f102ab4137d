"""What a verification reads from and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy.sql.base import Executable

from remit.audit.datakey import DataKey
from remit.kernel.ports import Params

MAX_DISCREPANCIES = 100


class Keys(Protocol):
    """What opens encrypted payloads (``audit.keyring.Keyring``)."""

    def key(self, reader: LogReader, key_id: str) -> DataKey | None:
        """A data key, or ``None`` when it was destroyed or is missing."""
        ...

    def check(self, reader: LogReader, erased: Mapping[str, str], findings: Findings) -> None:
        """Hold every key's row against itself and the log."""
        ...


class LogReader(Protocol):
    """A read transaction that hands out plain tuples: what both stores' transactions are."""

    @property
    def keys(self) -> Keys | None:
        """What opens encrypted payloads; ``None`` when this reader has no key-encryption key."""
        ...

    def tuples(self, stmt: Executable, params: Params = None) -> list[tuple[Any, ...]]:
        """Every row of a SELECT."""
        ...


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """Something that is not as it was written: where, and what is wrong with it.

    ``note`` is the head in question when ``kind`` is ``unrecorded``: the newest one in the file, whose row may only be
    on its way.
    """

    place: str
    problem: str
    kind: str = "changed"
    note: str = ""

    def __str__(self) -> str:
        """``audit_entry 17: ...``."""
        return f"{self.place}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification found.

    ``signed`` is the size of the largest signed head that holds; entries after it are only protected by the next one.
    ``pruned`` counts payloads that a prune entry accounts for, ``erased`` those whose key an erase entry destroyed.
    """

    size: int
    root: bytes
    signed: int
    heads: int
    pruned: int
    pending: int
    discrepancies: tuple[Discrepancy, ...]
    erased: int = 0

    @property
    def ok(self) -> bool:
        """Whether everything held."""
        return not self.discrepancies

    def as_json(self) -> dict[str, Any]:
        """The report for ``--json``."""
        return {
            "ok": self.ok,
            "size": self.size,
            "root": self.root.hex(),
            "signed": self.signed,
            "unsigned": self.size - self.signed,
            "heads": self.heads,
            "pruned": self.pruned,
            "erased": self.erased,
            "pending": self.pending,
            "discrepancies": [{"place": d.place, "problem": d.problem, "kind": d.kind} for d in self.discrepancies],
        }


@dataclass(slots=True)
class Findings:
    """Collects discrepancies, at most 100: what follows mostly repeats what came before."""

    found: list[Discrepancy] = field(default_factory=list[Discrepancy])

    def report(self, place: str, problem: str, kind: str = "changed", *, note: str = "") -> None:
        """Add one."""
        if len(self.found) < MAX_DISCREPANCIES:
            self.found.append(Discrepancy(place, problem, kind, note))
