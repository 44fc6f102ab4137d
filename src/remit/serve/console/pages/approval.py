"""One request: the exact effect with its hash, what was checked and found, what it would do, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote

import orjson

from remit.accounts.agent_listing import stops_in_force
from remit.accounts.agents import read_agents
from remit.accounts.kills import KillScope, Mode
from remit.accounts.roles import Resource
from remit.guard.approval_decisions import decide
from remit.guard.approval_fit import Shortage
from remit.guard.approval_listing import USED, Place
from remit.guard.approval_rows import Request, Status
from remit.guard.approval_story import CheckShown, EvidenceShown, PreviewShown, Reach, Story, read_story
from remit.guard.overview import unwell
from remit.kernel.clock import iso
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import ReadTx
from remit.serve.console import words
from remit.serve.console.asking import Ask
from remit.serve.console.page import form, page
from remit.serve.console.pages.approvals import MARKS
from remit.serve.console.pages.diffs import DiffLine, changed, diff_lines

_EIGHT = 8
_DECISIONS = {"approve": True, "deny": False}
_OF_A_FILE = frozenset({"mode", "sha256", "size"})
#: What the buttons call it: "Approve this order".
_NOUNS = {"files": "change", "model": "call", "tool": "call", "notify": "notice", "publish": "publication"}


@dataclass(frozen=True, slots=True)
class SeatShown:
    """One person's place: a mark, its word, who, and a note; of who has decided, when and why."""

    mark: str
    word: str
    who: str
    note: str
    at_us: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Approval:
    """The page.

    Attributes:
        title: What will happen.
        id: The request.
        state: Where it stands; ``mark`` is that as a mark and its word.
        gone: Why it can't be decided any more, in a sentence: who decided what and when; empty: it waits.
        newer: The request that stands in its place now; empty: none.
        kind: Of the effect, and ``noun``, what a button calls it.
        subject_hash: What a decision binds to; ``exact``: it comes out again from what is shown.
        fields: The effect's fields, of a file its size, mode and hash in one.
        payload: The canonical payload, masked.
        diff: Lines of the preview's diff, with how many are added and taken away.
        seats: Who has decided, who may not, and the one who looks.
        given: Approvals given, of ``quorum``.
        why_not: Why the one who looks may not decide; empty: they may.
        alike: How such requests of this asker ended in 90 days.
        short: Budgets and rates that would refuse it now, though approved.
        held: Stops and open breakers that would, each in a sentence.
    """

    title: str
    id: str
    state: str
    mark: tuple[str, str]
    gone: str
    newer: str
    kind: str
    noun: str
    target: str
    principal: str
    on_behalf_of: str
    mission: str
    step: str
    risk: str
    policy_rev: str
    cost_micros: int
    requested_us: int
    expires_us: int
    subject_hash: str
    exact: bool
    why: str
    fields: tuple[tuple[str, str], ...]
    payload: str
    payload_bytes: int
    checks: tuple[CheckShown, ...]
    evidence: tuple[EvidenceShown, ...]
    reach: Reach
    preview: PreviewShown
    diff: tuple[DiffLine, ...]
    changed: tuple[int, int]
    seats: tuple[SeatShown, ...]
    given: int
    quorum: int
    why_not: str
    place: Place | None
    alike: Mapping[str, int]
    used_by: str
    short: tuple[Shortage, ...]
    held: tuple[str, ...]


@page("/approvals/{id}", template="approval.html", live=True, topics="approval")
async def approval(ask: Ask) -> Approval:
    """One request whole."""
    which = ask.path["id"]

    def op(tx: ReadTx) -> Approval:
        story = read_story(tx, ask.workspace, which, who=ask.who, now_us=ask.now_us)
        return _view(story, _held(tx, ask.workspace, story.request), ask.now_us)

    return await ask.read(op, resource=Resource.APPROVAL)


@form("/approvals/{id}/decision", again=approval)
async def decision(ask: Ask) -> str:
    """Approve or deny exactly what was read."""
    typed = ask.form
    approve = _DECISIONS.get(typed.get("decision", ""))
    reason = typed.get("reason", "")
    if approve is None:
        raise InvalidInput("Say whether you approve or deny it.", code="approval.decision", hint="use a button")
    if not reason.strip():
        message = "A decision needs a reason: whoever asked is told, and the audit log keeps it."
        raise InvalidInput(message, code="approval.reason", hint="write why")
    if approve and not typed.get("seen"):
        message = "Say that you have read the effect: approving binds to exactly that."
        raise InvalidInput(message, code="approval.seen", hint="tick the box above the buttons")
    decided = await decide(
        ask.runtime.store,
        ask.path["id"],
        workspace=ask.workspace,
        by=ask.who,
        approve=approve,
        subject_hash=typed.get("hash", ""),
        reason=reason,
        clock=ask.runtime.clock,
        redactor=ask.runtime.redactor,
    )
    return f"/approvals?done={quote(decided.id, safe='')}"


def _view(story: Story, held: tuple[str, ...], now_us: int) -> Approval:
    request = story.request
    state = request.state(now_us)
    lines = diff_lines(story.preview.diff)
    given = sum(vote.verdict == Status.APPROVED for vote in story.said)
    return Approval(
        title=words.effect(request.kind, request.target),
        id=request.id,
        state=state,
        mark=MARKS[state],
        gone=_gone(story, state),
        newer=story.newer,
        kind=request.kind,
        noun=_NOUNS.get(request.kind, request.kind),
        target=request.target,
        principal=request.principal,
        on_behalf_of=request.on_behalf_of,
        mission=request.mission,
        step=request.step,
        risk=request.risk,
        policy_rev=request.policy_rev,
        cost_micros=request.estimate_micros,
        requested_us=request.requested_us,
        expires_us=request.expires_us,
        subject_hash=request.subject_hash,
        exact=story.exact,
        why=story.why.removeprefix("A person must be asked: "),
        fields=_shown(story),
        payload=story.payload,
        payload_bytes=len(story.payload.encode()),
        checks=story.checks,
        evidence=story.evidence,
        reach=story.reach,
        preview=story.preview,
        diff=lines,
        changed=changed(lines),
        seats=_seats(story, state),
        given=given,
        quorum=request.quorum,
        why_not=story.why_not,
        place=story.place,
        alike=story.alike,
        used_by=request.used_by or "",
        short=story.short,
        held=held if state in {Status.PENDING, Status.APPROVED} else (),
    )


