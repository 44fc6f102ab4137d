"""How providers and their models are: what is listed, how answers came lately, whose circuit is open, what was used.

All of it is read in one snapshot, in a fixed number of statements; health is kept for a day (``models.health``).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, select

from remit.guard.breaker import Phase
from remit.guard.breakers import Order, move
from remit.guard.budget_rollup import By, Used, usage_by
from remit.guard.overview import Unwell, unwell
from remit.guard.trials import FOREVER_US
from remit.kernel.action import Principal
from remit.kernel.clock import Clock
from remit.kernel.errors import Conflict
from remit.kernel.ports import Journal, ReadTx
from remit.models.catalogue import Catalogue, Provider, read_catalogue
from remit.models.health import MINUTE_US, Cell, Standing, percentile, read_cell, standing_of
from remit.models.prices import Rates
from remit.models.router import Route, Router, Want
from remit.models.tables import HEALTH

#: How far back the health of models can be looked at, in minutes.
LONGEST = 1440
#: Points of a history.
POINTS = 48
_KIND = "model"
_ROWS = select(HEALTH).where(HEALTH.c.workspace == bindparam("of"), HEALTH.c.minute_us >= bindparam("since"))


@dataclass(frozen=True, slots=True)
class Point:
    """A stretch of time: calls, errors, and seconds to the end of an answer; ``None``: nothing answered."""

    calls: int
    errors: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class ProviderStanding:
    """A provider, and how its models were together."""

    provider: Provider
    health: Standing
    open_circuits: int


@dataclass(frozen=True, slots=True)
class Standings:
    """The catalogue with how everything in it is.

    Attributes:
        catalogue: What is listed.
        providers: Each with its models' figures together, by name.
        health: By ``provider/model``: those that were asked, or whose circuit isn't closed.
        history: By ``provider/model``: points of equal length, the oldest first.
        circuits: Those of models that aren't closed; one circuit is of an operation, ``provider/model#embeddings``.
        used: By ``provider/model``: what was used in the same time, from the full hour on.
    """

    catalogue: Catalogue
    providers: Sequence[ProviderStanding]
    health: Mapping[str, Standing]
    history: Mapping[str, Sequence[Point]]
    circuits: Sequence[Unwell]
    used: Mapping[str, Used]


def standings(tx: ReadTx, workspace: str, *, rates: Rates | None, minutes: int, now_us: int) -> Standings:
    """How everything is, by the last ``minutes`` (1 to 1440).

    Args:
        tx: A snapshot.
        workspace: Whose.
        rates: Published prices; ``None``: only the workspace's own.
        minutes: How far back.
        now_us: Now.
    """
    since_us = now_us - minutes * MINUTE_US
    catalogue = read_catalogue(tx, workspace, rates=rates)
    cells: dict[str, Cell] = {}
    last: dict[str, int] = {}
    spans: dict[str, dict[int, Cell]] = {}
    step = max(minutes * MINUTE_US // POINTS, MINUTE_US)
    for row in tx.rows(_ROWS, {"of": workspace, "since": since_us}):
        target, at = row["target"], row["minute_us"]
        cell = read_cell(row["calls"], row["errors"], row["body"])
        cells.setdefault(target, Cell()).add(cell)
        spans.setdefault(target, {}).setdefault((at - since_us) // step, Cell()).add(cell)
        last[target] = max(last.get(target, 0), at)
    circuits = [each for each in unwell(tx, workspace) if each.kind == _KIND]
    found = {target: standing_of(target, cell, last_us=last[target]) for target, cell in cells.items()}
    for each in circuits:
        target = target_of(each.operation)
        known = found.get(target) or standing_of(target, Cell(), last_us=0)
        found[target] = replace(known, phase=Phase(each.phase), why=each.why, until_us=until_of(each))
    points = -(-minutes * MINUTE_US // step)
    return Standings(
        catalogue,
        [_provider(each, cells, last, circuits) for _, each in sorted(catalogue.providers.items())],
        dict(sorted(found.items())),
        {target: [_point(mine.get(place)) for place in range(points)] for target, mine in spans.items()},
        circuits,
        {used.key: used for used in usage_by(tx, workspace, by=By.MODEL, since_us=since_us)},
    )


def explain(found: Standings, want: Want, *, now_us: int) -> Route:
    """Who would be asked, in which order, and why; asks nobody.

    Raises:
        NotFound, Denied, InvalidInput, BudgetExceeded, Unavailable: As ``models.router``: nobody would be asked.
    """

    def refuses(_workspace: str, target: str) -> bool:
        known = found.health.get(target)
        return known is not None and known.phase is Phase.OPEN and (known.until_us is None or known.until_us > now_us)

    def latency(_workspace: str, target: str) -> float | None:
        known = found.health.get(target)
        return None if known is None else known.first[0]

    router = Router(refuses=refuses, latency=latency, rand=random.Random(0).random)  # noqa: S311 - a look, no secret
    return router.route(found.catalogue, want)


async def close_circuits(
    journal: Journal, target: str, *, workspace: str, reason: str, by: Principal, clock: Clock
) -> tuple[str, ...]:
    """Let calls of ``provider/model`` go through again, in every process within 250 ms; the operations' names. Audited.

    Raises:
        InvalidInput: No reason.
        Refused: ``by`` has no permission to administer.
        NotFound: No circuit of it ever opened.
        Conflict: None of them is open.
    """
    found = await journal.read(lambda tx: unwell(tx, workspace))
    stuck = tuple(each.operation for each in found if each.kind == _KIND and target_of(each.operation) == target)
    # Ordered without any that is open too: the order itself says who may, and why it changes nothing.
    for operation in stuck or (target,):
        try:
            order = Order(workspace, _KIND, operation)
            await move(journal, order, opened=False, reason=reason, by=by, clock=clock)
        except Conflict:
            if len(stuck) <= 1:  # of several, another process may have closed one meanwhile
                raise
    return stuck


def until_of(circuit: Unwell) -> int | None:
    """When it may be tried; ``None``: not before somebody resets it."""
    return circuit.until_us if 0 < circuit.until_us < FOREVER_US else None


def target_of(operation: str) -> str:
    """``provider/model`` of a circuit's operation."""
    return operation.partition("#")[0]


def _provider(
    provider: Provider, cells: Mapping[str, Cell], last: Mapping[str, int], circuits: Sequence[Unwell]
) -> ProviderStanding:
    begins, whole, newest = f"{provider.name}/", Cell(), 0
    for target, cell in cells.items():
        if target.startswith(begins):
            whole.add(cell)
            newest = max(newest, last[target])
    opened = sum(each.operation.startswith(begins) for each in circuits)
    return ProviderStanding(provider, standing_of(provider.name, whole, last_us=newest), opened)


def _point(cell: Cell | None) -> Point:
    if cell is None:
        return Point(0, 0, None, None)
    return Point(cell.calls, cell.errors, percentile(cell.total, 0.5), percentile(cell.total, 0.95))
