"""Error budgets: the formula on rows that are known, and that what it reads has a bound."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert

from remit.guard.tables import ACTION
from remit.kernel.ids import new_id
from remit.missions import objectives
from remit.missions.objectives import HOUR_US, WINDOW_US, error_budgets
from remit.settings import Settings

from ..store.conftest import Opener, postgres_server, postgres_url, reopen  # noqa: TID252 - tests are loaded by path

__all__ = ["postgres_server", "postgres_url", "reopen"]

NOW = 1_780_000_000_000_000


def action(at_us: int, state: str) -> dict[str, object]:
    names = [column.name for column in ACTION.c]
    row: dict[str, object] = dict.fromkeys(names, "")
    for name in ("attempt", "estimate_micros", "cost_micros", "tries"):
        row[name] = 0
    return row | {
        "id": new_id(unix_ms=at_us // 1000), "workspace": "acme", "state": state, "opened_us": at_us, "closed_us": None
    }  # fmt: skip


def test_a_budget_is_used_and_burns_by_the_books(reopen: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    store = reopen()
    old = [action(NOW - 10 * 24 * HOUR_US - n, "ok") for n in range(90)]
    fresh = [action(NOW - HOUR_US // 2 - n, "failed") for n in range(4)]
    fresh += [action(NOW - HOUR_US // 2 - n, "ok") for n in range(4)]
    earlier = [action(NOW - 3 * HOUR_US, "unknown"), action(NOW - 3 * HOUR_US, "ok")]
    beyond = [action(NOW - WINDOW_US - HOUR_US, "failed") for _ in range(50)]
    neither = [action(NOW - HOUR_US // 2, state) for state in ("refused", "cancelled", "open")]
    rows = [*old, *fresh, *earlier, *beyond, *neither, {**action(NOW - 1, "failed"), "workspace": "other"}]
    store.write("guard.intent", lambda tx: tx.execute(insert(ACTION), rows))
    settings = Settings(Path("home"), objective_actions=0.9)
    actions, missions = store.view(lambda tx: error_budgets(tx, "acme", settings, now_us=NOW))
    assert (actions.good, actions.bad, actions.capped) == (95, 5, False)
    assert actions.used == pytest.approx(5 / 100 / 0.1)
    assert [(burn.hours, burn.rate, burn.fast) for burn in actions.burns] == [(1, 5.0, False), (6, 5.0, False)]
    assert actions.mark == "ok"
    assert (missions.good, missions.bad, missions.used, missions.mark) == (0, 0, 0.0, "ok")
    monkeypatch.setattr(objectives, "CALL", {1: 4.0, 6: 6.0})
    actions, _ = store.view(lambda tx: error_budgets(tx, "acme", settings, now_us=NOW))
    assert (actions.mark, actions.burns[0].fast) == ("warn", True)
    settings = Settings(Path("home"), objective_actions=0.96)
    assert store.view(lambda tx: error_budgets(tx, "acme", settings, now_us=NOW))[0].mark == "bad"
