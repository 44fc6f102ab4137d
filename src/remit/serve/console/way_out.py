"""What a person can do after a refusal or a failure: the words and links of the page that tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from remit.kernel.errors import NotFound, RemitError
from remit.serve.console.page import Page

#: What a hint for programs is to somebody at a browser.
_SAYS = {
    "api.csrf": "Open the form's page again and send it once more: it is older than your sign-in. Nothing was ordered.",
    "api.slow": "Ask once more. If you have ordered something, look first whether it was done.",
    "accounts.not_permitted": "Ask who grants it, or go on with what you may do: your account's page says what.",
    "not_found": "Look whether the address is whole, or go on from the start page.",
}


@dataclass(frozen=True, slots=True)
class WayOut:
    """What to do.

    Attributes:
        says: In a sentence; empty: ``command`` is all there is.
        command: To type at the machine.
        again: The address to ask for once more; empty: that would be of no use.
        place: The page of the navigation that it belongs to: its address and its name; empty: none.
    """

    says: str
    command: str
    again: str
    place: tuple[str, str]


def way_out(error: RemitError, pages: Sequence[Page], *, path: str, read: bool) -> WayOut:
    """What to do after ``error``, met at ``path``; ``read``: something was only looked at (GET)."""
    says = _SAYS.get(error.code, "")
    near = [(one.path, one.label) for one in pages if one.label and one.path != "/" and path.startswith(f"{one.path}/")]
    place = max(near, default=("", ""))
    if not says and isinstance(error, NotFound) and place[1]:
        says = f"It may be of another workspace, or its id another: look under {place[1]}."
    command = error.hint if not says and error.hint.startswith("remit ") else ""
    useless = isinstance(error, NotFound) or not read or path == "/"
    if not says and not command:
        says = _sentence(error.hint)
    return WayOut(says, command, "" if useless else path, place)


def _sentence(hint: str) -> str:
    return f"{hint[:1].upper()}{hint[1:]}{'' if hint.endswith('.') else '.'}" if hint else ""
