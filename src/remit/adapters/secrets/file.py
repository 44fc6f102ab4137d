"""Secrets in a file of the home: each value AES-256-GCM under a key derived from the home's, the file 0600.

``{"v": 1, "secrets": {"NAME": [{"version": "2", "at": TIME, "sealed": BASE64}, ...]}}``, newest first. What is sealed
is a nonce of 12 bytes, then ciphertext and tag; name and version are authenticated with them, so that no value can be
put in another's place.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypedDict, cast

from remit.adapters.secrets.answers import unknown
from remit.kernel import crash
from remit.kernel.clock import Clock
from remit.kernel.errors import IntegrityError, Unavailable, UserError
from remit.kernel.ports import SecretValue

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT = 1
MOST_VERSIONS = 10  # of one secret; the oldest goes
_NONCE = 12
_KEY = 32
_PURPOSE = b"remit: secrets of the home, version 1"
_PRIVATE = 0o600
_OTHERS = 0o077


class _Version(TypedDict):
    version: str
    at: str
    sealed: str


type _Secrets = dict[str, list[_Version]]


class FileSecrets:
    """The file backend. Processes take turns by a lock beside the file; a reader sees one state or the next.

    Args:
        path: The file; made with the first secret.
        key: 32 bytes or more, of the home; the file's own key is derived from it (HKDF-SHA256).
        clock: What versions are dated by.
        prefix: Put before each name.
    """

    name = "file"
    writable = True

    def __init__(self, path: Path, key: bytes, *, clock: Clock, prefix: str = "") -> None:
        self._path = path
        self._home_key = key
        self._clock = clock
        self._prefix = prefix
        self._made: AESGCM | None = None

    def __repr__(self) -> str:
        return f"FileSecrets({str(self._path)!r})"

    def get(self, name: str, *, version: str = "") -> SecretValue:
        """As ``SecretBackend.get``.

        Raises:
            IntegrityError: The file was changed, or encrypted under another key.
            UserError: Others could read it.
        """
        kept = self._read().get(self._prefix + name)
        if not kept:
            raise unknown(name, "the home's file")
        found = next((each for each in kept if version in {"", each["version"]}), None)
        if found is None:
            raise unknown(name, "the home's file", version=version)
        return SecretValue(name, found["version"], self.name, self._open(self._prefix + name, found))

    def set(self, name: str, text: str) -> str:
        """As ``SecretBackend.set``; on disk when it returns."""
        key = self._prefix + name
        with self._locked():
            kept = self._read()
            before = kept.get(key, [])
            version = str(int(before[0]["version"]) + 1) if before else "1"
            nonce = os.urandom(_NONCE)
            sealed = nonce + self._cipher.encrypt(nonce, text.encode("utf-8", "surrogatepass"), _bound(key, version))
            made: _Version = {
                "version": version,
                "at": self._clock.now().isoformat(timespec="seconds"),
                "sealed": b64encode(sealed).decode(),
            }
            kept[key] = [made, *before][:MOST_VERSIONS]
            self._write(kept)
        return version

    def delete(self, name: str) -> None:
        """As ``SecretBackend.delete``; gone from disk when it returns."""
        with self._locked():
            kept = self._read()
            if kept.pop(self._prefix + name, None) is None:
                raise unknown(name, "the home's file")
            self._write(kept)

    def names(self) -> list[str]:
        """As ``SecretBackend.names``."""
        return sorted(name.removeprefix(self._prefix) for name in self._read() if name.startswith(self._prefix))

    def versions(self, name: str) -> list[str]:
        """As ``SecretBackend.versions``."""
        kept = self._read().get(self._prefix + name)
        if not kept:
            raise unknown(name, "the home's file")
        return [each["version"] for each in kept]

    # --------------------------------------------------------------------------------------------------------- bytes

    @property
    def _cipher(self) -> AESGCM:
        if self._made is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
            from cryptography.hazmat.primitives.hashes import SHA256
            from cryptography.hazmat.primitives.kdf.hkdf import HKDF

            self._made = AESGCM(HKDF(SHA256(), _KEY, salt=None, info=_PURPOSE).derive(self._home_key))
        return self._made

    def _open(self, key: str, kept: _Version) -> str:
        from cryptography.exceptions import InvalidTag

        try:
            sealed = b64decode(kept["sealed"], validate=True)
            data = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(key, kept["version"]))
            return data.decode("utf-8", "surrogatepass")
        except (InvalidTag, ValueError) as error:
            message = f"The secret {key!r} in {self._path} was changed, or encrypted under another key."
            hint = f"restore the file and payload.key from one backup, or remit secrets set {key}"
            raise IntegrityError(message, code="secrets.file", hint=hint) from error

    def _read(self) -> _Secrets:
        try:
            if self._path.stat().st_mode & _OTHERS:
                message = f"The file of secrets {self._path} can be read by others."
                raise UserError(message, code="secrets.file_mode", hint=f"chmod 600 {self._path}")
            return _parsed(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._unreadable(error)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"The file of secrets {self._path} is damaged."
            raise IntegrityError(message, code="secrets.file", hint=f"restore {self._path} from its backup") from error

    def _write(self, kept: _Secrets) -> None:
        text = json.dumps({"v": FORMAT, "secrets": kept}, indent=1, sort_keys=True)
        draft = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        try:
            crash.reach("secrets.file:before")
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text + "\n")
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(self._path)
            except BaseException:
                draft.unlink(missing_ok=True)
                raise
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            crash.reach("secrets.file:after")
        except OSError as error:
            self._unreadable(error)

    @contextmanager
    def _locked(self) -> Generator[None]:
        """Of all who write, one at a time; the kernel lets go when a process dies."""
        try:
            handle = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
        except OSError as error:
            self._unreadable(error)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _unreadable(self, error: OSError) -> NoReturn:
        message = f"The file of secrets {self._path} can't be used: {error.strerror}."
        raise Unavailable(message, code="secrets.unavailable", hint="remit doctor") from error


def _parsed(data: bytes) -> _Secrets:
    """What the file says; ``ValueError``, ``KeyError`` or ``TypeError`` when it is not what this module writes."""
    document = json.loads(data)
    if document["v"] != FORMAT:
        message = "another format"
        raise ValueError(message)
    found = cast("_Secrets", document["secrets"])
    for versions in found.values():
        for each in versions:
            _ = int(each["version"]), each["sealed"] + each["at"]
    return found


def _bound(key: str, version: str) -> bytes:
    return f"{key}\n{version}".encode()
