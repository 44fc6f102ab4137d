"""Approvals as rows: requests, the voices of people about them, and rights that were handed on."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

#: One row for each request. What binds is subject_hash and policy_rev; everything in ``shown`` is masked.
APPROVAL = Table(
    "approval",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("mission", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("effect_key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("domain", Text, nullable=False),
    Column("target", Text, nullable=False),  # masked
    Column("principal", Text, nullable=False),
    Column("on_behalf_of", Text, nullable=False),
    Column("subject_hash", Text, nullable=False),
    Column("policy_rev", Text, nullable=False),
    Column("estimate_micros", BigInteger, nullable=False),
    Column("risk", Text, nullable=False),
    Column("shown", Text, nullable=False),  # JSON: payload, reasons, checks, blast radius, evidence, preview
    Column("requested_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("quorum", Integer, nullable=False),
    Column("separated", Integer, nullable=False),  # 1: neither who asked nor for whom it was asked may decide
    Column("status", Text, nullable=False),  # ``approval_requests.Status``
    Column("open_key", Text),  # while pending: what it is about, so that it is asked once; else null
    Column("reason", Text, nullable=False),  # of the decision, masked
    Column("decided_us", BigInteger),
    Column("used_us", BigInteger),
    Column("used_by", Text),  # the action that was admitted with it
    Column("told_us", BigInteger),  # when a refusal was handed to whoever had asked
    Column("notified_us", BigInteger),
    Index(None, "workspace", "open_key", unique=True),
    Index(None, "workspace", "status", "expires_us", "id"),
    Index(None, "workspace", "requested_us", "id"),
    Index(None, "workspace", "mission", "step"),
    Index(None, "workspace", "subject_hash"),
)

#: One row for each person who decided. ``right_of`` is whose right it was: the person's own, or a delegator's.
APPROVAL_VOTE = Table(
    "approval_vote",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("approval", Text, nullable=False),
    Column("voter", Text, nullable=False),
    Column("right_of", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),  # masked
    Column("voted_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("approval", "voter"),
    Index(None, "approval", "right_of", unique=True),
)

#: A person's right to decide, handed to another until a moment. It can't be handed on.
APPROVAL_DELEGATION = Table(
    "approval_delegation",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("giver", Text, nullable=False),
    Column("taker", Text, nullable=False),
    Column("reason", Text, nullable=False),  # masked
    Column("given_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Column("revoked_us", BigInteger),
    Index(None, "workspace", "taker"),
)
