"""``remit secrets``: set and rotate values, say who may use them, see who did, and whether one leaked."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remit.cli import secrets_rules, secrets_views
from remit.cli.context import settings_of
from remit.cli.output import common, emit, hint, say
from remit.cli.redaction import REDACTOR
from remit.cli.secrets_desk import ORDERED, desk
from remit.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from remit.guard.secrets_orders import Order, Stored
    from remit.settings import Settings

_FEWEST_BYTES, _MOST_BYTES = 16, 1024


@click.group()
def secrets() -> None:
    """Secrets: set, rotate, who may use which, who did, whether one leaked."""


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
        click.option("--reason", default=ORDERED, help="Why, for the audit log."),
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

    with desk(settings) as (order, _store):
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

    with desk(settings_of(home)) as (order, _store):
        gone = asyncio.run(remove(order, name, reason=reason))
    emit({"deleted": gone.as_json()}) if as_json else say(f"deleted {name} from {gone.backend}")
    return 0


@secrets.command("import")
@click.argument("file", type=click.Path())
@click.option("--prefix", default="", help="Put before each name.")
@click.option("--reason", default=ORDERED, help="Why, for the audit log.")
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

    with desk(settings_of(home)) as (order, _store):
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
    with desk(settings_of(home)) as (order, _store):
        value = asyncio.run(look(order, Reference(name, version), reveal=reveal, reason=reason))
        shown = REDACTOR.mask(value.text)
    if reveal:
        terminal.write(value.text + "\n")  # the one place where a person asked to see it
        terminal.flush()
        return 0
    told = {"secret": value.name, "version": value.version, "backend": value.backend, "value": shown}
    emit(told) if as_json else say(f"{value.name}: version {value.version} in {value.backend}, {shown}")
    return 0


for _command in (*secrets_rules.COMMANDS, *secrets_views.COMMANDS):
    secrets.add_command(_command)

COMMANDS = {"secrets": secrets}
