"""Secrets of channels, read when they are needed: ``env:NAME``, ``file:PATH`` or ``secret://NAME``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from remit.kernel.errors import Failed, InvalidInput
from remit.kernel.references import SCHEME

MOST_BYTES = 64 << 10


def is_reference(text: str) -> bool:
    """Whether a text is no address but refers to one."""
    return text.startswith(("env:", "file:", SCHEME))


def read(reference: str, *, register: Callable[[str], object], resolve: Callable[[str], str] | None = None) -> str:
    """The value behind a reference, registered as a secret first.

    ``resolve`` gives the value of ``secret://NAME``, which it has registered.

    Raises:
        Failed: It is not there, or too short to be a secret.
        RemitError: As ``resolve`` raises it.
    """
    if reference.startswith(SCHEME):
        if resolve is None:
            message = f"The channel refers to {reference}, and no source of secrets is set up."
            raise Failed(message, code="notify.secret", hint="remit secrets list")
        return resolve(reference).strip()
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
