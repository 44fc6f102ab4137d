"""The plan of a workspace; how long each check took.

Revision 0003, after 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workspace", sa.Column("plan", sa.Text(), nullable=False, server_default="free"))
    op.add_column("action", sa.Column("spent_ns", sa.Text(), nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("action", "spent_ns")
    op.drop_column("workspace", "plan")
