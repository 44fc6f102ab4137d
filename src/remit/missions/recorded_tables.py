"""The table of recorded effects: what was answered to a step that has not ended yet, so that it is not asked again."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

_Big = BigInteger().with_variant(Integer(), "sqlite")

RECORDED = Table(
    "recorded_effect",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("effect_key", Text, nullable=False),  # mission / step / skip key / generation / name
    Column("mission", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),  # the action's subject hash
    Column("answer", Text, nullable=False),  # JSON: ok, value, text, cost; secrets masked, personal data as tokens
    Column("at_us", _Big, nullable=False),
    PrimaryKeyConstraint("workspace", "effect_key"),
    Index(None, "workspace", "mission"),
)
