"""Who asks, and for what: what a view is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from starlette.types import Scope

from remit.accounts.access import Permission, Resource, reading, require
from remit.bootstrap import Runtime
from remit.kernel.action import Principal
from remit.kernel.clock import micros_of
from remit.kernel.errors import Denied, InvalidInput, RemitError, Unauthenticated
from remit.kernel.ports import ReadTx
from remit.serve.edge.identity import EVERY_SCOPE, Caller
from remit.serve.edge.identity import caller_of as _caller_of
from remit.serve.edge.responses import Responses

NOTHING: Mapping[str, str] = MappingProxyType({})
_MOST = 1 << 63  # what a database's integers can't hold
_DIGITS = len(f"{_MOST}")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a form was not taken: shown beside the fields that it is about, with what was typed (``refill``).

    Attributes:
        message: In words.
        hint: What to do.
        field: The last word of the error's code: often the field that it is about.
        about: The field that the form names for this error; empty: it names none.
        parts: Each thing that is wrong with what was typed, when that is known.
    """

    message: str
    hint: str = ""
    field: str = ""
    about: str = ""
    parts: tuple[str, ...] = ()


def problem_of(error: RemitError, *, about: Mapping[str, str] = NOTHING) -> Problem:
    """What a page tells of an error; ``about``: fields by the codes of errors."""
    parts = error.problems if isinstance(error, InvalidInput) else ()
    field_ = error.code.rpartition(".")[2]
    return Problem(error.message, error.hint, field_, about.get(error.code, ""), tuple(map(str, parts)))


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to a page.

    Attributes:
        runtime: The rooms.
        caller: Who asks.
        path: What the address names, ``{"id": …}``.
        query: The address' query.
        form: What was typed, when a form was sent; a page that is shown again gets it, too.
        problem: Why the form was not taken, then.
        now_us: The server's time, one for the whole page.
        responses: The answers that the API beside the console keeps, if there is one.
    """

    runtime: Runtime
    caller: Caller
    path: Mapping[str, str] = NOTHING
    query: Mapping[str, str] = NOTHING
    form: Mapping[str, str] = NOTHING
    problem: Problem | None = None
    now_us: int = field(default=0)
    responses: Responses | None = None

    @property
    def workspace(self) -> str:
        """Where the caller is."""
        return self.caller.workspace

    @property
    def who(self) -> Principal:
        """Who asks."""
        return self.caller.principal

    @property
    def after(self) -> tuple[int, str] | None:
        """The row behind which a list begins, by time and id (``?after=TIME.ID``); ``None``: at its start."""
        at, _, which = self.query.get("after", "").partition(".")
        known = at.isascii() and at.isdecimal() and len(at) <= _DIGITS and int(at) < _MOST and which
        return (int(at), which[:64]) if known else None

    async def read[T](
        self,
        op: Callable[[ReadTx], T],
        *,
        permission: Permission = Permission.READ,
        resource: Resource = Resource.WORKSPACE,
    ) -> T:
        """What a page shows, read in one snapshot by whoever may; a refusal is on record.

        Raises:
            Denied: The caller may not look at this, or what they showed does not open it.
        """
        if permission is not Permission.READ and not self.caller.opens(permission.value):
            raise _closed(permission.value)

        def asked(tx: ReadTx) -> T:
            require(tx, self.who, workspace=self.workspace, permission=permission, resource=resource)
            return op(tx)

        return await reading(self.runtime.store, asked)


def caller_of(scope: Scope, *, scope_of: Permission = Permission.READ, about_self: bool = False) -> Caller:
    """Who asks.

    Args:
        scope: The request's.
        scope_of: What must be open to them.
        about_self: Whether it is about their own account: that is open to who must set up a second factor, too.

    Raises:
        Unauthenticated: Nobody that is known. Denied: What was shown does not open this.
    """
    caller = _caller_of(scope)
    if not caller.known:
        message = "The console shows itself to people who have signed in."
        raise Unauthenticated(message, hint="sign in at /sign-in")
    if not about_self and not caller.opens(scope_of.value):
        raise _closed(scope_of.value)
    return caller


def orderer_of(scope: Scope, *, about_self: bool = False) -> Caller:
    """Who sends a form, as ``caller_of``. A key that opens less than its person may sends none, whatever it opens.

    What each order takes is said for each endpoint of the API, where such keys are at home; forms are for people.

    Raises:
        Unauthenticated, Denied: As ``caller_of``; or it is such a key.
    """
    caller = caller_of(scope, about_self=about_self)
    if caller.via == "key" and not caller.scopes >= EVERY_SCOPE:
        message = "A key that is narrower than its person sends no form of the console."
        raise Denied(message, code="api.scope", hint="give the order over the API, /api/v1, or sign in")
    return caller


def administers(ask: Ask) -> Principal:
    """Who asks, if what they showed opens administration.

    Raises:
        Denied: It does not.
    """
    if not ask.caller.opens(Permission.ADMIN.value):
        message = "Your session does not open that."
        raise Denied(message, code="api.scope", hint="set up your second factor first")
    return ask.who


def _closed(what: str) -> Denied:
    message = f"What was shown does not open {what!r}: its scopes do not hold it."
    return Denied(message, code="console.scope", hint="sign in at /sign-in")


def now_of(runtime: Runtime) -> int:
    """The server's time in microseconds."""
    return micros_of(runtime.clock.now())
