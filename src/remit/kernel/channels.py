"""Channels: where people are told things, as the owner of the install wrote them into the settings.

Nothing else can be reached by a notification: an effect names a channel, and the address stands here. Passwords,
signing keys and secret addresses are references (``env:NAME``, ``file:PATH`` or ``secret://NAME``), never values.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import cast
from urllib.parse import urlsplit

from remit.kernel.errors import InvalidInput

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_REFERENCE = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|secret://[A-Za-z0-9_][A-Za-z0-9_./#-]*)")
_MAILBOX = re.compile(r"[^\s<>@,;:\"]+@[^\s<>@,;:\"]+")


class ChannelKind(StrEnum):
    """How a channel carries a message."""

    CONSOLE = "console"  # a line in the home's file notices.log
    WEBHOOK = "webhook"  # a signed POST of JSON
    EMAIL = "email"  # SMTP
    SLACK = "slack"  # an incoming webhook in the format that Slack made common


@dataclass(frozen=True, slots=True)
class Channel:
    """One way to people.

    Attributes:
        name: What effects call it.
        kind: How it carries a message.
        url: Of a webhook: ``http(s)://`` address, or a reference to it (a must for ``slack``: its address is a secret).
        secret: Reference to the key that signs a webhook's body.
        to: Mailboxes, separated by commas.
        sender: The mailbox it comes from.
        host: The SMTP server.
        port: Its port.
        starttls: Whether the connection must be encrypted (STARTTLS) before anything is said.
        user: Whom to sign in as; nobody when empty.
        password: Reference to the password.
        approvals: Whether requests for approval are announced here.

    Raises:
        InvalidInput: Something is missing, or of the wrong form.
    """

    name: str
    kind: ChannelKind
    url: str = ""
    secret: str = ""
    to: str = ""
    sender: str = ""
    host: str = ""
    port: int = 587
    starttls: bool = True
    user: str = ""
    password: str = ""
    approvals: bool = True

    def __post_init__(self) -> None:
        problems = [text for wrong, text in self._checks() if wrong]
        if problems:
            message = f"The channel {self.name[:60]!r} can't work: {'; '.join(problems)}."
            raise InvalidInput(message, code="notify.channel", problems=tuple(problems))

    @property
    def mailboxes(self) -> tuple[str, ...]:
        """Who gets the mail."""
        return tuple(part.strip() for part in self.to.split(",") if part.strip())

    def _checks(self) -> list[tuple[bool, str]]:
        web, mail = self.kind in {ChannelKind.WEBHOOK, ChannelKind.SLACK}, self.kind is ChannelKind.EMAIL
        referred = _REFERENCE.fullmatch(self.url) is not None
        return [
            (
                not _NAME.fullmatch(self.name),
                "its name must be a lower-case word of at most 64 letters, digits, - and _",
            ),
            (web and not self.url, "it needs a url"),
            (
                self.kind is ChannelKind.SLACK and bool(self.url) and not referred,
                "its url is a secret: write url = 'env:NAME', 'file:PATH' or 'secret://NAME'",
            ),
            (
                web and bool(self.url) and not referred and not _is_address(self.url),
                "its url must be http(s)://HOST/...",
            ),
            (self.kind is ChannelKind.WEBHOOK and not self.secret, "it needs a secret to sign with: 'env:NAME'"),
            *(
                (
                    bool(value) and not _REFERENCE.fullmatch(value),
                    f"{key} must be a reference: 'env:NAME', 'file:PATH' or 'secret://NAME'",
                )
                for key, value in (("secret", self.secret), ("password", self.password))
            ),
            (mail and not self.host, "it needs a host"),
            (mail and not self.mailboxes, "it needs somebody to write to"),
            *((mail and not _MAILBOX.fullmatch(box), f"{box[:60]!r} is no mailbox") for box in self.mailboxes),
            (mail and not _MAILBOX.fullmatch(self.sender), f"the sender {self.sender[:60]!r} is no mailbox"),
            (mail and bool(self.user) != bool(self.password), "user and password go together"),
            (mail and bool(self.user) and not self.starttls, "a password goes over an encrypted connection only"),
            (not 0 < self.port < 1 << 16, f"{self.port} is no port"),
        ]


_FIELDS = {field.name for field in fields(Channel)}
_TYPES: Mapping[str, type] = {"port": int, "starttls": bool, "approvals": bool}


def read_channels(raw: object) -> tuple[Channel, ...]:
    """Channels from ``[[notify]]`` tables, or from the same as JSON text (an environment variable).

    Raises:
        InvalidInput: No list of tables, an unknown key (with the nearest known one), a wrong type, one name twice.
    """
    if isinstance(raw, str):
        try:
            raw = json.loads(raw) if raw.strip() else []
        except ValueError as error:
            message = f"it must be [[notify]] tables, or the same as a JSON list: {error}"
            raise InvalidInput(message) from error
    if not isinstance(raw, list):
        message = "it must be [[notify]] tables: a list of channels"
        raise InvalidInput(message)
    found = tuple(_channel(each) for each in cast("list[object]", raw))
    names = [channel.name for channel in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        message = f"two channels are called {twice!r}"
        raise InvalidInput(message)
    return found


def _channel(raw: object) -> Channel:
    if not isinstance(raw, dict):
        message = "each channel must be a table with a name and a kind"
        raise InvalidInput(message)
    given = cast("dict[str, object]", raw)
    for key, value in given.items():
        if key not in _FIELDS:
            near = difflib.get_close_matches(key, _FIELDS, 1)
            message = f"a channel has no {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            raise InvalidInput(message)
        if type(value) is not _TYPES.get(key, str):
            message = f"a channel's {key!r} must be {_TYPES.get(key, str).__name__}, not {type(value).__name__}"
            raise InvalidInput(message)
    missing = {"name", "kind"} - given.keys()
    if missing:
        message = f"a channel lacks {' and '.join(sorted(missing))}"
        raise InvalidInput(message)
    kinds = [kind.value for kind in ChannelKind]
    if given["kind"] not in kinds:
        message = f"a channel's kind is one of {', '.join(kinds)}, not {given['kind']!r:.60}"
        raise InvalidInput(message)
    return Channel(**{**given, "kind": ChannelKind(str(given["kind"]))})  # type: ignore[arg-type] - checked above


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.username and parts.port != 0
    except ValueError:
        return False
