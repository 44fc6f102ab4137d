"""Signing in and out, for browsers (a cookie) and programs (tokens), and what a one-time link or invitation opens."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from remit.accounts.entrance import Visit
from remit.accounts.links import join, use_link
from remit.accounts.refresh_tokens import Tokens, end_family, refresh
from remit.accounts.resets import MINUTE_US, RESET_US, ask_reset
from remit.accounts.sessions import SessionKind, end_session
from remit.accounts.signing_in import Challenge, Signed, sign_in, sign_in_with_code
from remit.bootstrap import Runtime
from remit.kernel.clock import iso
from remit.kernel.errors import NotFound, Unauthenticated
from remit.serve.api.access import Access, Elsewhere, Who
from remit.serve.api.answers import Asked, Shown, answer, example, nothing
from remit.serve.api.caller import Asking, Open
from remit.serve.api.routes.account import person_of
from remit.serve.edge.identity import Caller
from remit.serve.edge.session_cookie import FORGET, no_session_cookie, session_cookie

ROUTES = APIRouter(prefix="/api/v1", tags=["sign-in"])

ACCESS = (
    *(
        Access("POST", f"/api/v1/{path}", elsewhere=Elsewhere.SAME, who=Who.ANYBODY)
        for path in (
            "sign-in",
            "sign-in/code",
            "token",
            "token/refresh",
            "token/revoke",
            "set-up",
            "password/forgotten",
            "invitations/join",
        )
    ),
    Access("POST", "/api/v1/sign-out", elsewhere=Elsewhere.SAME, who=Who.KNOWN),
)

type Login = Annotated[str, Field(min_length=1, max_length=256, description="A user's id or e-mail address.")]
type Password = Annotated[str, Field(min_length=1, max_length=1024)]
type Token = Annotated[str, Field(min_length=1, max_length=256)]


class Credentials(Asked):
    """Who wants in."""

    model_config = Asked.model_config | example(user="ann", password="...")  # noqa: S106 - an example

    user: Login
    password: Password
    workspace: str = Field(default="", max_length=100, description="Empty: this install's own.")


class ProgramCredentials(Credentials):
    """Who a program speaks for."""

    code: str = Field(default="", max_length=64, description="Of the second factor, where there is one.")


class Code(Asked):
    """A second factor's code for a sign-in whose password was right."""

    model_config = Asked.model_config | example(note="...", code="123456")

    note: str = Field(min_length=1, max_length=4096, description="As the first answer gave it, within five minutes.")
    code: str = Field(min_length=1, max_length=64, description="Of an authenticator app, or a recovery code.")


class SignedIn(Shown):
    """How a sign-in went on."""

    model_config = example(
        status="signed_in", note="", user="ann", workspace="default", session="...", until="...", limited=False
    )

    status: Literal["signed_in", "code_needed"] = Field(description="`code_needed`: send `note` with a code.")
    note: str = Field(default="", description="What goes back with the code.")
    user: str = ""
    workspace: str = ""
    session: str = Field(default="", description="Its id; the session itself is the cookie.")
    until: str | None = Field(default=None, description="When it ends, whatever is done with it.")
    limited: bool = Field(default=False, description="A second factor must be set up before anything else.")


class TokenAnswer(Shown):
    """What a program is given (RFC 6749, 5.1)."""

    access_token: str = Field(description="For `Authorization: Bearer`, for minutes.")
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a word
    expires_in: int = Field(description="Seconds that the access token holds.")
    refresh_token: str = Field(description="Gives the next tokens, once. Using it a second time ends the sign-in.")
    refresh_expires_in: int = Field(description="Seconds until the whole sign-in ends.")
    session: str = Field(description="The sign-in's id.")


class RefreshToken(Asked):
    """A refresh token."""

    refresh_token: Token


class LinkUse(Asked):
    """A one-time link and the password that it sets."""

    token: Token
    password: Password


class Forgotten(Asked):
    """Who has forgotten their password."""

    model_config = Asked.model_config | example(user="ann@example.org")

    user: Login
    workspace: str = Field(default="", max_length=100, description="Empty: this install's own.")


