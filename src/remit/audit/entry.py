"""One entry of the audit log: what is hashed, what is kept apart, and how both become bytes.

An entry has a *header*, hashed into the log and never removed, and a *payload*, kept apart under a salted hash so that
it can be pruned or erased while every proof still holds. Headers carry ids and codes only: no free text, no personal
data, no addresses; those belong in the payload, redacted by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from remit.kernel.action import Principal
from remit.kernel.canonical import canonical
from remit.kernel.errors import InvalidInput

#: With an encrypted payload; ``dek`` names its key. Before, and without keys, headers have no such field.
HEADER_VERSION = 2
PLAIN_VERSION = 1
SALT_SIZE = 16
MAX_TEXT = 256
MAX_PAYLOAD = 1 << 20
MAX_INTEGER = (1 << 53) - 1

_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Result(StrEnum):
    """How it went; ``pending`` is an intent whose outcome is a later entry."""

    SUCCESS = "success"
    FAILURE = "failure"
    BLOCKED = "blocked"
    PENDING = "pending"


@dataclass(slots=True)  # not frozen: that takes four times as long to make, and every action makes two
class Entry:
    """What happened, in ids and codes. Not to be changed: the log gets what it was made with.

    ``action`` is ``room.verb`` (``guard.intent``), ``domain`` the kind of effect or area (``command``, ``accounts``),
    ``subject`` what it was about (an action id, an agent), ``reason`` a code. Every text is at most 256 characters
    without control characters; an absent one is empty.

    Raises:
        InvalidInput: A field does not fit.
    """

    actor: Principal
    action: str
    domain: str
    result: Result
    workspace: str
    on_behalf_of: Principal | None = None
    reason: str = ""
    subject: str = ""
    mission: str = ""
    step: str = ""
    approval_id: str = ""
    policy_rev: str = ""
    _fields: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        fields = self._told()
        self._fields = fields
        # All at once, for nearly every entry is fit; which field is wrong matters only when one is. "|" is fit itself.
        whole = "|".join(fields.values())
        short = len(whole) <= MAX_TEXT or max(map(len, fields.values())) <= MAX_TEXT
        fit = short and (whole.isprintable() or not _UNFIT.search(whole))
        for name, text in () if fit else fields.items():
            if len(text) > MAX_TEXT or _UNFIT.search(text):
                message = (
                    f"the audit field {name!r} must be text of at most {MAX_TEXT} characters, no control characters"
                )
                raise InvalidInput(message, code="audit.field", hint="put free text into the entry's payload")
        if not (self.workspace and self.action and self.domain):
            message = "an audit entry needs a workspace, an action and a domain"
            raise InvalidInput(message, code="audit.field")

    def fields(self) -> dict[str, str]:
        """The header's caller-given part: always the same keys. Not to be changed."""
        return self._fields

    def _told(self) -> dict[str, str]:
        return {
            "action": self.action,
            "actor": str(self.actor),
            "approval_id": self.approval_id,
            "domain": self.domain,
            "mission": self.mission,
            "on_behalf_of": str(self.on_behalf_of or ""),
            "policy_rev": self.policy_rev,
            "reason": self.reason,
            "result": self.result.value,
            "step": self.step,
            "subject": self.subject,
            "workspace": self.workspace,
        }


class Draft(NamedTuple):
    """An entry ready for the log, but for its place in it and its payload's key: fields, time, salt, payload, subject.

    ``subject`` is the person the payload is about; empty for nobody.
    """

    fields: dict[str, str]
    ts_us: int
    salt: bytes
    body: bytes
    subject: str = ""


class Sealed(NamedTuple):
    """A draft as it is stored: ``body`` is encrypted under the data key ``dek``, or plain when that is empty.

    An encrypted body holds the salt too, and ``salt`` is empty. ``pd`` is SHA-256(salt || payload), hexadecimal, of the
    plain text in both cases.
    """

    fields: dict[str, str]
    ts_us: int
    pd: str
    dek: str
    salt: bytes
    body: bytes

    def header(self, seq: int) -> bytes:
        """The exact bytes that are hashed: RFC 8785, as keys are ASCII and values text or small integers."""
        if not self.dek:
            return canonical({**self.fields, "pd": self.pd, "seq": seq, "ts_us": self.ts_us, "v": PLAIN_VERSION})
        return canonical(
            {**self.fields, "dek": self.dek, "pd": self.pd, "seq": seq, "ts_us": self.ts_us, "v": HEADER_VERSION}
        )


def seal_plain(item: Draft) -> Sealed:
    """A draft whose payload is stored as it is."""
    return Sealed(item.fields, item.ts_us, sha256(item.salt + item.body).hexdigest(), "", item.salt, item.body)


def draft(entry: Entry, payload: Mapping[str, Any] | None, *, ts_us: int, salt: bytes, subject: str = "") -> Draft:
    """Make an entry ready.

    Args:
        entry: The header's content.
        payload: JSON, already redacted.
        ts_us: Microseconds since the Unix epoch.
        salt: 16 random bytes.
        subject: The person the payload is about (a user's id, a customer's reference): it is encrypted under that
            person's key and erased with it. Empty: about nobody. It is no part of the header.

    Raises:
        InvalidInput: The payload is no JSON, or larger than 1 MiB; or the subject is no text that fits.
    """
    if subject and (len(subject) > MAX_TEXT or _UNFIT.search(subject)):
        message = f"the subject of an audit payload must be at most {MAX_TEXT} characters without control characters"
        raise InvalidInput(message, code="audit.field")
    try:
        body = canonical(payload or {})
    except TypeError as error:
        message = f"the payload of an audit entry must be JSON: {error}"
        raise InvalidInput(message, code="audit.payload") from error
    if len(body) > MAX_PAYLOAD:
        message = f"the payload of an audit entry may hold {MAX_PAYLOAD} bytes, this one has {len(body)}"
        raise InvalidInput(message, code="audit.payload", hint="store the content as an artefact and log its hash")
    if len(salt) != SALT_SIZE or not 0 <= ts_us <= MAX_INTEGER:
        message = "an audit entry needs a salt of 16 bytes and a time below 2^53 microseconds"
        raise InvalidInput(message, code="audit.field")
    return Draft(entry.fields(), ts_us, salt, body, subject)


def read_header(header: bytes) -> dict[str, Any]:
    """A header's fields, for showing; what is hashed stays the stored bytes.

    Raises:
        ValueError: The bytes are no JSON object.
    """
    fields = orjson.loads(header)
    if not isinstance(fields, dict):
        message = "an audit header must be a JSON object"
        raise ValueError(message)  # noqa: TRY004 - the bytes are wrong, not the caller's types
    return fields  # pyright: ignore[reportUnknownVariableType] - JSON
