"""The cache against a model: whatever happens in which order, nobody gets what the rules say they may not."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from remit.adapters.secrets.cache import CachedSecrets
from remit.adapters.secrets.file import FileSecrets
from remit.kernel.clock import SystemClock
from remit.kernel.errors import NotFound, Unavailable
from remit.kernel.ports import SecretValue

KEEP_S, MOST = 10.0, 3
NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
SECONDS = st.sampled_from([0.0, 0.5, 4.0, 9.5, 10.0, 30.0])
PROVE = os.environ.get("REMIT_PROVE") == "1"


class Behind:
    """The file backend, which may be down."""

    name = "file"
    writable = True

    def __init__(self, file: FileSecrets) -> None:
        self.file, self.down = file, False

    def get(self, name: str, *, version: str = "") -> SecretValue:
        self._check()
        return self.file.get(name, version=version)

    def set(self, name: str, text: str) -> str:
        self._check()
        return self.file.set(name, text)

    def delete(self, name: str) -> None:
        self._check()
        self.file.delete(name)

    def names(self) -> list[str]:
        return self.file.names()

    def versions(self, name: str) -> list[str]:
        return self.file.versions(name)

    def _check(self) -> None:
        if self.down:
            message = "down"
            raise Unavailable(message)


class CacheMachine(RuleBasedStateMachine):
    """``history`` holds, for each name, what was current from when on (``None``: nothing); ``floor`` since when."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.now = 0.0
        self.count = 0
        file = FileSecrets(Path(self.folder.name) / "secrets.json", bytes(32), clock=SystemClock())
        self.behind = Behind(file)
        self.cache = CachedSecrets(self.behind, monotonic=lambda: self.now, keep_s=KEEP_S, most=MOST)
        self.history: dict[str, list[tuple[float, str | None]]] = {}
        self.floor: dict[str, int] = {}

    def _became(self, name: str, text: str | None) -> None:
        self.history.setdefault(name, []).append((self.now, text))

    def _current(self, name: str) -> str | None:
        return self.history.get(name, [(0.0, None)])[-1][1]

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def toggle(self) -> None:
        self.behind.down = not self.behind.down

    @rule(name=NAMES, through=st.booleans())
    def set(self, name: str, *, through: bool) -> None:
        self.count += 1
        text = f"value-{self.count:06}"
        try:
            (self.cache if through else self.behind.file).set(name, text)
        except Unavailable:
            assert through
            assert self.behind.down
        else:
            self._became(name, text)
        if through:
            self.floor[name] = len(self.history.get(name, [()])) - 1

    @rule(name=NAMES, through=st.booleans())
    def delete(self, name: str, *, through: bool) -> None:
        try:
            (self.cache if through else self.behind.file).delete(name)
        except Unavailable:
            assert through
            assert self.behind.down
        except NotFound:
            assert self._current(name) is None
        else:
            self._became(name, None)
        if through:
            self.floor[name] = len(self.history.get(name, [()])) - 1

    @rule(name=NAMES)
    def invalidate(self, name: str) -> None:
        self.cache.invalidate(name)
        self.floor[name] = len(self.history.get(name, [()])) - 1

    @rule(name=NAMES)
    def get(self, name: str) -> None:
        """What is given was current within the last ``KEEP_S`` seconds, and not before the last word about it."""
        try:
            given: str | None = self.cache.get(name).text
        except NotFound:
            assert not self.behind.down
            assert self._current(name) is None
            return
        except Unavailable:
            assert self.behind.down
            return
        history = self.history[name]
        ends = [at for at, _ in history[1:]] + [float("inf")]
        allowed = [
            text
            for index, ((_, text), end) in enumerate(zip(history, ends, strict=True))
            if index >= self.floor.get(name, 0) and end > self.now - KEEP_S
        ]
        assert given in allowed

    @invariant()
    def bounded(self) -> None:
        shown = repr(self.cache)
        assert "value-" not in shown
        assert int(shown.rsplit(", ", 1)[1].split(" ")[0]) <= MOST

    def teardown(self) -> None:
        self.folder.cleanup()


TestCache = CacheMachine.TestCase
TestCache.settings = settings(max_examples=400 if PROVE else 25, stateful_step_count=30, deadline=None)
