"""What an action says it is about is erased with that person, and the log still verifies."""

from dataclasses import replace
from pathlib import Path

from remit.accounts.access import Permission, require
from remit.adapters.store import open_store
from remit.kernel.effects import Tool

from .fakes import OWNER, WORKSPACE, act, make_world


async def test_an_action_about_a_customer_is_erased_with_the_customer(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        world = await make_world(store)
        kept = act(Tool("mail", {"text": "hello"}))
        gone = replace(act(Tool("mail", {"text": "about 42"})), about="customer-42")
        await world.guard.run(kept)
        await world.guard.run(gone)
        await world.settled()
        erased, _ = store.erase(
            "customer-42",
            workspace=WORKSPACE,
            by=OWNER,
            reason="asked_for",
            allow=lambda tx: require(tx, OWNER, workspace=WORKSPACE, permission=Permission.ADMIN),
        )
        assert erased.keys
        payloads = {entry.header["subject"]: entry.payload for entry in world.audit("guard.intent")}
        assert payloads[gone.id] is None
        assert payloads[kept.id] is not None
        assert store.verify().ok
