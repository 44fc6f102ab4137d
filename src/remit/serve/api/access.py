"""Who reaches what: one row for each endpoint. No endpoint answers without its row, and a test drives every row.

A row says what the endpoint's use case demands, which decides by itself, in its own transaction. What is enforced here
is only what the use case cannot know: that somebody is known at all, and that the token or key that they showed opens
this (its scopes). Rows of a noun stand in its module's ``ACCESS`` and are gathered by ``app``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from remit.accounts.roles import Permission, Resource
from remit.kernel.errors import Denied, InternalError, Unauthenticated
from remit.serve.edge.identity import Caller
from remit.serve.edge.windows import Limits


class Who(StrEnum):
    """Who reaches an endpoint at all."""

    ANYBODY = "anybody"  # without sign-in
    KNOWN = "known"  # whoever signed in, in whatever role: it is about themselves
    PERMITTED = "permitted"  # whoever has the permission


class Elsewhere(StrEnum):
    """What somebody of another team gets, who has no part in the workspace but through that team."""

    REFUSED = "refused"  # 403: told apart from nothing by nobody but people who know the id
    HIDDEN = "hidden"  # 404: as if there were none
    EMPTY = "empty"  # a list without what is not theirs
    SAME = "same"  # it is about themselves, or about nobody


@dataclass(frozen=True, slots=True)
class Access:
    """One endpoint.

    Attributes:
        method: ``GET``, ``POST`` ...
        path: As the route is declared, ``/api/v1/teams/{team}``.
        permission: What its use case demands, and the scope that a key must have.
        resource: What it is about, as ``accounts.roles`` counts.
        elsewhere: What people of another team get for an id that is not theirs.
        who: Who reaches it at all.
        limits: Its own limits for each address, within those of the API; ``None``: none.
        own: Whether somebody without the permission may do it about themselves (leaving a team).
    """

    method: str
    path: str
    permission: Permission = Permission.READ
    resource: Resource = Resource.WORKSPACE
    elsewhere: Elsewhere = Elsewhere.REFUSED
    who: Who = Who.PERMITTED
    own: bool = False
    limits: Limits | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What finds it."""
        return self.method, self.path


def table(rows: Iterable[Access]) -> Mapping[tuple[str, str], Access]:
    """The rows by method and path.

    Raises:
        InternalError: Two rows for one endpoint.
    """
    found: dict[tuple[str, str], Access] = {}
    for row in rows:
        if found.setdefault(row.key, row) is not row:
            message = f"Two access rows for {row.method} {row.path}."
            raise InternalError(message)
    return found


def admit(caller: Caller, row: Access) -> None:
    """Turn away whoever the endpoint is not for, before its use case is asked.

    Raises:
        Unauthenticated: Nobody is known.
        Denied: What was shown does not open this.
    """
    if row.who is Who.ANYBODY:
        return
    if not caller.known:
        message = "Nobody is signed in: send Authorization: Bearer with a token or key."
        raise Unauthenticated(message, code="api.credential", hint="remit apikeys create NAME --scope read")
    if row.who is Who.PERMITTED and not caller.opens(row.permission.value):
        message = f"What was shown does not open {row.permission.value!r}: its scopes do not hold it."
        raise Denied(message, code="api.scope", hint="remit apikeys create NAME --scope SCOPE")