def _held(tx: ReadTx, workspace: str, request: Request) -> tuple[str, ...]:
    """What would refuse it when it runs, besides limits: stops of whom and what it is about, open breakers."""
    who = [one.partition(":") for one in (request.principal, request.on_behalf_of)]
    names = {name for kind, _, name in who if kind == "agent"}
    teams = {agent.team for name, agent in read_agents(tx, workspace).items() if name in names}
    about = {
        KillScope.INSTALL: {""},
        KillScope.TEAM: teams,
        KillScope.AGENT: names,
        KillScope.MISSION: {request.mission},
    }
    stops = [one for one in stops_in_force(tx, workspace) if one.name in about[one.scope]]
    opened = [
        one
        for one in unwell(tx, workspace)
        if one.kind == request.kind and f"{request.target}/".startswith(f"{one.operation}/")
    ]
    return (
        *(
            f"{f'{one.scope.value} {one.name}'.strip().capitalize()} is "
            f"{'paused' if one.mode is Mode.PAUSE else 'stopped'} by {words.who(one.by)}: {one.reason}"
            for one in stops
        ),
        *(f"The breaker of {one.kind} {one.operation} is {one.phase.replace('_', '-')}: {one.why}" for one in opened),
    )


def _shown(story: Story) -> tuple[tuple[str, str], ...]:
    """The effect's fields: the target once, nothing that is empty, a line for each file. The payload stays whole."""
    found: list[tuple[str, str]] = []
    files: dict[str, dict[str, str]] = {}
    for name, value in story.fields:
        path, _, what = name.removeprefix("files.").rpartition(".")
        if story.request.kind == "files" and name.startswith("files.") and what in _OF_A_FILE:
            files.setdefault(path, {})[what] = value
        elif story.request.kind == "model" and (messages := _messages(name, value)):
            found += messages
        elif value not in {"", "[]"} and (name, value) != ("target", story.request.target):
            found.append((name, value))
    for path, told in files.items():
        bytes_of = told.get("size", "")
        size = f"{int(bytes_of):,} bytes" if bytes_of.isdecimal() else bytes_of
        found.append((path, f"{size}, mode {told.get('mode', '')}, SHA-256 {told.get('sha256', '')}"))
    return tuple(found)


def _messages(name: str, value: str) -> list[tuple[str, str]]:
    """What a model is told, message by message as somebody reads it; empty: it is no such list."""
    if not name.endswith(".messages"):
        return []
    try:
        told: object = orjson.loads(value)
    except orjson.JSONDecodeError:
        return []
    found: list[tuple[str, str]] = []
    for number, each in enumerate(cast("list[object]", told) if isinstance(told, list) else [], 1):
        if not isinstance(each, dict):
            return []
        one = cast("dict[str, object]", each)
        content = one.get("content")
        plain = set(one) == {"role", "content"} and isinstance(content, str)
        text = str(content) if plain else orjson.dumps(one).decode()
        found.append((f"{name.removeprefix('request.')} {number}, {one.get('role', '')}", text))
    return found


def _gone(story: Story, state: str) -> str:
    """Why nobody can decide about it any more."""
    request = story.request
    said = [vote for vote in story.said if vote.verdict == request.status]
    by = ", ".join(f"{vote.voter} at {_second(vote.voted_us)}" for vote in said) or "a person"
    return {
        Status.PENDING.value: "",
        Status.APPROVED.value: f"Approved by {by}. Not used yet; it ends {_second(request.expires_us)}.",
        USED: f"Approved by {by}, and used once, by action {request.used_by}.",
        Status.DENIED.value: f"Denied by {by}.",
        Status.EXPIRED.value: f"Refused by itself {_second(request.expires_us)}: nobody decided in time.",
        Status.WITHDRAWN.value: "Nobody asks any more: its mission or step is over.",
        Status.SUPERSEDED.value: "What was asked, or the policy, has changed since: a new request stands in its place.",
    }[state]


def _second(at_us: int) -> str:
    return iso(at_us // words.SECOND * words.SECOND)


def _seats(story: Story, state: str) -> tuple[SeatShown, ...]:
    """Who has decided; the one who looks; and who may not, where duties are separated."""
    request = story.request
    seats = [
        SeatShown(
            "done" if vote.verdict == Status.APPROVED else "denied",
            vote.verdict,
            vote.voter,
            f"with the right of {vote.right_of}" if vote.right_of != vote.voter else "",
            vote.voted_us,
            vote.reason,
        )
        for vote in story.said
    ]
    you = story.seat.who.id
    if state == Status.PENDING and you not in {vote.voter for vote in story.said}:
        seats.append(
            SeatShown("skipped", "not you", you, "") if story.why_not else SeatShown("waiting", "open", "you", "")
        )
    involved = dict.fromkeys((request.on_behalf_of, request.principal)) if request.separated else {}
    for each in involved:
        kind, _, name = each.partition(":")
        if name != you:
            why = "agents never approve" if kind == "agent" else "asked for it"
            seats.append(SeatShown("skipped", "not allowed", name, why))
    return tuple(seats)
