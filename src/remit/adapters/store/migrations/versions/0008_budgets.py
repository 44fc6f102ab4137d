"""Budgets by period, the usage ledger, past periods, events, hourly sums; who opened an action.

Limits of before are totals; what they had spent is carried over, and reservations that are open get their rows.

Revision 0008, after 0007.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_COUNTERS = ("limit_micros", "spent", "reserved")
_COSTS = ("cost_micros", "tokens_micros", "gpu_micros", "storage_micros", "network_micros")
_QUANTITIES = ("tokens_in", "tokens_out", "gpu_ms", "storage_bytes", "network_bytes")


def _rows(table: str, *names: str) -> sa.TableClause:
    columns: list[sa.ColumnClause[object]] = [sa.column(name) for name in names]
    return sa.table(table, *columns)


_OLD = _rows("budget", "workspace", "scope", "name", *_COUNTERS)
_NEW = _rows("budget", "workspace", "scope", "name", "period", "starts_us", *_COUNTERS, "carried")
_ACTION = _rows(
    "action",
    *("id", "workspace", "mission", "step", "attempt", "principal", "on_behalf_of", "kind", "state"),
    *("estimate_micros", "opened_us"),
)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def upgrade() -> None:
    op.add_column("action", sa.Column("owner", sa.Text(), nullable=False, server_default=""))
    bind = op.get_bind()
    known = [dict(row) for row in bind.execute(sa.select(_OLD)).mappings()]
    op.drop_table("budget")
    op.create_table(
        "budget",
        *_texts("workspace", "scope", "name", "period"),
        *_numbers("limit_micros", "starts_us", "spent", "reserved", "carried"),
        sa.PrimaryKeyConstraint("workspace", "scope", "name", "period", name=op.f("pk_budget")),
    )
    if known:
        op.bulk_insert(_NEW, [{**row, "period": "total", "starts_us": 0, "carried": row["spent"]} for row in known])
    keys = ("workspace", "scope", "name", "period", "starts_us")
    op.create_table(
        "budget_past",
        *_texts(*keys[:4]),
        *_numbers("starts_us", *_COUNTERS),
        sa.PrimaryKeyConstraint(*keys, name=op.f("pk_budget_past")),
    )
    op.create_table(
        "budget_event",
        *_texts(*keys[:4]),
        *_numbers("starts_us"),
        sa.Column("percent", sa.Integer(), nullable=False),
        *_numbers("limit_micros", "spent", "at_us"),
        sa.Column("told_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint(*keys, "percent", name=op.f("pk_budget_event")),
    )
    _usage()
    _open_reservations(known)


def _usage() -> None:
    op.create_table(
        "usage",
        *_texts("action", "workspace", "mission", "step"),
        sa.Column("attempt", sa.Integer(), nullable=False),
        *_texts("principal", "on_behalf_of", "kind", "provider", "model"),
        sa.Column("priced", sa.Integer(), nullable=False),
        *_numbers("estimate_micros", *_COSTS, *_QUANTITIES),
        *_texts("holds"),
        *_numbers("opened_us"),
        sa.Column("settled_us", sa.BigInteger(), nullable=True),
        sa.Column("rolled", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("action", name=op.f("pk_usage")),
    )
    op.create_index(op.f("ix_usage_workspace_opened_us"), "usage", ["workspace", "opened_us"])
    op.create_index(op.f("ix_usage_workspace_mission"), "usage", ["workspace", "mission"])
    unrolled = sa.text("rolled = 0")
    op.create_index(
        "ix_usage_unrolled",
        "usage",
        ["workspace", "rolled", "opened_us"],
        sqlite_where=unrolled,
        postgresql_where=unrolled,
    )
    hour = ("workspace", "hour_us", "principal", "on_behalf_of", "mission", "kind", "provider", "model")
    op.create_table(
        "usage_hour",
        *_texts("workspace"),
        *_numbers("hour_us"),
        *_texts(*hour[2:]),
        *_numbers("attempts", "unpriced", *_COSTS, *_QUANTITIES),
        sa.PrimaryKeyConstraint(*hour, name=op.f("pk_usage_hour")),
    )


def _open_reservations(known: Iterable[dict[str, object]]) -> None:
    """What is reserved by actions without an outcome must be settled by their rows."""
    bind = op.get_bind()
    limits = {(row["workspace"], row["scope"], row["name"]) for row in known}
    usage = _rows(
        "usage",
        *("action", "workspace", "mission", "step", "attempt", "principal", "on_behalf_of", "kind"),
        *("provider", "model", "priced", "estimate_micros", *_COSTS, *_QUANTITIES),
        *("holds", "opened_us", "settled_us", "rolled"),
    )
    left = sa.select(_ACTION).where(_ACTION.c.state == "open", _ACTION.c.estimate_micros > 0)
    for row in bind.execute(left).mappings():
        agents = {
            text.partition(":")[2] for text in (row["principal"], row["on_behalf_of"]) if text.startswith("agent:")
        }
        named = [("workspace", ""), *(("agent", name) for name in sorted(agents)), ("mission", row["mission"])]
        holds = [[scope, name, "total", 0] for scope, name in named if (row["workspace"], scope, name) in limits]
        copied = ("workspace", "mission", "step", "attempt", "principal", "on_behalf_of", "kind", "estimate_micros")
        bind.execute(
            usage.insert().values(
                {
                    **{name: row[name] for name in (*copied, "opened_us")},
                    **dict.fromkeys((*_COSTS, *_QUANTITIES, "rolled"), 0),
                    "action": row["id"],
                    "provider": "",
                    "model": "",
                    "priced": 1,
                    "holds": json.dumps(holds),
                    "settled_us": None,
                }
            )
        )


def downgrade() -> None:
    bind = op.get_bind()
    kept = sa.select(_NEW).where(_NEW.c.period == "total")
    known = [dict(row) for row in bind.execute(kept).mappings()]
    for name in ("usage_hour", "usage", "budget_event", "budget_past", "budget"):
        op.drop_table(name)
    op.create_table(
        "budget",
        *_texts("workspace", "scope", "name"),
        *_numbers(*_COUNTERS),
        sa.PrimaryKeyConstraint("workspace", "scope", "name", name=op.f("pk_budget")),
    )
    if known:
        names = ("workspace", "scope", "name", *_COUNTERS)
        op.bulk_insert(_OLD, [{name: row[name] for name in names} for row in known])
    op.drop_column("action", "owner")
