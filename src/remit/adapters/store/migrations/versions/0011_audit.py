"""Payload keys, retention, holds and erasure.

Revision 0011, after 0010.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not in batch mode: that would make the table anew and lose its triggers.
    op.add_column("audit_payload", sa.Column("dek", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "audit_dek",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("kek", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_dek")),
    )
    op.create_index(
        op.f("ix_audit_dek_workspace_subject_period"), "audit_dek", ["workspace", "subject", "period"], unique=True
    )
    op.create_table(
        "audit_hold",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("mission", sa.Text(), nullable=False),
        sa.Column("since_us", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("until_us", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name", name=op.f("pk_audit_hold")),
    )


def downgrade() -> None:
    op.drop_table("audit_hold")
    op.drop_index(op.f("ix_audit_dek_workspace_subject_period"), table_name="audit_dek")
    op.drop_table("audit_dek")
    op.drop_column("audit_payload", "dek")
