"""A classifier that answers over HTTP: one POST of JSON for each text that came in.

Asked: ``{"spans": [{"path", "text"}], "context": {"workspace", "mission", "action", "source", "place", "score"}}``.
Answered with 200: ``{"verdict": "allow" | "mask" | "ask" | "deny", "score": 0.0 to 1.0, "why": "...", "spans": [0]}``,
all but the verdict optional; ``spans`` are the numbers of the texts that are meant.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import cast
from urllib.parse import SplitResult, urlsplit

from remit.guard.classifier import Context, Opinion, Piece, Verdict
from remit.kernel.errors import InvalidInput, Unavailable

LARGEST = 1 << 20
MOST_CHARACTERS = 200_000
_OK = 200


class HttpClassifier:
    """Asks the classifier at ``url``; no redirects, no proxies, an answer of at most 1 MiB.

    Args:
        url: An http or https address that the install's owner configured.
        timeout_s: Seconds until the answer must be there.

    Raises:
        InvalidInput: The address is none.
    """

    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        self._parts = _address(url)
        self._timeout_s = timeout_s

    async def check(self, spans: Sequence[Piece], context: Context) -> Opinion:
        """Judge ``spans``; at most 200,000 characters are sent, and what is left out makes the answer ``ask`` at least.

        Raises:
            Unavailable: Nobody answers in time, or with something else than an opinion.
        """
        sent, whole = _sent(spans)
        body = json.dumps({"spans": sent, "context": asdict(context)}).encode()
        try:
            async with asyncio.timeout(self._timeout_s):
                status, answer = await asyncio.to_thread(self._post, body)
        except (OSError, http.client.HTTPException) as error:
            message = f"The classifier at {self._parts.hostname} does not answer: {type(error).__name__}."
            raise Unavailable(message, code="classifier.unavailable") from error
        opinion = self._opinion(status, answer)
        if not whole and opinion.verdict is Verdict.ALLOW:
            return Opinion(Verdict.ASK, 1.0, "too long for the classifier")
        return opinion

    def _post(self, body: bytes) -> tuple[int, bytes]:
        parts = self._parts
        make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = make(parts.hostname or "", parts.port, timeout=self._timeout_s)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read(LARGEST + 1)
        finally:
            connection.close()

    def _opinion(self, status: int, answer: bytes) -> Opinion:
        try:
            opinion = _read(answer) if status == _OK and len(answer) <= LARGEST else None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            opinion = None
        if opinion is None:
            message = f"The classifier at {self._parts.hostname} answered {status} with no opinion."
            raise Unavailable(message, code="classifier.answer")
        return opinion


def _read(answer: bytes) -> Opinion | None:
    told = cast("Mapping[str, object]", json.loads(answer))
    weight = float(cast("float", told.get("score", 0.0)))
    pieces = tuple(int(each) for each in cast("Sequence[int]", told.get("spans") or ()))
    if not 0.0 <= weight <= 1.0:
        return None
    return Opinion(Verdict(str(told["verdict"])), weight, str(told.get("why", ""))[:500], pieces)


def _address(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known, parts = False, urlsplit("")
    if not known:
        message = f"{url[:100]!r} is no http or https address of a classifier."
        raise InvalidInput(message, code="classifier.address", hint="set classifier_url, see docs/injection.md")
    return parts


def _sent(spans: Sequence[Piece]) -> tuple[list[dict[str, str]], bool]:
    left = MOST_CHARACTERS
    sent: list[dict[str, str]] = []
    for each in spans:
        sent.append({"path": each.path, "text": each.text[:left]})
        left = max(0, left - len(each.text))
    return sent, sum(len(each.text) for each in spans) <= MOST_CHARACTERS
