"""HashiCorp Vault, KV version 2, through hvac (extra ``vault``); signed in by token or AppRole.

The policy needs ``read`` on ``MOUNT/data/PREFIX*``; to write also ``create`` and ``update`` there; to list and to
delete ``list``, ``read`` and ``delete`` on ``MOUNT/metadata/PREFIX*``.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from remit.adapters.secrets.answers import binary, late, refused, silent, unknown
from remit.kernel.errors import Failed, InvalidInput, RemitError, Unavailable
from remit.kernel.ports import SecretValue
from remit.kernel.secret_sources import SecretSource

WHERE = "Vault"
MOST_TOKEN_BYTES = 16 << 10
#: Seconds before the second try; each later one waits twice as long, at most ``LONGEST_WAIT_S``.
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0
DEEPEST = 8  # folders in folders, when secrets are listed


class VaultSecrets:
    """The Vault backend. A token that has expired is replaced by signing in anew, once, where there is an AppRole.

    Redirects are refused: they would carry the token to another host.

    Args:
        source: Address, mount, prefix, sign-in and bounds.
        environ: Where ``env:`` references are read; the process's own when left out.
        sleep: Waits between tries.
    """

    name = "vault"
    writable = True

    def __init__(
        self,
        source: SecretSource,
        *,
        environ: Mapping[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = source
        self._environ = os.environ if environ is None else environ
        self._sleep = sleep
        self._lock = threading.Lock()
        self._made: Any = None

    def __repr__(self) -> str:
        return f"VaultSecrets({self._source.url!r}, {self._source.mount!r})"

    def get(self, name: str, *, version: str = "") -> SecretValue:
        """As ``SecretBackend.get``; the value is the key ``field`` of what is kept."""
        if version and not version.isdecimal():
            raise unknown(name, WHERE, version=version)

        def ask(kv: Any) -> Any:
            data = kv.read_secret_version(
                path=self._path(name),
                version=int(version) if version else None,
                mount_point=self._source.mount,
                raise_on_deleted_version=True,
            )["data"]
            return str(data["metadata"]["version"]), dict(data["data"] or {}).get(self._source.field)

        found, text = self._ask(ask, name, version=version)
        if text is None:
            raise unknown(f"{name} ({self._source.field})", WHERE, version=version)
        if not isinstance(text, str):
            raise binary(name, WHERE)
        return SecretValue(name, found, self.name, text)

    def set(self, name: str, text: str) -> str:
        """As ``SecretBackend.set``. It replaces all keys of what is kept there."""

        def ask(kv: Any) -> Any:
            kept = {self._source.field: text}
            made = kv.create_or_update_secret(path=self._path(name), secret=kept, mount_point=self._source.mount)
            return str(made["data"]["version"])

        return str(self._ask(ask, name))

    def delete(self, name: str) -> None:
        """As ``SecretBackend.delete``: every version is destroyed."""
        self.versions(name)  # deleting what isn't there succeeds in Vault

        def ask(kv: Any) -> Any:
            return kv.delete_metadata_and_all_versions(path=self._path(name), mount_point=self._source.mount)

        self._ask(ask, name)

    def names(self) -> list[str]:
        """As ``SecretBackend.names``, folders included."""
        prefix = self._source.prefix
        folder, slash, _ = prefix.rpartition("/")
        found = self._listed(folder + slash, DEEPEST)
        return sorted(path.removeprefix(prefix) for path in found if path.startswith(prefix))

    def versions(self, name: str) -> list[str]:
        """As ``SecretBackend.versions``; deleted and destroyed ones are left out."""

        def ask(kv: Any) -> Any:
            kept = kv.read_secret_metadata(path=self._path(name), mount_point=self._source.mount)["data"]["versions"]
            return [int(number) for number, one in kept.items() if not (one["destroyed"] or one["deletion_time"])]

        alive: list[int] = self._ask(ask, name)
        if not alive:
            raise unknown(name, WHERE)
        return [str(number) for number in sorted(alive, reverse=True)]

    # -------------------------------------------------------------------------------------------------------- asking

    def _listed(self, folder: str, deep: int) -> list[str]:
        def ask(kv: Any) -> Any:
            return list(kv.list_secrets(path=folder, mount_point=self._source.mount)["data"]["keys"])

        try:
            keys: list[str] = self._ask(ask, folder)
        except RemitError as error:
            if error.code == "secrets.unknown":
                return []
            raise
        found = [f"{folder}{key}" for key in keys if not key.endswith("/")]
        for key in keys:
            if key.endswith("/") and deep:
                found += self._listed(f"{folder}{key}", deep - 1)
        return found

    def _path(self, name: str) -> str:
        return self._source.prefix + name

    def _ask(self, ask: Callable[[Any], Any], name: str, *, version: str = "") -> Any:
        """One question: tried again after what may pass, and once after signing in anew."""
        client = self._client
        renewed = False
        tried = 0
        while True:
            tried += 1
            try:
                return ask(client().secrets.kv.v2)
            except RemitError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever the driver raises may repeat what was asked
                # An expired token is refused just as a missing right is: only signing in anew can tell.
                if self._source.role_id and not renewed and _is_forbidden(error):
                    renewed, tried = True, tried - 1
                    self._forget()
                    continue
                failure = self._failure(error, name, version)
            if tried >= self._source.tries or not isinstance(failure, Unavailable):
                raise failure from None
            self._sleep(min(FIRST_WAIT_S * 2 ** (tried - 1), LONGEST_WAIT_S))

    def _failure(self, error: Exception, name: str, version: str) -> RemitError:
        """The driver's error in our words; none of its own is shown."""
        hvac: Any = import_module("hvac.exceptions")
        requests: Any = import_module("requests")
        kind = type(error).__name__
        match error:
            case hvac.InvalidPath():
                return unknown(name, WHERE, version=version)
            case requests.Timeout():
                return late(WHERE, self._source.timeout_s)
            case (
                hvac.RateLimitExceeded()
                | hvac.InternalServerError()
                | hvac.BadGateway()
                | hvac.VaultDown()
                | hvac.UnexpectedError()
                | requests.RequestException()
            ):
                return silent(WHERE, kind)
            case _:
                why = "the token has expired or lacks the right" if _is_forbidden(error) else kind
                return refused(name, WHERE, why if isinstance(error, hvac.VaultError) else "its answer is not Vault's")

    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                self._made = self._sign_in()
            return self._made

    def _forget(self) -> None:
        with self._lock:
            self._made = None

    def _sign_in(self) -> Any:
        try:
            hvac: Any = import_module("hvac")
        except ImportError as error:
            message = "Secrets in Vault need hvac, which is not installed."
            raise InvalidInput(message, code="secrets.driver", hint="pip install 'remit[vault]'") from error
        source = self._source
        client = hvac.Client(
            url=source.url,
            token="",  # none yet: hvac would look for one in places of its own
            verify=source.ca or True,
            timeout=source.timeout_s,
            namespace=source.namespace or None,
            allow_redirects=False,
        )
        if source.role_id:
            client.auth.approle.login(role_id=self._read(source.role_id), secret_id=self._read(source.secret_id))
        else:
            client.token = self._read(source.token or "env:VAULT_TOKEN")
        return client

    def _read(self, reference: str) -> str:
        """What signs in; never kept but in the client, never shown."""
        kind, _, place = reference.partition(":")
        try:
            text = (
                self._environ[place]
                if kind == "env"
                else Path(place).expanduser().read_bytes()[:MOST_TOKEN_BYTES].decode()
            ).strip()
        except (KeyError, OSError, UnicodeDecodeError):
            text = ""
        if not text:
            message = f"Vault's {reference} is not there, so nobody can sign in to it."
            raise Failed(message, code="secrets.sign_in", hint=f"set {place}, or correct the [[secrets]] table")
        return text


def _is_forbidden(error: Exception) -> bool:
    hvac: Any = import_module("hvac.exceptions")
    return isinstance(error, hvac.Forbidden | hvac.Unauthorized)
