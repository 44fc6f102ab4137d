"""Refresh tokens: each is used once and gives the next; a second use, beyond a short grace, ends the whole family.

    rmt_ref_ family (16 bytes) | generation (4) | secret (32) | tag (16) in base 62, checksum

The family is a program's sign-in (a row of ``sign_in_session``). Its first secret is random. Each later one is an HMAC,
under a key of this install, over the secret before it and a random salt that is stored at the rotation: so a program
whose answer was lost may ask again and is given *the same* successor, which nobody stored. To make it takes the salt
(in the database), the install's key (in the home) and the token before (with the program). The tag, an HMAC too, shows
that a token was really given out: who only knows a family's id can end nothing (RFC 9700, 4.14.2; ASVS 5.0, 10.4.5).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, select, update

from remit.accounts.access import ACTIVE
from remit.accounts.entrance import Entrance
from remit.accounts.key_tokens import CHECK, base62, checksum
from remit.accounts.known import EVERY_SCOPE
from remit.accounts.sealing import tag
from remit.accounts.sessions import Ended, close_session, person_of, session_entry
from remit.accounts.sign_in import PROGRAM
from remit.accounts.sign_in_tables import SESSION
from remit.accounts.tables import USER
from remit.audit.entry import Result
from remit.kernel.canonical import Json, sha256_hex
from remit.kernel.errors import Unauthenticated
from remit.kernel.ports import Row, Tx

_WORD = "rmt_ref_"
_FAMILY, _GENERATION, _SECRET, _TAG = 16, 4, 32, 16
_BYTES = _FAMILY + _GENERATION + _SECRET + _TAG
_DIGITS = 92  # 62 ** 92 > 256 ** 68
_LENGTH = len(_WORD) + _DIGITS + CHECK

_ONE = (
    select(SESSION, USER.c.status.label("standing"))
    .join(USER, (USER.c.workspace == SESSION.c.workspace) & (USER.c.id == SESSION.c.person))
    .where(SESSION.c.id == bindparam("which"), SESSION.c.kind == PROGRAM)
)
_ROTATE = (
    update(SESSION)
    .where(
        SESSION.c.id == bindparam("which"),
        SESSION.c.token_hash == bindparam("shown"),
        SESSION.c.generation == bindparam("number"),
        SESSION.c.ended_us.is_(None),
        SESSION.c.expires_us > bindparam("at"),
    )
    .values(
        previous_hash=SESSION.c.token_hash,
        token_hash=bindparam("next_hash"),
        salt=bindparam("salted"),
        generation=SESSION.c.generation + 1,
        rotated_us=bindparam("at"),
        seen_us=bindparam("at"),
    )
)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token, taken apart."""

    family: str
    generation: int
    secret: bytes

    @property
    def digest(self) -> str:
        """What is stored of it."""
        return sha256_hex(self.secret)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a program is given. ``expires_us`` is the access token's end, ``until_us`` that of the whole sign-in."""

    access: str
    refresh: str
    expires_us: int
    until_us: int
    session: str

    def as_json(self, now_us: int) -> dict[str, Json]:
        """The answer of RFC 6749, 5.1."""
        return {
            "access_token": self.access,
            "token_type": "Bearer",
            "expires_in": max(0, (self.expires_us - now_us) // 1_000_000),
            "refresh_token": self.refresh,
            "refresh_expires_in": max(0, (self.until_us - now_us) // 1_000_000),
            "session": self.session,
        }


def write_refresh(token: RefreshToken, key: bytes) -> str:
    """It as a program carries it."""
    begun = UUID(token.family).bytes + token.generation.to_bytes(_GENERATION) + token.secret
    whole = begun + tag(key, b"tag", begun)[:_TAG]
    text = _WORD + base62(int.from_bytes(whole), _DIGITS)
    return text + checksum(text)


def read_refresh(text: str, key: bytes) -> RefreshToken | None:
    """What was given out as this text; ``None`` when nothing was."""
    if len(text) != _LENGTH or not text.isascii() or not text.startswith(_WORD):
        return None
    if text[-CHECK:] != checksum(text[:-CHECK]):
        return None
    number = 0
    for digit in text[len(_WORD) : -CHECK]:
        value = _VALUE.get(digit)
        if value is None:
            return None
        number = number * 62 + value
    if number >> (8 * _BYTES):
        return None
    whole = number.to_bytes(_BYTES)
    begun = whole[:-_TAG]
    if not hmac.compare_digest(whole[-_TAG:], tag(key, b"tag", begun)[:_TAG]):
        return None
    family = str(UUID(bytes=begun[:_FAMILY]))
    generation = int.from_bytes(begun[_FAMILY : _FAMILY + _GENERATION])
    return RefreshToken(family, generation, begun[-_SECRET:])


_VALUE = {base62(number, 1): number for number in range(62)}


async def refresh(entrance: Entrance, text: str) -> Tokens:
    """New tokens for a refresh token; the old one holds for nothing from now on, but for the grace.

    Raises:
        Unauthenticated: It is none of ours, or holds no longer; never says which. If it was used before, its family
            has ended, on record.
    """
    shown = read_refresh(text, entrance.refresh_key)
    if shown is None:
        raise _refused()
    salt = entrance.rand(32)

    def op(tx: Tx) -> tuple[Row, RefreshToken] | None:
        now = entrance.now_us()
        row = tx.row(_ONE, {"which": shown.family})
        if row is None or row["standing"] != ACTIVE or row["ended_us"] is not None or row["expires_us"] <= now:
            return None
        following = _after(shown, salt, entrance.refresh_key)
        rotated = tx.execute(
            _ROTATE,
            {
                "which": shown.family,
                "shown": shown.digest,
                "number": shown.generation,
                "at": now,
                "next_hash": following.digest,
                "salted": salt,
            },
        )
        if rotated:
            return row, following
        row = tx.row(_ONE, {"which": shown.family}) or row  # another one's rotation came first
        again = hmac.compare_digest(row["previous_hash"], shown.digest) and shown.generation == row["generation"] - 1
        if again and now - row["rotated_us"] < entrance.terms.grace_us:
            same = _after(shown, bytes(row["salt"]), entrance.refresh_key)
            if same.digest == row["token_hash"]:
                return row, same
        _reused(tx, row, shown, at_us=now)
        return None

    found = await entrance.journal.commit("sign_in.refresh", op)
    if found is None:
        entrance.sign_in.forget()
        raise _refused()
    row, following = found
    return give_tokens(
        entrance, following, person=row["person"], workspace=row["workspace"], until_us=row["expires_us"]
    )


def first_secret(entrance: Entrance) -> bytes:
    """The secret that a family begins with."""
    return entrance.rand(_SECRET)


def give_tokens(entrance: Entrance, token: RefreshToken, *, person: str, workspace: str, until_us: int) -> Tokens:
    """The refresh token with an access token for the same sign-in."""
    access, expires = entrance.sign_in.tokens.issue(
        session=token.family, person=person, workspace=workspace, scopes=EVERY_SCOPE
    )
    return Tokens(access, write_refresh(token, entrance.refresh_key), expires, until_us, token.family)


async def end_family(entrance: Entrance, text: str) -> None:
    """Sign a program out by its refresh token, if it is one (RFC 7009: a token that holds no longer is no error)."""
    shown = read_refresh(text, entrance.refresh_key)
    if shown is None:
        return

    def op(tx: Tx) -> None:
        row = tx.row(_ONE, {"which": shown.family})
        if row is None:
            return
        who = person_of(row["person"])
        why = Ended.SIGNED_OUT
        at = entrance.now_us()
        if close_session(tx, row["id"], workspace=row["workspace"], by=str(who), why=why, at_us=at):
            entry = session_entry("accounts.session.ended", row["workspace"], row["id"], who)
            tx.append(entry, {"user": who.id, "why": why}, subject=who.id)

    await entrance.journal.commit("sign_in.session", op)
    entrance.sign_in.forget()


def _after(token: RefreshToken, salt: bytes, key: bytes) -> RefreshToken:
    return RefreshToken(token.family, token.generation + 1, tag(key, b"next", salt, token.secret))


def _reused(tx: Tx, row: Row, shown: RefreshToken, *, at_us: int) -> None:
    """Somebody has a token that was used: the program or a thief, nobody knows which, so neither goes on."""
    who = person_of(row["person"])
    close_session(tx, row["id"], workspace=row["workspace"], by="system:sign-in", why=Ended.REUSED, at_us=at_us)
    entry = session_entry(
        "accounts.refresh.reused", row["workspace"], row["id"], who, result=Result.BLOCKED, reason="reused"
    )
    told: dict[str, Json] = {"user": who.id, "team": "", "generation": shown.generation, "at": row["generation"]}
    tx.append(entry, told, subject=who.id)


def _refused() -> Unauthenticated:
    message = "This refresh token does not hold (any more)."
    return Unauthenticated(message, code="sign_in.refresh", hint="sign in again")
