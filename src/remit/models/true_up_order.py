"""The order to true up: calls on record are reckoned anew at the right price, and the difference is booked.

What was charged stays in its row. What it should have been stands beside it (``usage.correction_micros``), is counted
wherever the cost is, and moves the budgets of the period in which the call began. An entry of the audit log tells each
call's figures. Ordered again, with no price changed meanwhile, it changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import orjson
from sqlalchemy import and_, bindparam, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from remit.accounts.access import Permission, Resource, reading, require
from remit.accounts.budget_periods import HOUR_US, Period, start_of
from remit.accounts.budget_tables import USAGE, USAGE_HOUR
from remit.audit.entry import Entry, Result
from remit.guard.budget import correct
from remit.guard.budget_usage import payer_of_usage
from remit.guard.tables import ACTION
from remit.kernel.action import Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, iso, micros_of
from remit.kernel.effects import Model
from remit.kernel.money import ZERO, Money
from remit.kernel.ports import Journal, ReadTx, Row, Tx
from remit.models.catalogue import NO_TERMS, Catalogue, read_catalogue
from remit.models.prices import SERVICE
from remit.models.true_up import Difference, Used, exact

PAGE = 500  # calls that are read and reckoned at once
MOST = 200  # calls that one transaction corrects, and one entry tells
_FOR_EVER = 1 << 62

_CALLS = (
    select(USAGE, ACTION.c.target, ACTION.c.tries)
    .select_from(USAGE.outerjoin(ACTION, ACTION.c.id == USAGE.c.action))
    .where(
        USAGE.c.workspace == bindparam("of"),
        USAGE.c.kind == Model.trait.kind,
        USAGE.c.settled_us.is_not(None),
        USAGE.c.kept == 0,
        USAGE.c.tokens_in + USAGE.c.tokens_out > 0,
        USAGE.c.opened_us >= bindparam("since"),
        USAGE.c.opened_us < bindparam("until"),
        or_(
            USAGE.c.opened_us > bindparam("after_us"),
            and_(USAGE.c.opened_us == bindparam("after_us"), USAGE.c.action > bindparam("after")),
        ),
    )
    .order_by(USAGE.c.opened_us, USAGE.c.action)
    .limit(PAGE)
)
_CORRECT = (
    update(USAGE)
    .where(
        USAGE.c.action == bindparam("which"),
        USAGE.c.workspace == bindparam("of"),
        USAGE.c.correction_micros == bindparam("was"),
        or_(USAGE.c.corrected_us == bindparam("seen"), and_(USAGE.c.corrected_us.is_(None), bindparam("first") == 1)),
    )
    .values(correction_micros=bindparam("now"), corrected_us=bindparam("at"))
    .returning(USAGE.c.rolled)
)
_NEW = insert(USAGE_HOUR)
_MOVED = ("unpriced", "cost_micros", "tokens_micros", "correction_micros")
_MOVE = _NEW.on_conflict_do_update(
    index_elements=[column.name for column in USAGE_HOUR.primary_key],
    set_={name: USAGE_HOUR.c[name] + _NEW.excluded[name] for name in _MOVED},
)
_PARTIES = ("principal", "on_behalf_of", "mission", "kind", "provider", "model", "key")
_COUNTS = tuple(
    column.name for column in USAGE_HOUR.columns if column.name not in {"workspace", "hour_us", *_PARTIES, *_MOVED}
)


@dataclass(frozen=True, slots=True)
class Correction:
    """One call whose cost is not what it should be."""

    row: Row
    right: int

    @property
    def charged(self) -> int:
        """What counts now, in micros."""
        return int(self.row["cost_micros"] + self.row["correction_micros"])

    @property
    def more(self) -> int:
        """What it costs more, in micros."""
        return self.right - self.charged

    @property
    def was_unknown(self) -> bool:
        """Whether nobody knew its price so far."""
        return not self.row["priced"] and self.row["corrected_us"] is None


@dataclass(slots=True)
class TrueUp:
    """What was found, by model, and whether it was booked.

    Attributes:
        dry_run: Nothing was booked.
        looked: Calls that were reckoned anew.
        corrected: Calls whose cost was, or would be, corrected.
        unknown: Calls whose price still nobody knows.
        uncounted: Calls from before tokens written to a cache were counted, of models that bill them otherwise.
        models: Of each model whose calls were corrected, what they had been charged, and what they cost.
    """

    dry_run: bool
    looked: int = 0
    corrected: int = 0
    unknown: int = 0
    uncounted: int = 0
    models: dict[tuple[str, str], Difference] = field(default_factory=dict[tuple[str, str], Difference])

    @property
    def more(self) -> Money:
        """What was booked in all; below zero: less was spent than was thought."""
        return Money(-sum(each.over for each in self.models.values()))

    def as_json(self) -> dict[str, Json]:
        """For programs."""
        return {
            "dry_run": self.dry_run,
            "looked_at": self.looked,
            "corrected": self.corrected,
            "unknown_price": self.unknown,
            "uncounted": self.uncounted,
            "booked_usd": str(self.more.usd),
            "models": [each.as_json() for _, each in sorted(self.models.items())],
        }

    def add(self, each: Correction) -> None:
        """Count a correction in."""
        self.corrected += 1
        key = (each.row["provider"], each.row["model"])
        so_far = self.models.get(key, Difference(*key, 0, Money(), Money()))
        self.models[key] = replace(
            so_far,
            calls=so_far.calls + 1,
            charged=so_far.charged + Money(each.charged),
            exact=so_far.exact + Money(each.right),
        )


async def order_true_up(
    journal: Journal,
    *,
    workspace: str,
    by: Principal,
    clock: Clock,
    since_us: int,
    until_us: int | None = None,
    dry_run: bool = False,
) -> TrueUp:
    """Reckon the calls of a span anew at the price that is right now, and book what differs.

    The right price is the workspace's own, where it has set one, else the published one of the moment of the call. Each
    call is corrected once, whoever else orders the same at the same time. What was booked before a fault stays booked,
    and on record; ordered again, the rest follows.

    Args:
        journal: Where they stand.
        workspace: Whose calls.
        by: Who orders it.
        clock: What time it is.
        since_us: Calls that began then or later.
        until_us: Calls that began before; ``None``: all since.
        dry_run: Only tell.

    Raises:
        Refused: ``by`` is an agent, or a person who may not administer budgets.
    """
    found = TrueUp(dry_run)
    until = _FOR_EVER if until_us is None else until_us

    def catalogue(tx: ReadTx) -> Catalogue:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.BUDGET)
        return read_catalogue(tx, workspace)

    known = await reading(journal, catalogue)
    place: dict[str, object] = {"after_us": -1, "after": ""}
    while True:
        values = {"of": workspace, "since": since_us, "until": until, **place}
        rows = await journal.read(lambda tx, values=values: tx.rows(_CALLS, values))
        wrong = await asyncio.to_thread(_reckon, rows, known, found)
        for some in _batches(wrong):
            booked = some if dry_run else await _book(journal, some, workspace=workspace, by=by, clock=clock)
            for each in booked:
                found.add(each)
        if len(rows) < PAGE:
            return found
        place = {"after_us": rows[-1]["opened_us"], "after": rows[-1]["action"]}


def _reckon(rows: Iterable[Row], known: Catalogue, found: TrueUp) -> list[Correction]:
    """Those of the calls whose cost is not what it should be; the others are counted in ``found``."""
    wrong: list[Correction] = []
    for row in rows:
        found.looked += 1
        right = _right(row, known)
        if right is None:
            found.unknown += 1
        elif right < 0:
            found.uncounted += 1
        else:
            each = Correction(row, right)
            # Each try was rounded up by itself; more than that is no rounding.
            rounding = max(int(row["tries"] or 1) - 1, 0)
            if abs(each.more) > rounding or each.was_unknown:
                wrong.append(each)
    return wrong


def _right(row: Row, known: Catalogue) -> int | None:
    """What a call costs, in micros; ``None``: nobody knows; below zero: nobody counted what it is billed by."""
    provider, model = row["provider"], row["model"]
    asked, _, name = str(row["target"] or "").partition("/")
    if asked == provider and name:  # as it was charged: by the model that was asked, not as the answer names it
        model = name
    there = known.providers.get(provider)
    if there is None:
        return None
    terms: dict[str, Json] = orjson.loads(row["terms"]) if row["terms"] else {}
    service = str(terms.get("service", ""))
    at = (provider, model)
    own = known.prices.get(at)
    if service and (own is None or not own.free):
        own = known.terms.get(at, NO_TERMS).get(f"{SERVICE}:{service}")
    shares = ("tokens_micros", "gpu_micros", "storage_micros", "network_micros")
    used = Used(
        there.kind.value,
        provider,
        model,
        there.base_url,
        row["opened_us"],
        row["tokens_in"],
        row["tokens_out"],
        cached_in=row["tokens_cached"],
        cache_write=row["tokens_cache_write"] or 0,
        own=own,
        service=service,
        raised=bool(terms.get("raised")),
        fees=Money(max(row["cost_micros"] - sum(row[name] for name in shares), 0)) if "tools" in terms else ZERO,
    )
    right = exact(used)
    if right is not None and row["tokens_cache_write"] is None:
        most = max(used.tokens_in - used.cached_in, 0)
        if exact(replace(used, cache_write=most)) != right:
            return -1
    return right


def _batches(wrong: Sequence[Correction]) -> Iterable[list[Correction]]:
    """Calls of the same payers and day together: what moves the same counters, in one order of locks."""
    groups: dict[tuple[object, ...], list[Correction]] = {}
    for each in wrong:
        row = each.row
        payers = (row["principal"], row["on_behalf_of"], row["mission"], row["key"])
        groups.setdefault((*payers, start_of(Period.DAY, row["opened_us"])), []).append(each)
    for group in groups.values():
        for begun in range(0, len(group), MOST):
            yield group[begun : begun + MOST]


async def _book(
    journal: Journal, some: Sequence[Correction], *, workspace: str, by: Principal, clock: Clock
) -> list[Correction]:
    """Correct calls of the same payers and day in one transaction; those that nobody else corrected meanwhile."""

    def op(tx: Tx) -> list[Correction]:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.BUDGET)
        now_us = micros_of(clock.now())
        done: list[Correction] = []
        hours: dict[tuple[object, ...], dict[str, int]] = {}
        for each in some:
            row = each.row
            values = {
                "which": row["action"],
                "of": workspace,
                "was": row["correction_micros"],
                "now": row["correction_micros"] + each.more,
                "seen": -1 if row["corrected_us"] is None else row["corrected_us"],
                "first": int(row["corrected_us"] is None),
                "at": now_us,
            }
            taken = tx.row(_CORRECT, values)
            if taken is None:
                continue
            done.append(each)
            if taken["rolled"]:
                hour = row["opened_us"] - row["opened_us"] % HOUR_US
                sums = hours.setdefault((hour, *(row[name] for name in _PARTIES)), dict.fromkeys(_MOVED, 0))
                sums["unpriced"] -= int(each.was_unknown)
                for name in _MOVED[1:]:
                    sums[name] += each.more
        names = ("hour_us", *_PARTIES)
        for key in sorted(hours, key=str):  # rows are locked in one order everywhere
            parties = dict(zip(names, key, strict=True))
            tx.execute(_MOVE, {"workspace": workspace, **parties, **dict.fromkeys(_COUNTS, 0), **hours[key]})
        if done:
            more, first = sum(each.more for each in done), done[0].row
            correct(tx, payer_of_usage(first), more=more, by=by, opened_us=first["opened_us"], now_us=now_us)
            tx.append(_entry(first, workspace, by), _told(done, more))
        return done

    return await journal.commit("guard.budget", op)


def _entry(row: Row, workspace: str, by: Principal) -> Entry:
    return Entry(
        actor=by,
        action="models.trued_up",
        domain="models",
        result=Result.SUCCESS,
        workspace=workspace,
        subject=str(row["key"] or row["principal"]),
        mission=row["mission"],
    )


def _told(done: Sequence[Correction], more: int) -> dict[str, Json]:
    return {
        "day": iso(done[0].row["opened_us"])[:10],
        "booked_micros": more,
        "calls": [
            {
                "action": each.row["action"],
                "model": f"{each.row['provider']}/{each.row['model']}",
                "charged_micros": each.charged,
                "right_micros": each.right,
            }
            for each in done
        ],
    }
