"""The log's tables. Each column is hashed, derived from a hashed one, or checked against one (see ``verify``).

===================  ==========================================================================================
column               what holds it
===================  ==========================================================================================
entry.header         the leaf: SHA-256(0x00 || header), under every later root
entry.leaf_hash      recomputed from ``header``
entry.seq and the    equal to the fields of the same names in ``header``
filter columns
payload.*            ``salt`` (16 bytes) and ``body`` hash to ``pd`` in the header; ``workspace`` and ``dek`` equal the
                     header's. Under a ``dek``, ``body`` is nonce || AES-256-GCM(salt || payload) and ``salt`` empty.
                     A missing row needs an ``audit.prune`` entry over it, or an ``audit.erase`` entry for its key
dek.*                ``wrapped`` opens under the key-encryption key with every other column as associated data; an
                     empty one needs an ``audit.erase`` entry, and the other way round
hold.*               what the ``audit.hold`` entry's header hashes: name, and SHA-256(salt || scope)
node.*               recomputed from the leaves; exactly the complete subtrees exist
checkpoint.*         ``note`` is exactly what the known keys signed, its size is ``size``, its root is recomputed, and
                     the heads file outside the database holds the same note
pending.*            Postgres only, for at most a sealer's tick: ``mac`` covers every other column
===================  ==========================================================================================

There is no prune table: the entries of action ``audit.prune`` are the record, and they are in the log.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

_Big = BigInteger().with_variant(Integer(), "sqlite")

ENTRY = Table(
    "audit_entry",
    METADATA,
    Column("seq", _Big, primary_key=True, autoincrement=False),
    Column("workspace", Text, nullable=False),
    Column("ts_us", _Big, nullable=False),
    Column("mission", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("header", LargeBinary, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    Index(None, "workspace", "ts_us"),
    Index(None, "workspace", "mission", "seq"),
    Index(None, "workspace", "action", "seq"),
    Index(None, "workspace", "actor", "seq"),
)

PAYLOAD = Table(
    "audit_payload",
    METADATA,
    Column("seq", _Big, primary_key=True, autoincrement=False),
    Column("workspace", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("dek", Text, nullable=False, server_default=""),
)

#: Data keys: one for each data subject, and (``subject`` empty) one for each workspace and month. Destroying one
#: empties ``wrapped`` and ``subject``; when it was destroyed is the time of the ``audit.erase`` entry.
DEK = Table(
    "audit_dek",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("period", Text, nullable=False),  # 2026-11 of a month's key; the id of a destroyed one
    Column("kek", Text, nullable=False),  # which key-encryption key wraps it
    Column("wrapped", LargeBinary, nullable=False),
    Index(None, "workspace", "subject", "period", unique=True),
)

#: Legal holds in force. A hold covers what fits every part of its scope that is not empty.
HOLD = Table(
    "audit_hold",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("subject", Text, nullable=False),
    Column("mission", Text, nullable=False),
    Column("since_us", _Big, nullable=False),
    Column("until_us", _Big, nullable=False),  # 0: no end
    PrimaryKeyConstraint("workspace", "name"),
)

NODE = Table(
    "audit_node",
    METADATA,
    Column("level", Integer, nullable=False),
    Column("idx", _Big, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    PrimaryKeyConstraint("level", "idx"),
    sqlite_with_rowid=False,
)

CHECKPOINT = Table(
    "audit_checkpoint",
    METADATA,
    Column("size", _Big, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
)

PENDING = Table(
    "audit_pending",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("ts_us", _Big, nullable=False),
    Column("fields", LargeBinary, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)
