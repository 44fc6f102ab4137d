"""What a person likes: light or dark, single keys or none. Kept in cookies that say nothing else; needs no script."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

PATH = "/preferences"
THEMES = ("light", "dark")
_YEAR_S = 31_536_000


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was chosen: a theme (empty: the system's), and whether single keys do something."""

    theme: str
    keys: bool


def chosen(request: Request) -> Chosen:
    """What the request's cookies say."""
    theme = request.cookies.get("remit_theme", "")
    return Chosen(theme if theme in THEMES else "", request.cookies.get("remit_keys") != "off")


async def keep(request: Request) -> Response:
    """Keep what was chosen, and go back to the page that asked."""
    async with request.form(max_files=0, max_fields=8) as sent:
        answer = RedirectResponse(own(str(sent.get("back", "/"))), 303)
        for name, allowed in (("theme", ("light", "dark", "system")), ("keys", ("on", "off"))):
            value = sent.get(name)
            if value in allowed:
                answer.set_cookie(f"remit_{name}", str(value), max_age=_YEAR_S, samesite="lax", httponly=True)
    return answer


def own(address: str) -> str:
    """A path of this console; anything else is the start page."""
    fine = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if fine and "\\" not in address else "/"
