"""Missions: the list, with its filters in the address; and the queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from remit.accounts.agents import read_agents
from remit.accounts.roles import Resource
from remit.kernel.clock import micros_of
from remit.kernel.ports import ReadTx
from remit.missions.detail import retry_word
from remit.missions.listing import Found, Summary, Wanted, count_missions, find_missions
from remit.missions.shown import Shown
from remit.serve.console.asking import Ask
from remit.serve.console.numbers import told
from remit.serve.console.page import page
from remit.serve.console.words import duration, money, plain

SIZE = 50
IN_HAND = (Shown.RUNNING, Shown.INTERRUPTED, Shown.WAITING, Shown.QUEUED)
TROUBLE = (Shown.FAILED, Shown.INTERRUPTED, Shown.ROLLED_BACK)

#: A mission's status, as a mark of the console's vocabulary and its word.
MARKS: Mapping[Shown, tuple[str, str]] = {
    Shown.QUEUED: ("queued", "queued"),
    Shown.RUNNING: ("running", "running"),
    Shown.WAITING: ("waiting", "needs approval"),
    Shown.SUCCEEDED: ("done", "done"),
    Shown.FAILED: ("failed", "failed"),
    Shown.CANCELLED: ("cancelled", "cancelled"),
    Shown.ROLLED_BACK: ("back", "rolled back"),
    Shown.INTERRUPTED: ("stuck", "interrupted"),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """What one cell says, and its mark's kind (empty: no mark). A page that is open takes a new one in its place."""

    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A mission in the list."""

    id: str
    title: str
    pack: str
    originator: str
    agents: tuple[str, ...]
    estimate: str
    created_us: int
    status: Cell
    steps: Cell
    spent: Cell
    elapsed: Cell


@dataclass(frozen=True, slots=True)
class Tab:
    """A saved view: a link with a name and, where it is known, how many it holds."""

    href: str
    label: str
    current: bool


@dataclass(frozen=True, slots=True)
class Missions:
    """The page.

    Attributes:
        title: What is in hand.
        rows: A page of missions, newest first.
        tabs: Saved views.
        filters: What the form holds.
        next: The address of the next page; empty: this was the last.
        shown: How many there are in the workspace.
        packs: What the filter offers.
        agents: What the filter offers.
    """

    title: str
    rows: tuple[Row, ...]
    tabs: tuple[Tab, ...]
    filters: Mapping[str, str]
    next: str
    total: int
    packs: tuple[str, ...]
    agents: tuple[str, ...]
    first: bool = True


@page("/missions", template="missions.html", group="Work", label="Missions")
async def missions(ask: Ask) -> Missions:
    """What missions there are."""
    filters = _filters(ask.query)
    wanted = wanted_of(filters)
    after = ask.after
    alive = ask.runtime.missions.deps.alive

    def op(tx: ReadTx) -> tuple[Found, Mapping[Shown, int], list[str]]:
        found = find_missions(tx, ask.workspace, wanted, size=SIZE, alive=alive, now_us=ask.now_us, after=after)
        return found, count_missions(tx, ask.workspace, alive=alive), sorted(read_agents(tx, ask.workspace))

    found, counts, agents = await ask.read(op, resource=Resource.MISSION)
    hand = sum(counts.get(status, 0) for status in IN_HAND)
    return Missions(
        title=told(hand, "mission in hand", "missions in hand") if hand else "No mission in hand",
        rows=tuple(row_of(one, ask.now_us) for one in found.missions),
        tabs=_tabs(filters, counts, str(ask.who)),
        filters=filters,
        next="" if found.next is None else _address({**filters, "after": f"{found.next[0]}.{found.next[1]}"}),
        total=sum(counts.values()),
        packs=tuple(ask.runtime.missions.deps.packs),
        agents=tuple(agents),
        first=after is None,
    )


def row_of(one: Summary, now_us: int) -> Row:
    """A mission as a row."""
    kind, word = mark_of(one, now_us)
    over = one.status in {Shown.SUCCEEDED, Shown.FAILED, Shown.CANCELLED, Shown.ROLLED_BACK}
    end = one.updated_us if over else now_us
    took = one.estimate.time_us if one.estimate is not None and one.estimate.ended else max(end - one.created_us, 0)
    return Row(
        id=one.id,
        title=one.name,
        pack=one.pack,
        originator=one.originator,
        agents=one.agents,
        estimate=_range(one),
        created_us=one.created_us,
        status=Cell(word, kind),
        steps=Cell(f"{one.steps.done} of {one.steps.total}"),
        spent=Cell(str(money(one.cost_micros))),
        elapsed=Cell(plain(duration(took)) if one.status is not Shown.QUEUED else ""),
    )


def mark_of(one: Summary, now_us: int) -> tuple[str, str]:
    """A mission's mark and its word: what it waits for says more than that it runs."""
    if one.stuck_us:
        return "stuck", f"stuck {one.stuck_us // 60_000_000} min"
    if one.status is Shown.RUNNING and one.steps.retry_us > now_us and not one.steps.running:
        return "retrying", retry_word(one.steps.retry_us - now_us)
    return MARKS[one.status]


def wanted_of(filters: Mapping[str, str]) -> Wanted:
    """The filters of the address; what is none of ours counts as any."""
    state = filters.get("state", "")
    groups = {"hand": IN_HAND, "trouble": TROUBLE, "all": ()}
    statuses = groups.get(state, (Shown(state),) if state in set(Shown) else ())
    return Wanted(
        statuses=tuple(statuses),
        pack=filters.get("pack", ""),
        originator=filters.get("by", ""),
        agent=filters.get("agent", ""),
        text=filters.get("q", ""),
        since_us=_day(filters.get("since", "")),
    )


def _filters(query: Mapping[str, str]) -> dict[str, str]:
    known = {name: query.get(name, "").strip()[:100] for name in ("q", "pack", "state", "agent", "by", "since")}
    if known["state"] not in {"", "all", "trouble", *Shown} or not known["state"]:
        known["state"] = "hand" if not any(known.values()) else "all"
    return known


def _tabs(filters: Mapping[str, str], counts: Mapping[Shown, int], who: str) -> tuple[Tab, ...]:
    blank = dict.fromkeys(filters, "")
    views = (
        ("In hand", IN_HAND, {"state": "hand"}),
        ("Failed or interrupted", TROUBLE, {"state": "trouble"}),
        ("Done", (Shown.SUCCEEDED,), {"state": Shown.SUCCEEDED.value}),
        ("All", tuple(Shown), {"state": "all"}),
    )
    tabs = [
        Tab(
            _address({**blank, **chosen}),
            f"{label}, {sum(counts.get(status, 0) for status in statuses):,}",
            current=filters == {**blank, **chosen},
        )
        for label, statuses, chosen in views
    ]
    mine = {**blank, "by": who, "state": "all"}
    return (*tabs, Tab(_address(mine), "Mine", current=filters == mine))


def _address(filters: Mapping[str, str]) -> str:
    chosen = {name: value for name, value in filters.items() if value}
    return f"/missions?{urlencode(chosen)}"


def _range(one: Summary) -> str:
    found = one.estimate
    if found is None or not found.cost_high:
        return ""
    low, high = str(money(found.cost_low)), str(money(found.cost_high))
    return low if low == high else f"{low}\u2013{high.removeprefix('$')}"


def _day(text: str) -> int:
    try:
        return max(micros_of(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)), 0)
    except ValueError:
        return 0
