"""Outside tool servers as rows: those that were registered, and what each offered when it was looked at."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

#: One row for each registered server. Values of ``env`` and ``headers`` that are secrets are references.
MCP_SERVER = Table(
    "mcp_server",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("command", Text, nullable=False),  # JSON: a list of arguments; empty for one that is reached by its address
    Column("env", Text, nullable=False),  # JSON: name to value
    Column("url", Text, nullable=False),
    Column("headers", Text, nullable=False),  # JSON: name to value
    Column("pinning", Text, nullable=False),  # ``mcp_tools.Pinning``
    Column("added_us", BigInteger, nullable=False),
    Column("added_by", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "name"),
)

#: One row for each tool that a server (registered or not) ever offered. It is held while the hashes differ.
MCP_TOOL = Table(
    "mcp_tool",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("server", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("sha256", Text, nullable=False),  # of description and schemas as last offered
    Column("accepted", Text, nullable=False),  # the hash that may be used; empty: none yet
    Column("description", Text, nullable=False),  # masked and cut
    Column("signs", Text, nullable=False),  # of injection, in a few words
    Column("first_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Column("accepted_us", BigInteger),
    Column("accepted_by", Text, nullable=False),  # empty: by itself, when it was first seen
    PrimaryKeyConstraint("workspace", "server", "name"),
)
