"""Rates and the queue.

Revision 0009, after 0008.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _count(name: str, kind: sa.types.TypeEngine[int] | None = None) -> sa.Column[int]:
    return sa.Column(name, kind or sa.Integer(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "rate_bucket",
        *(_text("workspace"), _text("key"), _text("mission"), _big("tat_us")),
        sa.PrimaryKeyConstraint("workspace", "key", name=op.f("pk_rate_bucket")),
    )
    op.create_index(op.f("ix_rate_bucket_workspace_mission"), "rate_bucket", ["workspace", "mission"])
    op.create_table(
        "rate_taken",
        *(_text("workspace"), _text("action"), _text("key"), _text("measure")),
        *(_big("unit_us"), _big("cost"), _big("taken_us")),
        sa.PrimaryKeyConstraint("workspace", "action", "key", name=op.f("pk_rate_taken")),
    )
    op.create_table(
        "rate_waiter",
        *(_text("workspace"), _text("key"), _text("waiter"), _big("since_us"), _big("until_us")),
        sa.PrimaryKeyConstraint("workspace", "key", "waiter", name=op.f("pk_rate_waiter")),
    )
    op.create_index(op.f("ix_rate_waiter_workspace_waiter"), "rate_waiter", ["workspace", "waiter"])
    op.create_table(
        "rate_limit",
        *(_text("workspace"), _text("name"), _text("body"), _text("set_by"), _big("set_us")),
        sa.PrimaryKeyConstraint("workspace", "name", name=op.f("pk_rate_limit")),
    )
    op.create_table(
        "mission_queue",
        *(_text("workspace"), _text("mission"), _count("run"), _text("pack"), _text("originator")),
        *(_count("priority"), _text("state"), _count("expected_us", _BIG), _count("entered_us", _BIG)),
        *(_count("taken_us", _BIG), _count("ended_us", _BIG), _text("waiter"), _text("taker")),
        sa.PrimaryKeyConstraint("workspace", "mission", name=op.f("pk_mission_queue")),
    )
    op.create_index(op.f("ix_mission_queue_state_workspace"), "mission_queue", ["state", "workspace"])
    op.create_index(
        op.f("ix_mission_queue_workspace_pack_ended_us"), "mission_queue", ["workspace", "pack", "ended_us"]
    )
    op.create_table(
        "queue_share",
        *(_text("workspace"), _text("originator"), _count("pass_units", _BIG)),
        sa.PrimaryKeyConstraint("workspace", "originator", name=op.f("pk_queue_share")),
    )
    op.create_table(
        "queue_worker",
        *(_text("workspace"), _text("executor"), _count("concurrency"), _count("started_us", _BIG)),
        sa.PrimaryKeyConstraint("workspace", "executor", name=op.f("pk_queue_worker")),
    )


def downgrade() -> None:
    op.drop_table("queue_worker")
    op.drop_table("queue_share")
    op.drop_index(op.f("ix_mission_queue_workspace_pack_ended_us"), table_name="mission_queue")
    op.drop_index(op.f("ix_mission_queue_state_workspace"), table_name="mission_queue")
    op.drop_table("mission_queue")
    op.drop_table("rate_limit")
    op.drop_index(op.f("ix_rate_waiter_workspace_waiter"), table_name="rate_waiter")
    op.drop_table("rate_waiter")
    op.drop_table("rate_taken")
    op.drop_index(op.f("ix_rate_bucket_workspace_mission"), table_name="rate_bucket")
    op.drop_table("rate_bucket")
