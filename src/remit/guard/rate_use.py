"""What is used of the limits in force, for those who look: one line for each bucket that is not full."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select

from remit.guard.gcra import Demand, level_of
from remit.guard.rate import spell
from remit.guard.rate_limits import FOREVER_US, Limit, Limits
from remit.guard.rate_store import NOW
from remit.guard.rate_tables import RATE
from remit.kernel.ports import ReadTx

_USED = (
    select(RATE.c.key, RATE.c.tat_us, NOW.label("at"))
    .where(RATE.c.workspace == bindparam("of"), RATE.c.tat_us > NOW)
    .order_by(RATE.c.key)
    .limit(1000)
)


@dataclass(frozen=True, slots=True)
class Use:
    """A bucket that is not full. ``used`` and ``remaining`` are in the limit's measure."""

    limit: Limit
    subject: str
    used: int
    remaining: int
    full_in_us: int

    @property
    def full_in(self) -> str:
        """When it is full again, for people."""
        return "never" if self.full_in_us >= FOREVER_US // 2 else spell(self.full_in_us / 1_000_000)


def read_use(tx: ReadTx, workspace: str, limits: Limits, *, now_us: int | None = None) -> list[Use]:
    """The buckets of limits in force that are not full, by name of the limit and sharer."""
    found: list[Use] = []
    for row in tx.rows(_USED, {"of": workspace, "now": now_us}):
        name, _, rest = str(row["key"]).partition("|")
        subject = rest.rpartition("|")[0]
        limit = limits.by_name.get(name)
        if limit is None or row["key"] != limit.bucket(subject):
            continue
        level = level_of(int(row["tat_us"]), int(row["at"]), Demand(row["key"], limit.unit_us, limit.units))
        left = level.remaining // limit.measure.units
        found.append(Use(limit, subject, (limit.burst or limit.amount) - left, left, level.full_in_us))
    return found
