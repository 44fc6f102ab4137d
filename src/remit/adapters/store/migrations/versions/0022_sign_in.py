"""Passwords, sessions, tokens and second factors of people.

Revision 0022, after 0021.
"""

from __future__ import annotations

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
