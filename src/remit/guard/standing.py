"""Reading who may act: one snapshot for each workspace, at most 250 ms old, and no answer rather than an old one."""

from __future__ import annotations

from collections.abc import Callable

from remit.accounts.agents import read_agents
from remit.accounts.kills import read_kills
from remit.accounts.owner import read_owner
from remit.guard.budget_limits import read_overspent
from remit.guard.rate_limits import read_limits
from remit.guard.rules.revisions import InForce, in_force
from remit.guard.scene import Standing
from remit.guard.trials import read_unwell
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import IntegrityError
from remit.kernel.ports import Journal, ReadTx

OLDEST_S = 0.25
REFRESH_S = 0.15  # the first caller after this reads anew while the others still use what is known


def read_standing(tx: ReadTx, workspace: str, *, read_at: float, now_us: int) -> Standing:
    """The workspace's owner, agents, kills, overspent budgets, rates, rules and open circuits, in one snapshot."""
    owner = read_owner(tx, workspace)
    return Standing(
        owner=None if owner is None else owner.id,
        agents=read_agents(tx, workspace),
        kills=read_kills(tx, workspace),
        over=read_overspent(tx, workspace, now_us=now_us),
        limits=read_limits(tx, workspace),
        rules=_rules(tx, workspace),
        unwell=read_unwell(tx, workspace),
        read_at=read_at,
    )


def _rules(tx: ReadTx, workspace: str) -> InForce | None:
    try:
        return in_force(tx, workspace)
    except IntegrityError:  # damaged rules refuse by their own check, and say so; a lost store refuses everything
        return None


class Register:
    """The known standings. Ages count from before the read began."""

    def __init__(
        self, journal: Journal, clock: Clock, *, told: Callable[[str, Standing], None] = lambda _of, _standing: None
    ) -> None:
        self._told = told
        self._journal = journal
        self._clock = clock
        self._known: dict[str, Standing] = {}
        self._reading: set[str] = set()

    def fresh(self, workspace: str) -> Standing | None:
        """What is known, if it is fresh enough and nobody needs to read anew."""
        known = self._known.get(workspace)
        if known is None:
            return None
        age = self._clock.monotonic() - known.read_at
        if age <= REFRESH_S or (age <= OLDEST_S and workspace in self._reading):
            return known
        return None

    async def refresh(self, workspace: str) -> Standing:
        """Read anew.

        Raises:
            Exception: Whatever the journal raises; the caller refuses then.
        """
        self._reading.add(workspace)
        read_at, now_us = self._clock.monotonic(), micros_of(self._clock.now())
        try:
            standing = await self._journal.read(lambda tx: read_standing(tx, workspace, read_at=read_at, now_us=now_us))
        finally:
            self._reading.discard(workspace)
        known = self._known.get(workspace)
        if known is None or known.read_at <= read_at:
            self._known[workspace] = standing
        self._told(workspace, standing)
        return standing

    def age(self, workspace: str) -> float:
        """Seconds since the last good read began."""
        known = self._known.get(workspace)
        return float("inf") if known is None else self._clock.monotonic() - known.read_at
