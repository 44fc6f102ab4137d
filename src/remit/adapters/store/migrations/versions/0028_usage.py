"""What a true-up of prices needs: tokens written to a provider's cache, and corrections beside what was charged.

Revision 0028, after 0027.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("usage", sa.Column("tokens_cache_write", sa.BigInteger()))
    op.add_column("usage", sa.Column("correction_micros", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("usage", sa.Column("corrected_us", sa.BigInteger()))
    for name in ("tokens_cache_write", "correction_micros"):
        op.add_column("usage_hour", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    for name in ("correction_micros", "tokens_cache_write"):
        op.drop_column("usage_hour", name)
    for name in ("corrected_us", "correction_micros", "tokens_cache_write"):
        op.drop_column("usage", name)
