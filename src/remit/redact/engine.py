"""Which engine runs: the same spans by contract, at different prices.

Hyperscan takes the better part of a second to compile the rules, which no command of a few lines should pay. So the
first ``WARM_AFTER`` bytes of a process go through the keyword engine; after that Hyperscan is compiled in a thread of
its own and takes over when it is ready. Servers and workers call ``warm`` when they start. Without Hyperscan the
keyword engine stays.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import cache

from remit.redact.engine_keywords import Found, KeywordEngine
from remit.redact.pack import chosen

#: Bytes that the keyword engine reads in some 0.1 s: from there on Hyperscan's compilation pays for itself.
WARM_AFTER = 8 * 1024 * 1024

_LOG = logging.getLogger(__name__)


class Engine:
    """The engines for one choice of rules. Any thread may call it at any time."""

    def __init__(self, tier: int, *, personal: bool) -> None:
        self.rules = chosen(tier, personal)
        self.keywords = KeywordEngine(self.rules)
        self._find = self.keywords.find
        self._silent: Callable[[bytes], bool] = _never
        self._name = ""
        self._read = 0
        self._started = False
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """What does the work now: ``hyperscan``, ``re2+aho-corasick``, or with what is missing here."""
        return self._name or self.keywords.name

    def find(self, raw: bytes) -> list[Found]:
        """Every span of every rule, ordered by rule and start; in bytes."""
        if not self._started:
            self._read += len(raw)
            if self._read >= WARM_AFTER:
                self._started = True
                threading.Thread(target=self.warm, name="remit-redact-warm", daemon=True).start()
        return self._find(raw)

    def silent(self, raw: bytes) -> bool:
        """Whether it is certain that no rule matches anywhere in ``raw``, judges and allowlists aside.

        False when only ``find`` can tell.
        """
        return self._silent(raw)

    def warm(self) -> str:
        """Compile Hyperscan's database now, unless that was done; the name of the engine that runs afterwards.

        Scans in other threads go on meanwhile, and change over between two texts. Where Hyperscan is missing or can't
        compile the rules, the keyword engine stays.
        """
        with self._lock:
            self._started = True
            if not self._name:
                try:
                    self._take_over()
                except Exception as error:  # noqa: BLE001 - the keyword engine finds the same, only slower
                    _LOG.info("secrets are looked for with %s: %s", self.keywords.name, type(error).__name__)
            return self.name

    def _take_over(self) -> None:
        from remit.redact.engine_hyperscan import HyperscanEngine  # noqa: PLC0415 - it loads Hyperscan

        fast = HyperscanEngine(self.keywords)
        self._find = fast.find
        self._silent = fast.silent
        self._name = fast.name


def _never(_raw: bytes) -> bool:
    return False


def engine(tier: int = 1, *, personal: bool = False) -> Engine:
    """The one engine of this process for these rules."""
    return _engine(tier, personal)


@cache
def _engine(tier: int, personal: bool) -> Engine:  # noqa: FBT001 - for the cache's sake
    return Engine(tier, personal=personal)


def engine_name(*, tier: int = 1, personal: bool = False) -> str:
    """What looks for secrets in this process now: ``hyperscan``, ``re2+aho-corasick``, ``re+search`` ..."""
    return engine(tier, personal=personal).name
