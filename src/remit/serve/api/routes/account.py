"""One's own account: who one is, sessions, password, second factor, API keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from remit.accounts.access import no_agent, reading
from remit.accounts.api_keys import DAYS, MOST_DAYS, ApiKey, create_api_key, list_api_keys, revoke_api_key
from remit.accounts.entrance import Visit
from remit.accounts.people import Person, find_person
from remit.accounts.roles import Permission, names_of
from remit.accounts.sessions import SessionView, end_session, end_sessions, list_sessions
from remit.accounts.signing_in import change_password, set_factor_up, turn_factor_off
from remit.accounts.totp import confirm_factor, show_factor
from remit.bootstrap import Runtime
from remit.kernel.action import Principal
from remit.kernel.clock import iso
from remit.kernel.errors import Denied
from remit.serve.api.access import Access, Elsewhere, Who
from remit.serve.api.answers import Asked, Shown, answer, created, example, nothing, resource
from remit.serve.api.caller import Asking, Open
from remit.serve.edge.identity import EVERY_SCOPE, Caller

ROUTES = APIRouter(prefix="/api/v1", tags=["account"])

_OWN = (
    ("GET", "/me"),
    ("POST", "/me/password"),
    ("GET", "/me/second-factor"),
    ("POST", "/me/second-factor"),
    ("POST", "/me/second-factor/confirm"),
    ("POST", "/me/second-factor/off"),
    ("GET", "/sessions"),
    ("DELETE", "/sessions"),
    ("DELETE", "/sessions/{session}"),
    ("GET", "/api-keys"),
    ("POST", "/api-keys"),
    ("DELETE", "/api-keys/{key}"),
)
ACCESS = tuple(Access(method, f"/api/v1{path}", elsewhere=Elsewhere.SAME, who=Who.KNOWN) for method, path in _OWN)

type Id = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9-]{1,64}$")]
type Password = Annotated[str, Field(min_length=1, max_length=1024)]


class Me(Shown):
    """Who asks."""

    user: str
    name: str
    email: str
    workspace: str
    role: str | None = Field(description="In the workspace; null: only what teams give.")
    may: list[str] = Field(description="In all of the workspace.")
    teams: dict[str, list[str]] = Field(description="What they may in each of their teams.")
    via: str = Field(description="What was shown: `session`, `token` or `key`.")
    scopes: list[str] = Field(description="What of it may be used with what was shown.")
    second_factor: bool


class SessionItem(Shown):
    """A sign-in."""

    session: str
    user: str
    kind: str = Field(description="`console` (a browser) or `program`.")
    how: str = Field(description="`password`, `link` or `oidc`.")
    second_factor: bool
    address: str
    agent: str
    created_at: str
    seen_at: str
    expires_at: str
    status: str = Field(description="`open`, `ended` or `expired`.")
    ended_why: str
    current: bool = Field(description="The one that asks.")


class Sessions(Shown):
    """Sign-ins of the last 30 days, newest first."""

    items: list[SessionItem]


class Ended(Shown):
    """How many were ended."""

    ended: int


class PasswordChange(Asked):
    """A new password, with the one in force."""

    current: Password
    new: Password


class PasswordAgain(Asked):
    """The password, once more."""

    password: Password


class FactorShown(Shown):
    """How the second factor stands."""

    enrolled: bool
    since: str | None
    recovery_codes_left: int


class FactorBegun(Shown):
    """A second factor that waits for its first code; shown once."""

    secret: str = Field(description="For an authenticator app, in base 32.")
    uri: str = Field(description="The same as an `otpauth://` address.")
    svg: str = Field(description="The same as a QR code.")


class FactorStart(Asked):
    """The password, of whoever has one."""

    password: str = Field(default="", max_length=1024)


class FactorCode(Asked):
    """A code."""

    code: str = Field(min_length=1, max_length=64)


class RecoveryCodes(Shown):
    """Recovery codes, shown once; each is good once, in place of a code of the app."""

    recovery_codes: list[str]


class ApiKeyItem(Shown):
    """An API key; `token` is there once, in the answer that made it."""

    api_key: str
    user: str
    name: str
    begins: str = Field(description="The digits by which it is told from others.")
    scopes: list[str]
    status: str = Field(description="`active`, `expired` or `revoked`.")
    created_at: str
    expires_at: str
    used_at: str | None = Field(description="To the minute.")
    token: str | None = None


class ApiKeys(Shown):
    """API keys, newest first."""

    items: list[ApiKeyItem]


class NewApiKey(Asked):
    """A key of one's own."""

    model_config = Asked.model_config | example(name="ci", scopes=["read"], days=30)

    name: str = Field(min_length=1, max_length=60)
    scopes: list[Permission] = Field(min_length=1, max_length=5)
    days: int = Field(default=DAYS, ge=1, le=MOST_DAYS)


