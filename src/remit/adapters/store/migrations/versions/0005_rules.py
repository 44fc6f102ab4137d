"""Rules in revisions, and evidence.

Revision 0005, after 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rule_revision",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("written", sa.Text(), nullable=False),
        sa.Column("resolved", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("saved_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "number", name=op.f("pk_rule_revision")),
    )
    op.create_table(
        "evidence",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("mission", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("critic", sa.Text(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
    )
    op.create_index(op.f("ix_evidence_workspace_mission_subject"), "evidence", ["workspace", "mission", "subject"])
    op.add_column("action", sa.Column("facts", sa.Text(), nullable=False, server_default=""))
    _fix()


def downgrade() -> None:
    _unfix()
    op.drop_column("action", "facts")
    op.drop_index(op.f("ix_evidence_workspace_mission_subject"), table_name="evidence")
    op.drop_table("evidence")
    op.drop_table("rule_revision")


# Revisions and evidence only grow. As in 0002, these are speed bumps; what finds a change is the audit log.
FIXED = ("rule_revision", "evidence")
VERBS = ("UPDATE", "DELETE")


def _fix() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in FIXED:
            for verb in VERBS:
                op.execute(
                    f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
        return
    for table in FIXED:
        op.execute(
            f"CREATE TRIGGER {table}_fixed BEFORE {' OR '.join((*VERBS, 'TRUNCATE'))} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
        )


def _unfix() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in FIXED:
            for verb in VERBS:
                op.execute(f"DROP TRIGGER {table}_no_{verb.lower()}")
        return
    for table in FIXED:
        op.execute(f"DROP TRIGGER {table}_fixed ON {table}")
