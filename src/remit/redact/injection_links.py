"""Links that carry data out: an image or link of Markdown or HTML whose address has room for what was read."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

from remit.redact.injection_phrases import Hit

_LINK = re.compile(
    r"(!?)\[[^\]\n]{0,300}\]\(\s?<?(https?:/{2}[^\s)>]{4,4000})"
    r"|<(img|a|iframe|script|form|object|embed|link|video|audio|source)\b[^<>]{0,300}?"
    r"\b(?:src|href|action|data)\s?=\s?[\"']?(https?:/{2}[^\s\"'>]{4,4000})"
    r"|^\s{0,3}\[[^\]\n]{1,80}\]:\s?(https?:/{2}\S{4,4000})",
    re.IGNORECASE | re.MULTILINE,
)
_HOLE = re.compile(
    r"\{\{?[^{}]{1,60}\}|\$\{[^}]{1,60}\}|\[[A-Z_ ]{3,40}\]|<[A-Za-z_ ]{3,40}|%7B%7?B?[^%]{1,60}%7D"
    r"|=(?:(?:INSERT|YOUR|THE)[_-])?(?:BASE64|DATA|SECRETS?|CONVERSATION|SUMMARY|HISTORY|API_?KEY|PROMPT)\b",
)
_CARRIES = frozenset(
    [
        *("data", "d", "payload", "content", "contents", "secret", "secrets", "leak", "exfil", "msg"),
        *("message", "prompt", "conversation", "context", "history", "chat", "summary", "key", "keys", "apikey"),
        *("api_key", "cookie", "cookies", "session", "password", "passwd", "creds", "credentials", "env", "info"),
        *("dump", "stolen", "log", "email", "ssn", "card"),
    ]
)
_CATCHERS = re.compile(
    r"(?:^|\.)(?:webhook\.site|requestbin\.\w+|pipedream\.net|ngrok(?:-free)?\.(?:io|app|dev)|burpcollaborator\.net|oastify\.com"
    r"|interact\.sh|oast\.\w+|beeceptor\.com|requestcatcher\.com|hookb\.in|canarytokens\.com|dnslog\.cn|trycloudflare\.com)$"
)
_AT_ONCE = frozenset(("img", "iframe", "script", "object", "embed", "video", "audio", "source"))  # fetched unasked
_LONG = 40
_MOST = 200


def links(text: str) -> Iterator[Hit]:
    """Images and links whose address asks to be filled, or goes to a catcher of requests."""
    if "://" not in text:
        return
    for number, match in enumerate(_LINK.finditer(text)):
        if number >= _MOST:
            return
        address = match[2] or match[4] or match[5]
        at_once = bool(match[1]) or (match[3] or "").lower() in {
            "img",
            "iframe",
            "script",
            "object",
            "embed",
            "video",
            "audio",
            "source",
        }
        found = _suspicion(address)
        if found:
            name, score = found
            kind = "an image" if at_once else "a link"
            yield f"{kind} {name}", min(0.9, score + 0.15) if at_once else score, match.start(), match.end()


def _suspicion(address: str) -> tuple[str, float] | None:
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").rstrip(".")
        asked = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return None
    if _CATCHERS.search(host):
        return "to a catcher of requests", 0.6
    if _HOLE.search(f"{parts.path}?{parts.query}"):
        return "with a place for data", 0.6
    for name, value in asked:
        if name.lower() in _CARRIES and (not value or len(value) >= _LONG):
            return "that carries data", 0.5
    if asked and _numeric(host) and any(len(value) >= _LONG or not value for _, value in asked):
        return "that carries data to a bare address", 0.6
    return None


def _numeric(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
