"""One mission: its plan as a drawing, its steps with their attempts, and what can be ordered of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import cast
from urllib.parse import quote

import orjson

from remit.accounts.roles import Resource
from remit.guard.why import ActionStory, why
from remit.kernel.canonical import Json
from remit.kernel.errors import NotFound
from remit.kernel.ids import check_id
from remit.kernel.mission import MissionStatus
from remit.kernel.ports import ReadTx
from remit.missions.artefacts import Text, attempts_diff, list_artefacts, step_diff
from remit.missions.conversation import Conversation, read_conversation
from remit.missions.detail import Asked, Detail, StepDetail, read_actions, read_detail, seconds_left, step_word
from remit.missions.presets import PRESETS
from remit.missions.rows import AttemptRow
from remit.missions.shown import Shown
from remit.serve.api.targets import offered, roots_of
from remit.serve.console.asking import Ask
from remit.serve.console.page import page
from remit.serve.console.pages.diffs import DiffLine, diff_lines
from remit.serve.console.pages.missions import MARKS, Cell
from remit.serve.console.plan_graph import Bar, Graph, Node, plan_graph
from remit.serve.console.words import duration, money, plain

TABS = ("attempts", "io", "prompts", "logs", "diff")
FOLDED_FROM = 4  # quiet steps in a row that are folded into one
MOST_STEPS_OPEN = 8
MOST_FILES = 200

#: What an order came to, said at the page's head.
DONE = {
    "resume": "It goes on: what is done stays done, and a worker takes the rest.",
    "rollback": "It is rolled back. What was given up stays in the repository under a name of its own.",
    "cancel": "It is cancelled. What is done stays as it is.",
    "branch": "This is the new mission: it shares everything up to the step that it branched from.",
    "start": "It is queued. A worker takes it when it is its turn.",
    "priority": "It has its new place in the queue.",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure with its name and what stands under it."""

    id: str
    name: str
    value: Cell
    note: Cell


@dataclass(frozen=True, slots=True)
class StepLine:
    """A step in the table, or a stretch of quiet ones (``folded`` names them)."""

    id: str
    name: str
    title: str
    href: str
    status: Cell
    took: Cell
    cost: Cell
    lane: tuple[Bar, ...]
    expected: bool
    folded: tuple[str, ...] = ()
    selected: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the guard. ``took_us`` microseconds; ``kind`` a mark."""

    name: str
    kind: str
    verdict: str
    detail: str
    took_us: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What the guard said of an action, check by check."""

    action: str
    kind: str
    target: str
    principal: str
    on_behalf_of: str
    mark: tuple[str, str]
    state: str
    reason: str
    policy: str
    subject: str
    checks: tuple[Check, ...]
    entries: tuple[int, ...]
    next: str
    cost_micros: int


