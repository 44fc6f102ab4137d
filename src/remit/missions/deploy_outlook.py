"""What is known of bringing a mission to a place: what critics say of its tree, who was asked, what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from remit.guard.approval_listing import ALL, Summary, Wanted, list_requests
from remit.guard.approval_rows import Request, read_request
from remit.guard.evidence import Evidence, standing
from remit.kernel.effects import Deploy
from remit.kernel.ports import ReadTx
from remit.missions.deployment_rows import Stood, deployments_at, deployments_of
from remit.missions.detail import Asked, read_actions
from remit.missions.rows import MissionRow, read_mission

#: What the shipped rules want to be known of a tree before it is deployed (POL-2), in the order it is told.
WANTED = ("tests", "security", "secrets", "smoke", "review")
_REQUESTS = 20


@dataclass(frozen=True, slots=True)
class Outlook:
    """A mission and a place, in one snapshot.

    Attributes:
        mission: The mission.
        evidence: What stands about its tree, what is wanted first.
        missing: What is wanted and nobody has said.
        request: The newest request for bringing it there that is undecided or approved and not used; else the newest.
        request_state: Where that stands: ``pending``, ``approved``, ``used``, ``denied`` ...
        asked: Its deploy actions, newest first, with what came of them.
        there: What was deployed to the place, newest first; nothing without a place.
        elsewhere: What was deployed of the mission, wherever, newest first.
    """

    mission: MissionRow
    evidence: tuple[Evidence, ...]
    missing: tuple[str, ...]
    request: Request | None
    request_state: str
    asked: tuple[Asked, ...]
    there: tuple[Stood, ...]
    elsewhere: tuple[Stood, ...]


def read_outlook(tx: ReadTx, workspace: str, mission: str, target: str, *, now_us: int) -> Outlook:
    """Eight statements at most, for whoever may read missions.

    Raises:
        NotFound: There is no such mission.
    """
    row = read_mission(tx, workspace, mission)
    held = standing(tx, workspace, mission, row.tree) if row.tree else {}
    known = sorted(held.values(), key=lambda each: (_rank(each.critic), each.critic))
    wanted = Wanted(state=ALL, kind=Deploy.trait.kind, mission=mission)
    found = list_requests(tx, workspace, wanted, now_us=now_us, after=None, limit=_REQUESTS).requests
    about = [each for each in found if each.target == target]
    newest = next((each for each in about if _may_lead(each, now_us)), about[0] if about else None)
    request = read_request(tx, workspace, newest.id) if newest is not None else None
    return Outlook(
        mission=row,
        evidence=tuple(known),
        missing=tuple(word for word in WANTED if word not in held),
        request=request,
        request_state=request.state(now_us) if request is not None else "",
        asked=tuple(each for each in read_actions(tx, workspace, mission) if each.kind == Deploy.trait.kind),
        there=tuple(deployments_at(tx, workspace, target)) if target else (),
        elsewhere=tuple(deployments_of(tx, workspace, mission)),
    )


def _may_lead(request: Summary, now_us: int) -> bool:
    return request.state(now_us) in {"pending", "approved"}


def _rank(critic: str) -> int:
    return WANTED.index(critic) if critic in WANTED else len(WANTED)
