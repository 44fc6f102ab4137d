"""What signing in asks of an OpenID provider. ``adapters.identity.oidc`` speaks to one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Verified:
    """What a provider vouches for. ``strong``: that it asked for a second factor."""

    issuer: str
    subject: str
    email: str = ""
    email_verified: bool = False
    name: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Departure:
    """What goes with a browser to the provider: ``state`` and ``nonce`` in the address, ``note`` in a cookie."""

    state: str
    nonce: str
    verifier: str = field(repr=False)
    note: str = field(repr=False)


class Provider(Protocol):
    """An OpenID provider."""

    async def address(self, departure: Departure, *, redirect: str) -> str:
        """Where a browser goes to sign in.

        Raises:
            Unavailable: The provider does not answer. InvalidAnswer: It answers something else.
        """
        ...

    async def verify(self, code: str, departure: Departure, *, redirect: str) -> Verified:
        """Who came back with this code.

        Raises:
            Unauthenticated: The provider refuses the code, or what it says does not hold.
            Unavailable: It does not answer.
        """
        ...
