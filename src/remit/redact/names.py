"""What a name says about its value: a password, some other secret, perhaps a key, or none of them.

Pure functions over the words of a name, however they are joined: ``dbPassword``, ``DB_PASSWORD`` and ``db-password``.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache


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
_PASSWORD_WORDS = frozenset([*_PASSWORDS, "passwords", "pass", "pw", "psw", "pswd", "pin", "passw", "userpass", "mdp", "psk", "requirepass", "community", "masterauth", "bindpw", "rootpw"])
_SECRETS = (
    *("secret", "token", "apikey", "secretkey", "accesskey", "privatekey", "authkey", "accountkey", "masterkey"),
    *("signingkey", "encryptionkey", "sharedkey", "licensekey", "servicekey", "appkey", "clientkey", "authtoken"),
    *("storagekey", "hmackey", "sessionkey", "sessionid", "sessid", "webhook", "sharedaccesskey", "apisecret"),
)
_SECRET_WORDS = frozenset(
    [*_SECRETS, "secrets", "tokens", "bearer", "jwt", "pat", "credential", "credentials", "creds", "cred", "mnemonic"]
    + ["otp", "totp", "dsn", "connectionstring", "connstr", "passkey", "salt", "pepper", "seed", "sas"]
)
#: What makes a ``key`` one that nobody may know.
_SECRET_KEYS = frozenset(
    ["api", "access", "secret", "private", "auth", "account", "master", "signing", "sign", "encryption", "encrypt"]
    + ["shared", "license", "licence", "service", "app", "client", "hmac", "aes", "rsa", "ssh", "crypto", "cipher"]
    + ["deploy", "admin", "root", "storage", "server", "session", "cookie", "storage", "ingest", "write", "integration"]
    + ["decryption", "decrypt", "webhook", "jwt", "bot", "personal", "functions", "function", "host", "subscription"]
)
_KEY_WORDS = frozenset(["key", "keys", "auth", "authorization", "signature", "sig", "session", "cookie", "sid", "code"])

#: Words after which the rest says what *about* the secret stands there: ``password_field``, ``token_url``.
_ABOUT = frozenset(
    ["name", "names", "id", "ids", "type", "types", "url", "urls", "uri", "path", "paths", "file", "filename", "dir"]
    + ["field", "fields", "label", "length", "len", "size", "count", "counts", "policy", "prompt", "hint", "hasher"]
    + ["expires", "expiry", "expiration", "expired", "ttl", "timeout", "endpoint", "format", "regex", "pattern"]
    + ["error", "errors", "message", "msg", "header", "headers", "class", "column", "col", "param", "params", "option"]
    + ["options", "reset", "form", "page", "view", "input", "list", "map", "manager", "service", "provider", "ref"]
    + ["arn", "version", "index", "prefix", "suffix", "enabled", "required", "created", "at", "date", "time", "alg"]
    + ["algorithm", "scope", "usage", "status", "state", "action", "method", "function", "validator", "strength"]
    + ["encoder", "store", "storage", "kind", "mode", "description", "title", "text", "placeholder", "help", "doc"]
    + ["limit", "max", "min", "stream", "iterator", "parser", "factory", "handler", "callback", "event", "rule"]
    + ["rotation", "request", "response", "result", "source", "target", "level", "group", "user", "username", "email"]
    + ["domain", "host", "port", "region", "issuer", "audience", "info", "metadata", "data", "schema", "model"]
    + ["attribute", "attr", "checksum", "hash", "digest", "fingerprint", "thumbprint", "position", "offset", "order"]
)
#: Words that make the name of something public or fleeting.
_PUBLIC = frozenset(
    ["public", "pub", "publishable", "primary", "foreign", "sort", "partition", "cache", "idempotency", "page", "next"]
    + ["continuation", "pagination", "cancel", "cancellation", "sync", "site", "sitekey", "csrf", "xsrf", "lookup"]
    + ["object", "dict", "map", "row", "hash", "index", "unique", "composite", "shortcut", "hot", "arrow", "max"]
    + ["min", "num", "eos", "bos", "pad", "unk", "mask", "sep", "cls", "stop", "special", "lex", "syntax", "i18n"]
    + ["locale", "translation", "message", "event", "routing", "topic", "registry", "host", "known", "authorized"]
)
_TRAILING = frozenset(
    ["value", "val", "str", "string", "plain", "plaintext", "raw", "prod", "production", "dev", "development", "test"]
    + ["staging", "stage", "live", "sandbox", "base", "default", "env", "var", "new", "old", "current", "previous"]
    + ["local", "main", "temp", "tmp", "backup", "encoded", "base64", "b64", "hex", "primary", "secondary", "json"]
)


@lru_cache(maxsize=4096)
def said(name: str) -> Says | None:
    """What ``name`` promises; ``None`` for one that is no secret's: ``password_field``, ``public_key``, ``monkey``."""
    words = [word.lower() for word in _WORDS.findall(name[-120:]) if not word.isdigit()]
    while len(words) > 1 and words[-1] in _TRAILING:
        words.pop()
    if not words:
        return None
    last = words[-1]
    if _one_of(last, _PASSWORD_WORDS, _PASSWORDS) or words[-2:] in (["pass", "word"], ["pass", "phrase"]):
        return Says.PASSWORD
    if len(words) > 1 and words[-2] == "secret" and last in {"id", "base"}:
        return Says.SECRET  # the second half of an AppRole; Rails
    if last in _ABOUT or not _PUBLIC.isdisjoint(words):
        return None
    return _secret(words, last)


def _secret(words: list[str], last: str) -> Says | None:
    if _one_of(last, _SECRET_WORDS, _SECRETS) or words[-2:] in (["connection", "string"], ["session", "id"]):
        return Says.SECRET
    if last in {"key", "keys"} and not _SECRET_KEYS.isdisjoint(words):
        return Says.SECRET
    if last in _KEY_WORDS or last.endswith(("apikey", "authkey")):
        return Says.KEY
    if any(_one_of(word, _PASSWORD_WORDS, _PASSWORDS) for word in words):
        return Says.PASSWORD  # password_db, passwordAdmin
    if any(_one_of(word, _SECRET_WORDS, _SECRETS) for word in words) or {"api", "key"} <= set(words):
        return Says.SECRET
    return None


def _one_of(word: str, words: frozenset[str], ends: tuple[str, ...]) -> bool:
    return word in words or word.endswith(ends)
