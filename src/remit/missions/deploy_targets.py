"""Where somebody who is not at this machine may deploy to: folders that its owner has named, and those below them.

The command line is given by somebody who has the machine anyway; what comes over the console or the API is only text.
So it is held to the setting ``deploy_roots``, and without one nothing can be deployed from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from remit.accounts.access import refuse, require
from remit.accounts.roles import Permission, Resource
from remit.kernel.action import Principal
from remit.kernel.ports import ReadTx

HINT = "name it, or the folder it lies in, in the settings of this machine: REMIT_DEPLOY_ROOTS=/srv remit up"


@dataclass(frozen=True, slots=True)
class Roots:
    """The folders that may be deployed to from elsewhere.

    Attributes:
        folders: Absolute, with every link resolved.
        home: Remit's own folder, resolved: never a target, nor is what lies in it or what it lies in.
    """

    folders: Sequence[str]
    home: str

    def hold(self, target: str) -> bool:
        """Whether a target, absolute and with its parents resolved, is one of the folders or below one."""
        place, home = PurePosixPath(target), PurePosixPath(self.home)
        if not place.is_absolute() or ".." in place.parts:
            return False
        if place.is_relative_to(home) or home.is_relative_to(place):
            return False
        return any(place.is_relative_to(root) for root in self.folders)


def require_target(
    tx: ReadTx,
    roots: Roots,
    target: str,
    *,
    by: Principal,
    workspace: str,
    permission: Permission = Permission.WRITE,
) -> None:
    """Refuse, on record, whoever may not, and any target outside the roots.

    Raises:
        Refused: By rights, or because the target is in none of the folders (``deploy.root``).
    """
    require(tx, by, workspace=workspace, permission=permission, resource=Resource.MISSION)
    if roots.hold(target):
        return
    named = ", ".join(roots.folders)
    why = f"only to these and what lies in them: {named}" if named else "to nowhere: the setting deploy_roots is empty"
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
