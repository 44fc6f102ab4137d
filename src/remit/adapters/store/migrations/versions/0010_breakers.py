"""Breakers shared by processes.

Revision 0010, after 0009.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


_COLUMNS = ("until_us", "successes", "generation", "issued", "trips_ever", "tripped_us", "why", "moved_by")


def upgrade() -> None:
    op.create_table(
        "action_attempt",
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("began_us", sa.BigInteger(), nullable=False),
        sa.Column("ended_us", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("wait_ms", sa.BigInteger(), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("action", "number", name=op.f("pk_action_attempt")),
    )
    op.create_table(
        "breaker_trial",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "kind", "operation", "number", name=op.f("pk_breaker_trial")),
    )
    with op.batch_alter_table("action", schema=None) as batch_op:
        batch_op.create_index(
            "ix_action_parent",
            ["workspace", "parent"],
            unique=False,
            sqlite_where=sa.text("parent != ''"),
            postgresql_where=sa.text("parent != ''"),
        )
    with op.batch_alter_table("breaker", schema=None) as batch_op:
        for name in _COLUMNS:
            kind, default = (sa.Text(), "") if name in {"why", "moved_by"} else (sa.Integer(), "0")
            kind = sa.BigInteger() if name.endswith("_us") else kind
            batch_op.add_column(sa.Column(name, kind, nullable=False, server_default=default))
        batch_op.create_index(
            "ix_breaker_unwell",
            ["workspace"],
            unique=False,
            sqlite_where=sa.text("phase != 'closed'"),
            postgresql_where=sa.text("phase != 'closed'"),
        )
    op.execute("UPDATE breaker SET until_us = changed_us + cooldown_ms * 1000 WHERE phase != 'closed'")


def downgrade() -> None:
    with op.batch_alter_table("breaker", schema=None) as batch_op:
        batch_op.drop_index("ix_breaker_unwell")
        for name in reversed(_COLUMNS):
            batch_op.drop_column(name)
    with op.batch_alter_table("action", schema=None) as batch_op:
        batch_op.drop_index("ix_action_parent")
    op.drop_table("breaker_trial")
    op.drop_table("action_attempt")
