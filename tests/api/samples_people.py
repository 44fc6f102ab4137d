"""People, and what they sign in with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyotp

from remit.accounts.api_keys import create_api_key
from remit.accounts.entrance import Visit
from remit.accounts.invitations import invite
from remit.accounts.links import make_link, use_link
from remit.accounts.people import Person, add_user
from remit.accounts.roles import Role
from remit.accounts.sessions import SessionKind, person_of
from remit.accounts.signing_in import Challenge, Signed, sign_in
from remit.accounts.totp import begin_factor, confirm_factor

from .samples import Params, Sample
from .samples_teams import a_team

if TYPE_CHECKING:
    from .serving import Api

GOOD = "three quiet lanterns drift"
OTHER = "seven loud kettles dance"
NOWHERE = Visit()


async def somebody(api: Api) -> Params:
    """An account without any role, nobody of the house's."""
    user, runtime = api.name("user"), api.runtime
    person = Person("default", user, user, f"{user}@example.org")
    await add_user(runtime.store, person, by=runtime.owner, clock=runtime.clock)
    return {"user": user}


async def with_password(api: Api) -> Params:
    made = await somebody(api)
    link = await make_link(api.runtime.entrance, made["user"], workspace="default", by=api.runtime.owner)
    await use_link(api.runtime.entrance, link.token, GOOD, visit=NOWHERE)
    return made


async def with_link(api: Api) -> Params:
    made = await somebody(api)
    link = await make_link(api.runtime.entrance, made["user"], workspace="default", by=api.runtime.owner)
    return {**made, "token": link.token}


async def entered(api: Api, user: str, kind: SessionKind) -> Signed | Challenge:
    return await sign_in(api.runtime.entrance, user, GOOD, workspace="default", visit=NOWHERE, kind=kind)


async def with_tokens(api: Api) -> Params:
    made = await with_password(api)
    signed = await entered(api, made["user"], SessionKind.PROGRAM)
    assert isinstance(signed, Signed)
    assert signed.tokens is not None
    return {**made, "refresh": signed.tokens.refresh, "session": signed.session}


async def with_factor(api: Api) -> Params:
    made = await with_password(api)
    entrance, who = api.runtime.entrance, person_of(made["user"])
    begun = await begin_factor(entrance, workspace="default", by=who)
    app = pyotp.TOTP(begun.secret)
    now = entrance.clock.now()
    codes = await confirm_factor(entrance, app.at(now, -1), workspace="default", by=who)
    challenge = await entered(api, made["user"], SessionKind.CONSOLE)
    assert isinstance(challenge, Challenge)
    return {**made, "note": challenge.note, "code": codes[0]}


async def invited(api: Api) -> Params:
    made = await a_team(api)
    runtime = api.runtime
    new = api.name("user")
    invitation = await invite(
        runtime.store,
        made["team"],
        workspace="default",
        email=f"{new}@example.org",
        role=Role.VIEWER,
        by=runtime.owner,
        clock=runtime.clock,
        rand=runtime.entrance.rand,
    )
    return {"team": made["team"], "invitation": invitation.id, "token": invitation.token, "new": new}


async def a_new_user(api: Api) -> Params:
    return {"new": api.name("user")}


async def a_key_of_the_owner(api: Api) -> Params:
    key = await create_api_key(api.runtime.entrance, "ci", workspace="default", by=api.runtime.owner, scopes=["read"])
    return {"key": key.id}


def _login(made: Params) -> object:
    return {"user": made["user"], "password": GOOD}


USER = "/api/v1/users/{user}"

SAMPLES = {
    ("POST", "/api/v1/sign-in"): Sample(with_password, _login),
    ("POST", "/api/v1/sign-in/code"): Sample(with_factor, lambda made: {"note": made["note"], "code": made["code"]}),
    ("POST", "/api/v1/token"): Sample(with_password, _login),
    ("POST", "/api/v1/token/refresh"): Sample(with_tokens, lambda made: {"refresh_token": made["refresh"]}),
    ("POST", "/api/v1/token/revoke"): Sample(with_tokens, lambda made: {"refresh_token": made["refresh"]}),
    # this install sends no mail, which it says to everybody
    ("POST", "/api/v1/password/forgotten"): Sample(body=lambda _made: {"user": "member"}, ok=frozenset({404})),
    ("POST", "/api/v1/set-up"): Sample(with_link, lambda made: {"token": made["token"], "password": OTHER}),
    ("POST", "/api/v1/invitations/join"): Sample(
        invited, lambda made: {"token": made["token"], "user": made["new"], "password": GOOD}
    ),
    ("POST", "/api/v1/sign-out"): Sample(),
    ("GET", "/api/v1/me"): Sample(),
    ("POST", "/api/v1/me/password"): Sample(
        body=lambda _made: {"current": GOOD, "new": OTHER}, ok=frozenset({401, 429})
    ),
    ("GET", "/api/v1/me/second-factor"): Sample(),
    ("POST", "/api/v1/me/second-factor"): Sample(body=lambda _made: {}),
    ("POST", "/api/v1/me/second-factor/confirm"): Sample(
        body=lambda _made: {"code": "000000"}, ok=frozenset({409, 422, 429})
    ),
    ("POST", "/api/v1/me/second-factor/off"): Sample(body=lambda _made: {"password": GOOD}, ok=frozenset({401, 429})),
    ("GET", "/api/v1/sessions"): Sample(),
    ("DELETE", "/api/v1/sessions"): Sample(),
    ("DELETE", "/api/v1/sessions/{session}"): Sample(with_tokens, ok=frozenset({204, 403, 404})),
    ("GET", "/api/v1/api-keys"): Sample(),
    ("POST", "/api/v1/api-keys"): Sample(body=lambda _made: {"name": "ci", "scopes": ["read"]}),
    ("DELETE", "/api/v1/api-keys/{key}"): Sample(a_key_of_the_owner, ok=frozenset({204, 403})),
    ("GET", "/api/v1/users"): Sample(somebody),
    ("POST", "/api/v1/users"): Sample(a_new_user, lambda made: {"user": made["new"]}),
    ("GET", USER): Sample(somebody),
    ("PUT", f"{USER}/role"): Sample(somebody, lambda _made: {"role": "viewer"}),
    ("DELETE", USER): Sample(somebody),
    ("POST", f"{USER}/link"): Sample(somebody, lambda _made: {}),
    ("DELETE", f"{USER}/sessions"): Sample(somebody),
    ("GET", "/api/v1/teams/{team}/invitations"): Sample(invited),
    ("POST", "/api/v1/teams/{team}/invitations"): Sample(a_team, lambda _made: {"email": "zoe@example.org"}),
    ("DELETE", "/api/v1/invitations/{invitation}"): Sample(invited),
    ("POST", "/api/v1/invitations/accept"): Sample(
        body=lambda _made: {"token": "no such invitation"}, ok=frozenset({403})
    ),
    ("GET", "/api/v1/activity"): Sample(),
}
