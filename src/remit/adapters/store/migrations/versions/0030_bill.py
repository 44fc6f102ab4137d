"""The bill of models: what moved a call's price beside tokens; and by whom what providers keep was made.

Revision 0030, after 0029.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("usage", sa.Column("terms", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "continued",
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("on_behalf_of", sa.Text(), nullable=False),
        sa.Column("used_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ref", name=op.f("pk_continued")),
    )
    op.create_index(op.f("ix_continued_used_us"), "continued", ["used_us"])


def downgrade() -> None:
    op.drop_index(op.f("ix_continued_used_us"), table_name="continued")
    op.drop_table("continued")
    op.drop_column("usage", "terms")
