"""What runs a whole install.

Revision 0024, after 0023.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_LISTED = ["workspace", "created_us", "id", "status", "pack", "originator", "agents", "searched"]


def upgrade() -> None:
    _list_missions()
    # Governance: the history of stops, newest first.
    op.create_index(op.f("ix_kill_workspace_killed_us_id"), "kill", ["workspace", "killed_us", "id"])


def downgrade() -> None:
    # Governance.
    op.drop_index(op.f("ix_kill_workspace_killed_us_id"), table_name="kill")
    # Missions' lists.
    op.drop_index("ix_mission_listed", table_name="mission")
    for name in ("searched", "agents", "title"):
        op.drop_column("mission", name)
    op.create_index(op.f("ix_mission_workspace_created_us_id"), "mission", ["workspace", "created_us", "id"])


def _list_missions() -> None:
    """What lists of missions show and filter by; older missions are found by their input's name."""
    for name in ("title", "agents", "searched"):
        op.add_column("mission", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.execute("UPDATE mission SET searched = substr(lower(input_name), 1, 300)")
    op.drop_index(op.f("ix_mission_workspace_created_us_id"), table_name="mission")
    op.create_index("ix_mission_listed", "mission", _LISTED)
