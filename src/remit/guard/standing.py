"""Reading who may act: one snapshot for each workspace, at most 250 ms old, and no answer rather than an old one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sqlalchemy import bindparam, select

from remit.accounts.access import ACTIVE
from remit.accounts.agents import read_agents
from remit.accounts.break_glass import read_open
from remit.accounts.cedar_revisions import read_policies
from remit.accounts.gateway_policy import read_gateway
from remit.accounts.kills import read_stops
from remit.accounts.people import read_people
from remit.accounts.roles import Role
from remit.accounts.shared_reads import SharedReads
from remit.accounts.tables import WORKSPACE
from remit.guard.budget_limits import read_overspent
from remit.guard.rate_limits import read_limits
from remit.guard.rules.revisions import InForce, in_force
from remit.guard.scene import Person, Standing
from remit.guard.secrets_rules import read_in_force
from remit.guard.trials import read_unwell
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import IntegrityError
from remit.kernel.ports import Journal, ReadTx

OLDEST_S = 0.25
REFRESH_S = 0.1  # the first caller after this has it read anew; what is known serves meanwhile
YOUNG_S = 0.15  # who finds nothing fresh waits for a read that is under way, if it began at most so long ago


_OWNING = select(WORKSPACE.c.team).where(WORKSPACE.c.workspace == bindparam("of"))


def read_standing(tx: ReadTx, workspace: str, *, read_at: float, now_us: int) -> Standing:
    """The workspace's people, agents, stops, rules, policies, grants, spent budgets, open circuits: one snapshot."""
    kills, pauses = read_stops(tx, workspace)
    owner, people = _people(tx, workspace)
    return Standing(
        owner=owner,
        people=people,
        agents=read_agents(tx, workspace),
        kills=kills,
        pauses=pauses,
        policies=read_policies(tx, workspace),
        grants=read_open(tx, workspace, now_us=now_us),
        over=read_overspent(tx, workspace, now_us=now_us),
        limits=read_limits(tx, workspace),
        secrets=read_in_force(tx, workspace),
        gateway=read_gateway(tx, workspace),
        rules=_rules(tx, workspace),
        unwell=read_unwell(tx, workspace),
        read_at=read_at,
    )


def _people(tx: ReadTx, workspace: str) -> tuple[str | None, dict[str, Person]]:
    """An owner, and everybody who has rights: by their role, or in a team. The owning team's count everywhere."""
    row = tx.row(_OWNING, {"of": workspace})
    owning = "" if row is None else row["team"]
    owner: str | None = None
    people: dict[str, Person] = {}
    for one in read_people(tx, workspace).values():
        if one.status != ACTIVE or not (one.rights or any(one.teams.values())):
            continue
        owner = owner or (one.id if one.role is Role.OWNER else None)
        role = one.role.value if one.role else ""
        rights = one.rights | (one.teams.get(owning, 0) if owning else 0)
        people[one.id] = Person(rights, one.teams, role, one.granted, one.revoked)
    return owner, people


def _rules(tx: ReadTx, workspace: str) -> InForce | None:
    try:
        return in_force(tx, workspace)
    except IntegrityError:  # damaged rules refuse by their own check, and say so; a lost store refuses everything
        return None


class Register:
    """The known standings, each read once for all who ask at once. Ages count from before the read began."""

    def __init__(
        self, journal: Journal, clock: Clock, *, told: Callable[[str, Standing], None] = lambda _of, _standing: None
    ) -> None:
        self._told = told
        self._journal = journal
        self._clock = clock
        self._known: dict[str, Standing] = {}
        self._reads: SharedReads[Standing] = SharedReads(clock, young_s=YOUNG_S)

    def fresh(self, workspace: str) -> Standing | None:
        """What is known, if it is not too old; it is read ahead of need, so that who asks on and on never waits.

        To be called in an event loop.
        """
        known = self._known.get(workspace)
        if known is None:
            return None
        age = self._clock.monotonic() - known.read_at
        if age <= REFRESH_S:
            return known
        if age <= OLDEST_S:
            self._reads.begin(workspace, partial(self._read, workspace))
            return known
        return None

    async def current(self, workspace: str) -> Standing:
        """What is known, if it is fresh enough; else what a read tells that began at most ``YOUNG_S`` ago.

        Raises:
            Exception: Whatever the journal raises; the caller refuses then.
        """
        return self.fresh(workspace) or await self._reads.read(workspace, partial(self._read, workspace))

    def known(self, workspace: str) -> Standing | None:
        """What was read last, however long ago that is."""
        return self._known.get(workspace)

    async def refresh(self, workspace: str) -> Standing:
        """Read anew, from now on: what was committed before is seen.

        Raises:
            Exception: Whatever the journal raises; the caller refuses then.
        """
        return await self._read(workspace, self._clock.monotonic())

    async def _read(self, workspace: str, read_at: float) -> Standing:
        now_us = micros_of(self._clock.now())
        standing = await self._journal.read(lambda tx: read_standing(tx, workspace, read_at=read_at, now_us=now_us))
        known = self._known.get(workspace)
        if known is None or known.read_at <= read_at:
            self._known[workspace] = standing
        self._told(workspace, standing)
        return standing

    async def catch_up(self, workspace: str) -> bool:
        """Read anew what is older than a check may use; whether it was.

        Raises:
            Exception: As ``refresh``.
        """
        if self.fresh(workspace) is not None:
            return False
        await self.refresh(workspace)
        return True

    def age(self, workspace: str) -> float:
        """Seconds since the last good read began."""
        known = self._known.get(workspace)
        return float("inf") if known is None else self._clock.monotonic() - known.read_at
