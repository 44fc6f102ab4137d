"""How the deployments are: how long answers took lately, what part failed, where each one's circuit stands.

Every process counts what it sees in histograms, minute by minute, and writes each minute down once it is over. A
histogram's buckets grow by 2^(1/8) (9 % wide, so a percentile is off by at most 4.5 %), the same in every process and
minute: whatever is asked for, rows only have to be added.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import orjson
from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from remit.guard.breaker import Phase
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, iso, micros_of
from remit.kernel.ports import Journal, ReadTx, Tx
from remit.models.tables import HEALTH

MINUTE_US = 60_000_000
#: Minutes that a process remembers: what the router knows of latencies.
WINDOW = 15
#: Minutes that stay in the store: a day.
KEPT = 1440
_STEPS = 8  # buckets for each doubling
_FOLD = 256  # observations that wait to be counted
_MOST_TARGETS = 2048
_MOST_CODES = 20

_PUT = insert(HEALTH)
_SAVE = _PUT.on_conflict_do_update(
    index_elements=["workspace", "target", "minute_us", "process"],
    set_={name: _PUT.excluded[name] for name in ("calls", "errors", "body")},
)
_FORGET = delete(HEALTH).where(HEALTH.c.workspace == bindparam("of"), HEALTH.c.minute_us < bindparam("before"))
_SINCE = select(HEALTH).where(HEALTH.c.workspace == bindparam("of"), HEALTH.c.minute_us >= bindparam("since"))


@dataclass(slots=True)
class Cell:
    """Calls of one deployment in one span of time. ``first`` and ``total``: bucket → answers; ``codes``: → errors."""

    calls: int = 0
    errors: int = 0
    first: dict[int, int] = field(default_factory=dict[int, int])
    total: dict[int, int] = field(default_factory=dict[int, int])
    codes: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, other: Cell) -> None:
        """Count another's calls too."""
        self.calls += other.calls
        self.errors += other.errors
        for mine, theirs in ((self.first, other.first), (self.total, other.total)):
            for bucket, count in theirs.items():
                mine[bucket] = mine.get(bucket, 0) + count
        for code, count in other.codes.items():
            self._blame(code, count)

    def count(self, first_byte_s: float | None, total_s: float, error: str) -> None:
        """Count one call."""
        self.calls += 1
        if error:
            self.errors += 1
            self._blame(error, 1)
            return
        bucket = bucket_of(total_s)
        self.total[bucket] = self.total.get(bucket, 0) + 1
        if first_byte_s is not None:
            bucket = bucket_of(first_byte_s)
            self.first[bucket] = self.first.get(bucket, 0) + 1

    def _blame(self, code: str, count: int) -> None:
        known = code if code in self.codes or len(self.codes) < _MOST_CODES else "other"
        self.codes[known] = self.codes.get(known, 0) + count

    def body(self) -> str:
        """As JSON, for its row."""
        told = {
            "first": {str(bucket): count for bucket, count in self.first.items()},
            "total": {str(bucket): count for bucket, count in self.total.items()},
            "codes": self.codes,
        }
        return orjson.dumps(told).decode()


def read_cell(calls: int, errors: int, body: str) -> Cell:
    """The inverse of ``Cell.body``."""
    told = orjson.loads(body)
    first, total = ({int(bucket): int(count) for bucket, count in told[name].items()} for name in ("first", "total"))
    return Cell(calls, errors, first, total, {str(code): int(count) for code, count in told["codes"].items()})


def bucket_of(seconds: float) -> int:
    """The bucket of a duration; those under a millisecond share the first few."""
    return int(_STEPS * math.log2(seconds * 1000.0 + 1.0)) if seconds > 0 else 0


def percentile(buckets: Mapping[int, int], part: float) -> float | None:
    """Seconds within which so much of the answers came (0.95: of 100 the 95th); ``None`` without answers."""
    count = sum(buckets.values())
    if not count:
        return None
    rank = max(math.ceil(part * count), 1)
    for bucket in sorted(buckets):
        rank -= buckets[bucket]
        if rank <= 0:
            return (2 ** ((bucket + 0.5) / _STEPS) - 1.0) / 1000.0
    return None


@dataclass(frozen=True, slots=True)
class Standing:
    """How one deployment is. Seconds; ``None`` where nothing answered. ``phase``: of its circuit."""

    target: str
    calls: int
    errors: int
    first: tuple[float | None, float | None, float | None]
    total: tuple[float | None, float | None, float | None]
    codes: Mapping[str, int]
    last_us: int
    phase: Phase = Phase.CLOSED
    why: str = ""
    until_us: int | None = None

    @property
    def error_share(self) -> float:
        """Of 1."""
        return self.errors / self.calls if self.calls else 0.0

    def as_json(self) -> dict[str, Json]:
        """For ``remit models health --json``."""

        def spread(times: tuple[float | None, float | None, float | None]) -> dict[str, Json]:
            names = ("p50", "p95", "p99")
            return {name: None if each is None else round(each, 4) for name, each in zip(names, times, strict=True)}

        return {
            "target": self.target,
            "calls": self.calls,
            "errors": self.errors,
            "error_share": round(self.error_share, 4),
            "first_byte_s": spread(self.first),
            "total_s": spread(self.total),
            "codes": dict(self.codes),
            "last_minute": iso(self.last_us) if self.last_us else None,
            "circuit": self.phase.value,
            "why": self.why,
            "until": None if self.until_us is None else iso(self.until_us),
        }


def standing_of(target: str, cell: Cell, *, last_us: int) -> Standing:
    """A cell told as percentiles."""
    parts = (0.5, 0.95, 0.99)
    first, total = (
        (percentile(each, parts[0]), percentile(each, parts[1]), percentile(each, parts[2]))
        for each in (cell.first, cell.total)
    )
    return Standing(target, cell.calls, cell.errors, first, total, dict(cell.codes), last_us)