@dataclass(frozen=True, slots=True)
class StepView:
    """The step that is looked at."""

    name: str
    title: str
    agent: str
    feature: str
    mark: tuple[str, str]
    needs: tuple[str, ...]
    uses: str
    retry: str
    timeout_s: float
    error: str
    attempts: tuple[AttemptRow, ...]
    running: int
    next_us: int
    cost_micros: int
    given: str
    result: str
    paths: tuple[str, ...]
    commit: str
    verdicts: tuple[tuple[str, bool, tuple[Mapping[str, str], ...]], ...]
    actions: tuple[Asked, ...]
    decision: Decision | None
    tab: str
    diff: tuple[DiffLine, ...] = ()
    diff_of: str = ""
    talk: Conversation | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What can be ordered; ``why_not`` says why not now."""

    name: str
    why_not: str
    says: str


@dataclass(frozen=True, slots=True)
class Mission:
    """The page."""

    title: str
    id: str
    status: Cell
    about: str
    said: str
    error: str
    facts: tuple[Fact, ...]
    graph: Graph
    critical: tuple[str, ...]
    critical_seconds: float
    steps: tuple[StepLine, ...]
    now: float
    step: StepView | None
    selected: str
    checkpoints: tuple[tuple[str, str, int, int], ...]
    files: tuple[str, ...]
    files_more: int
    log: tuple[tuple[int, str, str], ...]
    orders: Mapping[str, Order]
    done_steps: tuple[str, ...]
    features: tuple[str, ...]
    drift: bool
    approvals: tuple[str, ...]
    deployments: tuple[tuple[str, str, str, int], ...]
    over: bool
    parent: str
    deployable: bool
    targets: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())


@page("/missions/{id}", template="mission.html")
async def mission(ask: Ask) -> Mission:
    """One mission."""
    deps, which = ask.runtime.missions.deps, check_id(ask.path["id"], "mission")
    wanted = ask.query.get("step", "")

    def op(tx: ReadTx) -> tuple[Detail, list[Asked]]:
        detail = read_detail(tx, deps, ask.workspace, which)
        chosen = detail.step(wanted) or _interesting(detail)
        name = chosen.row.name if chosen is not None else ""
        return detail, read_actions(tx, ask.workspace, which, step=name, most=50) if name else []

    detail, actions = await ask.read(op, resource=Resource.MISSION)
    chosen = detail.step(wanted) or _interesting(detail)
    step = None if chosen is None else await _step(ask, detail, chosen, actions)
    files = await list_artefacts(deps, ask.workspace, which, by=ask.who) if detail.mission.head_commit else None
    row = detail.mission
    deployable = detail.status is Shown.SUCCEEDED and bool(row.head_commit)
    kind, word = MARKS[detail.status]
    selected = chosen.row.name if chosen is not None else ""
    return Mission(
        title=detail.title,
        id=row.id,
        status=Cell(_headline(detail, word), kind),
        about=_about(detail),
        said=DONE.get(ask.query.get("done", ""), ""),
        error=row.error,
        facts=_facts(detail),
        graph=_graph(detail),
        critical=detail.plan.critical_path,
        critical_seconds=detail.plan.critical_seconds,
        steps=_steps(detail, selected),
        now=_now(detail),
        step=step,
        selected=selected,
        checkpoints=tuple((each.commit_id, each.name, each.attempts, each.finished_us) for each in detail.checkpoints),
        files=tuple(path for path, _ in files.files[:MOST_FILES]) if files is not None else (),
        files_more=max(len(files.files) - MOST_FILES, 0) + files.more if files is not None else 0,
        log=_log(detail),
        orders=_orders(detail),
        done_steps=tuple(each.row.name for each in detail.steps if each.row.done),
        features=detail.features,
        drift=row.error_code.startswith("drift"),
        approvals=tuple(each.id for each in detail.waits_for),
        deployments=tuple(
            (each.row.target, each.row.tree, each.state.value, each.row.at_us) for each in detail.deployments
        ),
        over=MissionStatus(row.status).over,
        parent=row.parent,
        deployable=deployable,
        targets=tuple(await asyncio.to_thread(offered, roots_of(ask.runtime.settings, ask.workspace)))
        if deployable
        else (),
        notes=tuple(detail.plan.plan.notes),
    )


# ------------------------------------------------------------------------------------------------------ the whole of it


def _interesting(detail: Detail) -> StepDetail | None:
    """The step to look at when nobody chose one: what waits, fails or runs; else the last that did anything."""
    ranks = {"waiting": 0, "failed": 1, "retrying": 2, "running": 3}
    named = [(ranks.get(step_word(each, now_us=detail.seen_us)[0], 9), each) for each in detail.steps]
    best = min((rank for rank, _ in named), default=9)
    if best < 9:  # noqa: PLR2004 - one of the ranks
        return next(each for rank, each in named if rank == best)
    tried = [each for each in detail.steps if each.attempts]
    return max(tried, key=lambda each: each.row.finished_us, default=detail.steps[0] if detail.steps else None)


def _headline(detail: Detail, word: str) -> str:
    if detail.status is Shown.RUNNING:
        named = [(step_word(each, now_us=detail.seen_us), each.row.name) for each in detail.steps]
        running = [name for (kind, _), name in named if kind == "running"]
        retrying = [f"{name}, {said}" for (kind, said), name in named if kind == "retrying"]
        if running:
            return f"running {', '.join(running[:3])}"
        if retrying:
            return retrying[0]
    if detail.status is Shown.QUEUED and detail.place is not None and detail.place.position:
        return f"queued, number {detail.place.position} in line"
    return word


def _about(detail: Detail) -> str:
    row, preset = detail.mission, detail.estimate.preset if detail.estimate is not None else ""
    known = PRESETS.get(preset)
    parts = [f"preset {known.title}, {known.risk.value} risk" if known is not None else f"pack {row.pack}"]
    parts.append(f"for {row.originator.partition(':')[2] or row.originator}")
    agents = row.agents.split()
    if agents:
        parts.append(f"agents {', '.join(agents)}")
    if row.revision > 1:
        parts.append(f"plan revision {row.revision}")
    return " \u00b7 ".join(parts)


def _facts(detail: Detail) -> tuple[Fact, ...]:
    done = sum(each.row.done for each in detail.steps)
    words = [step_word(each, now_us=detail.seen_us)[0] for each in detail.steps]
    attempts = [one for each in detail.steps for one in each.attempts]
    failed = sum(one.outcome == "failed" for one in attempts)
    estimate, left = detail.estimate, seconds_left(detail)
    expected = estimate.expected() if estimate is not None else ""
    asked, refused = sum(detail.actions.values()), sum(m for s, m in detail.actions.items() if s.value == "refused")
    newest = detail.checkpoints[0] if detail.checkpoints else None
    waits = sum(word in {"waiting", "retrying"} for word in words)
    return (
        Fact("spent", "Spent", Cell(str(money(detail.mission.cost_micros, fine=True))), Cell(expected)),
        Fact(
            "worked",
            "Worked",
            Cell(plain(duration(detail.busy_us)) if detail.busy_us else "not begun"),
            Cell(f"about {plain(duration(round(left * 1_000_000)))} left" if left else "nothing is left"),
        ),
        Fact(
            "steps",
            "Steps",
            Cell(f"{done} done of {len(words)}"),
            Cell(f"{words.count('running')} run, {waits} wait, {words.count('queued')} queued"),
        ),
        Fact("attempts", "Attempts", Cell(str(len(attempts))), Cell(f"{failed} failed")),
        Fact(
            "checkpoint",
            "Last checkpoint",
            Cell(newest.commit_id[:8] if newest is not None else "none"),
            Cell(f"after {newest.name}" if newest is not None else "no step has ended yet"),
        ),
        Fact("guard", "Guard", Cell(_many(asked, "action")), Cell(f"{asked - refused} allowed, {refused} refused")),
    )


def _graph(detail: Detail) -> Graph:
    words = {each.row.name: step_word(each, now_us=detail.seen_us) for each in detail.steps}

    def node(name: str) -> Node:
        kind, word = words[name]
        return Node(name, kind, word, f"?step={quote(name, safe='')}#h-step")

    layers = [[node(name) for name in layer if name in words] for layer in detail.plan.levels]
    needs = {each.spec.name: each.spec.needs for each in detail.steps}
    return plan_graph(layers, needs, detail.plan.critical_path)


def _span(detail: Detail) -> tuple[int, int]:
    """The time that the lanes show: from the first attempt to the end, or to when it is expected to end."""
    starts = [one.started_us for each in detail.steps for one in each.attempts]
    starts += [each.row.started_us for each in detail.steps if each.row.started_us]
    start = min(starts, default=detail.mission.created_us)
    ends = [one.ended_us for each in detail.steps for one in each.attempts]
    end = max(ends, default=start)
    if not MissionStatus(detail.mission.status).over:
        end = max(end, detail.seen_us) + round(seconds_left(detail) * 1_000_000)
    return start, max(end, start + 1_000_000)


def _now(detail: Detail) -> float:
    if MissionStatus(detail.mission.status).over:
        return -1
    start, end = _span(detail)
    return 100 * (detail.seen_us - start) / (end - start)


def _steps(detail: Detail, selected: str) -> tuple[StepLine, ...]:
    """The table's lines: long quiet stretches are one line."""
    few = len(detail.steps) <= MOST_STEPS_OPEN
    lines: list[StepLine] = []
    for quiet, group in groupby(detail.steps, key=lambda each: _quiet(each, detail, selected)):
        found = list(group)
        if few or not quiet or len(found) < FOLDED_FROM:
            lines += [_line(each, detail, selected) for each in found]
        else:
            lines.append(_fold(found, detail, quiet))
    return tuple(lines)


