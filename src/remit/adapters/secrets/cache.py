"""A bounded cache before a backend, in memory only: what it gave lately, until it expires or is called back."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from remit.kernel.ports import SecretBackend, SecretValue

MOST = 256  # values; the one that was not asked for the longest goes first


@dataclass(frozen=True, slots=True)
class _Kept:
    value: SecretValue = field(repr=False)
    until: float
    generation: int


class CachedSecrets:
    """A backend that remembers. Any thread may call it; ``repr`` tells how many, never what.

    A value is given without asking the backend for at most ``keep_s`` seconds after it was read, and never after
    ``invalidate``. What isn't there, and errors, are not remembered: a backend that is down is survived only by what
    has not expired.

    Args:
        backend: Asked for what is not kept.
        monotonic: Seconds.
        keep_s: How long a value is kept; 0: never.
        most: How many are kept.
    """

    def __init__(
        self, backend: SecretBackend, *, monotonic: Callable[[], float], keep_s: float, most: int = MOST
    ) -> None:
        self._backend = backend
        self._monotonic = monotonic
        self._keep_s = keep_s
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._generation: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"CachedSecrets({self._backend!r}, {len(self._kept)} kept)"

    @property
    def name(self) -> str:
        """The backend's."""
        return self._backend.name

    @property
    def writable(self) -> bool:
        """The backend's."""
        return self._backend.writable

    def get(self, name: str, *, version: str = "") -> SecretValue:
        """As ``SecretBackend.get``."""
        at = (name, version)
        with self._lock:
            kept = self._kept.get(at)
            if kept is not None and self._monotonic() < kept.until:
                self._kept.move_to_end(at)
                return kept.value
            self._kept.pop(at, None)
            generation = self._generation.get(name, 0)
        asked = self._monotonic()
        value = self._backend.get(name, version=version)
        with self._lock:
            # Read before it was called back: given to who asked, and not kept for others.
            if self._keep_s > 0 and generation == self._generation.get(name, 0):
                self._kept[at] = _Kept(value, asked + self._keep_s, generation)
                self._kept.move_to_end(at)
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        return value

    def invalidate(self, name: str) -> None:
        """Forget a secret in all its versions: the next to ask gets what the backend has then."""
        with self._lock:
            self._generation[name] = self._generation.get(name, 0) + 1
            for at in [at for at in self._kept if at[0] == name]:
                del self._kept[at]

    def set(self, name: str, text: str) -> str:
        """As ``SecretBackend.set``; what was kept of it is forgotten, whether it worked or not."""
        try:
            return self._backend.set(name, text)
        finally:
            self.invalidate(name)

    def delete(self, name: str) -> None:
        """As ``SecretBackend.delete``; what was kept of it is forgotten, whether it worked or not."""
        try:
            self._backend.delete(name)
        finally:
            self.invalidate(name)

    def names(self) -> list[str]:
        """As ``SecretBackend.names``; asked each time."""
        return self._backend.names()

    def versions(self, name: str) -> list[str]:
        """As ``SecretBackend.versions``; asked each time."""
        return self._backend.versions(name)
