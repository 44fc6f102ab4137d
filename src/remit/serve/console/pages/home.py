"""The start page: what needs a person, what runs, what it costs, what was stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from remit.accounts.break_glass import Grant, standing_glass
from remit.accounts.budget_periods import Period
from remit.accounts.kills import read_stops
from remit.guard.approval_gist import read_gists
from remit.guard.approval_listing import Found, Wanted, list_requests
from remit.guard.approval_rows import Status
from remit.guard.approval_seats import Seat, seat_of
from remit.guard.overview import (
    Money,
    RefusedAction,
    SpentToday,
    Unwell,
    last_refusals,
    money_of,
    spent_today,
    unwell,
)
from remit.kernel.ports import ReadTx
from remit.missions import queue
from remit.missions.listing import Summary, find_missions
from remit.missions.listing import Wanted as WantedMissions
from remit.missions.objectives import ErrorBudget, error_budgets
from remit.missions.shown import Shown
from remit.serve.console import words
from remit.serve.console.asking import Ask
from remit.serve.console.numbers import told
from remit.serve.console.page import page
from remit.serve.console.svg import Level

MOST = 20  # rows of each kind; more are behind a link
FAILED_US = words.DAY  # how long a failure stands here
_GOING = (Shown.RUNNING, Shown.WAITING, Shown.INTERRUPTED)  # not those that are queued: there may be many


@dataclass(frozen=True, slots=True)
class Need:
    """Something that needs a person: a mark and its word, what, and where to go. ``deadline_us``: 0 is none.

    ``mission`` is the one that it is about, when it is about one: missions may be called the same.
    """

    mark: str
    word: str
    what: str
    note: str
    href: str
    label: str
    asked_by: str
    through: str
    reach: str
    cost_micros: int | None
    deadline_us: int = 0
    mission: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """A mission that goes on."""

    id: str
    name: str
    mark: str
    word: str
    done: int
    total: int
    since_us: int
    cost_micros: int
    low_micros: int
    high_micros: int
    retry_us: int = 0


@dataclass(frozen=True, slots=True)
class Home:
    """The page.

    Attributes:
        title: How much needs the reader.
        needs: That, soonest deadline first. ``more_needs``: more requests wait, or missions failed, than were read.
        running: Missions that go on. ``more``: more do than are shown.
        queued: How many wait for a worker.
        others_wait: How many of the requests that were read wait for others alone.
        stops: How many stops are in force. ``lifted``: how many refusals two people have lifted.
    """

    title: str
    needs: tuple[Need, ...]
    more_needs: bool
    running: tuple[Running, ...]
    more: bool
    queued: int
    others_wait: int
    stops: int
    lifted: int
    spent: SpentToday
    money: tuple[Money, ...]
    breakers: tuple[Unwell, ...]
    refusals: tuple[RefusedAction, ...]
    budgets: tuple[ErrorBudget, ...]

    def curve(self, now_us: int) -> list[tuple[float, float]]:
        """The day's spend: percent of the day, dollars. The hour that runs ends now."""
        now = 100 * (now_us % words.DAY) / words.DAY
        sums = enumerate(self.spent.by_hour, 1)
        return [(0.0, 0.0), *((min(100 * hour / 24, now), micros / 1_000_000) for hour, micros in sums)]

    def limits(self) -> list[Level]:
        """What a day's budget refuses at, for the drawing."""
        return [
            Level(one.limit_micros / 1_000_000, f"refuse at {words.money(one.limit_micros)}")
            for one in self.money
            if one.period == Period.DAY
        ]


@dataclass(frozen=True, slots=True)
class _Read:
    """What the store said, in one snapshot."""

    requests: Found
    glass: tuple[Grant, ...]
    gists: Mapping[str, str]
    seat: Seat
    going: tuple[Summary, ...]
    more: bool
    queued: int
    failed: tuple[Summary, ...]
    more_failed: bool
    stops: int
    spent: SpentToday
    money: tuple[Money, ...]
    breakers: tuple[Unwell, ...]
    refusals: tuple[RefusedAction, ...]
    budgets: tuple[ErrorBudget, ...]


@page("/", template="home.html", group="Work", label="Home", live=True, topics="approval,mission")
async def home(ask: Ask) -> Home:
    """What needs somebody, what agents do, and what was stopped."""
    now_us, workspace = ask.now_us, ask.workspace
    alive = ask.runtime.missions.deps.alive

    def op(tx: ReadTx) -> _Read:
        going = find_missions(tx, workspace, WantedMissions(_GOING), size=MOST, alive=alive, now_us=now_us)
        since = WantedMissions((Shown.FAILED,), since_us=now_us - FAILED_US)
        failed = find_missions(tx, workspace, since, size=MOST, alive=alive, now_us=now_us)
        requests = list_requests(tx, workspace, Wanted(), now_us=now_us, after=None, limit=MOST)
        return _Read(
            requests,
            standing_glass(tx, workspace, now_us=now_us, most=MOST),
            read_gists(tx, workspace, [one.id for one in requests.requests]),
            seat_of(tx, workspace, ask.who, now_us=now_us),
            going.missions,
            going.next is not None,
            queue.count_waiting(tx, workspace),
            failed.missions,
            failed.next is not None,
            sum(len(each) for each in read_stops(tx, workspace)),
            spent_today(tx, workspace, now_us=now_us),
            money_of(tx, workspace, now_us=now_us),
            unwell(tx, workspace),
            last_refusals(tx, workspace),
            error_budgets(tx, workspace, ask.runtime.settings, now_us=now_us),
        )

    return _view(await ask.read(op), now_us)


