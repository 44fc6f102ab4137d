"""Where secrets are kept, as the owner of the install wrote it into the settings: backends in order, and which names.

``secrets = "file"`` or ``"env, file"`` is the short form; ``[[secrets]]`` tables have options. No option is a secret:
tokens are references, ``env:NAME`` or ``file:PATH``, and AWS finds its credentials itself.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import cast
from urllib.parse import urlsplit

from remit.kernel.errors import InvalidInput

ENV_PREFIX = "REMIT_SECRET_"

_REFERENCE = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)")
_MOST_TIMEOUT_S = 60.0
_FEWEST_TIMEOUT_S = 0.05
_MOST_TRIES = 10


class SourceKind(StrEnum):
    """What keeps the secrets."""

    ENV = "env"  # variables of the process, read only
    FILE = "file"  # an encrypted file in the home
    AWS = "aws"  # AWS Secrets Manager
    VAULT = "vault"  # HashiCorp Vault, KV version 2


@dataclass(frozen=True, slots=True)
class SecretSource:
    """One backend.

    Attributes:
        kind: Which.
        names: The secrets that it serves: a pattern with ``*`` and ``?``.
        prefix: Put before a name, ``{workspace}`` in it standing for the workspace's. When empty: ``REMIT_SECRET_`` of
            variables, ``{workspace}/`` in the file, ``remit/{workspace}/`` in AWS and Vault.
        region: AWS region; boto3's own when empty.
        url: Vault's address, or another endpoint for AWS; https, or http on loopback.
        mount: Vault's KV mount.
        namespace: Vault's namespace (Enterprise).
        field: Which key of a Vault secret holds the value.
        token: Reference to a Vault token; ``env:VAULT_TOKEN`` when nothing else is given.
        role_id: Reference to an AppRole's role id, in place of a token.
        secret_id: Reference to its secret id.
        ca: A file with the certificates that Vault's must be signed by; the system's when empty.
        timeout_s: Seconds that one request may take.
        tries: How often a request that may pass is made, at most.

    Raises:
        InvalidInput: An option is wrong or missing.
    """

    kind: SourceKind
    names: str = "*"
    prefix: str = ""
    region: str = ""
    url: str = ""
    mount: str = "secret"
    namespace: str = ""
    field: str = "value"
    token: str = ""
    role_id: str = ""
    secret_id: str = ""
    ca: str = ""
    timeout_s: float = 5.0
    tries: int = 3

    def __post_init__(self) -> None:
        vault = self.kind is SourceKind.VAULT
        checks = (
            (not self.names, "its names must be a pattern"),
            (vault and not self.url, "it needs a url: https://vault.example.org"),
            (bool(self.url) and not _is_safe(self.url), "its url must be https://HOST, or http:// on loopback"),
            (bool(self.role_id) != bool(self.secret_id), "role_id and secret_id go together"),
            (bool(self.role_id and self.token), "it has a token and an AppRole: take one"),
            *(
                (bool(value) and not _REFERENCE.fullmatch(value), f"{name} must be a reference: env:NAME or file:PATH")
                for name, value in (("token", self.token), ("role_id", self.role_id), ("secret_id", self.secret_id))
            ),
            (not _FEWEST_TIMEOUT_S <= self.timeout_s <= _MOST_TIMEOUT_S, "its timeout_s must be 0.05 to 60"),
            (not 1 <= self.tries <= _MOST_TRIES, "its tries must be 1 to 10"),
        )
        problems = [text for wrong, text in checks if wrong]
        if problems:
            message = f"The source of secrets {self.kind.value!r} can't work: {'; '.join(problems)}."
            raise InvalidInput(message, code="secrets.source", problems=tuple(problems))


#: What serves when the settings name nothing.
DEFAULT = (SecretSource(SourceKind.FILE),)

_FIELDS = {field.name for field in fields(SecretSource)}
_TYPES: Mapping[str, tuple[type, ...]] = {"timeout_s": (int, float), "tries": (int,)}


def read_sources(raw: object) -> tuple[SecretSource, ...]:
    """Sources from words (``"env, file"``), from ``[[secrets]]`` tables, or from either as JSON text.

    Raises:
        InvalidInput: Neither; an unknown backend or key (with the nearest known one), a wrong type, or none at all.
    """
    found: object = raw
    if isinstance(raw, str):
        text = raw.strip()
        try:
            found = json.loads(text) if text.startswith("[") else [word.strip() for word in text.split(",")]
        except ValueError as error:
            message = f"not JSON: {error}"
            raise InvalidInput(message) from error
    if not isinstance(found, list) or not found:
        message = "name at least one of env, file, aws, vault, or write [[secrets]] tables"
        raise InvalidInput(message)
    return tuple(_source(entry) for entry in cast("list[object]", found))


def _source(raw: object) -> SecretSource:
    given = {"kind": raw} if isinstance(raw, str) else raw
    if not isinstance(given, dict):
        message = "each source must be a word or a table with a kind"
        raise InvalidInput(message)
    options = cast("dict[str, object]", given)
    for key, value in options.items():
        if key not in _FIELDS:
            near = difflib.get_close_matches(key, _FIELDS, 1)
            message = f"a source has no {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")
            raise InvalidInput(message)
        wanted = _TYPES.get(key, (str,))
        if type(value) not in wanted:
            message = f"a source's {key!r} must be {wanted[-1].__name__}, not {type(value).__name__}"
            raise InvalidInput(message)
    kinds = [kind.value for kind in SourceKind]
    kind = str(options.get("kind", "")).lower()
    if kind not in kinds:
        message = f"a source's kind is one of {', '.join(kinds)}, not {kind!r:.40}"
        raise InvalidInput(message)
    return SecretSource(**{**options, "kind": SourceKind(kind)})  # type: ignore[arg-type] - checked above


def _is_safe(url: str) -> bool:
    """Whether nobody on the way can read along: https, or this machine."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or parts.username or port == 0:
        return False
    if parts.scheme == "https":
        return True
    import ipaddress  # noqa: PLC0415 - every command reads settings, few have an address here

    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    return parts.scheme == "http" and loopback
