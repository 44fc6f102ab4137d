"""Looking for values where none should stand: current and retired ones, in every form the redactor knows."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from remit.guard.secrets_provider import check_length, parts_of
from remit.kernel.canonical import Json
from remit.kernel.errors import InvalidInput
from remit.redact.redactor import Redactor
from remit.redact.span import REGISTERED

CHUNK = 8 << 20  # bytes looked at together
OVERLAP = 512 << 10  # of one chunk and the next: the longest value in its longest form


@dataclass(frozen=True, slots=True)
class KnownValue:
    """A value that is looked for. ``repr`` doesn't show it."""

    name: str
    version: str
    retired: bool
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Leak:
    """A value stands in a place; ``count`` times. ``retired``: it was replaced, but is still a secret of its time."""

    secret: str
    version: str
    retired: bool
    path: str
    count: int

    def as_json(self) -> dict[str, Json]:
        """For programs."""
        told: dict[str, Json] = {"secret": self.secret, "version": self.version, "path": self.path}
        return {**told, "state": "retired" if self.retired else "current", "count": self.count}


class Search:
    """Looks for values in files.

    Args:
        values: What to look for; those that can't be registered are in ``unsearched``.
    """

    def __init__(self, values: Sequence[KnownValue]) -> None:
        key = secrets.token_bytes(32)
        self._all = Redactor(key)
        self._each: list[tuple[KnownValue, Redactor]] = []
        self.unsearched: list[KnownValue] = []
        for value in values:
            alone = Redactor(key)
            try:
                check_length(value.text)
                alone.register(value.text)
                self._all.register(value.text)
            except InvalidInput:
                self.unsearched.append(value)
                continue
            for part in parts_of(value.text):
                with suppress(InvalidInput):
                    alone.register(part)
                    self._all.register(part)
            self._each.append((value, alone))

    def __len__(self) -> int:
        return len(self._each)

    def leaks(self, files: Iterable[tuple[str, bytes]]) -> Iterator[Leak]:
        """Every value that stands in a file or in its name; names are masked."""
        for path, data in files:
            for value in self._found(path, data):
                leak = self._leak(value[0], value[1], path, data)
                if leak is not None:
                    yield leak

    def _found(self, path: str, data: bytes) -> list[tuple[KnownValue, Redactor]]:
        if not _registered(self._all, path.encode("utf-8", "replace")) and not any(
            _registered(self._all, chunk) for chunk in _chunks(data)
        ):
            return []
        return self._each

    def _leak(self, value: KnownValue, alone: Redactor, path: str, data: bytes) -> Leak | None:
        count = _registered(alone, path.encode("utf-8", "replace"))
        count += sum(_registered(alone, chunk) for chunk in _chunks(data))
        if not count:
            return None
        return Leak(value.name, value.version, value.retired, self._all.mask(path), count)


def _registered(redactor: Redactor, data: bytes) -> int:
    return sum(span.kind == REGISTERED for span in redactor.scan(data)) if data else 0


def _chunks(data: bytes) -> Iterator[bytes]:
    """The data in pieces that overlap; what lies in the overlap may be counted twice."""
    for start in range(0, max(len(data), 1), CHUNK):
        yield data[start : start + CHUNK + OVERLAP]