@ROUTES.get("/me", response_model=Me, summary="Who asks")
async def me(request: Request, caller: Asking, runtime: Open) -> Response:
    """Who asks, what they may, and what of it this token or key opens."""
    who = await person_of(caller, runtime)
    workspace = caller.workspace
    person: Person = await runtime.store.read(lambda tx: find_person(tx, workspace=workspace, user=who.id))
    factor = await show_factor(runtime.entrance, workspace=workspace, by=who)
    return resource(
        request,
        Me(
            user=person.id,
            name=person.name,
            email=person.email,
            workspace=workspace,
            role=person.role.value if person.role else None,
            may=names_of(person.rights),
            teams={team: names_of(rights) for team, rights in person.teams.items()},
            via=caller.via,
            scopes=sorted(caller.scopes),
            second_factor=factor.enrolled,
        ),
    )


@ROUTES.get("/sessions", response_model=Sessions, summary="List sign-ins")
async def sessions(
    caller: Asking, runtime: Open, user: Annotated[str, Query(max_length=64, pattern=r"^[A-Za-z0-9._@+-]*$")] = ""
) -> Response:
    """Your own sign-ins, or (administering members) those of `user`."""
    who = await person_of(caller, runtime, others=user)
    found = await list_sessions(
        runtime.entrance, workspace=caller.workspace, by=who, person=user, current=caller.session
    )
    return answer(Sessions(items=[_session(view, runtime) for view in found]))


@ROUTES.delete("/sessions", response_model=Ended, summary="Sign out everywhere else")
async def end_others(caller: Asking, runtime: Open) -> Response:
    """End all your sign-ins but the one that asks."""
    who = await person_of(caller, runtime, credentials=True)
    ended = await end_sessions(runtime.entrance, workspace=caller.workspace, by=who, keep=caller.session)
    return answer(Ended(ended=ended))


@ROUTES.delete("/sessions/{session}", status_code=204, summary="End a sign-in")
async def end(caller: Asking, runtime: Open, session: Id) -> Response:
    """End one of your sign-ins, or (administering members) somebody else's."""
    who = await person_of(caller, runtime, credentials=True)
    await end_session(runtime.entrance, session, workspace=caller.workspace, by=who)
    return nothing()


@ROUTES.post("/me/password", status_code=204, summary="Change the password")
async def password(request: Request, caller: Asking, runtime: Open, asked: PasswordChange) -> Response:
    """Change your password; every other sign-in of yours ends."""
    who = await person_of(caller, runtime, credentials=True)
    visit = Visit(caller.address, request.headers.get("user-agent", ""))
    await change_password(
        runtime.entrance,
        asked.current,
        asked.new,
        workspace=caller.workspace,
        by=who,
        visit=visit,
        session=caller.session,
    )
    return nothing()


@ROUTES.get("/me/second-factor", response_model=FactorShown, summary="Show the second factor")
async def factor(request: Request, caller: Asking, runtime: Open) -> Response:
    """Whether you have one, and how many recovery codes are left."""
    who = await person_of(caller, runtime)
    view = await show_factor(runtime.entrance, workspace=caller.workspace, by=who)
    since = None if view.since_us is None else iso(view.since_us)
    return resource(request, FactorShown(enrolled=view.enrolled, since=since, recovery_codes_left=view.codes_left))


@ROUTES.post("/me/second-factor", response_model=FactorBegun, status_code=201, summary="Set up a second factor")
async def begin(request: Request, caller: Asking, runtime: Open, asked: FactorStart) -> Response:
    """Make a seed for an authenticator app, with your password; it counts once a code of it was confirmed."""
    who = await person_of(caller, runtime, credentials=True)
    visit = Visit(caller.address, request.headers.get("user-agent", ""))
    made = await set_factor_up(runtime.entrance, asked.password, workspace=caller.workspace, by=who, visit=visit)
    found = created(FactorBegun(secret=made.secret, uri=made.uri, svg=made.svg()), "/api/v1/me/second-factor")
    found.headers["cache-control"] = "no-store"
    return found


