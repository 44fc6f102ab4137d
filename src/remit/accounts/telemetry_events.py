"""Events of telemetry: recorded only while the switch is on, kept for some days, asked for with filters, page by page.

An event says which feature was used, how it ended and how long that took; never by whom, and never what an address
named. Feedback is an event too, with a switch of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from sqlalchemy import Select, bindparam, delete, insert, select, tuple_

from remit.accounts.access import Permission, require
from remit.accounts.telemetry import LONGEST_REASON, Switch, read_switches
from remit.accounts.telemetry_tables import TELEMETRY_EVENT
from remit.audit.entry import Entry, Result
from remit.kernel.action import Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, iso, micros_of
from remit.kernel.errors import Denied, InvalidInput
from remit.kernel.ids import new_id
from remit.kernel.ports import Journal, ReadTx, Row, Tx
from remit.settings import Settings

PAGE = 50
LONGEST_COMMENT = 2000
BEST = 5
DAY_US = 86_400_000_000
_BATCH = 2000  # deleted in one transaction, so that no other write waits long
_FOR_EVER = 1 << 62

_WRITE = insert(TELEMETRY_EVENT)
_OLD = (
    select(TELEMETRY_EVENT.c.id)
    .where(TELEMETRY_EVENT.c.workspace == bindparam("of"), TELEMETRY_EVENT.c.at_us < bindparam("before"))
    .order_by(TELEMETRY_EVENT.c.at_us, TELEMETRY_EVENT.c.id)
)
_ANY_OLD = _OLD.limit(1)
_DROP = delete(TELEMETRY_EVENT).where(
    TELEMETRY_EVENT.c.workspace == bindparam("of"),
    TELEMETRY_EVENT.c.id.in_(_OLD.limit(_BATCH).scalar_subquery()),
)


class Kind(StrEnum):
    """What an event is about."""

    FEATURE = "feature"
    ERROR = "error"
    FEEDBACK = "feedback"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        kind: What it is about: a feature that was used, one that ended in an error, what somebody said.
        surface: Where: ``api``, ``console``, ``cli`` or ``gateway``.
        name: Which feature: method and route, or a command's words without its arguments.
        outcome: The status of the answer, or the command's exit code.
        took_us: Microseconds until the answer began, or until the command or call ended; 0: nothing was measured.
        rating: 1 to 5; 0: none was given.
        comment: What somebody said; masked.
        at_us: When.
        times: How many alike it stands for; ``took_us`` is then their mean.
        id: A UUIDv7.
    """

    kind: Kind
    surface: str
    name: str
    outcome: str = ""
    took_us: int = 0
    rating: int = 0
    comment: str = ""
    at_us: int = 0
    times: int = 1
    id: str = field(default_factory=new_id)

    def as_json(self) -> dict[str, Json]:
        """A structured event; what it has not, it does not name."""
        told: dict[str, Json] = {"id": self.id, "at": iso(self.at_us), "kind": self.kind.value}
        told |= {"surface": self.surface, "name": self.name}
        more: dict[str, Json] = {"outcome": self.outcome, "rating": self.rating, "comment": self.comment}
        if self.times != 1:
            more["times"] = self.times
        if self.took_us:
            more["took_ms"] = round(self.took_us / 1000, 3)
        return told | {name: value for name, value in more.items() if value}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which events; empty is any. ``since_us`` and ``until_us`` bound their time."""

    kind: str = ""
    surface: str = ""
    name: str = ""
    outcome: str = ""
    since_us: int = 0
    until_us: int = _FOR_EVER

    def given(self) -> dict[str, str]:
        """What is asked for, by column."""
        told = {"kind": self.kind, "surface": self.surface, "name": self.name, "outcome": self.outcome}
        return {column: text for column, text in told.items() if text}


ANY = Asked()


def record(tx: Tx, workspace: str, event: Event, settings: Settings, *, since_us: int | None = None) -> bool:
    """Write an event, if its switch is on in this very transaction (and was at ``since_us``); whether it was."""
    which = Switch.FEEDBACK if event.kind is Kind.FEEDBACK else Switch.TELEMETRY
    switch = read_switches(tx, workspace, settings)[which]
    if not switch.on or (since_us is not None and switch.at_us > since_us):
        return False
    tx.execute(
        _WRITE,
        {
            "workspace": workspace,
            "id": event.id,
            "at_us": event.at_us,
            "kind": event.kind.value,
            "surface": event.surface,
            "name": event.name,
            "outcome": event.outcome,
            "took_us": event.took_us,
            "rating": event.rating,
            "comment": event.comment,
            "times": event.times,
        },
    )
    return True


def list_events(
    tx: ReadTx, workspace: str, asked: Asked = ANY, *, before: tuple[int, str] | None = None, limit: int = PAGE
) -> list[Event]:
    """Events, the newest first, by an index.

    Args:
        tx: A snapshot.
        workspace: Whose.
        asked: Which.
        before: Time and id of the last event of the page before.
        limit: How many at most.
    """
    at_us, name = before or (_FOR_EVER, "")
    values = {"of": workspace, "since": asked.since_us, "until": asked.until_us, "at": at_us, "last": name}
    values |= {"most": limit, **{f"only_{column}": text for column, text in asked.given().items()}}
    return [_event(row) for row in tx.rows(_page(frozenset(asked.given())), values)]


async def say(
    journal: Journal,
    comment: str,
    *,
    rating: int,
    about: str,
    surface: str,
    workspace: str,
    by: Principal,
    settings: Settings,
    clock: Clock,
    mask: Callable[[str], str],
) -> Event:
    """Keep what somebody says about Remit, masked and without their name.

    Raises:
        Refused: ``by`` may not even read the workspace.
        InvalidInput: No rating from 1 to 5, or a comment that is too long.
        Denied: Feedback is switched off.
    """
    if not 1 <= rating <= BEST:
        message = f"A rating is a number from 1 to {BEST}."
        raise InvalidInput(message, code="feedback.rating", hint=f"{BEST} is the best")
    if len(comment) > LONGEST_COMMENT:
        message = f"A comment has at most {LONGEST_COMMENT} characters."
        raise InvalidInput(message, code="feedback.comment", hint="say it shorter")
    event = Event(
        Kind.FEEDBACK,
        surface,
        about.strip()[:100] or "remit",
        rating=rating,
        comment=mask(comment.strip()),
        at_us=micros_of(clock.now()),
    )

    def op(tx: Tx) -> bool:
        require(tx, by, workspace=workspace, permission=Permission.READ)
        return record(tx, workspace, event, settings)

    if not await journal.commit("telemetry.event", op):
        message = "Feedback is switched off here, so nothing was kept."
        hint = "an administrator could: remit telemetry turn feedback on --reason WHY"
        raise Denied(message, code="telemetry.off", hint=hint)
    return event


async def forget(journal: Journal, *, workspace: str, reason: str, by: Principal) -> int:
    """Delete every recorded event; how many. On record.

    Raises:
        Refused: ``by`` may not administer.
        InvalidInput: No reason.
    """
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        message = f"Events are deleted with a reason of at most {LONGEST_REASON} characters."
        raise InvalidInput(message, code="forget.reason", hint="say why, for the audit log")
    entry = Entry(
        actor=by,
        action="accounts.telemetry.forgotten",
        domain="accounts",
        result=Result.SUCCESS,
        workspace=workspace,
        subject="telemetry",
    )

    def op(tx: Tx) -> int:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN)
        gone = tx.execute(_ALL, {"of": workspace})
        tx.append(entry, {"reason": reason.strip(), "events": gone})
        return gone

    return await journal.commit("telemetry.forget", op)


_ALL = delete(TELEMETRY_EVENT).where(TELEMETRY_EVENT.c.workspace == bindparam("of"))


async def prune(journal: Journal, workspace: str, *, now_us: int, days: int) -> int:
    """Delete what is older than so many days, a batch at a time; how many. Nothing due: no write."""
    values, gone = {"of": workspace, "before": now_us - days * DAY_US}, 0
    while await journal.read(lambda tx: tx.row(_ANY_OLD, values)) is not None:
        some = await journal.commit("telemetry.forget", lambda tx: tx.execute(_DROP, values))
        if not some:  # another process was quicker
            break
        gone += some
    return gone


@lru_cache(maxsize=32)
def _page(given: frozenset[str]) -> Select[*tuple[object, ...]]:
    table = TELEMETRY_EVENT.c
    return (
        select(TELEMETRY_EVENT)
        .where(
            table.workspace == bindparam("of"),
            table.at_us >= bindparam("since"),
            table.at_us < bindparam("until"),
            tuple_(table.at_us, table.id) < tuple_(bindparam("at"), bindparam("last")),
            *(table[column] == bindparam(f"only_{column}") for column in sorted(given)),
        )
        .order_by(table.at_us.desc(), table.id.desc())
        .limit(bindparam("most"))
    )


def _event(row: Row) -> Event:
    return Event(
        kind=Kind(row["kind"]),
        surface=row["surface"],
        name=row["name"],
        outcome=row["outcome"],
        took_us=row["took_us"],
        rating=row["rating"],
        comment=row["comment"],
        at_us=row["at_us"],
        times=row["times"],
        id=row["id"],
    )


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature in sums: how often it was used, how often it ended in an error, and its times in milliseconds."""

    name: str
    surface: str
    uses: int
    errors: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Day:
    """A day (UTC): its first moment, what was used, what of it ended in an error."""

    at_us: int
    uses: int
    errors: int


