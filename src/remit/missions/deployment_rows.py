"""Statements over the table of deployments, and its rows."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sqlalchemy import bindparam, insert, select

from remit.guard.records import State
from remit.guard.tables import ACTION
from remit.kernel.ports import ReadTx, Row, Tx
from remit.missions.deployment_tables import DEPLOYMENT

MOST = 100


@dataclass(frozen=True, slots=True)
class Deployment:
    """A row of ``deployment``: what the deploy action ``action`` was to bring where."""

    workspace: str
    action: str
    mission: str
    step: str
    target: str
    tree: str
    previous: str
    compensates: str
    smoke: str
    ordered_by: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Stood:
    """A deployment, and how its action stands."""

    row: Deployment
    state: State
    closed_us: int

    @property
    def uncertain(self) -> bool:
        """Whether nobody wrote down that it was done, and it may have been."""
        return self.state in {State.OPEN, State.UNKNOWN, State.BLOCKED, State.CANCELLED, State.ABANDONED}


_COLUMNS = [DEPLOYMENT.c[field.name] for field in fields(Deployment)]
_JOINED = select(*_COLUMNS, ACTION.c.state.label("stands"), ACTION.c.closed_us.label("ended_us")).join(
    ACTION, (ACTION.c.id == DEPLOYMENT.c.action) & (ACTION.c.workspace == DEPLOYMENT.c.workspace)
)
_NEWEST = (DEPLOYMENT.c.at_us.desc(), DEPLOYMENT.c.action.desc())
_INSERT = insert(DEPLOYMENT)
_ONE = _JOINED.where(DEPLOYMENT.c.workspace == bindparam("of"), DEPLOYMENT.c.action == bindparam("which"))
_AT = (
    _JOINED.where(DEPLOYMENT.c.workspace == bindparam("of"), DEPLOYMENT.c.target == bindparam("place"))
    .order_by(*_NEWEST)
    .limit(MOST)
)
_OF_MISSION = (
    _JOINED.where(DEPLOYMENT.c.workspace == bindparam("of"), DEPLOYMENT.c.mission == bindparam("which"))
    .order_by(*_NEWEST)
    .limit(MOST)
)


_ELSEWHERE = (
    select(DEPLOYMENT.c.workspace)
    .where(DEPLOYMENT.c.target == bindparam("place"), DEPLOYMENT.c.workspace != bindparam("of"))
    .limit(1)
)


def is_elsewhere(tx: ReadTx, workspace: str, target: str) -> bool:
    """Whether another workspace has deployed to a place: what is live there may be its files."""
    return tx.row(_ELSEWHERE, {"of": workspace, "place": target}) is not None


def record_deployment(tx: Tx, deployment: Deployment) -> None:
    """Keep what an action is about to do outside (operation ``deploy.record``)."""
    tx.execute(_INSERT, {field.name: getattr(deployment, field.name) for field in fields(Deployment)})


def read_deployment(tx: ReadTx, workspace: str, action: str) -> Stood | None:
    """The deployment of an action, if it ever got as far as to touch anything."""
    row = tx.row(_ONE, {"of": workspace, "which": action})
    return None if row is None else _stood(row)


def deployments_at(tx: ReadTx, workspace: str, target: str) -> list[Stood]:
    """The last 100 deployments to a place, newest first."""
    return [_stood(row) for row in tx.rows(_AT, {"of": workspace, "place": target})]


def deployments_of(tx: ReadTx, workspace: str, mission: str) -> list[Stood]:
    """The last 100 deployments of a mission, newest first."""
    return [_stood(row) for row in tx.rows(_OF_MISSION, {"of": workspace, "which": mission})]


def _stood(row: Row) -> Stood:
    told = Deployment(**{field.name: row[field.name] for field in fields(Deployment)})
    return Stood(told, State(row["stands"]), row["ended_us"] or 0)
