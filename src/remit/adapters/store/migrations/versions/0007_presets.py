"""Estimates beside actuals, and deployments.

Revision 0007, after 0006.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_LIKE = "ix_mission_estimate_workspace_pack_preset_size_ended_us"
_OF_MISSION = "ix_deployment_workspace_mission_at_us"
_OF_TARGET = "ix_deployment_workspace_target_at_us"


def upgrade() -> None:
    op.create_table(
        "mission_estimate",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("mission", sa.Text(), nullable=False),
        sa.Column("pack", sa.Text(), nullable=False),
        sa.Column("preset", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("cost_low", _BIG, nullable=False),
        sa.Column("cost_high", _BIG, nullable=False),
        sa.Column("time_low_us", _BIG, nullable=False),
        sa.Column("time_high_us", _BIG, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("cost_micros", _BIG, nullable=False),
        sa.Column("time_us", _BIG, nullable=False),
        sa.Column("ended_us", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("mission", name=op.f("pk_mission_estimate")),
    )
    op.create_index(op.f(_LIKE), "mission_estimate", ["workspace", "pack", "preset", "size", "ended_us"], unique=False)
    op.create_table(
        "deployment",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("mission", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("tree", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("compensates", sa.Text(), nullable=False),
        sa.Column("smoke", sa.Text(), nullable=False),
        sa.Column("ordered_by", sa.Text(), nullable=False),
        sa.Column("at_us", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("action", name=op.f("pk_deployment")),
    )
    op.create_index(op.f(_OF_MISSION), "deployment", ["workspace", "mission", "at_us"], unique=False)
    op.create_index(op.f(_OF_TARGET), "deployment", ["workspace", "target", "at_us"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f(_OF_TARGET), table_name="deployment")
    op.drop_index(op.f(_OF_MISSION), table_name="deployment")
    op.drop_table("deployment")
    op.drop_index(op.f(_LIKE), table_name="mission_estimate")
    op.drop_table("mission_estimate")