@dataclass(frozen=True, slots=True)
class Dashboard:
    """What the newest events say.

    Attributes:
        events: How many were read; ``more``: there are more in this time, and only the newest were.
        since_us: From when on.
        errors: How many ended in an error.
        features: By feature, the one used most first.
        days: Each day of the span, oldest first.
        ratings: How many gave one star, two … five.
    """

    events: int
    more: bool
    since_us: int
    errors: int
    features: tuple[Feature, ...]
    days: tuple[Day, ...]
    ratings: tuple[int, ...]


MOST_READ = 5000
_NEWEST = (
    select(
        *(TELEMETRY_EVENT.c[name] for name in ("at_us", "kind", "surface", "name", "took_us", "rating", "times")),
    )
    .where(TELEMETRY_EVENT.c.workspace == bindparam("of"), TELEMETRY_EVENT.c.at_us >= bindparam("since"))
    .order_by(TELEMETRY_EVENT.c.at_us.desc(), TELEMETRY_EVENT.c.id.desc())
    .limit(MOST_READ + 1)
)


def dashboard(tx: ReadTx, workspace: str, *, now_us: int, days: int = 7) -> Dashboard:
    """The last days in sums, from at most ``MOST_READ`` events: one statement."""
    first = now_us - now_us % DAY_US - (days - 1) * DAY_US
    rows = tx.rows(_NEWEST, {"of": workspace, "since": first})
    more, rows = len(rows) > MOST_READ, rows[:MOST_READ]
    by_feature: dict[tuple[str, str], list[Row]] = {}
    by_day = {first + place * DAY_US: [0, 0] for place in range(days)}
    ratings = [0] * BEST
    for row in rows:
        if row["kind"] == Kind.FEEDBACK:
            ratings[min(max(row["rating"], 1), BEST) - 1] += 1
            continue
        by_feature.setdefault((row["name"], row["surface"]), []).append(row)
        day = by_day.setdefault(row["at_us"] - row["at_us"] % DAY_US, [0, 0])
        day[0] += row["times"]
        day[1] += row["times"] * (row["kind"] == Kind.ERROR)
    features = [_feature(name, surface, some) for (name, surface), some in by_feature.items()]
    return Dashboard(
        events=len(rows),
        more=more,
        since_us=first,
        errors=sum(each.errors for each in features),
        features=tuple(sorted(features, key=lambda each: (-each.uses, each.name))),
        days=tuple(Day(at_us, uses, errors) for at_us, (uses, errors) in sorted(by_day.items())),
        ratings=tuple(ratings),
    )


def _feature(name: str, surface: str, rows: Sequence[Row]) -> Feature:
    took = sorted((row["took_us"] / 1000, int(row["times"])) for row in rows)
    uses = sum(times for _, times in took)
    errors = sum(row["times"] for row in rows if row["kind"] == Kind.ERROR)
    return Feature(name, surface, uses, errors, _at(took, uses, 0.5), _at(took, uses, 0.95))


def _at(took: Sequence[tuple[float, int]], uses: int, share: float) -> float:
    """A quantile by the nearest rank; each time counts as often as it was."""
    rank = min(uses - 1, int(share * uses))
    for each, times in took:
        rank -= times
        if rank < 0:
            return round(each, 1)
    return 0.0
