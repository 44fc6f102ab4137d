"""Secrets: versions, uses and who may read them.

Revision 0012, after 0011.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BIG = sa.BigInteger()


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def upgrade() -> None:
    op.create_table(
        "secret",
        *_text("workspace", "name", "backend", "version"),
        sa.Column("revision", sa.Integer(), nullable=False),
        *_text("status", "set_by"),
        sa.Column("set_us", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name", name=op.f("pk_secret")),
    )
    op.create_table(
        "secret_retired",
        *_text("id", "workspace", "name", "version"),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("retired_us", BIG, nullable=False),
        sa.Column("until_us", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_secret_retired")),
    )
    op.create_index(op.f("ix_secret_retired_workspace_until_us"), "secret_retired", ["workspace", "until_us"])
    op.create_table(
        "secret_rule",
        *_text("id", "workspace", "effect", "secret", "agent", "kind", "mission", "target", "set_by"),
        sa.Column("set_us", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_secret_rule")),
    )
    op.create_index(op.f("ix_secret_rule_workspace"), "secret_rule", ["workspace"])
    op.create_table(
        "secret_use",
        *_text("workspace", "secret", "principal", "mission"),
        sa.Column("hour_us", BIG, nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("denied", sa.Integer(), nullable=False),
        sa.Column("first_us", BIG, nullable=False),
        sa.Column("last_us", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "secret", "principal", "mission", "hour_us", name=op.f("pk_secret_use")),
    )
    op.create_table(
        "secret_anomaly",
        *_text("workspace", "secret", "principal", "what"),
        sa.Column("hour_us", BIG, nullable=False),
        *_text("mission"),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("usual", sa.Integer(), nullable=False),
        sa.Column("at_us", BIG, nullable=False),
        sa.Column("told_us", BIG, nullable=True),
        sa.PrimaryKeyConstraint("workspace", "secret", "principal", "what", "hour_us", name=op.f("pk_secret_anomaly")),
    )
    op.create_index(op.f("ix_secret_anomaly_workspace_told_us"), "secret_anomaly", ["workspace", "told_us"])


def downgrade() -> None:
    op.drop_index(op.f("ix_secret_anomaly_workspace_told_us"), table_name="secret_anomaly")
    op.drop_table("secret_anomaly")
    op.drop_table("secret_use")
    op.drop_index(op.f("ix_secret_rule_workspace"), table_name="secret_rule")
    op.drop_table("secret_rule")
    op.drop_index(op.f("ix_secret_retired_workspace_until_us"), table_name="secret_retired")
    op.drop_table("secret_retired")
    op.drop_table("secret")
