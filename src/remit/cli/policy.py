"""``remit policy``: rules as files and revisions, tried before they hold, told condition by condition; evidence."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from remit.cli import policy_evidence
from remit.cli.context import acting, settings_of
from remit.cli.output import common, emit, say, table
from remit.cli.rule_files import book_in_force, read_file, ready_file, revision_of, rules_of, shipped_rules

if TYPE_CHECKING:
    from remit.guard.rules import revisions
    from remit.guard.rules.cases import Tried
    from remit.guard.rules.document import Resolved
    from remit.guard.rules.explain import Explanation
    from remit.guard.rules.shadow import Trial

MOST_LISTED = 50
CLOCK_DAYS = 36_500

_FILE = click.argument("file", metavar="FILE", type=click.Path(dir_okay=False))


@click.group()
def policy() -> None:
    """Rules: check a file, try it, put it in force, and tell what they said of an action."""


@policy.command()
@_FILE
@common
def check(file: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Compile a rule file and tell what in it probably isn't meant."""
    del debug, home
    from remit.guard.rules.cases import cases_of
    from remit.guard.rules.lint import remarks_on

    ready = ready_file(file)
    cases = cases_of(ready.document)
    remarks = remarks_on(ready.document, ready.book)
    own = len(ready.document.rules)
    if as_json:
        emit(
            {
                "file": file,
                "sha256": ready.book.sha256,
                "rules": len(ready.book.resolved.rules),
                "own": own,
                "tests": len(cases),
                "remarks": [remark.as_json() for remark in remarks],
            }
        )
        return 0
    for remark in remarks:
        say(f"{file}:{remark.line}: {remark.kind}: {remark.rule}: {remark.what}")
    say(f"{file} can be used: {len(ready.book.resolved.rules)} rules, {own} of its own, {len(cases)} tests")
    return 0


@policy.command()
@click.option("--revision", type=click.IntRange(1), default=None, help="This revision instead of the one in force.")
@click.option("--history", is_flag=True, help="List the revisions, newest first.")
@click.option("--written", is_flag=True, help="Print the file as it was saved.")
@common
def show(revision: int | None, home: str | None, *, history: bool, written: bool, as_json: bool, debug: bool) -> int:
    """The rules in force, or the revisions there are."""
    del debug
    from remit.bootstrap import open_store
    from remit.guard.rules import revisions

    settings = settings_of(home)
    with open_store(settings) as store:
        if history:
            found = store.view(lambda tx: revisions.history(tx, settings.workspace))
            _list_revisions(found, as_json=as_json)
            return 0
        one = revision_of(store, settings, revision)
    resolved = one.book.resolved
    if as_json:
        emit({**one.as_json(), **resolved.as_json(), "written": one.written})
    elif written:
        say(one.written.rstrip("\n"))
    else:
        say(f"revision {one.number} ({one.book.revision(one.number)}), {one.origin.value} by {one.saved_by}")
        if one.reason:
            say(f"because: {one.reason}")
        _print_rules(resolved)
    return 0


def _print_rules(resolved: Resolved) -> None:
    from remit.guard.rules.variables import KINDS

    rows = [
        (
            rule.id,
            "*" if len(rule.on) == len(KINDS) else " ".join(rule.on),
            rule.otherwise.value,
            _condition(rule.when, rule.asserts),
        )
        for rule in resolved.rules
    ]
    say(table(rows, head=("rule", "on", "else", "must hold")))
    say("limits: " + (" ".join(f"{name}={value:g}" for name, value in sorted(resolved.limits.items())) or "none"))
    for name, entries in sorted(resolved.lists.items()):
        say(f"list {name}: {' '.join(sorted(entries)) or 'empty'}")


def _condition(when: str, asserts: str) -> str:
    text = " ".join(asserts.split())
    return f"{text}   (when {' '.join(when.split())})" if when else text


