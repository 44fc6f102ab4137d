"""Where somebody who is not at this machine may deploy to: folders that its owner has named, and those below them.

The command line is given by somebody who has the machine anyway; what comes over the console or the API is only text.
So it is held to the setting ``deploy_roots``, and without one nothing can be deployed from there. A folder that another
workspace has deployed to is that one's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from remit.accounts.access import refuse, require
from remit.accounts.roles import Permission, Resource
from remit.kernel.action import Principal
from remit.kernel.ports import ReadTx
from remit.missions.deployment_rows import is_elsewhere

HINT = "name it, or the folder it lies in, in the settings of this machine: REMIT_DEPLOY_ROOTS=/srv remit up"


@dataclass(frozen=True, slots=True)
class Roots:
    """The folders that may be deployed to from elsewhere.

    Attributes:
        folders: Absolute, with every link resolved: those of this workspace, and those of any.
        home: Remit's own folder, resolved: never a target, nor is what lies in it or what it lies in.
        closed: Those that are other workspaces' alone. Of two folders that a target lies in the inner one counts.
    """

    folders: Sequence[str]
    home: str
    closed: Sequence[str] = ()

    def hold(self, target: str) -> bool:
        """Whether a target, absolute and with its parents resolved, is one of the folders or below one.

        Nothing that is another workspace's, lies in it, or holds it.
        """
        place, home = PurePosixPath(target), PurePosixPath(self.home)
        if not place.is_absolute() or ".." in place.parts:
            return False
        if place.is_relative_to(home) or home.is_relative_to(place):
            return False
        if any(PurePosixPath(root).is_relative_to(place) for root in self.closed):
            return False
        return _depth(place, self.folders) > _depth(place, self.closed)


def _depth(place: PurePosixPath, roots: Sequence[str]) -> int:
    """How deep the innermost of the folders is that a place is, or lies in; 0: it is in none."""
    held = (PurePosixPath(root) for root in roots)
    return max((len(root.parts) for root in held if place.is_relative_to(root)), default=0)


def require_target(
    tx: ReadTx,
    roots: Roots,
    target: str,
    *,
    by: Principal,
    workspace: str,
    permission: Permission = Permission.WRITE,
) -> None:
    """Refuse, on record, whoever may not, any target outside the roots, and one of another workspace.

    Looking is refused as well: the difference to what is live there would show another workspace's files.

    Raises:
        Refused: By rights, or because the target is in none of the folders, or another workspace's (``deploy.root``).
    """
    require(tx, by, workspace=workspace, permission=permission, resource=Resource.MISSION)
    free = not is_elsewhere(tx, workspace, target)
    if free and roots.hold(target):
        return
    named = ", ".join(roots.folders)
    why = (
        f"only to these and what lies in them: {named}"
        if named
        else "to nowhere: the setting deploy_roots names no folder for this workspace"
    )
    if not free:
        why = "another workspace has deployed to it"
    message = f"From the console and the API {target[:200]} can't be deployed to; {why}."
    refuse(
        by,
        message,
        workspace=workspace,
        subject="deploy",
        code="deploy.root",
        hint=HINT,
        permission=permission.value,
        resource=Resource.MISSION.value,
        target=target[:200],
    )