def _quiet(step: StepDetail, detail: Detail, selected: str) -> str:
    kind, _ = step_word(step, now_us=detail.seen_us)
    if step.row.name == selected or len(step.attempts) > 1:
        return ""
    return kind if kind in {"done", "skipped", "queued"} else ""


def _line(step: StepDetail, detail: Detail, selected: str) -> StepLine:
    row = step.row
    kind, word = step_word(step, now_us=detail.seen_us)
    ran = bool(step.attempts) or row.started_us > 0
    took = duration(round(step.seconds * 1_000_000)) if ran else duration(round(step.spec.weight * 1_000_000))
    cost = row.cost_micros if ran else step.spec.estimate.micros
    return StepLine(
        id=f"step:{row.name}",
        name=row.name,
        title=step.spec.title,
        href=f"?step={quote(row.name, safe='')}#h-step",
        status=Cell(word, kind),
        took=Cell(plain(took)),
        cost=Cell(str(money(cost, fine=True))),
        lane=_bars(step, detail),
        expected=not ran,
        selected=row.name == selected,
    )


def _fold(steps: Sequence[StepDetail], detail: Detail, kind: str) -> StepLine:
    seconds = sum(each.seconds if kind != "queued" else each.spec.weight for each in steps)
    cost = sum(each.row.cost_micros if kind != "queued" else each.spec.estimate.micros for each in steps)
    first, last = steps[0].row, steps[-1].row
    return StepLine(
        id=f"fold:{first.name}",
        name=f"Steps {first.position + 1}\u2013{last.position + 1}",
        title="",
        href="",
        status=Cell(f"{len(steps)} {kind}", kind),
        took=Cell(plain(duration(round(seconds * 1_000_000)))),
        cost=Cell(str(money(cost, fine=True))),
        lane=tuple(bar for each in steps for bar in _bars(each, detail)),
        expected=kind == "queued",
        folded=tuple(each.row.name for each in steps),
    )