def _list_revisions(found: list[revisions.Revision], *, as_json: bool) -> None:
    if as_json:
        emit({"revisions": [each.as_json() for each in found]})
        return
    rows = [
        (
            str(each.number),
            each.sha256[:12],
            each.origin.value,
            each.saved_by,
            str(each.as_json()["saved_at"]),
            each.reason,
        )
        for each in found
    ]
    say(table(rows, head=("revision", "hash", "origin", "saved by", "saved at", "reason")))


@policy.command()
@_FILE
@click.option("--reason", required=True, help="Why the rules change, for the audit log.")
@common
def save(file: str, reason: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Put a rule file in force, as a new revision."""
    del debug
    from remit.bootstrap import open_store
    from remit.guard.rules.revisions import save as put
    from remit.kernel.clock import SystemClock

    settings = settings_of(home)
    text = read_file(file)
    with open_store(settings) as store:
        made = asyncio.run(
            put(
                store,
                text,
                workspace=settings.workspace,
                name=file,
                reason=reason,
                by=acting(settings),
                clock=SystemClock(),
            )
        )
        store.seal()
    return _saved(made, as_json=as_json)


@policy.command()
@click.argument("revision", metavar="REVISION", type=click.IntRange(1))
@click.option("--reason", required=True, help="Why, for the audit log.")
@common
def switch(revision: int, reason: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Put an earlier revision in force again; that is a new revision."""
    del debug
    from remit.bootstrap import open_store
    from remit.guard.rules.revisions import restore
    from remit.kernel.clock import SystemClock

    settings = settings_of(home)
    with open_store(settings) as store:
        made = asyncio.run(
            restore(
                store,
                revision,
                workspace=settings.workspace,
                reason=reason,
                by=acting(settings),
                clock=SystemClock(),
            )
        )
        store.seal()
    return _saved(made, as_json=as_json)


def _saved(made: revisions.Revision, *, as_json: bool) -> int:
    if as_json:
        emit({**made.as_json(), "rules": len(made.book.resolved.rules)})
    else:
        say(f"revision {made.number} is in force: {len(made.book.resolved.rules)} rules")
        if made.number > 1:
            say(f"what changed: remit policy diff {made.number - 1} {made.number}")
    return 0


@policy.command("test")
@click.argument("file", metavar="FILE", required=False, type=click.Path(dir_okay=False))
@common
def run_tests(file: str | None, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Run the tests of a rule file, and those of the shipped sets."""
    del debug
    from remit.guard.rules.cases import cases_of, run_case
    from remit.guard.rules.resolving import SETS, shipped, shipped_set

    tried = [(name, run_case(case, shipped().book)) for name in SETS for case in cases_of(shipped_set(name))]
    if file is not None:
        ready = ready_file(file)
        document = ready.document
        changes = document.rules or document.limits or document.lists or document.without or document.use != SETS
        book = ready.book if changes else book_in_force(settings_of(home))
        tried += [(file, run_case(case, book)) for case in cases_of(document)]
    failed = [each for each in tried if not each[1].passed]
    if as_json:
        emit({"passed": len(tried) - len(failed), "failed": len(failed), "tests": [_test(*each) for each in tried]})
    else:
        for where, each in failed:
            say(f"{where}:{each.case.line}: {each.case.name}: expected {_wanted(each)}, got {_got(each)}")
        say(f"{len(tried) - len(failed)} tests passed, {len(failed)} failed")
    return 1 if failed else 0


def _test(where: str, tried: Tried) -> dict[str, object]:
    return {"file": where, **tried.as_json()}


def _wanted(tried: Tried) -> str:
    rules = tried.case.rules
    return tried.case.expect + (f" by {', '.join(rules) or 'no rule'}" if rules is not None else "")


def _got(tried: Tried) -> str:
    named = sorted({each.rule.id for each in tried.broken})
    return tried.got + (f" by {', '.join(named)}" if named else "")


@policy.command()
@click.argument("which", metavar="ID")
@common
def explain(which: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Tell a decision's rules condition by condition, with the values that they read."""
    del debug
    from remit.bootstrap import open_store
    from remit.guard.rules.explain import explain as told

    settings = settings_of(home)
    with open_store(settings) as store:
        found = store.view(lambda tx: told(tx, which, workspace=settings.workspace))
    emit(found.as_json()) if as_json else _print_explanation(found)
    return 0


def _print_explanation(found: Explanation) -> None:
    say(f"{found.kind} {found.target}: {found.verdict} by revision {found.policy_rev}")
    for rule in found.rules:
        say(f"{rule.rule.id}: {rule.said.value}" + (f", so {rule.rule.otherwise.value}" if rule.message else ""))
        for each in rule.conditions:
            values = ", ".join(f"{name} = {value}" for name, value in each.values.items())
            say(f"    {each.said.value:<18} {each.text}" + (f"   [{values}]" if values else "") + _because(each.error))
        if rule.message:
            say(f"    {rule.message}")


def _because(error: str) -> str:
    return f"   {error}" if error else ""


@policy.command()
@click.argument("before", metavar="BEFORE", required=False)
@click.argument("after", metavar="AFTER", required=False)
@common
def diff(before: str | None, after: str | None, home: str | None, *, as_json: bool, debug: bool) -> int:
    """What changes from one revision to another, or to a file: rule by rule."""
    del debug
    from remit.guard.rules.differences import differences

    settings = settings_of(home)
    if after is None:
        # One name: a file is held against what is in force, a revision against what came after it until now.
        before, after = (before, None) if before is None or before.isdecimal() else (None, before)
    old, new = rules_of(settings, before), rules_of(settings, after)
    if before is None and after is None:
        old = shipped_rules()
    changes = differences(old, new)
    if as_json:
        emit({"changes": [change.as_json() for change in changes]})
    else:
        say("\n".join(change.told() for change in changes) or "no difference")
    return 0


@policy.command()
@_FILE
@click.option("--days", type=click.IntRange(1, CLOCK_DAYS), default=7, help="How far back; 7 when left out.")
@click.option("--limit", type=click.IntRange(1, 200_000), default=20_000, help="At most the newest so many actions.")
@common
def shadow(file: str, days: int, limit: int, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Try a rule file on what was recorded: which actions would have come out otherwise?"""
    del debug
    from remit.bootstrap import open_store
    from remit.guard.rules.shadow import try_on_recorded
    from remit.kernel.clock import micros_of

    settings = settings_of(home)
    book = ready_file(file).book
    since = micros_of(datetime.now(UTC) - timedelta(days=days))
    with open_store(settings) as store:
        trial = store.view(
            lambda tx: try_on_recorded(tx, book, workspace=settings.workspace, since_us=since, most=limit)
        )
    emit(trial.as_json()) if as_json else _print_trial(trial, days)
    return 0


def _print_trial(trial: Trial, days: int) -> None:
    say(f"{trial.judged} actions of the last {days} days judged again: {len(trial.changed)} come out otherwise")
    for (old, new), count in sorted(trial.moves.items()):
        say(f"  {old} -> {new}: {count}")
    for each in trial.changed[:MOST_LISTED]:
        say(f"{each.action}  {each.kind} {each.target}  {each.before} -> {each.after}  {' '.join(each.rules)}")
        if each.told:
            say(f"    {each.told}")
    if len(trial.changed) > MOST_LISTED:
        say(f"... and {len(trial.changed) - MOST_LISTED} more: --json lists all")
    if trial.unreached:
        say(f"{trial.unreached} were refused before the rules were asked: nothing changes for them")
    if trial.unknown:
        say(f"{trial.unknown} can't be judged: they are older than the rules, or a text was too long to be kept")
    if trial.more:
        say("there are older actions that were not read: raise --limit")


for _command in policy_evidence.COMMANDS:
    policy.add_command(_command)

COMMANDS = {"policy": policy}
