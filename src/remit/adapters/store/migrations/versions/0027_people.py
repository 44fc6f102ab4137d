"""Rates of the API and the console that processes share.

Revision 0027, after 0026.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rate_window",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("used_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "key", name=op.f("pk_rate_window")),
    )
    op.create_index(op.f("ix_rate_window_workspace_used_us"), "rate_window", ["workspace", "used_us"])


def downgrade() -> None:
    op.drop_table("rate_window")
