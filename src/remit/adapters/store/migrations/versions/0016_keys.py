"""Virtual keys, their tokens, the gateway's policy, and which key an action came in by.

Revision 0016, after 0015.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger()


def upgrade() -> None:
    op.create_table(
        "virtual_key",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("models", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("addresses", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_us", _BIG, nullable=False),
        sa.Column("expires_us", _BIG, nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=False),
        sa.Column("revoked_us", _BIG, nullable=True),
        sa.PrimaryKeyConstraint("workspace", "id", name=op.f("pk_virtual_key")),
    )
    op.create_table(
        "key_token",
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created_us", _BIG, nullable=False),
        sa.Column("until_us", _BIG, nullable=True),
        sa.Column("used_us", _BIG, nullable=True),
        sa.PrimaryKeyConstraint("prefix", name=op.f("pk_key_token")),
    )
    op.create_index(op.f("ix_key_token_workspace_key"), "key_token", ["workspace", "key"])
    op.create_table(
        "gateway",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("stamp", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_us", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace", name=op.f("pk_gateway")),
    )
    op.create_table(
        "observed",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("times", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name", "reason", name=op.f("pk_observed")),
    )
    op.add_column("action", sa.Column("key", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("action", "key")
    op.drop_table("observed")
    op.drop_table("gateway")
    op.drop_index(op.f("ix_key_token_workspace_key"), table_name="key_token")
    op.drop_table("key_token")
    op.drop_table("virtual_key")
