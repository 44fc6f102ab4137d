"""Notifications over a real socket, seen by a witness in another process."""

from pathlib import Path

import pytest

from remit.adapters.notify.webhook import WebhookAdapter
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.effects import Notify
from remit.kernel.errors import Denied, InvalidInput, Unavailable
from remit.testing.witness import requests, witness

CODER = Principal(ActorKind.AGENT, "coder")


def _notify(target: str, key: str = "k") -> Action:
    return Action("a", Notify(target, "done", "text"), CODER, CODER, "default", mission="m", step="s", effect_key=key)


async def test_the_witness_counts_each_key(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with witness(log) as address:
        adapter = WebhookAdapter()
        first = await adapter.perform(_notify(f"{address}/hook"))
        again = await adapter.perform(_notify(f"{address}/hook"))
        await adapter.perform(_notify(f"{address}/hook", "other"))
    assert '"repeat": false' in first.text
    assert '"repeat": true' in again.text
    assert requests(log) == {"k": 2, "other": 1}


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("https://127.0.0.1/", InvalidInput),
        ("ftp://127.0.0.1/", InvalidInput),
        ("http://192.0.2.1/", Denied),
        ("http://example.invalid/", Denied),
        ("http://127.0.0.1:1/", Unavailable),
    ],
)
async def test_what_cannot_or_may_not_be_reached(target: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        await WebhookAdapter().perform(_notify(target))
