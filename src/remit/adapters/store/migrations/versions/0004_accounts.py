"""Users, teams, members, roles, what agents may use, pauses and break-glass.

Revision 0004, after 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

#: Teams were names only. Each gets its row, owned by the workspace's owner: no team is without one.
TEAMS = """
INSERT INTO team (workspace, slug, name, billing_email, created_by, created_us)
SELECT agent.workspace, agent.team, agent.team, '', owner.id, MIN(agent.created_us)
FROM agent JOIN account_user AS owner ON owner.workspace = agent.workspace AND owner.role = 'owner'
WHERE agent.team <> '' GROUP BY agent.workspace, agent.team, owner.id
"""
OWNERS = """
INSERT INTO team_member (workspace, team, person, role, granted, revoked, joined_us)
SELECT workspace, slug, created_by, 'owner', 0, 0, created_us FROM team
"""


def upgrade() -> None:
    op.add_column("workspace", sa.Column("plan_numbers", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("workspace", sa.Column("team", sa.Text(), nullable=False, server_default=""))
    op.add_column("account_user", sa.Column("email", sa.Text(), nullable=False, server_default=""))
    op.add_column("account_user", sa.Column("status", sa.Text(), nullable=False, server_default="active"))
    op.add_column("account_user", sa.Column("granted", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("account_user", sa.Column("revoked", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("agent", sa.Column("models", sa.Text(), nullable=False, server_default='["*"]'))
    op.add_column("agent", sa.Column("domains", sa.Text(), nullable=False, server_default='["*"]'))
    op.add_column("agent", sa.Column("revision", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("kill", sa.Column("mode", sa.Text(), nullable=False, server_default="kill"))
    _teams()
    op.create_table(
        "break_glass",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("lifts", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("requested_us", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_by", sa.Text(), nullable=False),
        sa.Column("confirmed_us", sa.BigInteger(), nullable=True),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("closed_by", sa.Text(), nullable=False),
        sa.Column("closed_us", sa.BigInteger(), nullable=True),
        sa.Column("closed_reason", sa.Text(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_break_glass")),
    )
    op.create_index(op.f("ix_break_glass_workspace_expires_us"), "break_glass", ["workspace", "expires_us"])
    op.create_table(
        "cedar_policy",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("saved_by", sa.Text(), nullable=False),
        sa.Column("saved_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "team", "revision", name=op.f("pk_cedar_policy")),
    )


def _teams() -> None:
    op.create_table(
        "team",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("billing_email", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "slug", name=op.f("pk_team")),
    )
    op.create_table(
        "team_member",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("granted", sa.Integer(), nullable=False),
        sa.Column("revoked", sa.Integer(), nullable=False),
        sa.Column("joined_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "team", "person", name=op.f("pk_team_member")),
    )
    op.create_index(op.f("ix_team_member_workspace_person"), "team_member", ["workspace", "person"])
    op.create_table(
        "invitation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("invited_by", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("expires_us", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("closed_by", sa.Text(), nullable=False),
        sa.Column("closed_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
    )
    op.create_index(op.f("ix_invitation_workspace_token_hash"), "invitation", ["workspace", "token_hash"], unique=True)
    op.execute(TEAMS)
    op.execute(OWNERS)


def downgrade() -> None:
    for table in ("cedar_policy", "break_glass", "invitation", "team_member", "team"):
        op.drop_table(table)
    op.drop_column("kill", "mode")
    for column in ("revision", "domains", "models"):
        op.drop_column("agent", column)
    for column in ("revoked", "granted", "status", "email"):
        op.drop_column("account_user", column)
    for column in ("team", "plan_numbers"):
        op.drop_column("workspace", column)
