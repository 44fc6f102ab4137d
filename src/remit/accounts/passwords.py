"""Passwords: what may be one, and setting it. How it is hashed is the adapter's (``adapters.identity.hashing``).

What is asked of one follows NIST SP 800-63B-4, section 3.1.1, and OWASP ASVS 5.0, 6.2: 8 characters or more, long ones
and any Unicode allowed, nothing that many people use or that is about this person or place, and no rules of
composition. ``common_passwords.txt`` is the list of what many people use (NOTICE says from where).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Protocol

from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert

from remit.accounts.sign_in_tables import PASSWORD
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import ReadTx, Tx

LEAST, MOST = 8, 256  # characters, after normalisation
COMMON = "common_passwords.txt"
_SHOWN = 10  # hexadecimal digits that the list keeps of each hash
_OWN = ("remit", "password", "passwort", "motdepasse", "welcome", "letmein", "changeme")
_SHORTEST_WORD = 3

_ONE = select(PASSWORD.c.hash).where(PASSWORD.c.workspace == bindparam("of"), PASSWORD.c.person == bindparam("who"))
_INSERT = insert(PASSWORD)
_SET = _INSERT.on_conflict_do_update(
    index_elements=["workspace", "person"],
    set_={"hash": _INSERT.excluded.hash, "set_us": _INSERT.excluded.set_us},
)


class Hasher(Protocol):
    """Hashes passwords slowly, off the event loop; as many at once as it has threads."""

    async def hash(self, password: str) -> str:
        """The hash, with its salt and parameters.

        Raises:
            Unavailable: Too many wait already.
        """
        ...

    async def verify(self, stored: str, password: str) -> bool:
        """Whether this is the password. With nothing stored: no, after the same work.

        Raises:
            Unavailable: Too many wait already.
        """
        ...

    def stale(self, stored: str) -> bool:
        """Whether it was made with other parameters than those in force."""
        ...

    def close(self) -> None:
        """Let the threads go."""
        ...


def normal(password: str) -> str:
    """The form that is hashed and compared (NFKC): the same characters from another keyboard are the same password."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, *, about: Iterable[str] = ()) -> str:
    """``password`` in its normal form, if it may be one.

    Args:
        password: As typed.
        about: What is known of the person and the place (id, name, e-mail address, workspace): it is not made of that.

    Raises:
        InvalidInput: It is too short or long, or among the first that anybody tries. The message never holds it.
    """
    text = normal(password)
    problems: list[str] = []
    if not LEAST <= len(text) <= MOST:
        problems.append(f"it must have {LEAST} to {MOST} characters")
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in text):
        problems.append("it holds characters that nobody can type")
    elif _digest(text.casefold()) in _common():
        problems.append("many people use it, so it is tried first")
    elif _core(text) in {_core(word) for word in (*_OWN, *_words(about))} - {""}:
        problems.append("it is made of your name, this place or what stands for a password")
    if problems:
        message = f"This can't be your password: {'; '.join(problems)}."
        raise InvalidInput(
            message, code="sign_in.password", hint="choose another: three or four words that don't belong together do"
        )
    return text


def readable(password: str) -> str:
    """A password that somebody signs in with, in its normal form.

    Raises:
        InvalidInput: Longer than any password may be: it is not worth hashing.
    """
    text = normal(password[: MOST * 4 + 1].encode("utf-8", "replace").decode())
    if len(text) > MOST * 4:
        message = f"A password has at most {MOST} characters."
        raise InvalidInput(message, code="sign_in.password", hint="type your password")
    return text


def stored_password(tx: ReadTx, *, workspace: str, person: str) -> str:
    """The hash of somebody's password; empty when they have none."""
    row = tx.row(_ONE, {"of": workspace, "who": person})
    return "" if row is None else str(row["hash"])


def put_password(tx: Tx, hashed: str, *, workspace: str, person: str, at_us: int) -> None:
    """Write it, inside another operation whose own entry tells it."""
    tx.execute(_SET, {"workspace": workspace, "person": person, "hash": hashed, "set_us": at_us})


def _words(about: Iterable[str]) -> Iterable[str]:
    for text in about:
        parts = [text, *re.split(r"[\s@._+-]+", text)]
        yield from (part for part in parts if len(part) >= _SHORTEST_WORD)


def _core(text: str) -> str:
    """What is left without digits and signs (and twice the same): ``Remit-2026!`` is ``remit``."""
    kept = "".join(char for char in text.casefold() if char.isalpha())
    half = kept[: len(kept) // 2]
    return half if half and half * 2 == kept else kept


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:_SHOWN]


@cache
def _common() -> frozenset[str]:
    text = resources.files("remit.accounts").joinpath(COMMON).read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))