class AskedFor(Shown):
    """That a mail was asked for; never whether there is such an account."""

    model_config = example(status="asked", minutes=30)

    status: Literal["asked"] = "asked"
    minutes: int = Field(default=RESET_US // MINUTE_US, description="How long the link holds.")


class Joining(Asked):
    """An invitation and the account that it makes."""

    token: Token
    user: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$")
    name: str = Field(default="", max_length=200)
    password: Password
    workspace: str = Field(default="", max_length=100, description="Empty: this install's own.")


@ROUTES.post("/sign-in", response_model=SignedIn, summary="Sign in")
async def enter(request: Request, caller: Asking, runtime: Open, asked: Credentials) -> Response:
    """Sign a browser in: the answer sets its session's cookie."""
    found = await sign_in(
        runtime.entrance,
        asked.user,
        asked.password,
        workspace=asked.workspace or runtime.settings.workspace,
        visit=visit_of(request, caller),
        kind=SessionKind.CONSOLE,
    )
    return signed(found, runtime)


@ROUTES.post("/sign-in/code", response_model=SignedIn, summary="Sign in: the second factor")
async def enter_code(request: Request, caller: Asking, runtime: Open, asked: Code) -> Response:
    """Go on with a sign-in whose password was right."""
    found = await sign_in_with_code(runtime.entrance, asked.note, asked.code, visit=visit_of(request, caller))
    return signed(found, runtime)


@ROUTES.post("/token", response_model=TokenAnswer, summary="Sign a program in")
async def token(request: Request, caller: Asking, runtime: Open, asked: ProgramCredentials) -> Response:
    """An access token for minutes and a refresh token for the next ones."""
    entrance, visit = runtime.entrance, visit_of(request, caller)
    workspace = asked.workspace or runtime.settings.workspace
    found = await sign_in(
        entrance, asked.user, asked.password, workspace=workspace, visit=visit, kind=SessionKind.PROGRAM
    )
    if isinstance(found, Challenge):
        if not asked.code:
            message = "A code of the second factor is needed: send it as code."
            raise Unauthenticated(message, code="sign_in.code_needed", hint="send code with user and password")
        found = await sign_in_with_code(entrance, found.note, asked.code, visit=visit)
    return _tokens(found.tokens, runtime)


@ROUTES.post("/token/refresh", response_model=TokenAnswer, summary="Renew tokens")
async def renew(runtime: Open, asked: RefreshToken) -> Response:
    """New tokens for a refresh token, which is used up."""
    return _tokens(await refresh(runtime.entrance, asked.refresh_token), runtime)


@ROUTES.post("/token/revoke", status_code=204, summary="Sign a program out")
async def revoke(runtime: Open, asked: RefreshToken) -> Response:
    """End a program's sign-in by its refresh token; no error when it holds no longer (RFC 7009)."""
    await end_family(runtime.entrance, asked.refresh_token)
    return nothing()


@ROUTES.post("/set-up", response_model=SignedIn, summary="Set a password with a one-time link")
async def set_up(request: Request, caller: Asking, runtime: Open, asked: LinkUse) -> Response:
    """Set the first password or a new one, and sign a browser in."""
    found = await use_link(runtime.entrance, asked.token, asked.password, visit=visit_of(request, caller))
    return signed(found, runtime)


@ROUTES.post("/password/forgotten", response_model=AskedFor, status_code=202, summary="Have a link mailed")
async def forgotten(request: Request, caller: Asking, runtime: Open, asked: Forgotten) -> Response:
    """Mail a one-time link for a new password to the account's address, if there is such an account.

    The answer is the same, and comes as fast, whoever it is about. 404 where this install sends no such mail.
    """
    workspace = asked.workspace or runtime.settings.workspace
    await ask_reset(runtime.entrance, asked.user, workspace=workspace, visit=visit_of(request, caller))
    return answer(AskedFor(), 202)


@ROUTES.post("/invitations/join", response_model=SignedIn, summary="Join with an invitation")
async def join_(request: Request, caller: Asking, runtime: Open, asked: Joining) -> Response:
    """Make an account with an invitation, join its team, and sign a browser in."""
    found = await join(
        runtime.entrance,
        asked.token,
        asked.user,
        asked.password,
        workspace=asked.workspace or runtime.settings.workspace,
        visit=visit_of(request, caller),
        name=asked.name,
    )
    return signed(found, runtime)


@ROUTES.post("/sign-out", status_code=204, summary="Sign out")
async def leave(caller: Asking, runtime: Open) -> Response:
    """End the session or the program's sign-in that this was asked with."""
    who = await person_of(caller, runtime)
    with suppress(NotFound):  # a key is no session; it is revoked where keys are
        await end_session(runtime.entrance, caller.session, workspace=caller.workspace, by=who)
    made = nothing()
    made.headers.update(FORGET)
    made.headers["set-cookie"] = no_session_cookie(runtime.settings)
    return made


def visit_of(request: Request, caller: Caller) -> Visit:
    """From where somebody comes."""
    return Visit(caller.address, request.headers.get("user-agent", ""))


def signed(found: Signed | Challenge, runtime: Runtime) -> Response:
    """How the sign-in went on, with its cookie."""
    if isinstance(found, Challenge):
        return answer(SignedIn(status="code_needed", note=found.note))
    made = answer(
        SignedIn(
            status="signed_in",
            user=found.person,
            workspace=found.workspace,
            session=found.session,
            until=iso(found.until_us),
            limited=found.limited,
        )
    )
    made.headers["set-cookie"] = session_cookie(found.cookie, runtime.settings)
    made.headers["cache-control"] = "no-store"
    return made


def _tokens(tokens: Tokens | None, runtime: Runtime) -> Response:
    assert tokens is not None  # noqa: S101 - a program's sign-in has them
    made = answer(TokenAnswer.model_validate(tokens.as_json(runtime.entrance.now_us())))
    made.headers["cache-control"] = "no-store"
    return made
