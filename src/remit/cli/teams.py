"""``remit teams``: teams with their members, invitations and policies."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from pathlib import Path

import click

from remit.cli.context import acting, address_of, settings_of
from remit.cli.once import tell_once
from remit.cli.output import common, emit, say, table
from remit.kernel.clock import SystemClock, iso
from remit.kernel.errors import InvalidInput, NotFound

_PERMISSIONS = click.Choice(["read", "write", "delete", "approve", "admin"])
ROLES = click.Choice(["owner", "admin", "member", "viewer"])


@click.group()
def teams() -> None:
    """Teams: who is in them, what they may do, what their policies forbid."""


@teams.command("list")
@common
def list_(home: str | None, *, as_json: bool, debug: bool) -> int:
    """List the teams that you may see."""
    del debug
    from remit.accounts.teams import list_teams
    from remit.bootstrap import open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        found = asyncio.run(list_teams(store, workspace=settings.workspace, by=acting(settings)))
    if as_json:
        emit({"teams": [view.as_json() for view in found]})
        return 0
    rows = [
        (
            view.team.slug,
            view.team.name,
            ", ".join(member.user for member in view.members if member.role == "owner"),
            str(len(view.members)),
            ", ".join(view.agents) or "-",
        )
        for view in found
    ]
    say(table(rows, head=("team", "name", "owners", "members", "agents")))
    return 0


@teams.command()
@click.argument("team")
@common
def show(team: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Show a team: its members with what they may do, its agents, and its invitations if you may see them."""
    del debug
    from remit.accounts.access import Permission, rights_of
    from remit.accounts.invitations import list_invitations
    from remit.accounts.roles import Resource, may, names_of
    from remit.accounts.teams import show_team
    from remit.bootstrap import open_store

    settings = settings_of(home)
    by, of = acting(settings), settings.workspace
    with open_store(settings) as store:
        view = asyncio.run(show_team(store, team, workspace=of, by=by))
        rights = store.view(lambda tx: rights_of(tx, by.id, workspace=of, team=team))
        invited = []
        if may(rights, Permission.ADMIN, Resource.INVITATION):
            invited = asyncio.run(list_invitations(store, team, workspace=of, by=by, clock=SystemClock()))
    if as_json:
        emit({**view.as_json(), "invitations": [one.as_json() for one in invited]})
        return 0
    say(
        f"{view.team.slug}: {view.team.name}"
        + (f", bills to {view.team.billing_email}" * bool(view.team.billing_email))
    )
    rows = [(member.user, member.role.value, " ".join(names_of(member.rights))) for member in view.members]
    say(table(rows, head=("member", "role", "may")))
    say(f"agents: {', '.join(view.agents) or 'none'}")
    for one in invited:
        say(f"invitation {one.id}: {one.email} as {one.role.value}, {one.status} until {iso(one.expires_us)}")
    return 0


