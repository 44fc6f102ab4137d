"""Lists of requests for approval: what waits by its deadline, what there was by its time.

Revision 0025, after 0024.
"""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        op.f("ix_approval_workspace_status_expires_us_id"), "approval", ["workspace", "status", "expires_us", "id"]
    )
    op.create_index(op.f("ix_approval_workspace_requested_us_id"), "approval", ["workspace", "requested_us", "id"])
    op.drop_index(op.f("ix_approval_workspace_status"), table_name="approval")


def downgrade() -> None:
    op.create_index(op.f("ix_approval_workspace_status"), "approval", ["workspace", "status"])
    op.drop_index(op.f("ix_approval_workspace_requested_us_id"), table_name="approval")
    op.drop_index(op.f("ix_approval_workspace_status_expires_us_id"), table_name="approval")
