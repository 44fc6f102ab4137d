"""Places to deploy to, as they come over the network: made plain, and held to the folders that the settings name."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from remit.accounts.access import reading
from remit.accounts.roles import Permission
from remit.bootstrap import Runtime
from remit.kernel.action import Principal
from remit.kernel.errors import InvalidInput
from remit.missions.deploy_targets import Roots, require_target
from remit.settings import Settings, folders_of

MOST_OFFERED = 100


def place_of(target: str) -> str:
    """A folder as deployments know it: absolute, parents resolved, its own last name as given.

    Raises:
        InvalidInput: It is not absolute: a server's own folder means nothing to who asks.
    """
    if not os.path.isabs(target) or "\0" in target:  # noqa: PTH117 - text, not a file
        message = "The target must be an absolute folder on the server."
        raise InvalidInput(message, code="deploy.target", place="target", hint="such as /srv/app")
    head, tail = os.path.split(os.path.abspath(target))  # noqa: PTH100 - the last part must not be resolved
    return os.path.join(os.path.realpath(head), tail)  # noqa: PTH118 - as above


def roots_of(settings: Settings, workspace: str) -> Roots:
    """The folders that a workspace may deploy to from elsewhere; links on the way to them are followed.

    A folder that names workspaces is theirs alone, also where another entry would open it to all.
    """
    named = [
        (of, os.path.realpath(folder))
        for of, folder in folders_of(settings.deploy_roots)
        if os.path.isabs(folder)  # noqa: PTH117 - text
    ]
    mine = {folder for of, folder in named if of == workspace}
    closed = {folder for of, folder in named if of not in {"", workspace}} - mine
    open_ = [folder for of, folder in named if of in {"", workspace} and folder not in closed]
    return Roots(tuple(dict.fromkeys(open_)), os.path.realpath(settings.home), tuple(sorted(closed)))


async def held_to(
    runtime: Runtime, place: str, *, by: Principal, workspace: str, permission: Permission = Permission.WRITE
) -> None:
    """Refuse, on record, a place that the settings do not open, and whoever may not.

    Raises:
        Denied: As ``missions.deploy_targets.require_target``.
    """
    roots = roots_of(runtime.settings, workspace)
    await reading(
        runtime.store,
        lambda tx: require_target(tx, roots, place, by=by, workspace=workspace, permission=permission),
    )


def offered(roots: Roots) -> list[str]:
    """The folders to choose from: those in the roots (else a root itself), a hundred at most, in order."""
    found: list[str] = []
    for root in roots.folders:
        inner: list[str] = []
        with suppress(OSError), os.scandir(root) as entries:
            inner = [each.path for each in entries if each.is_dir(follow_symlinks=False) and each.name[:1] != "."]
        # A folder that is deployed to itself holds releases; what lies in it is no target.
        itself = Path(root, "releases") in map(Path, inner) or not inner
        found += [root] if itself else inner
    return sorted(place for place in set(found) if roots.hold(place))[:MOST_OFFERED]
