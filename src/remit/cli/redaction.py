"""The command line's redactor: everything it writes to people passes it, log handlers first."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from remit.kernel.channels import Channel
from remit.kernel.errors import InvalidInput
from remit.redact import logs
from remit.redact.redactor import Redactor

#: One for the process; `learn` registers the install's own secrets with it.
REDACTOR = Redactor(secrets.token_bytes(16))

SHORTEST_WORD = 16  # characters; no kind of token is shorter, and for a plain command nothing need be loaded
SHORTEST = 8  # characters of a beginning that tell something
MOST_BYTES = 64 << 10  # of a file that holds a secret


def install(*, level: int = logging.WARNING) -> None:
    """Redacting handlers on everything that Python itself writes, and on whatever anybody prints."""
    logs.install(REDACTOR, level=level, streams=True)


def learn_words(words: Iterable[str]) -> None:
    """Mask the secrets that a person typed, and every beginning of one: messages quote words, and cut long ones off."""
    for word in words:
        if len(word) < SHORTEST_WORD:
            continue
        for span in REDACTOR.scan(word):
            value = word[span.start : span.end]
            for end in range(len(value), SHORTEST - 1, -1):
                with suppress(InvalidInput):  # what stands in ordinary text too
                    REDACTOR.register(value[:end])


def learn_channels(channels: Iterable[Channel]) -> None:
    """Mask what channels refer to (``env:NAME``, ``file:PATH``) from now on."""
    for channel in channels:
        for reference in (channel.secret, channel.password, channel.url):
            kind, _, place = reference.partition(":")
            with suppress(OSError, UnicodeDecodeError, InvalidInput, KeyError):  # told when the channel is used
                if kind == "env":
                    REDACTOR.register(os.environ[place].strip())
                elif kind == "file":
                    REDACTOR.register(Path(place).expanduser().read_bytes()[:MOST_BYTES].decode().strip())


def learn(key: Path) -> None:
    """Mask the audit log's signing keys from now on, should it ever stand in an error or a traceback."""
    with suppress(OSError, UnicodeDecodeError, InvalidInput):  # a key that can't be read can't be shown either
        for line in key.read_text(encoding="utf-8").split("\n"):
            if line.strip() and not line.startswith("retired "):
                REDACTOR.register(line.strip().removeprefix("pending "))
