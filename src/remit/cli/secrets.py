"""``remit secrets``: set and rotate values, say who may use them, see who did, and whether one leaked."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remit.cli.context import acting, settings_of
from remit.cli.output import common, emit, hint, say, table
from remit.cli.redaction import REDACTOR
from remit.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Generator

    from remit.bootstrap import Store
    from remit.guard.secrets_orders import Order, Stored
    from remit.guard.secrets_rules import SecretRule
    from remit.settings import Settings

_ORDERED = "ordered on the command line"
_FEWEST_BYTES, _MOST_BYTES = 16, 1024
_FAILED = 1


@click.group()
def secrets() -> None:
    """Secrets: set, rotate, who may use which, who did, whether one leaked."""


@contextmanager
def _desk(settings: Settings) -> Generator[tuple[Order, Store]]:
    """What orders are given with; the store is sealed when they are done."""
    from remit.bootstrap import open_store, secrets_order

    with open_store(settings) as store:
        yield secrets_order(settings, store, REDACTOR, by=acting(settings)), store
        store.seal()


# ------------------------------------------------------------------------------------------------------------- values


def _value(from_file: str | None, *, generate: bool, size: int) -> str:
    """The value: made here, from a file, typed unseen, or what comes in; one newline at its end is none of it."""
    if generate:
        import secrets as random

        return random.token_urlsafe(size)
    if from_file:
        try:
            text = Path(from_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            message = f"The file {from_file} can't be read as text."
            raise InvalidInput(message, code="secrets.value", hint="remit secrets set --help") from error
    elif sys.stdin.isatty():
        text = str(click.prompt("value", hide_input=True, confirmation_prompt=True))
    else:
        text = sys.stdin.read()
    return text.removesuffix("\n").removesuffix("\r")


def _sourced[F: Callable[..., Any]](function: F) -> F:
    """The options that say where a value comes from, and why."""
    size = click.IntRange(_FEWEST_BYTES, _MOST_BYTES)
    for option in (
        click.option("--reason", default=_ORDERED, help="Why, for the audit log."),
        click.option("--bytes", "size", type=size, default=32, help="Of what --generate makes: so many random bytes."),
        click.option("--generate", is_flag=True, help="Make a random value; it is not shown."),
        click.option("--from-file", type=click.Path(), default=None, help="Read the value from a file."),
    ):
        function = option(function)
    return function


def _stored(stored: Stored, *, verb: str, as_json: bool) -> int:
    if as_json:
        emit({verb: stored.as_json()})
        return 0
    before = f", in place of version {stored.replaced}" if stored.replaced else ""
    say(f"{verb} {stored.name}: version {stored.version} in {stored.backend}{before}")
    return 0


@secrets.command("set")
@click.argument("name")
@_sourced
@common
def set_(
    name: str,
    from_file: str | None,
    size: int,
    reason: str,
    home: str | None,
    *,
    generate: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Keep a value as secret://NAME: typed unseen, from standard input, a file, or made here. Never an argument."""
    del debug
    return _put(
        settings_of(home), name, _value(from_file, generate=generate, size=size), reason, as_json=as_json, rotate=False
    )