def _bars(step: StepDetail, detail: Detail) -> tuple[Bar, ...]:
    start, end = _span(detail)

    def at(moment: int) -> float:
        return 100 * (moment - start) / (end - start)

    bars: list[Bar] = []
    for one in step.attempts:
        kind = "done" if one.outcome == "succeeded" else "fail"
        bars.append(Bar(kind, at(one.started_us), at(one.ended_us) - at(one.started_us)))
        if one.delay_us:
            bars.append(Bar("wait", at(one.ended_us), 100 * one.delay_us / (end - start)))
    row = step.row
    if row.status == "running":
        began = max((one.ended_us + one.delay_us for one in step.attempts), default=row.started_us or detail.seen_us)
        bars.append(Bar("run", at(began), at(detail.seen_us) - at(began)))
    elif row.status == "pending" and not MissionStatus(detail.mission.status).over:
        ahead = detail.plan.critical_seconds - detail.plan.ahead[row.name]
        begin = max(start + round(ahead * 1_000_000), detail.seen_us)
        bars.append(Bar("queue", min(at(begin), 97), max(100 * step.spec.weight * 1_000_000 / (end - start), 2)))
    return tuple(bars)


def _log(detail: Detail) -> tuple[tuple[int, str, str], ...]:
    """The newest lines of all steps."""
    found: list[tuple[int, str, str]] = []
    for each in detail.steps:
        for one in each.attempts:
            found += [(one.ended_us, each.row.name, line) for line in one.log.splitlines()[-8:]]
            if one.error:
                found.append((one.ended_us, each.row.name, one.error))
    return tuple(sorted(found, key=lambda line: line[0], reverse=True)[:30])


def _orders(detail: Detail) -> Mapping[str, Order]:
    status, over = detail.status, MissionStatus(detail.mission.status).over
    moving = status is Shown.RUNNING
    done = [each for each in detail.steps if each.row.done]
    running = sum(each.row.status == "running" for each in detail.steps)
    live = [each for each in detail.deployments if not each.row.compensates and each.state.value == "ok"]
    outside = f" {_many(len(live), 'deployment')} of it go back, newest first." if live else ""
    left = len(detail.steps) - len(done)
    busy = "It runs now: cancel it first, or wait." if moving else ""
    finished = status is Shown.SUCCEEDED
    waits_in_line = status is Shown.QUEUED and detail.place is not None
    stops = [
        *([f"{_many(running, 'running step')} stopped"] if running else ()),
        *([f"{_many(len(detail.waits_for), 'open approval')} void"] if detail.waits_for else ()),
    ]
    return {
        "resume": Order(
            "resume",
            busy or ("It waits in the queue: a worker takes it when it is its turn." if waits_in_line else ""),
            "Everything is done; only a step that you name, and what needs it, runs again."
            if finished
            else f"{_many(len(done), 'step')} stay done, {left} run. Log, plan and checkpoints are verified first.",
        ),
        "rollback": Order(
            "rollback",
            busy or ("" if detail.mission.fence else "Nothing was done yet."),
            f"{_many(len(done), 'step')} done. The files go back byte for byte.{outside} "
            "It stops, naming it, at an effect that can't be undone.",
        ),
        "branch": Order(
            "branch",
            "" if done else "No step is done yet: there is nothing to share.",
            "A new mission begins with everything up to that step. This one stays as it is.",
        ),
        "cancel": Order(
            "cancel",
            f"It is over: {MARKS[status][1]}." if over else "",
            f"{f'Within a second: {", ".join(stops)}. ' if stops and not over else ''}"
            f"{'It leaves the queue. ' if waits_in_line else ''}What is done stays; it can be resumed.",
        ),
    }


# ------------------------------------------------------------------------------------------------------------ one step


