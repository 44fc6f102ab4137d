"""Secrets of channels, read when they are needed: ``env:NAME`` or ``file:PATH``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from remit.kernel.errors import Failed, InvalidInput

MOST_BYTES = 64 << 10


def read(reference: str, *, register: Callable[[str], object]) -> str:
    """The value behind a reference, registered as a secret first.

    Raises:
        Failed: It is not there, or too short to be a secret.
    """
    kind, _, place = reference.partition(":")
    try:
        value = os.environ[place] if kind == "env" else Path(place).expanduser().read_bytes()[:MOST_BYTES].decode()
    except (KeyError, OSError, UnicodeDecodeError) as error:
        message = f"The secret {reference} that a channel refers to is not there."
        raise Failed(message, code="notify.secret", hint=f"set {place}, or correct the [[notify]] table") from error
    value = value.strip()
    try:
        register(value)
    except InvalidInput as error:
        message = f"The secret {reference} is too short or too common to be one: take 16 random characters or more."
        raise Failed(message, code="notify.secret", hint=f"set {place} to a longer one") from error
    return value
