"""The queue of missions as rows: who waits and runs, how much each tenant was served, and which workers take.

Every row carries its workspace. Choosing who is next looks at all workspaces at once: at ids, priorities and times, at
no content.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

#: The originator of the row that says since when (microseconds; 0: not) a workspace's queue is paused.
PAUSED = "#paused"

_Big = BigInteger().with_variant(Integer(), "sqlite")

#: One row a mission that was ordered to run: its newest run. Kept after the end, for estimates, until cleaned up.
QUEUE = Table(
    "mission_queue",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("mission", Text, nullable=False),
    Column("run", Integer, nullable=False),
    Column("pack", Text, nullable=False),
    Column("originator", Text, nullable=False),
    Column("priority", Integer, nullable=False),  # ``queue.Priority``, 0 first
    Column("state", Text, nullable=False),  # ``queue.State``
    Column("expected_us", _Big, nullable=False),  # how long the plan says that it takes
    Column("entered_us", _Big, nullable=False),
    Column("taken_us", _Big, nullable=False),
    Column("ended_us", _Big, nullable=False),
    Column("waiter", Text, nullable=False),  # the process that waits to run it itself; empty: any worker
    Column("taker", Text, nullable=False),  # the process that has it in hand
    PrimaryKeyConstraint("workspace", "mission"),
    Index(None, "state", "workspace"),
    Index(None, "workspace", "pack", "ended_us"),
)

#: How much each tenant was served: virtual time, see ``queue_order``. An empty originator stands for the workspace.
#: The row of the workspace ``*`` is the turnstile: who changes the queue locks it first.
SHARE = Table(
    "queue_share",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("originator", Text, nullable=False),
    Column("pass_units", _Big, nullable=False),
    PrimaryKeyConstraint("workspace", "originator"),
)

#: Workers that take missions, with how many each has at once. A row without a living process counts for nothing.
WORKER = Table(
    "queue_worker",
    METADATA,
    Column("workspace", Text, nullable=False),  # ``*``: a worker serves all
    Column("executor", Text, nullable=False),
    Column("concurrency", Integer, nullable=False),
    Column("started_us", _Big, nullable=False),
    PrimaryKeyConstraint("workspace", "executor"),
)
