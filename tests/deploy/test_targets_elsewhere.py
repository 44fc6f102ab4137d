"""Where may be deployed to from the console and the API: in the folders that are named, and in nobody else's."""

from pathlib import Path

import pytest

from remit.accounts.owner import create_local_owner
from remit.adapters.store.keyfile import create_key
from remit.adapters.store.sqlite import SqliteStore
from remit.audit.refusal import Refused
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.missions.deploy_targets import Roots, require_target
from remit.missions.deployment_rows import Deployment, record_deployment

ADA = Principal(ActorKind.USER, "ada")


async def test_a_folder_of_another_workspace_is_neither_looked_at_nor_deployed_to(tmp_path: Path) -> None:
    """The difference to what is live there would show the other workspace's files."""
    roots = Roots(("/srv",), "/home/remit")
    theirs = Deployment("other", "a1", "m1", "", "/srv/theirs", "f1c2", "", "", "[]", "user:zoe", 1)
    ours = Deployment("acme", "a2", "m2", "", "/srv/ours", "f1c2", "", "", "[]", "user:ada", 1)
    keys = [create_key(tmp_path / "audit.key")]
    with SqliteStore(tmp_path / "x.db", keys, heads=tmp_path / "heads.log") as store:
        store.migrate()
        await create_local_owner(store, workspace="acme", user="ada", name="Ada", clock=SystemClock())
        for each in (theirs, ours):
            await store.commit("deploy.record", lambda tx, each=each: record_deployment(tx, each))
        for target, allowed in (("/srv/ours", True), ("/srv/new", True), ("/srv/theirs", False), ("/etc", False)):
            if allowed:
                store.view(lambda tx, to=target: require_target(tx, roots, to, by=ADA, workspace="acme"))
                continue
            with pytest.raises(Refused) as refused:
                store.view(lambda tx, to=target: require_target(tx, roots, to, by=ADA, workspace="acme"))
            assert refused.value.code == "deploy.root"
