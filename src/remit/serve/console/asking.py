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
from remit.kernel.errors import Denied, RemitError, Unauthenticated
from remit.kernel.ports import ReadTx
from remit.serve.edge.identity import Caller
from remit.serve.edge.identity import caller_of as _caller_of
from remit.serve.edge.responses import Responses

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a form was not taken, and at which of its fields; shown beside it with what was typed."""

    field: str
    message: str
    hint: str = ""


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

    async def read[T](
        self,
        op: Callable[[ReadTx], T],
        *,
        permission: Permission = Permission.READ,
        resource: Resource = Resource.WORKSPACE,
    ) -> T:
        """What a page shows, read in one snapshot by whoever may; a refusal is on record.

        Raises:
            Denied: The caller may not look at this.
        """

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
        message = f"What was shown does not open {scope_of.value!r}: its scopes do not hold it."
        raise Denied(message, code="console.scope", hint="sign in at /sign-in")
    return caller


def now_of(runtime: Runtime) -> int:
    """The server's time in microseconds."""
    return micros_of(runtime.clock.now())


def refused_field(error: RemitError) -> str:
    """The field of a form that an error is about: the last word of its code (``approval.reason``)."""
    return error.code.rpartition(".")[2]
