"""``remit objectives``: what the API and the start page say of error budgets, for a terminal and for a script."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from sqlalchemy import insert

from remit.bootstrap import open_store, prepare_home
from remit.cli.root import run
from remit.guard.tables import ACTION
from remit.settings import Settings

from ..missions.test_objectives import action  # noqa: TID252 - tests are loaded by path


async def made(home: Path, states: list[str]) -> None:
    settings = Settings(home=home)
    await prepare_home(settings)
    now = time.time_ns() // 1000 - 60_000_000
    rows = [action(now - number, state) | {"workspace": settings.workspace} for number, state in enumerate(states)]
    with open_store(settings) as store:
        await store.commit("guard.intent", lambda tx: tx.execute(insert(ACTION), rows))


async def test_a_budget_that_burns_is_told_and_a_script_can_ask(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    await made(home, ["ok"] * 9 + ["failed"] + ["refused"] * 5)
    where = ["--home", str(home)]
    capsys.readouterr()

    async def ran(*words: str) -> tuple[int, str]:
        code = await asyncio.to_thread(run, [*words, *where])
        return code, capsys.readouterr().out

    code, out = await ran("objectives", "--json")
    actions, missions = json.loads(out)["error_budgets"]
    assert (code, actions["good"], actions["bad"], actions["used"], actions["mark"]) == (0, 9, 1, 2.0, "bad")
    assert [burn["rate"] for burn in actions["burns"]] == [2.0, 2.0]
    assert (missions["good"], missions["mark"], missions["since"]) == (0, "ok", None)
    code, out = await ran("objectives", "--check")
    assert code == 1
    assert "1 of 10" in out
    assert "missed" in out
