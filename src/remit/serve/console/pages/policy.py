"""Rules: in force, their revisions and what each changed; a new file tried on what was recorded; an action tried."""

from __future__ import annotations

from dataclasses import dataclass, field

from remit.accounts import gateway_policy
from remit.accounts.agents import EFFECT_KINDS
from remit.guard.rules import revisions
from remit.guard.rules.differences import Change, differences
from remit.guard.rules.document import Rule
from remit.guard.rules.explain import Explanation, Told, explain
from remit.guard.rules.lint import Remark, remarks_on
from remit.guard.rules.rehearsal import EXAMPLE, Rehearsed, Saved, rehearse, revisions_page
from remit.guard.rules.resolving import SETS, prepare
from remit.guard.rules.revisions import Revision
from remit.guard.rules.shadow import DAY_US, Trial, try_on_recorded
from remit.kernel.errors import InvalidInput, NotFound
from remit.kernel.ports import ReadTx
from remit.serve.console.asking import Ask
from remit.serve.console.numbers import told
from remit.serve.console.page import form, page

SIZE = 20
#: What each word of a switch of the gateway does, as ``docs/keys.md`` says it.
SWITCHES = {
    "redaction": "off: prompts and streamed answers pass as they are, secrets and personal data in them too.",
    "mode": "observe: a refusal is recorded and the call goes on. Stops and breakers hold all the same.",
    "unknown_price": "Of a model whose price nobody knows: install, as the setting says; refuse; ceiling, a fixed sum "
    "is reserved; warn, it spends uncounted.",
    "approval": "Of a call that a person must approve: wait keeps its connection until somebody decides, answer tells "
    "it so at once.",
    "on_full": "When writes pile up: block, a call waits for its place; refuse, it is told at once to come back.",
    "tool_calls": "off: tool calls in answers reach the program unseen, and it may make them.",
    "stored": "allow: requests may name files, stores of vectors, prompts and skills of the provider's account, "
    "whoever put them there.",
    "cache": "on: an answer to the same request is given again, for nothing.",
}
DAYS = (1, 7, 30, 90)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules in force, the revisions, and the gateway's switches.

    ``shown`` is the revision whose changes up to the one in force are listed in ``changes``; 0: none.
    """

    title: str
    number: int
    rules: tuple[Rule, ...]
    limits: tuple[tuple[str, str], ...]
    lists: tuple[tuple[str, str], ...]
    saved: tuple[Saved, ...]
    next: str
    shown: int
    changes: tuple[str, ...]
    switches: tuple[tuple[str, str, tuple[str, ...]], ...]
    gateway_revision: int
    kinds: int
    done: str = ""
    sets: tuple[str, ...] = SETS
    explained: dict[str, str] = field(default_factory=lambda: SWITCHES)


@dataclass(frozen=True, slots=True)
class Edit:
    """A rule file being written. ``trial`` and ``changes`` tell what it would do, once it was tried."""

    title: str
    text: str
    number: int
    days: int
    changes: tuple[str, ...] | None
    trial: Trial | None
    remarks: tuple[Remark, ...]
    sets: tuple[str, ...] = SETS


@dataclass(frozen=True, slots=True)
class Try:
    """An action tried, or a recorded decision explained."""

    title: str
    text: str
    verdict: str
    kind: str
    target: str
    rules: tuple[Told, ...]
    revision: str


@page("/policy", template="policy.html", group="Control", label="Policy")
async def policy(ask: Ask) -> Policy:
    """What must hold of every action, since when, and by whom."""
    before = ask.query.get("before", "")
    against = ask.query.get("since", "") or ask.form.get("number", "")

    def op(tx: ReadTx) -> tuple[Revision, list[Saved], Revision | None, gateway_policy.GatewayPolicy]:
        at = int(before) if _number(before) else None
        saved = revisions_page(tx, ask.workspace, before=at, limit=SIZE + 1)
        old = revisions.find_revision(tx, ask.workspace, int(against)) if _number(against) else None
        newest = revisions.newest_revision(tx, ask.workspace)
        return newest, saved, old, gateway_policy.read_policy(tx, ask.workspace)

    newest, saved, old, gateway = await ask.read(op)
    resolved = newest.book.resolved
    changes = () if old is None else _told(differences(old.book.resolved, resolved))
    known = gateway_policy.switches()
    words = gateway.as_json()
    return Policy(
        title=f"{told(len(resolved.rules), 'rule is in force', 'rules are in force')}, revision {newest.number}",
        number=newest.number,
        rules=resolved.rules,
        limits=tuple((name, f"{value:.12g}") for name, value in sorted(resolved.limits.items())),
        lists=tuple((name, ", ".join(sorted(each))) for name, each in sorted(resolved.lists.items())),
        saved=tuple(saved[:SIZE]),
        next=f"/policy?before={saved[SIZE - 1].number}" if len(saved) > SIZE else "",
        shown=0 if old is None else old.number,
        changes=changes,
        switches=tuple((name, str(words[name]), known[name]) for name in known),
        gateway_revision=gateway.revision,
        kinds=len(EFFECT_KINDS),
        done=ask.query.get("done", "")[:20],
    )


@page("/policy/edit", template="policy_edit.html")
async def edit(ask: Ask) -> Edit:
    """A rule file, checked and tried before it is put in force."""
    days = int(ask.form.get("days", "7")) if ask.form.get("days", "7") in {str(each) for each in DAYS} else 7
    newest = await ask.read(lambda tx: revisions.newest_revision(tx, ask.workspace))
    text = ask.form.get("text")
    if text is None or ask.problem is not None:
        return Edit("Change the rules", newest.written if text is None else text, newest.number, days, None, None, ())
    ready = prepare(text, name="rules")
    since = ask.now_us - days * DAY_US
    trial = await ask.read(lambda tx: try_on_recorded(tx, ready.book, workspace=ask.workspace, since_us=since))
    title = (
        f"{told(len(trial.changed), 'action comes', 'actions come')} out otherwise"
        if trial.judged
        else "The file can be used"
    )
    changes = _told(differences(newest.book.resolved, ready.book.resolved))
    return Edit(title, text, newest.number, days, changes, trial, remarks_on(ready.document, ready.book))


@page("/policy/try", template="policy_try.html")
async def trying(ask: Ask) -> Try:
    """What the rules make of an action, condition by condition."""
    text = ask.form.get("text", EXAMPLE)
    which = ask.query.get("action", "").strip()
    newest = await ask.read(lambda tx: revisions.newest_revision(tx, ask.workspace))
    number = f"revision {newest.number}"
    if which and not ask.form:
        found: Explanation = await ask.read(lambda tx: explain(tx, which, workspace=ask.workspace))
        title = f"Action …{which[-8:]}: {found.verdict}"
        return Try(title, text, found.verdict, found.kind, found.target, found.rules, found.policy_rev)
    if "text" in ask.form and ask.problem is None:
        made: Rehearsed = rehearse(text, newest.book)
        return Try(f"The rules say: {made.verdict}", text, made.verdict, made.kind, made.target, made.rules, number)
    return Try("Try an action", text, "", "", "", (), number)


@form("/policy/edit", again=edit, about={"rules.invalid": "text"})
async def save(ask: Ask) -> str:
    """Try the file, or put it in force."""
    given = ask.form
    text = given.get("text", "")
    if given.get("do") != "save":
        prepare(text, name="rules")  # its faults are the page's problem
        return ""
    made = await revisions.save(
        ask.runtime.store,
        text,
        workspace=ask.workspace,
        name="rules",
        reason=ask.runtime.redactor.mask(given.get("reason", "")),
        by=ask.who,
        clock=ask.runtime.clock,
    )
    return f"/policy?done=saved&since={max(1, made.number - 1)}"


@form("/policy/try", again=trying, about={"rules.invalid": "text"})
async def try_it(ask: Ask) -> str:
    """Judge the action that was described."""
    newest = await ask.read(lambda tx: revisions.newest_revision(tx, ask.workspace))
    rehearse(ask.form.get("text", ""), newest.book)
    return ""


@form("/policy/restore", again=policy)
async def restore(ask: Ask) -> str:
    """Put an earlier revision in force again."""
    number = ask.form.get("number", "")
    if not _number(number):
        message = "Say which revision."
        raise NotFound(message, code="rules.revision", hint="go to /policy")
    made = await revisions.restore(
        ask.runtime.store,
        int(number),
        workspace=ask.workspace,
        reason=ask.runtime.redactor.mask(ask.form.get("reason", "")),
        by=ask.who,
        clock=ask.runtime.clock,
    )
    return f"/policy?done=restored&since={max(1, made.number - 1)}"


@form("/policy/gateway", again=policy)
async def gateway(ask: Ask) -> str:
    """Set the gateway's switches."""
    before = await ask.read(lambda tx: gateway_policy.read_policy(tx, ask.workspace))
    now = before.as_json()
    known = gateway_policy.switches()
    words = {name: ask.form[name] for name in known if ask.form.get(name, now[name]) != now[name]}
    if not words:
        message = "Nothing was given that should change."
        raise InvalidInput(message, code="keys.switches")
    await gateway_policy.set_policy(
        ask.runtime.store, words, workspace=ask.workspace, by=ask.who, clock=ask.runtime.clock
    )
    return "/policy?done=gateway"


def _told(changes: tuple[Change, ...]) -> tuple[str, ...]:
    return tuple(change.told() for change in changes)


def _number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < len(text) <= 9 and int(text) > 0  # noqa: PLR2004 - an integer


PAGES = (policy, edit, trying)
FORMS = (save, try_it, restore, gateway)
