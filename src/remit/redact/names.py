"""What a name says about its value: a password, some other secret, perhaps a key, or none of them.

Pure functions over the words of a name, however they are joined: ``dbPassword``, ``DB_PASSWORD`` and ``db-password``.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache

from remit.redact import vocabulary


class Says(StrEnum):
    """How much a name promises."""

    PASSWORD = "password"  # noqa: S105 - a kind of name
    """The value is chosen by a person perhaps: short and weak ones count."""
    SECRET = "secret"  # noqa: S105 - a kind of name
    """The value was made by a machine, most likely."""
    KEY = "key"
    """A key of some sort: of a cipher, or of a dictionary. Only the value can tell."""


_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_PASSWORDS = ("password", "passwd", "passwrd", "passphrase", "passcode", "passwort", "pwd", "psswd", "contrasena")
_SECRETS = (
    *("secret", "token", "apikey", "secretkey", "accesskey", "privatekey", "authkey", "accountkey", "masterkey"),
    *("signingkey", "encryptionkey", "sharedkey", "licensekey", "servicekey", "appkey", "clientkey", "authtoken"),
    *("storagekey", "hmackey", "sessionkey", "sessionid", "sessid", "webhook", "sharedaccesskey", "apisecret"),
)


@lru_cache(maxsize=4096)
def said(name: str) -> Says | None:
    """What ``name`` promises; ``None`` for one that is no secret's: ``password_field``, ``public_key``, ``monkey``."""
    words = [word.lower() for word in _WORDS.findall(name[-120:]) if not word.isdigit()]
    while len(words) > 1 and words[-1] in vocabulary.TRAILING:
        words.pop()
    if not words:
        return None
    last = words[-1]
    if _one_of(last, vocabulary.PASSWORD_WORDS, _PASSWORDS) or words[-2:] in (["pass", "word"], ["pass", "phrase"]):
        return Says.PASSWORD
    if len(words) > 1 and words[-2] == "secret" and last in {"id", "base"}:
        return Says.SECRET  # the second half of an AppRole; Rails
    if last in vocabulary.ABOUT or not vocabulary.PUBLIC.isdisjoint(words):
        return None
    return _secret(words, last)


def _secret(words: list[str], last: str) -> Says | None:
    if _one_of(last, vocabulary.SECRET_WORDS, _SECRETS) or words[-2:] in (["connection", "string"], ["session", "id"]):
        return Says.SECRET
    if last in {"key", "keys"} and not vocabulary.SECRET_KEYS.isdisjoint(words):
        return Says.SECRET
    if last in vocabulary.KEY_WORDS or last.endswith(("apikey", "authkey")):
        return Says.KEY
    if any(_one_of(word, vocabulary.PASSWORD_WORDS, _PASSWORDS) for word in words):
        return Says.PASSWORD  # password_db, passwordAdmin
    if any(_one_of(word, vocabulary.SECRET_WORDS, _SECRETS) for word in words) or {"api", "key"} <= set(words):
        return Says.SECRET
    return None


def _one_of(word: str, words: frozenset[str], ends: tuple[str, ...]) -> bool:
    return word in words or word.endswith(ends)