def _view(read: _Read, now_us: int) -> Home:
    asks, others = _asks(read, now_us)
    first = sorted([*_lifts(read), *asks], key=lambda one: one.deadline_us)
    needs = (*first, *(_need(one) for one in (*read.going, *read.failed) if _trouble(one)))
    more = read.requests.next is not None or read.more_failed
    running = tuple(_running(one, now_us) for one in read.going if one.status in {Shown.RUNNING, Shown.WAITING})
    return Home(
        title=_title(len(needs), more=more),
        needs=needs,
        more_needs=more,
        running=running,
        more=read.more,
        queued=read.queued,
        others_wait=others,
        stops=read.stops,
        lifted=sum(bool(one.confirmed_by) for one in read.glass),
        spent=read.spent,
        money=read.money,
        breakers=read.breakers,
        refusals=read.refusals,
        budgets=read.budgets,
    )


def _title(needs: int, *, more: bool) -> str:
    if not needs:
        return "What ends soonest waits for others" if more else "Nothing needs you"
    title = told(needs, "thing needs you", "things need you")
    return f"At least {title[0].lower()}{title[1:]}" if more else title


def _asks(read: _Read, now_us: int) -> tuple[list[Need], int]:
    """Requests that wait for the one who looks, and how many of those read wait for others alone."""
    found: list[Need] = []
    for one in read.requests.requests:
        said = read.requests.votes.get(one.id, ())
        if read.seat.why_not(one, said, now_us=now_us):
            continue
        given = sum(vote.verdict == Status.APPROVED for vote in said)
        found.append(
            Need(
                mark="waiting",
                word="approve",
                what=words.effect(one.kind, one.target),
                note=". ".join(
                    (
                        *filter(None, [read.gists.get(one.id, "")]),
                        *([f"{given} of {one.quorum} approvals given"] if one.quorum > 1 else ()),
                    )
                ),
                href=f"/approvals/{one.id}",
                label="Review",
                asked_by=one.on_behalf_of,
                through=one.principal,
                reach=one.risk,
                cost_micros=one.estimate_micros,
                deadline_us=one.expires_us,
            )
        )
    return found, len(read.requests.requests) - len(found)


def _lifts(read: _Read) -> list[Need]:
    """Requests for break-glass that the one who looks may confirm."""
    return [
        Need(
            mark="waiting",
            word="confirm",
            what=f"Break-glass: lift {one.lift.lifts.value} {one.lift.what} for {one.lift.scope.value} {one.lift.name}",
            note=one.reason,
            href=f"/break-glass#g-{words.anchor(one.id)}",
            label="Review",
            asked_by=one.requested_by,
            through=one.requested_by,
            reach="high",
            cost_micros=None,
            deadline_us=one.expires_us,
        )
        for one in read.glass
        if read.seat.own and not one.confirmed_by and one.requested_by != str(read.seat.who)
    ]


def _trouble(one: Summary) -> bool:
    return bool(one.stuck_us) or one.status in {Shown.FAILED, Shown.INTERRUPTED}


def _need(one: Summary) -> Need:
    if one.stuck_us:
        minutes = one.stuck_us // words.MINUTE
        mark, word, note = "stuck", "stuck", f"no progress for {minutes} min"
    elif one.status is Shown.FAILED:
        mark, word, note = "failed", "failed", one.error
    else:
        mark, word, note = "stuck", "interrupted", "its worker is gone; a worker takes it up, or: resume it"
    return Need(
        mark=mark,
        word=word,
        what=one.name,
        note=note,
        href=f"/missions/{one.id}",
        label="Inspect",
        asked_by=one.originator,
        through=f"agent:{one.agents[0]}" if one.agents else one.originator,
        reach="",
        cost_micros=one.cost_micros,
        mission=one.id,
    )


def _running(one: Summary, now_us: int) -> Running:
    mark, word, retry_us = "running", "running", 0
    if one.status is Shown.WAITING:
        mark, word = "waiting", "waits for a person"
    elif one.stuck_us:
        mark, word = "stuck", "stuck"
    elif one.steps.retry_us > now_us:
        mark, word, retry_us = "retrying", "retry in", one.steps.retry_us
    return Running(
        id=one.id,
        name=one.name,
        mark=mark,
        word=word,
        done=one.steps.done,
        total=one.steps.total,
        since_us=one.created_us,
        cost_micros=one.cost_micros,
        low_micros=one.estimate.cost_low if one.estimate else 0,
        high_micros=one.estimate.cost_high if one.estimate else 0,
        retry_us=retry_us,
    )
