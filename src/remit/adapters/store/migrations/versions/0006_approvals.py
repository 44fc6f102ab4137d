"""Approvals.

Revision 0006, after 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "approval",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("mission", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("effect_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("on_behalf_of", sa.Text(), nullable=False),
        sa.Column("subject_hash", sa.Text(), nullable=False),
        sa.Column("policy_rev", sa.Text(), nullable=False),
        sa.Column("estimate_micros", sa.BigInteger(), nullable=False),
        sa.Column("risk", sa.Text(), nullable=False),
        sa.Column("shown", sa.Text(), nullable=False),
        sa.Column("requested_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("quorum", sa.Integer(), nullable=False),
        sa.Column("separated", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("open_key", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_us", sa.BigInteger(), nullable=True),
        sa.Column("used_us", sa.BigInteger(), nullable=True),
        sa.Column("used_by", sa.Text(), nullable=True),
        sa.Column("told_us", sa.BigInteger(), nullable=True),
        sa.Column("notified_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
    )
    op.create_index(op.f("ix_approval_workspace_open_key"), "approval", ["workspace", "open_key"], unique=True)
    op.create_index(op.f("ix_approval_workspace_status"), "approval", ["workspace", "status"], unique=False)
    op.create_index(
        op.f("ix_approval_workspace_mission_step"), "approval", ["workspace", "mission", "step"], unique=False
    )
    op.create_index(op.f("ix_approval_workspace_subject_hash"), "approval", ["workspace", "subject_hash"], unique=False)
    op.create_table(
        "approval_vote",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("approval", sa.Text(), nullable=False),
        sa.Column("voter", sa.Text(), nullable=False),
        sa.Column("right_of", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("voted_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("approval", "voter", name=op.f("pk_approval_vote")),
    )
    op.create_index(op.f("ix_approval_vote_approval_right_of"), "approval_vote", ["approval", "right_of"], unique=True)
    op.create_table(
        "approval_delegation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("giver", sa.Text(), nullable=False),
        sa.Column("taker", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("given_us", sa.BigInteger(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column("revoked_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval_delegation")),
    )
    op.create_index(
        op.f("ix_approval_delegation_workspace_taker"), "approval_delegation", ["workspace", "taker"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_approval_delegation_workspace_taker"), table_name="approval_delegation")
    op.drop_table("approval_delegation")
    op.drop_index(op.f("ix_approval_vote_approval_right_of"), table_name="approval_vote")
    op.drop_table("approval_vote")
    op.drop_index(op.f("ix_approval_workspace_subject_hash"), table_name="approval")
    op.drop_index(op.f("ix_approval_workspace_mission_step"), table_name="approval")
    op.drop_index(op.f("ix_approval_workspace_status"), table_name="approval")
    op.drop_index(op.f("ix_approval_workspace_open_key"), table_name="approval")
    op.drop_table("approval")
