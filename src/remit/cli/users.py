"""``remit users``, ``remit workspaces`` and ``remit plan``: people, their roles, and what a workspace may use."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import click

from remit.cli.context import acting, address_of, settings_of
from remit.cli.once import tell_once
from remit.cli.output import common, emit, say, table
from remit.cli.teams import ROLES
from remit.kernel.clock import SystemClock, iso
from remit.kernel.errors import InvalidInput

_PERMISSIONS = click.Choice(["read", "write", "delete", "approve", "admin"])
_PLANS = click.Choice(["free", "pro", "studio", "enterprise"])


@click.group(invoke_without_command=True)
@common
@click.pass_context
def users(ctx: click.Context, home: str | None, *, as_json: bool, debug: bool) -> int:
    """The people of the workspace and their roles in all of it.

    Without a command: the list.
    """
    del debug
    return 0 if ctx.invoked_subcommand is not None else _list(home, as_json=as_json)


@users.command("list")
@common
def list_(home: str | None, *, as_json: bool, debug: bool) -> int:
    """List everybody with an account, with what they may do."""
    del debug
    return _list(home, as_json=as_json)


def _list(home: str | None, *, as_json: bool) -> int:
    from remit.accounts.people import list_users
    from remit.accounts.roles import names_of
    from remit.bootstrap import open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        found = asyncio.run(list_users(store, workspace=settings.workspace, by=acting(settings)))
    if as_json:
        emit({"users": [person.as_json() for person in found]})
        return 0
    rows = [
        (
            person.id,
            person.name,
            person.role.value if person.role else "-",
            " ".join(names_of(person.rights)) or "-",
            ", ".join(person.teams) or "-",
            person.status,
        )
        for person in found
    ]
    say(table(rows, head=("user", "name", "role", "may everywhere", "teams", "status")))
    return 0


@users.command()
@click.argument("user")
@click.option("--name", default="", help="Their name; USER when left out.")
@click.option("--email", default="", help="Their e-mail address.")
@click.option("--role", type=ROLES, default=None, help="Their role in all of the workspace; none when left out.")
@common
def add(user: str, name: str, email: str, role: str | None, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Give somebody an account."""
    del debug
    from remit.accounts.people import Person, add_user
    from remit.accounts.roles import Role
    from remit.bootstrap import open_store

    settings = settings_of(home)
    person = Person(settings.workspace, user, name or user, email, Role(role) if role else None)
    with open_store(settings) as store:
        asyncio.run(add_user(store, person, by=acting(settings), clock=SystemClock()))
    emit(person.as_json()) if as_json else say(f"added {user}" + (f" as {role}" if role else ""))
    return 0


@users.command()
@click.argument("user")
@click.argument("role", type=click.Choice(["owner", "admin", "member", "viewer", "none"]))
@click.option("--allow", multiple=True, type=_PERMISSIONS, help="A permission beyond the role; may be repeated.")
@click.option("--deny", multiple=True, type=_PERMISSIONS, help="A permission of the role they don't have.")
@common
def role(
    user: str,
    role: str,
    allow: tuple[str, ...],
    deny: tuple[str, ...],
    home: str | None,
    *,
    as_json: bool,
    debug: bool,
) -> int:
    """Set somebody's role in all of the workspace, with exceptions; none leaves what teams give."""
    del debug
    from remit.accounts.people import set_user_role
    from remit.accounts.roles import Permission, Role, effective, mask_of, names_of
    from remit.bootstrap import open_store

    settings = settings_of(home)
    wanted = None if role == "none" else Role(role)
    granted, revoked = (mask_of(Permission(one) for one in each) for each in (allow, deny))
    with open_store(settings) as store:
        asyncio.run(
            set_user_role(
                store,
                user,
                workspace=settings.workspace,
                by=acting(settings),
                role=wanted,
                granted=granted,
                revoked=revoked,
            )
        )
    may = names_of(effective(wanted, granted, revoked))
    emit({"user": user, "role": role, "may": may}) if as_json else say(f"{user} may {' '.join(may) or 'nothing'}")
    return 0


