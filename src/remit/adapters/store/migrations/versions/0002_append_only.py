"""Append only: speed bumps against changing the log by accident.

Revision 0002, after 0001. Whoever owns the database can drop these; what finds the change is ``audit verify``.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# A payload may be deleted (pruned, erased), never changed.
FIXED = {
    "audit_entry": ("UPDATE", "DELETE"),
    "audit_node": ("UPDATE", "DELETE"),
    "audit_checkpoint": ("UPDATE", "DELETE"),
    "audit_payload": ("UPDATE",),
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table, verbs in FIXED.items():
            for verb in verbs:
                op.execute(
                    f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
        return
    op.execute(
        "CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table, verbs in FIXED.items():
        events = " OR ".join((*verbs, "TRUNCATE"))
        op.execute(
            f"CREATE TRIGGER {table}_fixed BEFORE {events} ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
        )
        op.execute(f"REVOKE {', '.join((*verbs, 'TRUNCATE'))} ON {table} FROM PUBLIC")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table, verbs in FIXED.items():
            for verb in verbs:
                op.execute(f"DROP TRIGGER {table}_no_{verb.lower()}")
        return
    for table in FIXED:
        op.execute(f"DROP TRIGGER {table}_fixed ON {table}")
    op.execute("DROP FUNCTION audit_append_only()")