@teams.command()
@click.argument("team")
@click.option("--name", default="", help="What people call it; TEAM when left out.")
@click.option("--billing", default="", help="The e-mail address its bills go to.")
@click.option("--owner", default="", help="Who owns it; you when left out.")
@common
def create(team: str, name: str, billing: str, owner: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Make a team together with its owner."""
    del debug
    from remit.accounts.teams import Team, create_team
    from remit.bootstrap import open_store

    settings = settings_of(home)
    made = Team(settings.workspace, team, name or team, billing)
    with open_store(settings) as store:
        asyncio.run(create_team(store, made, by=acting(settings), clock=SystemClock(), owner=owner))
    _tell({"team": team, "owner": owner or settings.acting}, f"made the team {team}", as_json=as_json)
    return 0


@teams.command()
@click.argument("team")
@click.option("--name", default=None, help="What people call it from now on.")
@click.option("--billing", default=None, help="The e-mail address its bills go to from now on.")
@common
def change(team: str, name: str | None, billing: str | None, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Change a team's name or billing address."""
    del debug
    from remit.accounts.teams import change_team
    from remit.bootstrap import open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        asyncio.run(
            change_team(store, team, workspace=settings.workspace, by=acting(settings), name=name, billing=billing)
        )
    _tell({"team": team, "changed": True}, f"changed the team {team}", as_json=as_json)
    return 0


@teams.command()
@click.argument("team")
@common
def delete(team: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """End a team; only an owner may, and only when no agent belongs to it."""
    del debug
    from remit.accounts.teams import delete_team
    from remit.bootstrap import open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        asyncio.run(delete_team(store, team, workspace=settings.workspace, by=acting(settings), clock=SystemClock()))
    _tell({"team": team, "deleted": True}, f"ended the team {team}", as_json=as_json)
    return 0


@teams.command()
@click.argument("team")
@click.argument("user")
@click.argument("role", type=ROLES)
@click.option("--allow", multiple=True, type=_PERMISSIONS, help="A permission beyond the role; may be repeated.")
@click.option("--deny", multiple=True, type=_PERMISSIONS, help="A permission of the role they don't have.")
@common
def role(
    team: str,
    user: str,
    role: str,
    allow: tuple[str, ...],
    deny: tuple[str, ...],
    home: str | None,
    *,
    as_json: bool,
    debug: bool,
) -> int:
    """Give USER a role in TEAM, with exceptions; they join it when they aren't in it."""
    del debug
    from remit.accounts.roles import Permission, Role, effective, mask_of, names_of
    from remit.accounts.teams import set_member
    from remit.bootstrap import open_store

    settings = settings_of(home)
    granted, revoked = (mask_of(Permission(one) for one in each) for each in (allow, deny))
    with open_store(settings) as store:
        asyncio.run(
            set_member(
                store,
                user,
                team=team,
                workspace=settings.workspace,
                by=acting(settings),
                role=Role(role),
                clock=SystemClock(),
                granted=granted,
                revoked=revoked,
            )
        )
    may = names_of(effective(Role(role), granted, revoked))
    _tell({"team": team, "user": user, "role": role, "may": may}, f"{user} is {role} of {team}", as_json=as_json)
    return 0


@teams.command()
@click.argument("team")
@click.option("--user", default="", help="Take somebody else out of it.")
@common
def leave(team: str, user: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Leave a team, or take somebody out; its last owner stays."""
    del debug
    from remit.accounts.teams import leave_team
    from remit.bootstrap import open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        asyncio.run(leave_team(store, team, workspace=settings.workspace, by=acting(settings), user=user))
    who = user or settings.acting
    _tell({"team": team, "left": who}, f"{who} left {team}", as_json=as_json)
    return 0


@teams.command()
@click.argument("team")
@click.option("--email", required=True, help="Whom to invite; an account with another address can't accept.")
@click.option("--role", type=ROLES, default="member", show_default=True, help="What they will be.")
@click.option("--days", default=7, show_default=True, help="How long it holds, at most 30.")
@common
def invite(team: str, email: str, role: str, days: int, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Make an invitation; its token is shown once, here, and kept nowhere."""
    del debug
    from remit.accounts.invitations import invite as order
    from remit.accounts.roles import Role
    from remit.bootstrap import open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        made = asyncio.run(
            order(
                store,
                team,
                workspace=settings.workspace,
                email=email,
                role=Role(role),
                by=acting(settings),
                clock=SystemClock(),
                rand=secrets.token_bytes,
                days=days,
            )
        )
    link = f"{address_of(settings)}/join#{made.token}"
    told = (
        f"invitation {made.id}, until {iso(made.expires_us)}\nsend them: {link}\n"
        f"on this machine, with an account: remit teams accept {made.token}"
    )
    return tell_once({**made.as_json(), "link": link}, told, as_json=as_json)


@teams.command()
@click.argument("token")
@click.option("--name", default="", help="Your name, when you have no account yet.")
@common
def accept(token: str, name: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Join a team with an invitation's token, as the person who gives the orders here (setting user)."""
    del debug
    from remit.accounts.invitations import accept as order
    from remit.bootstrap import open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        team = asyncio.run(
            order(store, token, workspace=settings.workspace, who=acting(settings), clock=SystemClock(), name=name)
        )
    _tell({"team": team, "user": settings.acting}, f"{settings.acting} joined {team}", as_json=as_json)
    return 0


@teams.command()
@click.argument("invitation")
@common
def revoke(invitation: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Take an open invitation back."""
    del debug
    from remit.accounts.invitations import revoke_invitation
    from remit.bootstrap import open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        asyncio.run(
            revoke_invitation(store, invitation, workspace=settings.workspace, by=acting(settings), clock=SystemClock())
        )
    _tell({"invitation": invitation, "revoked": True}, f"took {invitation} back", as_json=as_json)
    return 0


@teams.command()
@click.argument("file", required=False, default="", type=click.Path(dir_okay=False))
@click.option("--team", default="", help="Whose policies; the workspace's own when left out.")
@click.option("--check", is_flag=True, help="Only say whether FILE could be put in force.")
@click.option("--clear", is_flag=True, help="Put no policy in force.")
@click.option("--schema", is_flag=True, help="Print what policies may speak of.")
@common
def policy(
    file: str, team: str, home: str | None, *, check: bool, clear: bool, schema: bool, as_json: bool, debug: bool
) -> int:
    """Put the Cedar policies of FILE in force for a team or the workspace, or show their revisions."""
    del debug
    from remit.accounts.cedar_revisions import list_revisions
    from remit.bootstrap import open_store
    from remit.guard.cedar import check_cedar, save_cedar, schema_text

    if schema:
        emit({"schema": schema_text()}) if as_json else say(schema_text().rstrip())
        return 0
    settings = settings_of(home)
    text = _text(file)
    try:
        if check:
            check_cedar(text)
            _tell({"ok": True}, "it could be put in force", as_json=as_json)
            return 0
        with open_store(settings) as store:
            of, by = settings.workspace, acting(settings)
            if file or clear:
                saved = asyncio.run(
                    save_cedar(store, "" if clear else text, workspace=of, by=by, clock=SystemClock(), team=team)
                )
                _tell(saved.as_json(), f"in force: {saved}", as_json=as_json)
                return 0
            revisions = asyncio.run(list_revisions(store, workspace=of, team=team, by=by))
    except InvalidInput as error:
        error.place = f"{file}:{error.place}" if error.place else file
        raise
    if as_json:
        emit({"team": team, "revisions": [one.as_json() for one in revisions]})
        return 0
    for one in revisions:
        say(f"{one}, saved by {one.saved_by} at {iso(one.saved_us)}, sha256 {one.sha256[:12]}")
    say(revisions[0].text.rstrip() if revisions and revisions[0].text else "no policy is in force")
    return 0


def _text(file: str) -> str:
    if not file:
        return ""
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"The file {file} can't be read: {error}."
        raise NotFound(message, code="policy.file", hint="remit teams policy --help") from error


def _tell(value: Mapping[str, object], text: str, *, as_json: bool) -> None:
    emit(value) if as_json else say(text)


COMMANDS = {"teams": teams}