@ROUTES.post("/me/second-factor/confirm", response_model=RecoveryCodes, summary="Confirm the second factor")
async def confirm(caller: Asking, runtime: Open, asked: FactorCode) -> Response:
    """Show a code; from now on signing in takes one, and every other sign-in of yours ends."""
    who = await person_of(caller, runtime, credentials=True)
    codes = await confirm_factor(
        runtime.entrance, asked.code, workspace=caller.workspace, by=who, session=caller.session
    )
    made = answer(RecoveryCodes(recovery_codes=codes))
    made.headers["cache-control"] = "no-store"
    return made


@ROUTES.post("/me/second-factor/off", status_code=204, summary="Turn the second factor off")
async def factor_off(request: Request, caller: Asking, runtime: Open, asked: PasswordAgain) -> Response:
    """Turn it off, with your password."""
    who = await person_of(caller, runtime, credentials=True)
    visit = Visit(caller.address, request.headers.get("user-agent", ""))
    await turn_factor_off(runtime.entrance, asked.password, workspace=caller.workspace, by=who, visit=visit)
    return nothing()


@ROUTES.get("/api-keys", response_model=ApiKeys, summary="List API keys")
async def keys(caller: Asking, runtime: Open, *, everybody: bool = False) -> Response:
    """Your own, or (administering members) everybody's."""
    who = await person_of(caller, runtime, others="*" if everybody else "")
    found = await list_api_keys(runtime.entrance, workspace=caller.workspace, by=who, everybody=everybody)
    return answer(ApiKeys(items=[_key(key, runtime) for key in found]))


@ROUTES.post("/api-keys", response_model=ApiKeyItem, status_code=201, summary="Make an API key")
async def make_key(caller: Asking, runtime: Open, asked: NewApiKey) -> Response:
    """Make a key of your own, with no more than what you showed opens; its token is in this answer alone."""
    who = await person_of(caller, runtime)
    beyond = sorted({scope.value for scope in asked.scopes} - caller.scopes)
    if beyond:
        message = f"What was shown does not open {', '.join(beyond)}, so no key made with it does."
        raise Denied(message, code="api.scope", hint="remit apikeys create NAME --scope SCOPE")
    made = await create_api_key(
        runtime.entrance,
        asked.name,
        workspace=caller.workspace,
        by=who,
        scopes=[scope.value for scope in asked.scopes],
        days=asked.days,
        key=caller.session if caller.via == "key" else "",
    )
    found = created(_key(made, runtime), f"/api/v1/api-keys/{made.id}")
    found.headers["cache-control"] = "no-store"
    return found


@ROUTES.delete("/api-keys/{key}", status_code=204, summary="Revoke an API key")
async def revoke_key(caller: Asking, runtime: Open, key: Id) -> Response:
    """End one of your keys, or (administering members) somebody else's."""
    who = await person_of(caller, runtime, credentials=caller.session != key)
    await revoke_api_key(runtime.entrance, key, workspace=caller.workspace, by=who)
    return nothing()


async def person_of(caller: Caller, runtime: Runtime, *, credentials: bool = False, others: str = "") -> Principal:
    """Who asks, if it is a person; agents have no account.

    Args:
        caller: Who asks.
        runtime: Where a refusal is recorded.
        credentials: Whether it is about what the person signs in with: no narrowed key reaches that.
        others: Whether it is about somebody else, too: that takes the scope to administer.

    Raises:
        Refused: An agent.
        Denied: A key that is narrower than its person.
    """
    who, workspace = caller.principal, caller.workspace
    await reading(runtime.store, lambda _tx: no_agent(who, workspace=workspace, permission=Permission.WRITE))
    if (credentials and caller.via == "key" and caller.scopes < EVERY_SCOPE) or (
        others not in {"", who.id} and not caller.opens(Permission.ADMIN.value)
    ):
        message = "What was shown does not open this: its scopes do not hold it."
        raise Denied(message, code="api.scope", hint="remit apikeys create NAME --scope SCOPE")
    return who


def _session(view: SessionView, runtime: Runtime) -> SessionItem:
    entrance = runtime.entrance
    return SessionItem.model_validate(view.as_json(entrance.now_us(), idle_us=entrance.terms.idle_us))


def _key(key: ApiKey, runtime: Runtime) -> ApiKeyItem:
    return ApiKeyItem.model_validate(key.as_json(runtime.entrance.now_us()))
