"""The cookie of a console session, as it is set and taken away."""

from __future__ import annotations

from remit.serve.edge.identity import PLAIN_SESSION_COOKIE, SESSION_COOKIE
from remit.settings import Settings

#: What a browser is to forget with the session (ASVS 14.3.1). Not storage: the audit log's head that it remembers, to
#: hold the log to, is in there and nothing else.
FORGET = {"Clear-Site-Data": '"cache"'}


def session_cookie(token: str, settings: Settings) -> str:
    """The ``Set-Cookie`` value: for this host alone, out of reach of scripts, not sent along by other sites' forms."""
    return _cookie(token, settings, seconds=round(settings.session_hours * 3600))


def no_session_cookie(settings: Settings) -> str:
    """The ``Set-Cookie`` value that takes it away."""
    return _cookie("", settings, seconds=0)


def _cookie(token: str, settings: Settings, *, seconds: int) -> str:
    name = SESSION_COOKIE if settings.production else PLAIN_SESSION_COOKIE
    more = "; Secure" if settings.production else ""
    return f"{name}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{more}"
