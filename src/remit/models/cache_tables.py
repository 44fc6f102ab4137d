"""The tables of kept answers.

============  ========================================================================================================
column        what it is
============  ========================================================================================================
hash          SHA-256 of the normalised request, and of what else an answer depends on (``cache_key``)
target        ``provider/model``, for people who look
until_us      when it is too old
used_us       when it was last given (to a minute or so): the least recently used goes first when room is needed
size          bytes of ``body``
saved_micros  what the call cost, and giving it again spares
dek           the data key (``audit_dek``) that ``body`` is under: of the person whom it is about, else of the mission,
              else of all kept answers of the workspace. Erasing that subject destroys the key, and with it the answer
body          nonce || AES-256-GCM(the outcome as JSON), workspace, hash and key as associated data
============  ========================================================================================================
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

ANSWER = Table(
    "answer",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("wire", Text, nullable=False),
    Column("kept_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Column("used_us", BigInteger, nullable=False),
    Column("hits", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("saved_micros", BigInteger, nullable=False),
    Column("dek", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("workspace", "hash"),
    Index(None, "workspace", "until_us"),
    Index(None, "workspace", "used_us"),
)

#: What a workspace's answers add up to: always what their rows say, without a look at them.
ANSWER_SUM = Table(
    "answer_sum",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace"),
)
