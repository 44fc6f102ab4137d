"""``remit secrets allow``, ``deny`` and ``rules``: which agents may use which secrets for what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any

import click

from remit.cli.context import settings_of
from remit.cli.output import common, emit, say, table
from remit.cli.secrets_desk import ORDERED, desk

if TYPE_CHECKING:
    from remit.guard.secrets_rules import SecretRule
    from remit.settings import Settings


def _patterns[F: Callable[..., Any]](function: F) -> F:
    """The options that say whom a rule is about."""
    for option in (
        click.option("--reason", default=ORDERED, help="Why, for the audit log."),
        click.option("--remove", is_flag=True, help="Take exactly this rule away instead."),
        click.option("--target", default="", help="Only for targets like this (a program, a tool, an address)."),
        click.option("--mission", default="", help="Only in missions like this."),
        click.option("--kind", default="", help="Only for effects of this kind: command, fetch, tool, notify ..."),
        click.option("--agent", default="", help="Only for agents like this; everybody when left out."),
    ):
        function = option(function)
    return function


@click.command()
@click.argument("name")
@_patterns
@common
def allow(
    name: str, reason: str, home: str | None, *, remove: bool, as_json: bool, debug: bool, **patterns: str
) -> int:
    """Let agents use the secrets called NAME (a pattern with * and ?). Without such a rule nobody may."""
    del debug
    return _order_rule("allow", name, patterns, reason, settings_of(home), remove=remove, as_json=as_json)


@click.command()
@click.argument("name")
@_patterns
@common
def deny(name: str, reason: str, home: str | None, *, remove: bool, as_json: bool, debug: bool, **patterns: str) -> int:
    """Keep agents from the secrets called NAME (a pattern with * and ?), whatever allows them."""
    del debug
    return _order_rule("deny", name, patterns, reason, settings_of(home), remove=remove, as_json=as_json)


def _order_rule(
    effect: str,
    name: str,
    patterns: Mapping[str, str],
    reason: str,
    settings: Settings,
    *,
    remove: bool,
    as_json: bool,
) -> int:
    from remit.guard.secrets_orders import add_rule, lift_rule
    from remit.guard.secrets_rules import Allows, SecretRule

    rule = SecretRule(Allows(effect), name, **patterns)
    with desk(settings) as (order, _store):
        done: Coroutine[Any, Any, SecretRule] = (lift_rule if remove else add_rule)(order, rule, reason=reason)
        rule = asyncio.run(done)
    if as_json:
        emit({"removed" if remove else "rule": rule.as_json()})
    else:
        say(f"{'removed' if remove else 'in force'}: {rule}")
    return 0


@click.command()
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


COMMANDS = (allow, deny, rules)
