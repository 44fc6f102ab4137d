"""A webhook: one POST of JSON with the effect's key as ``Idempotency-Key``.

Only loopback addresses are accepted: reaching other hosts waits for the secure fetcher (FET-1), which resolves, checks
and pins addresses.
"""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
from urllib.parse import urlsplit

from remit.kernel.action import Action
from remit.kernel.canonical import canonical
from remit.kernel.effects import Notify
from remit.kernel.errors import Denied, Failed, InternalError, InvalidInput, Timeout, Unavailable
from remit.kernel.mission import Outcome

TIMEOUT_S = 10.0
_ACCEPTED = range(200, 300)
_RETRY_LATER = frozenset({429, 502, 503, 504})
_ANSWER_LIMIT = 65_536


class WebhookAdapter:
    """Performs ``Notify`` effects whose target is an ``http://`` address on this host."""

    async def perform(self, action: Action) -> Outcome:
        """POST ``{"subject", "body", "mission", "step"}``; any 2xx answer is success.

        Raises:
            InvalidInput: The target is no ``http://`` address.
            Denied: The target is not on this host.
            Timeout: No answer within ``TIMEOUT_S`` seconds.
            Unavailable: No connection, or the receiver said to come back later.
            Failed: The receiver refused.
        """
        effect = action.effect
        if not isinstance(effect, Notify):
            message = f"the webhook adapter was handed a {action.kind} effect"
            raise InternalError(message)
        body = canonical(
            {"subject": effect.subject, "body": effect.body, "mission": action.mission, "step": action.step}
        )
        host, port, path = _place(effect.target)
        status, text = await asyncio.to_thread(_post, host, port, path, body, action.effect_key or action.id)
        if status in _RETRY_LATER:
            message = f"{effect.target} answered {status}: it asks to come back later."
            raise Unavailable(message)
        if status not in _ACCEPTED:
            message = f"{effect.target} refused the notification with status {status}."
            raise Failed(message)
        return Outcome(ok=True, value={"status": status}, text=text)


def _place(target: str) -> tuple[str, int, str]:
    parts = urlsplit(target)
    if parts.scheme != "http" or not parts.hostname:
        message = f"{target!r} is no http:// address."
        raise InvalidInput(message)
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        message = f"{parts.hostname} is not on this host: notifications to other hosts are not open yet."
        raise Denied(message, hint="use an address such as http://127.0.0.1:8080/")
    return host, parts.port or 80, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _post(host: str, port: int, path: str, body: bytes, key: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        connection.request("POST", path, body=body, headers=headers)
        response = connection.getresponse()
        return response.status, response.read(_ANSWER_LIMIT).decode("utf-8", "replace")
    except TimeoutError as error:
        message = f"{host}:{port} did not answer within {TIMEOUT_S:.0f} s."
        raise Timeout(message) from error
    except (OSError, http.client.HTTPException) as error:
        message = f"{host}:{port} can't be reached: {error}."
        raise Unavailable(message) from error
    finally:
        connection.close()
