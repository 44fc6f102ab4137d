"""Telemetry as rows: which switches were turned, and the events that were recorded while one was on."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

#: One row for each switch that a person turned; without one the setting of its name counts.
TELEMETRY_SWITCH = Table(
    "telemetry_switch",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),  # telemetry, feedback
    Column("turned_on", Integer, nullable=False),
    Column("principal", Text, nullable=False),
    Column("reason", Text, nullable=False),  # masked
    Column("at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "name"),
)

#: Who did it stands in none of them.
TELEMETRY_EVENT = Table(
    "telemetry_event",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),  # feature, error, feedback
    Column("surface", Text, nullable=False),  # api, console, cli, gateway
    Column("name", Text, nullable=False),  # of a feature: method and route, or a command's words
    Column("outcome", Text, nullable=False),  # the status of the answer
    Column("took_us", BigInteger, nullable=False),  # until the answer began; 0: nothing was measured
    Column("rating", Integer, nullable=False),  # 1 to 5; 0: none was given
    Column("comment", Text, nullable=False),  # masked
    Column("times", BigInteger, nullable=False, server_default="1"),  # how many alike it stands for
    PrimaryKeyConstraint("workspace", "id"),
    Index(None, "workspace", "at_us", "id"),
    Index(None, "workspace", "kind", "at_us", "id"),
    Index(None, "workspace", "name", "at_us", "id"),
)
