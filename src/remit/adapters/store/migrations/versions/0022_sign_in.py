"""Passwords, sessions, tokens and second factors of people.

Revision 0022, after 0021.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger()


def upgrade() -> None:
    op.create_table(
        "sign_in_password",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("set_us", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "person", name=op.f("pk_sign_in_password")),
    )
    op.create_table(
        "sign_in_session",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("rotated_us", _BIG, nullable=False),
        sa.Column("created_us", _BIG, nullable=False),
        sa.Column("seen_us", _BIG, nullable=False),
        sa.Column("expires_us", _BIG, nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("strong", sa.Integer(), nullable=False),
        sa.Column("limited", sa.Integer(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("ended_us", _BIG, nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=False),
        sa.Column("ended_why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_session")),
    )
    op.create_index(op.f("ix_sign_in_session_token_hash"), "sign_in_session", ["token_hash"], unique=True)
    op.create_index(op.f("ix_sign_in_session_workspace_person"), "sign_in_session", ["workspace", "person"])
    op.create_table(
        "api_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_us", _BIG, nullable=False),
        sa.Column("expires_us", _BIG, nullable=False),
        sa.Column("used_us", _BIG, nullable=True),
        sa.Column("revoked_us", _BIG, nullable=True),
        sa.Column("revoked_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
    )
    op.create_index(op.f("ix_api_key_prefix"), "api_key", ["prefix"], unique=True)
    op.create_index(op.f("ix_api_key_workspace_person"), "api_key", ["workspace", "person"])
    op.create_table(
        "sign_in_link",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_us", _BIG, nullable=False),
        sa.Column("expires_us", _BIG, nullable=False),
        sa.Column("closed_us", _BIG, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_link")),
    )
    op.create_index(op.f("ix_sign_in_link_token_hash"), "sign_in_link", ["token_hash"], unique=True)
    op.create_index(op.f("ix_sign_in_link_workspace_person"), "sign_in_link", ["workspace", "person"])
    op.create_table(
        "sign_in_try",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_us", _BIG, nullable=False),
        sa.Column("until_us", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "subject", name=op.f("pk_sign_in_try")),
    )
    op.create_index(op.f("ix_sign_in_try_last_us"), "sign_in_try", ["last_us"])
    op.create_table(
        "sign_in_factor",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_us", _BIG, nullable=False),
        sa.Column("confirmed_us", _BIG, nullable=True),
        sa.Column("last_step", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "person", name=op.f("pk_sign_in_factor")),
    )
    op.create_table(
        "sign_in_recovery",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("used_us", _BIG, nullable=True),
        sa.PrimaryKeyConstraint("workspace", "person", "digest", name=op.f("pk_sign_in_recovery")),
    )
    op.create_table(
        "sign_in_identity",
        sa.Column("workspace", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("linked_us", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace", "issuer", "subject", name=op.f("pk_sign_in_identity")),
    )
    op.create_index(op.f("ix_sign_in_identity_workspace_person"), "sign_in_identity", ["workspace", "person"])


def downgrade() -> None:
    op.drop_table("sign_in_identity")
    op.drop_table("sign_in_recovery")
    op.drop_table("sign_in_factor")
    op.drop_table("sign_in_try")
    op.drop_table("sign_in_link")
    op.drop_table("api_key")
    op.drop_table("sign_in_session")
    op.drop_table("sign_in_password")
