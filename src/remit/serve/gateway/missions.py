"""Missions that a call may say it belongs to: those that go on for the person whom its key acts for."""

from __future__ import annotations

from collections import OrderedDict

from remit.accounts.keys import Key
from remit.kernel.errors import Denied, NotFound
from remit.kernel.ports import Journal
from remit.missions.rows import read_mission

MOST = 4096


class Missions:
    """Knows on whose behalf missions go; that never changes, so each is read once.

    Args:
        journal: Where missions are.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def check(self, key: Key, mission: str) -> None:
        """Refuse what would be counted, and stopped, with somebody else's mission.

        Raises:
            Denied: There is no such mission, or it is not for the person for whom the key acts.
        """
        which = (key.workspace, mission)
        originator = self._known.get(which)
        if originator is None:
            try:
                row = await self._journal.read(lambda tx: read_mission(tx, key.workspace, mission))
            except NotFound:
                originator = ""
            else:
                self._known[which] = originator = row.originator
                while len(self._known) > MOST:
                    self._known.popitem(last=False)
        if originator not in {str(key.on_behalf_of), key.owner}:
            told = f"There is no mission {mission} for {key.owner}, for whom the key {key.id!r} acts."
            raise Denied(told, code="gateway.mission", hint="remit missions")