type _Seen = tuple[str, str, float | None, float, str, float]


class Health:
    """What one process saw. Any thread may call.

    Args:
        clock: Monotonic for what is counted here, wall for the minutes of rows.
        process: This process's name among those that write.
    """

    def __init__(self, clock: Clock, *, process: str) -> None:
        self._clock = clock
        self._process = process
        self._pending: list[_Seen] = []
        self._cells: dict[tuple[str, str], dict[int, Cell]] = {}
        self._typical: dict[tuple[str, str], float | None] = {}
        self._unwritten: set[tuple[str, str, int]] = set()
        self._lock = threading.Lock()
        self._offset_us = micros_of(clock.now()) - round(clock.monotonic() * 1_000_000)

    def observe(
        self, workspace: str, deployment: str, first_byte_s: float | None, total_s: float, error_code: str = ""
    ) -> None:
        """Count a call. Costs about a microsecond.

        Args:
            workspace: Whose.
            deployment: ``provider/model``.
            first_byte_s: Seconds from sending to the first byte of the answer.
            total_s: Seconds to its end.
            error_code: What it failed with; empty: it succeeded. A caller who went away is no failure.
        """
        pending = self._pending
        pending.append((workspace, deployment, first_byte_s, total_s, error_code, self._clock.monotonic()))
        if len(pending) >= _FOLD:
            self._fold()

    def latency(self, workspace: str, deployment: str) -> float | None:
        """Seconds to the first byte of half of the answers, lately; ``None``: not known. For the router.

        As of the last time that observations were counted: after 256 of them, or at each ``flush`` or ``standings``.
        """
        return self._typical.get((workspace, deployment))

    def standings(self, workspace: str) -> dict[str, Standing]:
        """What this process saw in its last 15 minutes, by ``provider/model``."""
        self._fold()
        with self._lock:
            found: dict[str, Standing] = {}
            for (of, target), minutes in self._cells.items():
                if of == workspace and minutes:
                    whole = Cell()
                    for cell in minutes.values():
                        whole.add(cell)
                    found[target] = standing_of(target, whole, last_us=max(minutes) * MINUTE_US)
        return found

    async def flush(self, journal: Journal, *, closing: bool = False) -> int:
        """Write the minutes that are over (``closing``: the running one too); how many rows.

        A minute that could not be written is written with the next ones, while it is remembered.
        """
        self._fold()
        now = self._minute(self._clock.monotonic())
        rows: list[dict[str, object]] = []
        with self._lock:
            due = [key for key in self._unwritten if closing or key[2] < now]
            for workspace, target, minute in due:
                cell = self._cells.get((workspace, target), {}).get(minute)
                if cell is not None:
                    row: dict[str, object] = {"workspace": workspace, "target": target, "minute_us": minute * MINUTE_US}
                    row |= {"process": self._process, "calls": cell.calls, "errors": cell.errors, "body": cell.body()}
                    rows.append(row)
        if not rows:
            return 0
        before = (now - KEPT) * MINUTE_US
        workspaces = sorted({str(row["workspace"]) for row in rows})

        def op(tx: Tx) -> None:
            tx.execute(_SAVE, rows)
            for workspace in workspaces:
                tx.execute(_FORGET, {"of": workspace, "before": before})

        await journal.commit("models.health", op)
        with self._lock:
            if not closing:
                self._unwritten.difference_update(due)
        return len(rows)

    def _minute(self, monotonic: float) -> int:
        return (round(monotonic * 1_000_000) + self._offset_us) // MINUTE_US

    def _fold(self) -> None:
        """Count what waits, and let go of what is too old."""
        with self._lock:
            pending, self._pending = self._pending, []
            touched: set[tuple[str, str]] = set()
            for workspace, target, first_byte_s, total_s, error, at in pending:
                key = (workspace, target)
                minutes = self._cells.get(key)
                if minutes is None:
                    if len(self._cells) >= _MOST_TARGETS:
                        continue
                    minutes = self._cells[key] = {}
                minute = self._minute(at)
                cell = minutes.get(minute)
                if cell is None:
                    cell = minutes[minute] = Cell()
                cell.count(first_byte_s, total_s, error)
                self._unwritten.add((workspace, target, minute))
                touched.add(key)
            self._expire(touched)

    def _expire(self, touched: Iterable[tuple[str, str]]) -> None:
        oldest = self._minute(self._clock.monotonic()) - WINDOW
        old = [key for key, minutes in self._cells.items() if min(minutes) <= oldest]
        for key in old:
            minutes = self._cells[key] = {at: cell for at, cell in self._cells[key].items() if at > oldest}
            if not minutes:
                del self._cells[key]
                self._typical.pop(key, None)
        if old:
            self._unwritten = {key for key in self._unwritten if key[2] > oldest}
        for key in {*touched, *old} & self._cells.keys():
            whole: dict[int, int] = {}
            for cell in self._cells[key].values():
                for bucket, count in cell.first.items():
                    whole[bucket] = whole.get(bucket, 0) + count
            self._typical[key] = percentile(whole, 0.5)


def read_health(tx: ReadTx, workspace: str, *, since_us: int) -> dict[str, Standing]:
    """What every process wrote down since then, by ``provider/model``."""
    cells: dict[str, Cell] = {}
    last: dict[str, int] = {}
    for row in tx.rows(_SINCE, {"of": workspace, "since": since_us}):
        target = row["target"]
        cells.setdefault(target, Cell()).add(read_cell(row["calls"], row["errors"], row["body"]))
        last[target] = max(last.get(target, 0), row["minute_us"])
    return {target: standing_of(target, cell, last_us=last[target]) for target, cell in cells.items()}
