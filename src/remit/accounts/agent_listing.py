"""Lists of agents and of stops, page by page: each page is a fixed number of statements, whatever there is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, bindparam, func, or_, select, tuple_

from remit.accounts.agents import Activity, AgentView, agent_of, read_views
from remit.accounts.kills import KillScope, Mode, Target
from remit.accounts.tables import AGENT, EVERYWHERE, KILL
from remit.kernel.ports import ReadTx, Row
from remit.kernel.tables import literal

LAST = (1 << 62, "")

_SEARCHED = ("name", "owner", "tools", "models", "domains")
_STOPS = (
    select(KILL)
    .where(
        KILL.c.workspace.in_([bindparam("of"), EVERYWHERE]),
        tuple_(KILL.c.killed_us, KILL.c.id) < tuple_(bindparam("before_us"), bindparam("before_id")),
    )
    .order_by(KILL.c.killed_us.desc(), KILL.c.id.desc())
    .limit(bindparam("most"))
)
_IN_FORCE = (
    select(KILL)
    .where(KILL.c.workspace.in_([bindparam("of"), EVERYWHERE]), KILL.c.lifted_us.is_(None))
    .order_by(KILL.c.mode, KILL.c.killed_us.desc(), KILL.c.id.desc())
)
_NEWEST = (
    select(KILL)
    .where(
        KILL.c.workspace == bindparam("of"),
        KILL.c.scope == bindparam("in_scope"),
        KILL.c.name == bindparam("called"),
        KILL.c.mode == bindparam("how"),
    )
    .order_by(KILL.c.killed_us.desc(), KILL.c.id.desc())
    .limit(1)
)
_KINDS = (
    select(AGENT.c.kind, func.count().label("n"))
    .where(AGENT.c.workspace == bindparam("of"))
    .group_by(AGENT.c.kind)
    .order_by(AGENT.c.kind)
    .limit(100)
)
_TEAMS = (
    select(AGENT.c.team)
    .where(AGENT.c.workspace == bindparam("of"), AGENT.c.team != "")
    .distinct()
    .order_by(AGENT.c.team)
    .limit(100)
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which agents; empty means any.

    Attributes:
        text: In the name, the owner, a tool, a model or a host; case does not count.
        kind: Of this kind.
        team: Of this team.
        owner: Whom this user answers for.
        retired: Whether those that are retired are listed, too.
    """

    text: str = ""
    kind: str = ""
    team: str = ""
    owner: str = ""
    retired: bool = True


@dataclass(frozen=True, slots=True)
class StopRow:
    """Something that was stopped or paused; in force while ``lifted_us`` is ``None``. Times in microseconds."""

    id: str
    scope: KillScope
    name: str
    mode: Mode
    reason: str
    by: str
    at_us: int
    lifted_by: str | None
    lifted_us: int | None
    lifted_reason: str | None


def agents_page(
    tx: ReadTx, workspace: str, wanted: Wanted, *, after: str = "", limit: int, activity: Activity, now_us: int
) -> list[AgentView]:
    """At most ``limit`` agents by name, from the one after ``after`` on: four statements."""
    named = {name: getattr(wanted, name) for name in ("kind", "team", "owner") if getattr(wanted, name)}
    stmt = _page(tuple(named), text=bool(wanted.text.strip()), retired=wanted.retired)
    params: dict[str, Any] = {"of": workspace, "after": after, "most": limit}
    params |= {f"w_{name}": value for name, value in named.items()}
    if wanted.text.strip():
        params["w_text"] = f"%{literal(wanted.text.strip().lower())}%"
    agents = [agent_of(row) for row in tx.rows(stmt, params)]
    return read_views(tx, agents, workspace=workspace, activity=activity, now_us=now_us) if agents else []


def kinds_of(tx: ReadTx, workspace: str) -> dict[str, int]:
    """How many agents there are of each kind, at most a hundred kinds."""
    return {row["kind"]: int(row["n"]) for row in tx.rows(_KINDS, {"of": workspace})}


def teams_with_agents(tx: ReadTx, workspace: str) -> list[str]:
    """The teams that agents belong to, at most a hundred; one statement."""
    return [row["team"] for row in tx.rows(_TEAMS, {"of": workspace})]


def stops_page(tx: ReadTx, workspace: str, *, after: tuple[int, str] | None = None, limit: int) -> list[StopRow]:
    """At most ``limit`` stops, newest first, lifted ones included; one statement."""
    before_us, before_id = after or LAST
    rows = tx.rows(_STOPS, {"of": workspace, "before_us": before_us, "before_id": before_id, "most": limit})
    return [_stop(row) for row in rows]


def stops_in_force(tx: ReadTx, workspace: str) -> list[StopRow]:
    """What is stopped now, and what is paused, each newest first; one statement."""
    return [_stop(row) for row in tx.rows(_IN_FORCE, {"of": workspace})]


def newest_stop(tx: ReadTx, workspace: str, target: Target, mode: Mode) -> StopRow | None:
    """The newest stop (or pause) of ``target``, lifted or not."""
    at = {"of": target.home(workspace), "in_scope": target.scope.value, "called": target.name, "how": mode.value}
    row = tx.row(_NEWEST, at)
    return None if row is None else _stop(row)


def _stop(row: Row) -> StopRow:
    return StopRow(
        id=row["id"],
        scope=KillScope(row["scope"]),
        name=row["name"],
        mode=Mode(row["mode"]),
        reason=row["reason"],
        by=row["killed_by"],
        at_us=row["killed_us"],
        lifted_by=row["lifted_by"],
        lifted_us=row["lifted_us"],
        lifted_reason=row["lifted_reason"],
    )


@lru_cache(maxsize=32)
def _page(named: tuple[str, ...], *, text: bool, retired: bool) -> Select[Any]:
    stmt = select(AGENT).where(AGENT.c.workspace == bindparam("of"), AGENT.c.name > bindparam("after"))
    for name in named:
        stmt = stmt.where(AGENT.c[name] == bindparam(f"w_{name}"))
    if text:
        stmt = stmt.where(
            or_(*(func.lower(AGENT.c[name]).like(bindparam("w_text"), escape="\\") for name in _SEARCHED))
        )
    if not retired:
        stmt = stmt.where(AGENT.c.status != "retired")
    return stmt.order_by(AGENT.c.name).limit(bindparam("most"))
