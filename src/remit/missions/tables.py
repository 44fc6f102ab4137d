"""The missions' tables. Every row carries its workspace; every listed query has its index.

===============  =====================================================================================================
table            holds
===============  =====================================================================================================
mission          one row a mission: its input, plan, status, fence and owner, and where its history stands
step             one row a step and plan revision: the only truth about that step
step_attempt     one row a finished attempt: outcome, error, the delay before the next, the masked log
child_process    one row a running command: what a resume must end first
===============  =====================================================================================================

Times are microseconds since the Unix epoch (0: not yet), money is micro-dollars, texts are empty when absent.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

_Big = BigInteger().with_variant(Integer(), "sqlite")

MISSION = Table(
    "mission",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("pack", Text, nullable=False),
    Column("pack_version", Text, nullable=False),
    Column("input_name", Text, nullable=False),
    Column("input", LargeBinary, nullable=False),
    Column("input_sha256", Text, nullable=False),
    Column("plan", LargeBinary, nullable=False),
    Column("plan_hash", Text, nullable=False),
    Column("revision", Integer, nullable=False),  # of the plan: a rollback of a feature makes a new one
    Column("status", Text, nullable=False),
    Column("run", Integer, nullable=False),  # how many runs were ordered; names the engine's workflow
    Column("fence", Integer, nullable=False),  # how many times it was claimed; a writer with a lower one is a zombie
    Column("owner", Text, nullable=False),
    Column("originator", Text, nullable=False),
    Column("parent", Text, nullable=False),
    Column("parent_step", Text, nullable=False),
    Column("control", Text, nullable=False),  # what a person ordered: "cancel"
    Column("pending", Text, nullable=False),  # a rollback that is under way, see ``rollback``
    Column("drift", Text, nullable=False),  # what a person said about drift: "refuse" or "rerun"
    Column("error_code", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("start_commit", Text, nullable=False),  # what a rollback of everything leads back to; empty: nothing
    Column("floor_commit", Text, nullable=False),  # commits up to here are no answer to "was this step committed?"
    Column("head_commit", Text, nullable=False),
    Column("workspace_commit", Text, nullable=False),  # what the workspace was last set to
    Column("tree", Text, nullable=False),
    Column("budget_micros", _Big, nullable=False),  # 0: none of its own
    Column("cost_micros", _Big, nullable=False),
    Column("created_us", _Big, nullable=False),
    Column("updated_us", _Big, nullable=False),
    Column("title", Text, nullable=False, server_default=""),  # what it is about, of its plan, in one line
    Column("agents", Text, nullable=False, server_default=""),  # those its plan names, each between spaces
    Column("searched", Text, nullable=False, server_default=""),  # what a list is searched in: lower case, bounded
    # All that a list filters by, in the list's order: whatever the filter, no page reads a row that it doesn't show.
    # ``listing`` bounds the texts, for Postgres takes no index entry beyond a third of a page.
    Index("ix_mission_listed", "workspace", "created_us", "id", "status", "pack", "originator", "agents", "searched"),
    Index(None, "workspace", "status", "created_us", "id"),
    Index(None, "workspace", "parent"),
)

STEP = Table(
    "step",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("mission", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("position", Integer, nullable=False),  # in plan order
    Column("title", Text, nullable=False),
    Column("feature", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("generation", Integer, nullable=False),  # rises when a person orders the step to run again
    Column("attempts", Integer, nullable=False),  # begun
    Column("failures", Integer, nullable=False),  # that count against the retry policy
    Column("standing", Integer, nullable=False),  # of the output below, see ``rows.Standing``
    Column("skip_key", Text, nullable=False),
    Column("commit_id", Text, nullable=False),
    Column("result", LargeBinary, nullable=False),
    Column("output_hash", Text, nullable=False),
    Column("paths", LargeBinary, nullable=False),  # what it wrote, a JSON list
    Column("error_code", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("started_us", _Big, nullable=False),
    Column("finished_us", _Big, nullable=False),
    Column("not_before_us", _Big, nullable=False),
    Column("changed_us", _Big, nullable=False),
    Column("cost_micros", _Big, nullable=False),
    PrimaryKeyConstraint("mission", "revision", "name"),
    Index(None, "workspace", "mission", "revision", "position"),
    Index(None, "workspace", "mission", "changed_us"),
)

ATTEMPT = Table(
    "step_attempt",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("mission", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("step", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("error_code", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("log", Text, nullable=False),
    Column("started_us", _Big, nullable=False),
    Column("ended_us", _Big, nullable=False),
    Column("delay_us", _Big, nullable=False),
    Column("cost_micros", _Big, nullable=False),
    PrimaryKeyConstraint("mission", "revision", "step", "number"),
    Index(None, "workspace", "mission", "started_us"),
)

CHILD = Table(
    "child_process",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("mission", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pgid", Integer, nullable=False),
    Column("start_time", Text, nullable=False),  # with the boot's id in it, so that a reused number is told apart
    Column("recorded_us", _Big, nullable=False),
    PrimaryKeyConstraint("mission", "host", "pgid", "start_time"),
    Index(None, "workspace", "mission"),
)
