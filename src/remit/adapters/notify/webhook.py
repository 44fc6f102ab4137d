"""A webhook: one POST of JSON with the effect's key as ``Idempotency-Key``, signed when the channel has a key."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from remit.adapters.notify.message import Message
from remit.kernel.canonical import canonical
from remit.kernel.errors import Failed, Timeout, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.signature import HEADER, sign

TIMEOUT_S = 10.0
_ACCEPTED = range(200, 300)
_RETRY_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
_ANSWER_LIMIT = 65_536


def post(url: str, told: Message, *, shown: str, key: bytes = b"", at_s: int = 0) -> Outcome:
    """POST ``{"id", "subject", "body", "mission", "step"}``; any 2xx answer is success. No redirect is followed.

    Args:
        url: Where to.
        told: What.
        shown: What the receiver is called in messages: an address may be a secret.
        key: Signs time and body (``remit.kernel.signature``); empty: not signed.
        at_s: The time, in Unix seconds.

    Raises:
        Failed: The receiver refused, or the address is none.
        Timeout: No answer within ``TIMEOUT_S`` seconds. Unavailable: No connection, or it said to come back later.
    """
    body = canonical(
        {"id": told.key, "subject": told.subject, "body": told.body, "mission": told.mission, "step": told.step}
    )
    headers = {"Idempotency-Key": told.key, "Remit-Delivery": told.key}
    if key:
        headers[HEADER] = sign(key, body, at_s=at_s)
    return send(url, body, headers=headers, shown=shown)


def send(url: str, body: bytes, *, headers: Mapping[str, str], shown: str) -> Outcome:
    """POST a JSON body; see ``post``."""
    connection, path = _connection(url, shown)
    try:
        connection.request("POST", path, body=body, headers={"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        status, text = response.status, response.read(_ANSWER_LIMIT).decode("utf-8", "replace")
    except TimeoutError as error:
        message = f"{shown} did not answer within {TIMEOUT_S:.0f} s."
        raise Timeout(message) from error
    except (OSError, http.client.HTTPException) as error:
        message = f"{shown} can't be reached: {error}."
        raise Unavailable(message) from error
    finally:
        connection.close()
    if status in _RETRY_LATER:
        message = f"{shown} answered {status}: it asks to come back later."
        raise Unavailable(message, retry_after=_seconds(response.getheader("Retry-After")))
    if status not in _ACCEPTED:
        message = f"{shown} refused the notification with status {status}."
        raise Failed(message, code="notify.refused", hint="correct the [[notify]] table")
    return Outcome(ok=True, value={"status": status}, text=text)


def _connection(url: str, shown: str) -> tuple[http.client.HTTPConnection, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in {"http", "https"} or not host:
        message = f"The address of {shown} is no http(s):// address."
        raise Failed(message, code="notify.address", hint="correct the [[notify]] table")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port or 80, timeout=TIMEOUT_S), path
    context = ssl.create_default_context()
    return http.client.HTTPSConnection(host, port or 443, timeout=TIMEOUT_S, context=context), path


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
