"""One's own account: sign-ins, password, second factor, API keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from remit.accounts.api_keys import DAYS, ApiKey, create_api_key, list_api_keys, revoke_api_key
from remit.accounts.entrance import Visit
from remit.accounts.invitations import accept
from remit.accounts.people import find_person
from remit.accounts.roles import Permission, names_of
from remit.accounts.sessions import SessionView, end_session, end_sessions, list_sessions
from remit.accounts.signing_in import change_password, set_factor_up, turn_factor_off
from remit.accounts.totp import confirm_factor, show_factor
from remit.kernel.errors import Denied
from remit.serve.console.asking import Ask
from remit.serve.console.page import Form, Shown, form, page

SHOWN = 20  # sign-ins, newest first


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in in the list."""

    id: str
    kind: str
    status: str
    address: str
    agent: str
    strong: bool
    seen_us: int
    expires_us: int
    current: bool


@dataclass(frozen=True, slots=True)
class Account:
    """The page."""

    title: str
    said: str
    user: str
    name: str
    email: str
    may: tuple[str, ...]
    teams: tuple[tuple[str, tuple[str, ...]], ...]
    limited: bool
    factor: bool
    factor_begun: bool
    factor_since_us: int | None
    codes_left: int
    sessions: tuple[SignIn, ...]
    keys: tuple[ApiKey, ...]
    key_status: tuple[str, ...]
    scopes: tuple[str, ...] = tuple(permission.value for permission in Permission)
    days: int = DAYS


SAID = {
    "password": "Your password is changed, and every other sign-in has ended",
    "factor-off": "Your second factor is off",
    "ended": "The sign-in has ended",
    "everywhere": "Every other sign-in has ended",
    "revoked": "The API key is revoked",
    "joined": "You have joined the team",
}


@page("/account", template="account.html", group="Install", label="Your account", about_self=True)
async def account(ask: Ask) -> Account:
    """Whoever asks, what they sign in with, and where they are signed in."""
    entrance, workspace, who = ask.runtime.entrance, ask.workspace, ask.who
    person = await ask.runtime.store.read(lambda tx: find_person(tx, workspace=workspace, user=who.id))
    factor_ = await show_factor(entrance, workspace=workspace, by=who)
    found = await list_sessions(entrance, workspace=workspace, by=who, current=ask.caller.session)
    keys = await list_api_keys(entrance, workspace=workspace, by=who)
    said = SAID.get(ask.query.get("done", ""), "")
    return Account(
        title=said or "Your account",
        said=said,
        user=person.id,
        name=person.name,
        email=person.email,
        may=tuple(names_of(person.rights)),
        teams=tuple((team, tuple(names_of(rights))) for team, rights in sorted(person.teams.items())),
        limited=not ask.caller.scopes,
        factor=factor_.enrolled,
        factor_begun=factor_.begun,
        factor_since_us=factor_.since_us,
        codes_left=factor_.codes_left,
        sessions=tuple(_sign_in(view, ask) for view in found[:SHOWN]),
        keys=tuple(keys),
        key_status=tuple(key.status(ask.now_us) for key in keys),
    )


@form("/account/password", again=account, about={"sign_in.refused": "current", "sign_in.password": "new"})
async def password(ask: Ask) -> str:
    """Change it."""
    await change_password(
        ask.runtime.entrance,
        ask.form.get("current", ""),
        ask.form.get("new", ""),
        workspace=ask.workspace,
        by=ask.who,
        visit=Visit(ask.caller.address),
        session=ask.caller.session,
    )
    return "/account?done=password"


@form("/account/factor/off", again=account, about={"sign_in.refused": "password"})
async def factor_off(ask: Ask) -> str:
    """Turn the second factor off."""
    visit = Visit(ask.caller.address)
    await turn_factor_off(
        ask.runtime.entrance, ask.form.get("password", ""), workspace=ask.workspace, by=ask.who, visit=visit
    )
    return "/account?done=factor-off"


@form("/account/sessions/{id}/end", again=account)
async def end(ask: Ask) -> str:
    """End one sign-in."""
    await end_session(ask.runtime.entrance, ask.path["id"], workspace=ask.workspace, by=ask.who)
    return "/account?done=ended"


@form("/account/sessions/end", again=account)
async def end_others(ask: Ask) -> str:
    """Sign out everywhere else."""
    await end_sessions(ask.runtime.entrance, workspace=ask.workspace, by=ask.who, keep=ask.caller.session)
    return "/account?done=everywhere"


@form("/account/api-keys/{id}/revoke", again=account)
async def revoke(ask: Ask) -> str:
    """Revoke a key."""
    await revoke_api_key(ask.runtime.entrance, ask.path["id"], workspace=ask.workspace, by=ask.who)
    return "/account?done=revoked"


@form("/account/join", again=account, about={"accounts.invitation_refused": "token"})
async def join(ask: Ask) -> str:
    """Accept an invitation with the account that one has."""
    token = ask.form.get("token", "").rpartition("#")[2].strip()
    await accept(ask.runtime.store, token, workspace=ask.workspace, who=ask.who, clock=ask.runtime.clock)
    return "/account?done=joined"


@form("/account/api-keys", again=account)
async def make_key(ask: Ask) -> Shown:
    """Make an API key."""
    scopes = [permission.value for permission in Permission if f"scope-{permission.value}" in ask.form]
    if not set(scopes) <= ask.caller.scopes:
        message = "Your session does not open that."
        raise Denied(message, code="api.scope", hint="set up your second factor first")
    made = await create_api_key(
        ask.runtime.entrance,
        ask.form.get("name", ""),
        workspace=ask.workspace,
        by=ask.who,
        scopes=scopes,
        days=_number(ask.form.get("days", "")),
    )
    lead = "Keep it where your program reads it, and send it as Authorization: Bearer. It is not shown again."
    return Shown(f"The API key {made.name}", lead, secrets=(made.token,))


@form("/account/factor", again=account, about={"sign_in.refused": "password"})
async def factor(ask: Ask) -> Shown:
    """Begin to set up a second factor."""
    made = await set_factor_up(
        ask.runtime.entrance,
        ask.form.get("password", ""),
        workspace=ask.workspace,
        by=ask.who,
        visit=Visit(ask.caller.address),
    )
    return Shown(
        "Set up your second factor",
        "Scan this with your authenticator app, or type the key. Then type the code that the app shows.",
        secrets=(made.secret,),
        picture=Markup(made.svg()),  # noqa: S704 - drawn by us, out of our own address
        confirm=True,
    )


@form("/account/factor/confirm", again=account)
async def confirm(ask: Ask) -> Shown:
    """Show that the app works: the second factor counts from now on."""
    codes = await confirm_factor(
        ask.runtime.entrance,
        ask.form.get("code", ""),
        workspace=ask.workspace,
        by=ask.who,
        session=ask.caller.session,
    )
    lead = "Keep these recovery codes in another place: each is good once, in place of a code of your app."
    return Shown("Your second factor is on", lead, secrets=tuple(codes))


FORMS: Sequence[Form] = (password, factor, confirm, factor_off, end_others, end, make_key, revoke, join)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0  # noqa: PLR2004 - digits


def _sign_in(view: SessionView, ask: Ask) -> SignIn:
    return SignIn(
        id=view.id,
        kind="browser" if view.kind == "console" else "program",
        status=view.status(ask.now_us, idle_us=ask.runtime.entrance.terms.idle_us),
        address=view.address,
        agent=view.agent,
        strong=view.strong,
        seen_us=view.seen_us,
        expires_us=view.expires_us,
        current=view.current,
    )
