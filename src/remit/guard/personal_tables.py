"""The vault's table: what the tokens of a mission stand for.

============  ========================================================================================================
column        what it is
============  ========================================================================================================
label,        the token ``<LABEL_number_tag>``; the row ``NONCE`` 0 holds the mission's nonce, its tag is its key's id
number, tag
dek           the data key (``audit_dek``) that ``body`` is under: the person's whom the mission is about, else the
              mission's own. Erasing that subject destroys the key, and with it what the token stands for
body          nonce || AES-256-GCM(value), every other column as associated data
============  ========================================================================================================
"""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

PERSONAL_VAULT = Table(
    "personal_vault",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("mission", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("tag", Text, nullable=False),
    Column("dek", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("workspace", "mission", "label", "number", "tag"),
)
