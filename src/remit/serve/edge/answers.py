"""What every answer carries: the headers by which a browser keeps a page to itself (OWASP ASVS 5.0, 3.4)."""

from __future__ import annotations

from remit.serve.edge.asgi import Headers

YEAR_S = 31_536_000

#: For answers that bring no policy of their own (pages do, with a nonce).
POLICY = b"default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
SECURITY: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"x-xss-protection", b"0"),  # browsers' old filters opened holes of their own
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (
        b"permissions-policy",
        b"accelerometer=(), camera=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()",
    ),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", POLICY),
]
#: For answers that say nothing of it themselves: what is told to one person is kept by nobody (14.3.2).
UNKEPT = (b"cache-control", b"no-store")
#: Only over HTTPS, where browsers heed it (RFC 6797, 7.2).
TRANSPORT = (b"strict-transport-security", b"max-age=%d; includeSubDomains" % YEAR_S)


def complete(headers: Headers, *, secure: bool) -> Headers:
    """The headers of an answer with those that every answer has; what it says itself stays."""
    said = {name.lower() for name, _ in headers}
    added = [each for each in SECURITY if each[0] not in said]
    if UNKEPT[0] not in said:
        added.append(UNKEPT)
    if secure:
        added.append(TRANSPORT)
    return [*headers, *added]
