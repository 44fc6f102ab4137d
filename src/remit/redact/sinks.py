"""What every sink of this process masks with: all that its redactors know, as one function.

A process can have several redactors: the one its entry point installed before any setting was read, and one for each
home that is open, which learns that home's secrets. A line may hold a value of any of them, so sinks ask all. The
redactors of the last homes that were closed go on counting: their values may still stand in an exception.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager

from remit.redact.redactor import Redactor

UNSCANNED = "[unscanned]"

#: Tiers: what is certainly a secret, and (logs, errors, traces, reports) what is likely to be one.
CERTAIN, LIKELY = 1, 2

_REMEMBERED = 2  # closed homes

_lock = threading.Lock()
_installed: tuple[Redactor, ...] = ()
_joined: tuple[Redactor, ...] = ()
_left: deque[Redactor] = deque(maxlen=_REMEMBERED)
_asked: tuple[Redactor, ...] = ()


def install(redactor: Redactor) -> None:
    """An entry point's redactor: asked for every line from now on, after those of open homes."""
    global _installed  # noqa: PLW0603 - sinks are the process's, as logging is
    with _lock:
        _installed = (redactor, *_installed)
        _ask()


def uninstall(redactor: Redactor) -> None:
    """Ask it no more."""
    global _installed  # noqa: PLW0603 - see ``install``
    with _lock:
        _installed = tuple(each for each in _installed if each is not redactor)
        _ask()


@contextmanager
def joined(redactor: Redactor) -> Generator[None]:
    """A home's redactor: asked first while this lasts, and still asked when it has ended (the last two)."""
    global _joined  # noqa: PLW0603 - see ``install``
    with _lock:
        _joined = (redactor, *_joined)
        _ask()
    try:
        yield
    finally:
        with _lock:
            _joined = tuple(each for each in _joined if each is not redactor)
            _left.append(redactor)
            _ask()


def everyone() -> tuple[Redactor, ...]:
    """Who is asked, in this order; there is always one."""
    global _asked  # noqa: PLW0603 - see ``install``
    if not _asked:
        with _lock:
            _asked = _asked or (Redactor(secrets.token_bytes(32)),)
    return _asked


def _ask() -> None:
    global _asked  # noqa: PLW0603 - see ``install``
    _asked = tuple(dict.fromkeys((*_joined, *_left, *_installed)))


def mask(text: str, *, tier: int = CERTAIN) -> str:
    """``text`` without what any redactor of this process finds; the same object when there is nothing.

    The rules are the same for all, so a text in which the first finds nothing is not looked through for them again.
    """
    first, *others = everyone()
    masked = first.mask(text, tier=tier)
    for each in others:
        if masked is not text or not each.silent_but_for_rules(masked, tier=tier):
            masked = each.mask(masked, tier=tier)
    return masked


def mask_likely(text: str) -> str:
    """``mask`` with both tiers: for logs, errors, traces and reports."""
    return mask(text, tier=LIKELY)


def mask_tree(value: object, *, names: bool = True, tier: int = CERTAIN) -> object:
    """Nested data likewise, see ``Redactor.mask_tree``."""
    for each in everyone():
        value = each.mask_tree(value, names=names, tier=tier)
    return value