async def _step(ask: Ask, detail: Detail, step: StepDetail, actions: Sequence[Asked]) -> StepView:
    tab = ask.query.get("tab", "")
    tab = tab if tab in TABS else TABS[0]
    diff, diff_of = await _diff(ask, detail, step) if tab == "diff" else (Text(""), "")
    row, spec = step.row, step.spec
    deps, which = ask.runtime.missions.deps, detail.mission.id
    talk = await read_conversation(deps, ask.workspace, which, row.name, by=ask.who) if tab == "prompts" else None
    retry = spec.retry
    policy = (
        f"{retry.max_attempts} attempts at most, {retry.backoff.value} from {retry.initial_delay:g} s, "
        f"cap {retry.max_delay:g} s"
        if retry.max_attempts > 1
        else "one attempt"
    )
    return StepView(
        name=row.name,
        title=spec.title,
        agent=spec.agent,
        feature=spec.feature,
        mark=step_word(step, now_us=detail.seen_us),
        needs=spec.needs,
        uses=spec.uses,
        retry=policy,
        timeout_s=spec.timeout_s,
        error=row.error,
        attempts=step.attempts,
        running=row.attempts if row.status == "running" else 0,
        next_us=row.not_before_us if row.not_before_us > detail.seen_us else 0,
        cost_micros=row.cost_micros,
        given=_json(spec.params),
        result=_json(row.outcome) if row.done else "",
        paths=row.wrote,
        commit=row.commit_id,
        verdicts=tuple(
            (
                each.critic,
                each.holds,
                tuple(
                    {"severity": one.severity.value, "message": one.message, "place": one.place, "fix": one.fix}
                    for one in each.findings
                ),
            )
            for each in step.verdicts
        ),
        actions=tuple(actions),
        decision=await _decision(ask, actions),
        tab=tab,
        diff=diff_lines(diff.text),
        diff_of=diff_of,
        talk=talk,
    )


async def _diff(ask: Ask, detail: Detail, step: StepDetail) -> tuple[Text, str]:
    """What its checkpoint changed; of a step that was tried again and made none, what its last two attempts said."""
    deps, which, name = ask.runtime.missions.deps, detail.mission.id, step.row.name
    if step.row.commit_id or len(step.attempts) < 2:  # noqa: PLR2004 - two to compare
        found = await step_diff(deps, ask.workspace, which, name, by=ask.who)
        if found.text or len(step.attempts) < 2:  # noqa: PLR2004 - as above
            return found, "What its checkpoint changed"
    old, new = step.attempts[-2].number, step.attempts[-1].number
    told = await attempts_diff(deps, ask.workspace, which, name, by=ask.who, old=old, new=new)
    return told, f"What attempts {old} and {new} said"


async def _decision(ask: Ask, actions: Sequence[Asked]) -> Decision | None:
    wanted = ask.query.get("action", "")
    chosen = next((each for each in actions if each.id == wanted), actions[0] if actions else None)
    if chosen is None:
        return None
    try:
        story = await why(ask.runtime.store, chosen.id, workspace=ask.workspace)
    except NotFound:
        return None
    return _told(story.actions[0])


def _told(story: ActionStory) -> Decision:
    row = story.row
    spent = cast("list[int]", orjson.loads(row["spent_ns"] or "[]"))
    checks: list[Check] = []
    for number, check in enumerate(story.checks):
        verdict = str(check["verdict"])
        kind = {"allow": "done", "deny": "denied"}.get(verdict, "waiting")
        took = spent[number] / 1000 if number < len(spent) else 0.0
        detail = str(check.get("detail") or check.get("reason") or "")
        checks.append(Check(str(check["check"]), kind, verdict, detail, took))
    return Decision(
        action=row["id"],
        kind=row["kind"],
        target=row["target"],
        principal=row["principal"],
        on_behalf_of=row["on_behalf_of"],
        mark=_mark(row["state"], row["reason"], checks),
        state=story.state.value,
        reason=row["reason"],
        policy=row["policy_rev"],
        subject=row["subject_hash"],
        checks=tuple(checks),
        entries=story.audit,
        next=story.next,
        cost_micros=row["cost_micros"],
    )


def _mark(state: str, reason: str, checks: Sequence[Check]) -> tuple[str, str]:
    """A decision's mark and its word: what waits for a person was neither allowed nor blocked."""
    if all(check.kind == "done" for check in checks):
        return "done", "allow"
    if not any(check.kind == "denied" for check in checks) and state == "refused":
        return "waiting", "a person must decide"
    return "denied", reason or "not allowed"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _json(value: Mapping[str, Json]) -> str:
    return orjson.dumps(dict(value), option=orjson.OPT_INDENT_2).decode() if value else ""
