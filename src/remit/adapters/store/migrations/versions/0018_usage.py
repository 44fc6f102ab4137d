"""Usage by key and hour, kept answers.

Revision 0018, after 0017.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_HOUR = ("workspace", "hour_us", "principal", "on_behalf_of", "mission", "kind", "provider", "model")
_SUMS = (
    *("attempts", "unpriced", "cost_micros", "tokens_micros", "gpu_micros", "storage_micros", "network_micros"),
    *("tokens_in", "tokens_out", "gpu_ms", "storage_bytes", "network_bytes"),
)
_MORE = ("tokens_cached", "estimated", "kept", "saved_micros")


def upgrade() -> None:
    op.add_column("usage", sa.Column("key", sa.Text(), nullable=False, server_default=""))
    for name in _MORE:
        kind = sa.Integer() if name in {"estimated", "kept"} else sa.BigInteger()
        op.add_column("usage", sa.Column(name, kind, nullable=False, server_default="0"))
    op.drop_index(op.f("ix_usage_workspace_mission"), table_name="usage")
    op.create_index(op.f("ix_usage_workspace_mission_opened_us"), "usage", ["workspace", "mission", "opened_us"])
    named = sa.text("key != ''")
    op.create_index(
        "ix_usage_key",
        "usage",
        ["workspace", "key", "opened_us"],
        sqlite_where=named,
        postgresql_where=named,
    )
    _make_hours_anew((*_HOUR, "key"), _MORE)
    _answers()


def _make_hours_anew(keys: Sequence[str], more: Sequence[str], *, add_up: bool = False) -> None:
    """The hourly sums under another primary key: SQLite can't change one."""
    bind = op.get_bind()
    columns: list[sa.ColumnClause[object]] = [sa.column(name) for name in (*_HOUR, *_SUMS)]
    old = sa.table("usage_hour", *columns)
    sums = [sa.func.sum(old.c[name]).label(name) if add_up else old.c[name] for name in _SUMS]
    kept = sa.select(*(old.c[name] for name in _HOUR), *sums)
    if add_up:
        kept = kept.group_by(*(old.c[name] for name in _HOUR))
    rows = [dict(row) for row in bind.execute(kept).mappings()]
    op.drop_table("usage_hour")
    made = op.create_table(
        "usage_hour",
        *_texts("workspace"),
        *_numbers("hour_us"),
        *_texts(*_HOUR[2:]),
        *(sa.Column(name, sa.Text(), nullable=False, server_default="") for name in keys[len(_HOUR) :]),
        *_numbers(*_SUMS),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in more),
        sa.PrimaryKeyConstraint(*keys, name=op.f("pk_usage_hour")),
    )
    if rows:
        op.bulk_insert(made, rows)


def _answers() -> None:
    op.create_table(
        "answer",
        *_texts("workspace", "hash", "target", "wire"),
        *_numbers("kept_us", "until_us", "used_us", "hits", "size", "saved_micros"),
        *_texts("dek"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("workspace", "hash", name=op.f("pk_answer")),
    )
    op.create_index(op.f("ix_answer_workspace_until_us"), "answer", ["workspace", "until_us"])
    op.create_index(op.f("ix_answer_workspace_used_us"), "answer", ["workspace", "used_us"])
    op.create_table(
        "answer_sum",
        *_texts("workspace"),
        *_numbers("entries", "bytes"),
        sa.PrimaryKeyConstraint("workspace", name=op.f("pk_answer_sum")),
    )


def _texts(*names: str) -> Iterator[sa.Column[str]]:
    return (sa.Column(name, sa.Text(), nullable=False) for name in names)


def _numbers(*names: str) -> Iterator[sa.Column[int]]:
    return (sa.Column(name, sa.BigInteger(), nullable=False) for name in names)


def downgrade() -> None:
    op.drop_table("answer_sum")
    op.drop_table("answer")
    _make_hours_anew(_HOUR, (), add_up=True)
    op.drop_index("ix_usage_key", table_name="usage")
    op.drop_index(op.f("ix_usage_workspace_mission_opened_us"), table_name="usage")
    op.create_index(op.f("ix_usage_workspace_mission"), "usage", ["workspace", "mission"])
    for name in (*_MORE[::-1], "key"):
        op.drop_column("usage", name)
