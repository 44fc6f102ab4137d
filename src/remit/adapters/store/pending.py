"""Entries between their transaction's commit and the sealer (Postgres only), each under an authentication code."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Sequence
from typing import Any

import orjson

from remit.audit.entry import Draft, Sealed, seal_plain
from remit.kernel.canonical import canonical
from remit.kernel.errors import IntegrityError

_WRITER = secrets.token_hex(6)
_lock = threading.Lock()
_last = 0


class PendingMac:
    """HMAC-SHA256 over every other column, under a key derived from the log's own."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of_row(self, row: Sequence[Any]) -> bytes:
        """The code of ``(id, workspace, ts_us, fields, salt, body)``."""
        row_id, workspace, ts_us, fields, salt, body = row
        head = canonical([row_id, workspace, ts_us, len(fields), len(salt), len(body)])
        return hmac.digest(self._key, b"\x00".join((head, fields, salt, body)), "sha256")


def pending_rows(drafts: Sequence[Sealed], mac: PendingMac) -> list[tuple[Any, ...]]:
    """Rows for ``audit_pending``; their ids sort in the order of this process."""
    rows: list[tuple[Any, ...]] = []
    for item in drafts:
        fields = canonical({**item.fields, "dek": item.dek, "pd": item.pd})
        row = (_next_id(), item.fields["workspace"], item.ts_us, fields, item.salt, item.body)
        rows.append((*row, mac.of_row(row)))
    return rows


def draft_of(row: Sequence[Any], mac: PendingMac) -> Sealed:
    """The entry in a row.

    Raises:
        IntegrityError: The row was not written by Remit, or was changed.
    """
    *columns, stored = row
    if not hmac.compare_digest(mac.of_row(columns), stored):
        message = f"audit_pending {columns[0]} was not written by Remit, or was changed; nothing is signed over it."
        raise IntegrityError(message, code="audit.pending")
    _, _, ts_us, text, salt, body = columns
    fields = orjson.loads(text)
    pd, dek = fields.pop("pd", None), fields.pop("dek", "")
    if pd is None:  # written by a version before encryption
        return seal_plain(Draft(fields, ts_us, salt, body))
    return Sealed(fields, ts_us, pd, dek, salt, body)


def _next_id() -> str:
    """Nanoseconds since the epoch, never the same twice in a process and never going back, then the process."""
    global _last  # noqa: PLW0603 - the process's own counter
    with _lock:
        _last = max(_last + 1, time.time_ns())
        return f"{_last:020d}-{_WRITER}"
