"""Providers, deployments and prices of models.

Revision 0017, after 0016.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

BIG = sa.BigInteger()


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _number(*names: str, null: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer(), nullable=null) for name in names]


def upgrade() -> None:
    op.create_table(
        "model_provider",
        *_text("workspace", "name", "kind", "base_url", "key", "headers", "status", "set_by"),
        sa.Column("set_us", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name", name=op.f("pk_model_provider")),
    )
    op.create_table(
        "model_deployment",
        *_text("workspace", "name", "provider", "model"),
        *_number("weight", "tier"),
        sa.Column("capabilities", sa.Text(), nullable=True),
        *_number("quality", "context", null=True),
        *_text("set_by"),
        sa.Column("set_us", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name", "provider", "model", name=op.f("pk_model_deployment")),
    )
    op.create_index(op.f("ix_model_deployment_workspace_provider"), "model_deployment", ["workspace", "provider"])
    op.create_table(
        "model_alias",
        *_text("workspace", "name"),
        *_number("place"),
        *_text("target", "set_by"),
        sa.Column("set_us", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "name", "place", name=op.f("pk_model_alias")),
    )
    op.create_table(
        "model_price",
        *_text("workspace", "provider", "model", "body", "set_by"),
        sa.Column("set_us", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "provider", "model", name=op.f("pk_model_price")),
    )
    op.create_table(
        "model_health",
        *_text("workspace", "target"),
        sa.Column("minute_us", BIG, nullable=False),
        *_text("process"),
        *_number("calls", "errors"),
        *_text("body"),
        sa.PrimaryKeyConstraint("workspace", "target", "minute_us", "process", name=op.f("pk_model_health")),
    )
    op.create_index(op.f("ix_model_health_workspace_minute_us"), "model_health", ["workspace", "minute_us"])


def downgrade() -> None:
    op.drop_index(op.f("ix_model_health_workspace_minute_us"), table_name="model_health")
    op.drop_table("model_health")
    op.drop_table("model_price")
    op.drop_table("model_alias")
    op.drop_index(op.f("ix_model_deployment_workspace_provider"), table_name="model_deployment")
    op.drop_table("model_deployment")
    op.drop_table("model_provider")
