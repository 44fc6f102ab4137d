"""The table of deployments: what a deploy action was to bring where, and what was live before. One row an action.

How a deployment ended stands in its row of ``action``; this row says what of the outside world it is about.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

_Big = BigInteger().with_variant(Integer(), "sqlite")

DEPLOYMENT = Table(
    "deployment",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("mission", Text, nullable=False),
    Column("step", Text, nullable=False),  # empty: ordered on the mission as a whole
    Column("target", Text, nullable=False),
    Column("tree", Text, nullable=False),  # empty: nothing is live any more (a compensation)
    Column("previous", Text, nullable=False),  # what was live before; empty: nothing
    Column("compensates", Text, nullable=False),  # the action that this one undoes
    Column("smoke", Text, nullable=False),  # the command, a JSON list
    Column("ordered_by", Text, nullable=False),
    Column("at_us", _Big, nullable=False),
    PrimaryKeyConstraint("action"),
    Index(None, "workspace", "mission", "at_us"),
    Index(None, "workspace", "target", "at_us"),
)
