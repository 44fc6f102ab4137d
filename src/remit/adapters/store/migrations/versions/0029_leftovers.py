"""Telemetry: one event may stand for several, as the gateway's of a minute do.

Revision 0029, after 0028.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("telemetry_event", sa.Column("times", sa.BigInteger(), nullable=False, server_default="1"))


def downgrade() -> None:
    op.drop_column("telemetry_event", "times")
