"""Passwords, sessions, links, tries, second factors, API keys and identities elsewhere. Each row has its workspace.

What somebody could use is not stored: of tokens and codes there are hashes, of passwords argon2id, and what must be
read again (the seed of a second factor) is sealed under a key that is in no database (``sealing``).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text

from remit.kernel.tables import METADATA

PASSWORD = Table(
    "sign_in_password",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("hash", Text, nullable=False),  # argon2id with its parameters, as ``adapters.identity`` writes it
    Column("set_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "person"),
)

#: One row for each sign-in: of a console (a cookie), or of a program (access and refresh tokens: a family).
SESSION = Table(
    "sign_in_session",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("kind", Text, nullable=False),  # ``sessions.SessionKind``
    Column("token_hash", Text, nullable=False),  # SHA-256 of the cookie, or of the current refresh token's secret
    Column("previous_hash", Text, nullable=False),  # of the refresh token before that
    Column("salt", LargeBinary, nullable=False),  # what the current refresh token was made from, beside the one before
    Column("generation", Integer, nullable=False),
    Column("rotated_us", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),  # written at most once a minute
    Column("expires_us", BigInteger, nullable=False),  # whatever is done with it
    Column("how", Text, nullable=False),  # password | link | oidc
    Column("strong", Integer, nullable=False),  # 1: with a second factor
    Column("limited", Integer, nullable=False),  # 1: until a second factor is set up, only their own account
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),  # the user agent as it named itself, made harmless
    Column("ended_us", BigInteger),
    Column("ended_by", Text, nullable=False),
    Column("ended_why", Text, nullable=False),  # ``sessions.Ended``
    Index(None, "token_hash", unique=True),
    Index(None, "workspace", "person"),
)

#: A key of a person, for their own programs. Found before its workspace is known, by its beginning.
API_KEY = Table(
    "api_key",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("scopes", Text, nullable=False),  # JSON list of ``roles.Permission``
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("used_us", BigInteger),  # written at most once a minute
    Column("revoked_us", BigInteger),
    Column("revoked_by", Text, nullable=False),
    Index(None, "prefix", unique=True),
    Index(None, "workspace", "person"),
)

#: A link that lets somebody set their password once: the first one, or a new one.
LINK = Table(
    "sign_in_link",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("purpose", Text, nullable=False),  # ``setup.Purpose``
    Column("token_hash", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("closed_us", BigInteger),  # used, or replaced by a newer one
    Index(None, "token_hash", unique=True),
    Index(None, "workspace", "person"),
)

#: Tries of late that did not succeed, by whom they claimed to be and by where they came from; both as hashes.
TRY = Table(
    "sign_in_try",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),  # nothing is tried before
    PrimaryKeyConstraint("workspace", "subject"),
    Index(None, "last_us"),
)

FACTOR = Table(
    "sign_in_factor",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("confirmed_us", BigInteger),
    Column("last_step", BigInteger, nullable=False),  # the time step of the code that was used last: none is used twice
    PrimaryKeyConstraint("workspace", "person"),
)

RECOVERY = Table(
    "sign_in_recovery",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("digest", Text, nullable=False),  # SHA-256: a code has 120 random bits
    Column("used_us", BigInteger),
    PrimaryKeyConstraint("workspace", "person", "digest"),
)

#: Who somebody is at an OpenID provider.
IDENTITY = Table(
    "sign_in_identity",
    METADATA,
    Column("workspace", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("linked_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "issuer", "subject"),
    Index(None, "workspace", "person"),
)
