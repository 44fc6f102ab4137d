"""Signed messages: HMAC-SHA256 over time and body, as a header that any language verifies in five lines.

    Remit-Signature: t=1767225600,v1=HEX        HEX = HMAC-SHA256(key, "1767225600." + body)

The time is part of what is signed, so an old message can't be passed off as a new one: a receiver refuses what is older
than its tolerance and remembers the delivery ids of that long.
"""

from __future__ import annotations

import hashlib
import hmac

HEADER = "Remit-Signature"
TOLERANCE_S = 300
_LONGEST_STAMP = 15


def sign(key: bytes, body: bytes, *, at_s: int) -> str:
    """The header's value for ``body``, signed at ``at_s`` (Unix seconds)."""
    return f"t={at_s},v1={_mac(key, body, at_s)}"


def verify(key: bytes, header: str, body: bytes, *, now_s: int, tolerance_s: int = TOLERANCE_S) -> bool:
    """Whether ``header`` signs ``body`` with ``key``, at most ``tolerance_s`` seconds ago or ahead."""
    parts: dict[str, str] = {}
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        parts[name] = value
    stamp, mac = parts.get("t", ""), parts.get("v1", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= _LONGEST_STAMP and mac.isascii()):
        return False
    fresh = abs(now_s - int(stamp)) <= tolerance_s
    return hmac.compare_digest(_mac(key, body, int(stamp)), mac) and fresh


def _mac(key: bytes, body: bytes, at_s: int) -> str:
    return hmac.new(key, f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