@secrets.command()
@click.argument("name")
@_sourced
@common
def rotate(
    name: str,
    from_file: str | None,
    size: int,
    reason: str,
    home: str | None,
    *,
    generate: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Replace the value of a secret that is there; the old one is retired, and stays masked for its retention."""
    del debug
    return _put(
        settings_of(home), name, _value(from_file, generate=generate, size=size), reason, as_json=as_json, rotate=True
    )


def _put(settings: Settings, name: str, text: str, reason: str, *, as_json: bool, rotate: bool) -> int:
    from remit.guard.secrets_orders import put

    with _desk(settings) as (order, _store):
        stored = asyncio.run(put(order, name, text, reason=reason, rotate=rotate))
    return _stored(stored, verb="rotated" if stored.replaced else "set", as_json=as_json)


@secrets.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why, for the audit log.")
@common
def delete(name: str, reason: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Delete a secret with all its versions; what it was stays masked for its retention."""
    del debug
    from remit.guard.secrets_orders import remove

    with _desk(settings_of(home)) as (order, _store):
        gone = asyncio.run(remove(order, name, reason=reason))
    emit({"deleted": gone.as_json()}) if as_json else say(f"deleted {name} from {gone.backend}")
    return 0


@secrets.command("import")
@click.argument("file", type=click.Path())
@click.option("--prefix", default="", help="Put before each name.")
@click.option("--reason", default=_ORDERED, help="Why, for the audit log.")
@common
def import_(file: str, prefix: str, reason: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Set a secret for each NAME=VALUE line of FILE (as .env files have them), its name in lower case."""
    del debug
    from remit.guard.secrets_orders import check_value, put
    from remit.kernel.errors import Conflict
    from remit.kernel.references import check_name

    pairs = [(check_name(prefix + name.lower()), value) for name, value in _lines(file)]
    for _, value in pairs:
        check_value(value)
    done: list[Stored] = []
    kept: list[str] = []

    async def each(order: Order) -> None:
        for name, value in pairs:
            try:
                done.append(await put(order, name, value, reason=reason))
            except Conflict as error:
                if error.code != "secrets.same":
                    raise
                kept.append(name)

    with _desk(settings_of(home)) as (order, _store):
        asyncio.run(each(order))
    if as_json:
        emit({"imported": [stored.as_json() for stored in done], "unchanged": kept})
    else:
        say(f"imported {', '.join(stored.name for stored in done) or 'nothing'}")
        hint(f"the values still stand in {file}: remove it")
    return 0


def _lines(file: str) -> list[tuple[str, str]]:
    """Names and values of a .env file.

    Raises:
        InvalidInput: It can't be read, or a line is none; names the line, never its content.
    """
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        message = f"The file {file} can't be read as text."
        raise InvalidInput(message, code="secrets.import", hint="remit secrets import --help") from error
    found: list[tuple[str, str]] = []
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ").strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        value = value.strip()
        if value[:1] in {"'", '"'} and value[-1:] == value[:1] and len(value) > 1:
            value = value[1:-1]
        if not equals or not name.strip() or not value:
            message = f"Line {number} is no NAME=VALUE."
            raise InvalidInput(message, code="secrets.import", place=f"{file}:{number}", hint=f"correct {file}")
        found.append((name.strip(), value))
    return found


@secrets.command()
@click.argument("name")
@click.option("--version", default="", help="Which version; the newest when left out.")
@click.option("--reveal", is_flag=True, help="Show the value, at a terminal only.")
@click.option("--reason", default="", help="Why it must be seen, for the audit log; a must with --reveal.")
@common
def get(name: str, version: str, reason: str, home: str | None, *, reveal: bool, as_json: bool, debug: bool) -> int:
    """Say whether secret://NAME resolves, and from where. With --reveal an owner sees the value; both are audited."""
    del debug
    from remit.guard.secrets_orders import look
    from remit.kernel.references import Reference

    terminal = sys.__stdout__ or sys.stdout  # past every sink that masks
    if reveal and (as_json or not terminal.isatty()):
        message = "A value is shown at a terminal only, never to a file or another program."
        raise InvalidInput(message, code="secrets.reveal", hint="refer to it as secret://NAME where a program needs it")
    with _desk(settings_of(home)) as (order, _store):
        value = asyncio.run(look(order, Reference(name, version), reveal=reveal, reason=reason))
        shown = REDACTOR.mask(value.text)
    if reveal:
        terminal.write(value.text + "\n")  # the one place where a person asked to see it
        terminal.flush()
        return 0
    told = {"secret": value.name, "version": value.version, "backend": value.backend, "value": shown}
    emit(told) if as_json else say(f"{value.name}: version {value.version} in {value.backend}, {shown}")
    return 0


# ---------------------------------------------------------------------------------------------------------------- rules


def _patterns[F: Callable[..., Any]](function: F) -> F:
    """The options that say whom a rule is about."""
    for option in (
        click.option("--reason", default=_ORDERED, help="Why, for the audit log."),
        click.option("--remove", is_flag=True, help="Take exactly this rule away instead."),
        click.option("--target", default="", help="Only for targets like this (a program, a tool, an address)."),
        click.option("--mission", default="", help="Only in missions like this."),
        click.option("--kind", default="", help="Only for effects of this kind: command, fetch, tool, notify ..."),
        click.option("--agent", default="", help="Only for agents like this; everybody when left out."),
    ):
        function = option(function)
    return function


@secrets.command()
@click.argument("name")
@_patterns
@common
def allow(
    name: str,
    agent: str,
    kind: str,
    mission: str,
    target: str,
    reason: str,
    home: str | None,
    *,
    remove: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Let agents use the secrets called NAME (a pattern with * and ?). Without such a rule nobody may."""
    del debug
    rule = _rule("allow", name, agent, kind, mission, target)
    return _order_rule(rule, reason, settings_of(home), remove=remove, as_json=as_json)


@secrets.command()
@click.argument("name")
@_patterns
@common
def deny(
    name: str,
    agent: str,
    kind: str,
    mission: str,
    target: str,
    reason: str,
    home: str | None,
    *,
    remove: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Keep agents from the secrets called NAME (a pattern with * and ?), whatever allows them."""
    del debug
    rule = _rule("deny", name, agent, kind, mission, target)
    return _order_rule(rule, reason, settings_of(home), remove=remove, as_json=as_json)


def _rule(effect: str, name: str, agent: str, kind: str, *more: str) -> SecretRule:
    from remit.guard.secrets_rules import Allows, SecretRule

    mission, target = more
    return SecretRule(Allows(effect), name, agent, kind, mission, target)


def _order_rule(rule: SecretRule, reason: str, settings: Settings, *, remove: bool, as_json: bool) -> int:
    from remit.guard.secrets_orders import add_rule, lift_rule

    with _desk(settings) as (order, _store):
        done: Coroutine[Any, Any, SecretRule] = (lift_rule if remove else add_rule)(order, rule, reason=reason)
        rule = asyncio.run(done)
    if as_json:
        emit({"removed" if remove else "rule": rule.as_json()})
    else:
        say(f"{'removed' if remove else 'in force'}: {rule}")
    return 0


@secrets.command()
@common
def rules(home: str | None, *, as_json: bool, debug: bool) -> int:
    """The allow and deny lists: who may use which secrets for what. Deny wins."""
    del debug
    from remit.bootstrap import open_store
    from remit.guard.secrets_rules import read_in_force

    settings = settings_of(home)
    with open_store(settings) as store:
        found = store.view(lambda tx: read_in_force(tx, settings.workspace)).rules
    if as_json:
        emit({"rules": [rule.as_json() for rule in found]})
    elif not found:
        say("No rule: no agent may use a secret. Let one: remit secrets allow NAME --agent AGENT")
    else:
        head = ("effect", "secret", "agent", "kind", "mission", "target", "set by")
        say(table([_rule_line(rule) for rule in found], head=head))
    return 0


def _rule_line(rule: SecretRule) -> tuple[str, ...]:
    patterns = (rule.agent, rule.kind, rule.mission, rule.target)
    return (rule.allows.value, rule.secret, *(pattern or "*" for pattern in patterns), rule.set_by)


# ---------------------------------------------------------------------------------------------------------------- views


@secrets.command("list")
@common
def list_(home: str | None, *, as_json: bool, debug: bool) -> int:
    """Every secret: which backend has it, its version, who set it, how often it was used. Never a value."""
    del debug
    from remit.bootstrap import open_store, where_kept
    from remit.guard.secrets_orders import read_known
    from remit.guard.secrets_use import read_statistics
    from remit.kernel.clock import iso

    settings = settings_of(home)
    with open_store(settings) as store:
        known = {row.name: row for row in store.view(lambda tx: read_known(tx, settings.workspace))}
        uses = store.view(lambda tx: read_statistics(tx, settings.workspace))
    kept = where_kept(settings)
    shown: list[dict[str, object]] = []
    for name in sorted({*known, *kept}):
        row = known.get(name)
        mine = [each for each in uses if each.secret == name]
        backends = kept.get(name, [])
        shown.append(
            {
                "secret": name,
                "backend": backends[0] if backends else "",
                "shadowed": backends[1:],
                "version": row.version if row is not None and row.set_by else "",
                "status": "deleted"
                if row is not None and row.status == "deleted" and not backends
                else ("there" if backends else "missing"),
                "set_by": row.set_by if row is not None else "",
                "set": iso(row.set_us) if row is not None and row.set_by else "",
                "uses": sum(each.uses for each in mine),
                "last_use": iso(max((each.last_us for each in mine), default=0)) if mine else "",
            }
        )
    if as_json:
        emit({"secrets": shown})
    elif not shown:
        say("There is no secret. Set one: remit secrets set NAME")
    else:
        names = ("secret", "backend", "version", "status", "set_by", "uses", "last_use")
        rows = [tuple(str(each[name])[:26] or "-" for name in names) for each in shown]
        say(table(rows, head=("secret", "backend", "version", "status", "set by", "uses", "last use")))
    return 0


@secrets.command()
@click.argument("name")
@common
def show(name: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """One secret: its versions, who may use it, who did, and what was out of the ordinary. Never a value."""
    del debug
    from remit.guard.secrets_rules import read_in_force
    from remit.guard.secrets_use import read_anomalies, read_statistics
    from remit.kernel.clock import iso
    from remit.kernel.references import check_name

    check_name(name)
    settings = settings_of(home)
    with _desk(settings) as (order, store):
        versions = order.secrets.backend.versions(name)
        lists = store.view(lambda tx: read_in_force(tx, settings.workspace)).rules
        uses = store.view(lambda tx: read_statistics(tx, settings.workspace))
        odd = store.view(lambda tx: read_anomalies(tx, settings.workspace))
    about = [rule for rule in lists if rule.covers(name)]
    mine = [each for each in uses if each.secret == name]
    events = [
        {
            "what": row["what"],
            "principal": row["principal"],
            "mission": row["mission"],
            "at": iso(row["at_us"]),
            "seen": row["seen"],
            "usual": row["usual"],
        }
        for row in odd
        if row["secret"] == name
    ]
    if as_json:
        told = {"secret": name, "versions": versions, "rules": [rule.as_json() for rule in about]}
        emit({**told, "uses": [each.as_json() for each in mine], "anomalies": events})
        return 0
    say(f"{name}: versions {', '.join(versions)}")
    say("\nrules:" if about else "\nNo rule is about it: no agent may use it.")
    for rule in about:
        say(f"  {rule}")
    for each in mine:
        where = f" in {each.mission}" if each.mission else ""
        say(f"used by {each.principal}{where}: {each.uses} times, denied {each.denied}, last {iso(each.last_us)[:19]}Z")
    for event in events:
        say(f"{event['at']}: {event['what']} by {event['principal']}")
    return 0


@secrets.command()
@click.option("--since", default="", metavar="TIME", help="Last used since an ISO time, or 30m, 2h, 7d ago.")
@common
def stats(since: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """How often each secret was used, by which agent, in which mission, first and last; and what was denied."""
    del debug
    from remit.bootstrap import open_store
    from remit.cli.moments import since_us
    from remit.guard.secrets_use import read_statistics

    settings = settings_of(home)
    begun = since_us(since)
    with open_store(settings) as store:
        found = store.view(lambda tx: read_statistics(tx, settings.workspace, since_us=begun))
    told = [each.as_json() for each in found]
    if as_json:
        emit({"uses": told})
    elif not told:
        say("No secret was used.")
    else:
        names = ("secret", "principal", "mission", "uses", "denied", "first", "last")
        say(table([tuple(str(each[name])[:36] or "-" for name in names) for each in told], head=names))
    return 0


@secrets.command()
@click.argument("place", required=False, default="", metavar="MISSION|PATH")
@common
def check(place: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Look for every current and retired value in a mission, below a path, or (without one) in the whole home.

    Tells where one stands, never the value; ends with 1 when one does.
    """
    del debug
    from remit.accounts.access import Permission
    from remit.bootstrap import find_leaks, known_values, where_kept
    from remit.guard.secrets_leaks import Search
    from remit.guard.secrets_orders import note_check
    from remit.kernel.references import Reference

    settings = settings_of(home)
    with _desk(settings) as (order, store):
        asyncio.run(order.check(Permission.ADMIN))
        values = known_values(order, list(where_kept(settings)))
        search = Search(values)
        leaks = find_leaks(settings, store, search, values, place=place)
        asyncio.run(note_check(order, values=len(search), leaks=len(leaks), place=place))
    unsearched = sorted({str(Reference(value.name)) for value in search.unsearched})
    if as_json:
        emit({"values": len(search), "leaks": [leak.as_json() for leak in leaks], "unsearched": unsearched})
    else:
        for leak in leaks:
            old = "a retired value" if leak.retired else "the value"
            say(f"{leak.path}: {old} of {leak.secret} (version {leak.version}), {leak.count} times")
        say(f"looked for {len(search)} values: {'found ' + str(len(leaks)) + ' places' if leaks else 'none was found'}")
        for reference in unsearched:
            hint(f"{reference} is too short or too common to be looked for: rotate it")
    return _FAILED if leaks else 0


COMMANDS = {"secrets": secrets}
