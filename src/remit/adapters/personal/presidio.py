"""Asks a Presidio analyzer for what needs a language model: names, places, affiliations.

Speaks the analyzer's published HTTP interface (Presidio API 2.0, ``POST /analyze``), so that no dependency of
Presidio's comes into this process. Texts must be free of secrets before they are sent: whoever runs the analyzer reads
them.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from remit.kernel.errors import InvalidInput, Unavailable
from remit.redact.personal.kinds import Kind, Personal

LARGEST = 4 << 20  # bytes of an answer
SECONDS = 10.0
#: An outside finding is weaker than any of ours: a model's guess never takes a checked number apart.
STRENGTH = 20

#: Presidio's names for kinds that have one here; any other becomes lower case with dashes.
KINDS: Mapping[str, str] = {
    "EMAIL_ADDRESS": Kind.EMAIL,
    "PHONE_NUMBER": Kind.PHONE,
    "US_SSN": Kind.SSN,
    "CREDIT_CARD": Kind.CARD,
    "IBAN_CODE": Kind.IBAN,
    "IP_ADDRESS": Kind.IP,
}
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,39}")


@dataclass(frozen=True, slots=True)
class Presidio:
    """A client of one analyzer.

    Attributes:
        url: Its address, such as ``http://127.0.0.1:5002``.
        language: Of the texts (ISO 639-1), as the analyzer knows them.
        entities: Which of its kinds to ask for; all when empty.
        threshold: The least score, between 0 and 1, that counts.
        timeout_s: Seconds until it counts as gone.
    """

    url: str
    language: str = "en"
    entities: tuple[str, ...] = ("PERSON", "LOCATION", "NRP")
    threshold: float = 0.5
    timeout_s: float = SECONDS

    def find(self, text: str) -> list[Personal]:
        """What the analyzer finds, in the shape of ``remit.redact.personal.find``.

        Raises:
            InvalidInput: The address is no http or https address.
            Unavailable: It doesn't answer in time, refuses, or answers nonsense: nothing then passes for clean.
        """
        if not text.strip():
            return []
        asked: dict[str, Any] = {"text": text, "language": self.language, "score_threshold": self.threshold}
        if self.entities:
            asked["entities"] = list(self.entities)
        status, answer = self._post(json.dumps(asked).encode())
        if status != http.client.OK:
            message = f"The Presidio analyzer at {urlsplit(self.url).hostname} refused ({status})."
            raise Unavailable(message, code="personal.presidio", hint="remit doctor")
        return self._read(answer, len(text))

    def _post(self, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = f"{self.url!r} is no http or https address."
            raise InvalidInput(message, code="personal.address", hint="give the analyzer's address: http://HOST:PORT")
        make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = make(parts.hostname, parts.port, timeout=self.timeout_s)
        try:
            path = f"{parts.path.rstrip('/')}/analyze"
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read(LARGEST + 1)
        except (OSError, http.client.HTTPException) as error:
            message = f"The Presidio analyzer at {parts.hostname} does not answer: {error}."
            raise Unavailable(message, code="personal.presidio", hint="remit doctor") from error
        finally:
            connection.close()
        return answer.status, content

    def _read(self, answer: bytes, length: int) -> list[Personal]:
        """The spans of an answer; an offset outside the text or out of order is no answer."""
        try:
            rows = cast("list[dict[str, Any]]", json.loads(answer) if len(answer) <= LARGEST else None)
            found = [Personal(_kind(row["entity_type"]), int(row["start"]), int(row["end"]), STRENGTH) for row in rows]
        except (ValueError, TypeError, KeyError) as error:
            raise _strange() from error
        if any(not 0 <= each.start < each.end <= length for each in found):
            raise _strange()
        return sorted(found, key=lambda each: (each.start, each.end))


def _kind(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise ValueError(name)
    return KINDS.get(name) or name.lower().replace("_", "-")


def _strange() -> Unavailable:
    message = "The Presidio analyzer answered what is no list of findings."
    return Unavailable(message, code="personal.presidio", hint="remit doctor")