@users.command()
@click.argument("user")
@common
def remove(user: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """End somebody's account: their roles go at once, what they did stays on record."""
    del debug
    from remit.accounts.people import remove_user
    from remit.bootstrap import open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        asyncio.run(remove_user(store, user, workspace=settings.workspace, by=acting(settings)))
    emit({"user": user, "removed": True}) if as_json else say(f"removed {user}")
    return 0


@users.command()
@click.argument("user")
@click.option("--lost-factor", is_flag=True, help="They lost their second factor: the link turns it off.")
@common
def link(user: str, home: str | None, *, lost_factor: bool, as_json: bool, debug: bool) -> int:
    """Make a one-time link with which USER sets a password; it holds an hour, and earlier ones end."""
    del debug
    from remit.accounts.links import make_link
    from remit.bootstrap import open_entrance, open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        entrance, of = open_entrance(settings, store), settings.workspace
        order = make_link(entrance, user, workspace=of, by=acting(settings), factor=not lost_factor, own=True)
        made = asyncio.run(order)
    url = address_of(settings) + made.path()
    told = {"user": user, "purpose": made.purpose.value, "link": url, "expires_at": iso(made.expires_us)}
    return tell_once(told, f"{url}\nfor {user}, once, until {iso(made.expires_us)}", as_json=as_json)


@users.command()
@click.argument("user", required=False, default="")
@common
def sessions(user: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """List your sign-ins of the last 30 days, or USER's: from where, since when, until when."""
    del debug
    from remit.accounts.sessions import list_sessions
    from remit.bootstrap import open_entrance, open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        entrance = open_entrance(settings, store)
        found = asyncio.run(list_sessions(entrance, workspace=settings.workspace, by=acting(settings), person=user))
        now, idle = entrance.now_us(), entrance.terms.idle_us
    if as_json:
        emit({"sessions": [view.as_json(now, idle_us=idle) for view in found]})
        return 0
    if not found:
        say("There is no session.")
        return 0
    rows = [
        (
            view.id,
            view.kind.value,
            view.status(now, idle_us=idle),
            view.address or "-",
            view.agent or "-",
            "yes" if view.strong else "no",
            iso(view.seen_us),
            iso(view.expires_us),
        )
        for view in found
    ]
    say(table(rows, head=("session", "for", "status", "from", "with", "second factor", "seen", "until")))
    return 0


@users.command("signout")
@click.argument("user")
@click.option("--session", default="", help="Only this one of them.")
@common
def sign_out(user: str, session: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """End all sign-ins of USER, of browsers and of programs; their API keys stay (remit apikeys revoke)."""
    del debug
    from remit.accounts.sessions import end_session, end_sessions
    from remit.bootstrap import open_entrance, open_store

    settings = settings_of(home)
    by, of = acting(settings), settings.workspace
    with open_store(settings) as store:
        entrance = open_entrance(settings, store)
        if session:
            asyncio.run(end_session(entrance, session, workspace=of, by=by))
            ended = 1
        else:
            ended = asyncio.run(end_sessions(entrance, workspace=of, by=by, person=user))
    emit({"user": user, "ended": ended}) if as_json else say(f"ended {ended} of {user}'s sign-ins")
    return 0


@click.group()
def workspaces() -> None:
    """Workspaces: what is kept apart from each other in this install."""


@workspaces.command("create")
@click.argument("workspace")
@click.option("--team", required=True, help="The team that owns it: its roles hold in all of it.")
@click.option("--name", default="", help="What people call it; WORKSPACE when left out.")
@common
def create(workspace: str, team: str, name: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Make a workspace with its owner (you) and the team that owns it."""
    del debug
    from remit.accounts.teams import Team
    from remit.accounts.workspaces import create_workspace
    from remit.bootstrap import open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        asyncio.run(
            create_workspace(
                store,
                workspace,
                home=settings.workspace,
                team=Team(workspace, team, team),
                name=name,
                by=acting(settings),
                clock=SystemClock(),
            )
        )
    if as_json:
        emit({"workspace": workspace, "team": team, "owner": settings.acting})
    else:
        say(f"made the workspace {workspace}\nwork in it with: REMIT_WORKSPACE={workspace}")
    return 0


@click.group()
def plan() -> None:
    """The plan of the workspace: how much of everything it may use."""


@plan.command("show")
@common
def show(home: str | None, *, as_json: bool, debug: bool) -> int:
    """Show the plan in force with its numbers."""
    del debug
    from remit.accounts.workspaces import show_plan
    from remit.bootstrap import open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        told = asyncio.run(show_plan(store, workspace=settings.workspace, by=acting(settings)))
    if as_json:
        emit(told)
        return 0
    numbers, own = told["numbers"], told["own"]
    assert isinstance(numbers, Mapping)  # noqa: S101 - as show_plan makes it
    assert isinstance(own, list)  # noqa: S101 - as above
    say(f"plan {told['plan']}")
    rows = [
        (name, "no limit" if number is None else str(number), "of its own" if name in own else "")
        for name, number in numbers.items()
    ]
    say(table(rows, head=("number", "value", "")))
    return 0


@plan.command("set")
@click.argument("plan", type=_PLANS)
@click.option("--number", multiple=True, metavar="NAME=N", help="A number of its own (none: no limit); repeatable.")
@common
def set_(plan: str, number: tuple[str, ...], home: str | None, *, as_json: bool, debug: bool) -> int:
    """Put the workspace on a plan; an owner's order."""
    del debug
    from remit.accounts.plans import PlanName
    from remit.accounts.workspaces import set_plan
    from remit.bootstrap import open_store

    numbers = dict(_number(one) for one in number)
    settings = settings_of(home)
    with open_store(settings) as store:
        asyncio.run(set_plan(store, PlanName(plan), workspace=settings.workspace, by=acting(settings), numbers=numbers))
    emit({"plan": plan, "numbers": numbers}) if as_json else say(f"the plan is {plan}")
    return 0


def _number(text: str) -> tuple[str, int | None]:
    name, _, value = text.partition("=")
    if value == "none":
        return name, None
    if not value.isascii() or not value.isdigit():
        message = f"{text!r} is no number of a plan: NAME=N or NAME=none."
        raise InvalidInput(message, hint="remit plan show")
    return name, int(value)


COMMANDS = {"users": users, "workspaces": workspaces, "plan": plan}
