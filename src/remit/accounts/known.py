"""Who asks: what a session, an access token or an API key turned out to be. Each order asks for rights by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from remit.accounts.roles import Permission
from remit.kernel.action import Principal

#: Everything that its person may do; what signing in gives.
EVERY_SCOPE: frozenset[str] = frozenset(permission.value for permission in Permission)
#: Nothing but their own account: for somebody who must set up a second factor before anything else.
ONLY_ACCOUNT: frozenset[str] = frozenset()


class Via(StrEnum):
    """How somebody showed who they are."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105 - a word
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody who was recognised.

    What they may do is not said here: every order asks ``accounts.access.require`` in its own transaction, so a role
    that was taken holds for nothing from then on. ``scopes`` narrows that, and never widens it.

    Attributes:
        principal: Who.
        workspace: Where.
        via: By what.
        scopes: The permissions (``roles.Permission``) that may be used; empty: only what concerns their own account.
        session: The id of the session, or of the API key: what ``list_sessions`` and ``list_api_keys`` call it.
        address: From where, as the caller of ``SignIn`` told it.
    """

    principal: Principal
    workspace: str
    via: Via
    scopes: frozenset[str]
    session: str
    address: str = ""

    def admits(self, permission: Permission) -> bool:
        """Whether the scopes let this permission be used; whether the person has it is for ``require`` to say."""
        return permission.value in self.scopes


def scopes_of(words: Iterable[str]) -> frozenset[str]:
    """The scopes among ``words``; what is none is left out."""
    return frozenset(words) & EVERY_SCOPE
