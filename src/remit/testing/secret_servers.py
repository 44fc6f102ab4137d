"""Stand-ins for AWS Secrets Manager and HashiCorp Vault: servers on loopback that speak their HTTP APIs, in memory.

    with VaultServer() as vault:
        source = SecretSource(SourceKind.VAULT, url=vault.url, token="env:VAULT_TOKEN")
        backend = VaultSecrets(source, environ={"VAULT_TOKEN": vault.token})
        vault.faults.append(Fault(status=503))  # the next request is answered so

They keep versions and stages, delete as the originals do, and refuse who is not signed in. They check no AWS signature
(only whose access key it names), know no policies, and are no place for a real secret. Each request is noted in
``seen`` as ``(method or operation, path or secret)``; a fault of ``faults`` answers one request each, in order.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, cast
from urllib.parse import parse_qs, unquote, urlsplit

_OK, _NO_CONTENT, _BAD, _FORBIDDEN, _MISSING, _TOO_MANY = 200, 204, 400, 403, 404, 429


@dataclass(frozen=True, slots=True)
class Fault:
    """How one request is answered instead: late, with a status (and AWS error code), or not at all."""

    status: int = 0
    code: str = "InternalServiceError"
    delay_s: float = 0.0
    cut: bool = False
    body: str | None = None


class _Server:
    """A server in a thread of its own, closed at the end of the ``with`` block."""

    def __init__(self) -> None:
        self.faults: deque[Fault] = deque()
        self.seen: list[tuple[str, str]] = []
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                outer.handle(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_LIST = answer  # noqa: N815 - the base class's names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Say nothing: ``seen`` is the record."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """One request: a fault, if one waits, else what the API says."""
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        with self.lock:
            fault = self.faults.popleft() if self.faults else None
        if fault is not None:
            time.sleep(fault.delay_s)
            if fault.cut:
                request.close_connection = True
                request.connection.close()
                return
            if fault.status:
                self.send(request, fault.status, self.fault_body(fault))
                return
        with self.lock:
            status, answer = self.answer(request, body)
        self.send(request, status, answer)

    def send(self, request: BaseHTTPRequestHandler, status: int, answer: object) -> None:
        """An answer in JSON (a text as it is); the caller may have gone."""
        data = answer.encode() if isinstance(answer, str) else b"" if answer is None else json.dumps(answer).encode()
        try:
            request.send_response(status)
            request.send_header("Content-Type", "application/json")
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data)
        except OSError:
            request.close_connection = True

    def fault_body(self, fault: Fault) -> object:
        """What goes with a fault's status."""
        raise NotImplementedError

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, object]:
        """Status and answer of the API."""
        raise NotImplementedError


# ---------------------------------------------------------------------------------------------------------------- Vault


@dataclass(slots=True)
class _Versions:
    kept: list[dict[str, Any] | None] = field(default_factory=list[dict[str, Any] | None])


class VaultServer(_Server):
    """Vault's KV version 2 at the mount ``secret``, signed in to by ``token`` or an AppRole.

    ``expire()`` ends the validity of tokens that an AppRole got. ``uses``: how many requests such a token is good for.
    """

    def __init__(self, *, uses: int = 0) -> None:
        super().__init__()
        self.token = f"hvs.{secrets.token_hex(12)}"
        self.role_id, self.secret_id = str(uuid.uuid4()), str(uuid.uuid4())
        self.logins = 0
        self._uses = uses
        self._leases: dict[str, int] = {}
        self._kept: dict[str, _Versions] = {}

    def expire(self) -> None:
        """Tokens that were got by signing in are good no more."""
        with self.lock:
            self._leases.clear()

    def fault_body(self, fault: Fault) -> object:
        """Vault's list of errors."""
        return fault.body if fault.body is not None else {"errors": ["a fault"]}

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, object]:
        """KV version 2: data, metadata, list; and the sign-in of AppRoles."""
        parts = urlsplit(request.path)
        path = unquote(parts.path).removeprefix("/v1/")
        self.seen.append((request.command, path))
        if path == "auth/approle/login":
            return self._login(json.loads(body))
        if not self._known(request.headers.get("X-Vault-Token", "")):
            return _FORBIDDEN, {"errors": ["permission denied"]}
        found = re.fullmatch(r"secret/(data|metadata)/(.*)", path)
        if found is None:
            return _MISSING, {"errors": ["no handler for route"]}
        query = parse_qs(parts.query)
        listing = request.command == "LIST" or query.get("list") == ["true"]
        kind, name = ("list", found[2]) if listing else (found[1], found[2])
        act: Mapping[tuple[str, str], Callable[[], tuple[int, object]]] = {
            ("data", "GET"): lambda: self._read(name, int((query.get("version") or ["0"])[0])),
            ("data", "POST"): lambda: self._write(name, json.loads(body)["data"]),
            ("data", "PUT"): lambda: self._write(name, json.loads(body)["data"]),
            ("metadata", "GET"): lambda: self._metadata(name),
            ("metadata", "DELETE"): lambda: self._destroy(name),
            ("list", "GET"): lambda: self._list(name),
            ("list", "LIST"): lambda: self._list(name),
        }
        todo = act.get((kind, request.command))
        return (405, {"errors": ["unsupported operation"]}) if todo is None else todo()

    def _known(self, token: str) -> bool:
        if token == self.token:
            return True
        left = self._leases.get(token, 0)
        if left > 0:
            self._leases[token] = left - 1
        return left > 0

    def _login(self, given: Mapping[str, str]) -> tuple[int, object]:
        if (given.get("role_id"), given.get("secret_id")) != (self.role_id, self.secret_id):
            return _BAD, {"errors": ["invalid role or secret ID"]}
        self.logins += 1
        token = f"hvs.{secrets.token_hex(12)}"
        self._leases[token] = self._uses or 1 << 30
        return _OK, {"auth": {"client_token": token, "lease_duration": 1200, "renewable": True}}

    def _read(self, name: str, version: int) -> tuple[int, object]:
        versions = self._kept.get(name)
        number = version or (len(versions.kept) if versions else 0)
        if versions is None or not 1 <= number <= len(versions.kept) or versions.kept[number - 1] is None:
            return _MISSING, {"errors": []}
        return _OK, {"data": {"data": versions.kept[number - 1], "metadata": _about(number)}}

    def _write(self, name: str, data: dict[str, Any]) -> tuple[int, object]:
        versions = self._kept.setdefault(name, _Versions())
        versions.kept.append(data)
        return _OK, {"data": _about(len(versions.kept))}

    def _metadata(self, name: str) -> tuple[int, object]:
        versions = self._kept.get(name)
        if versions is None:
            return _MISSING, {"errors": []}
        told = {str(number): _about(number) for number in range(1, len(versions.kept) + 1)}
        return _OK, {"data": {"versions": told, "current_version": len(versions.kept)}}

    def _destroy(self, name: str) -> tuple[int, object]:
        self._kept.pop(name, None)
        return _NO_CONTENT, None

    def _list(self, folder: str) -> tuple[int, object]:
        folder = f"{folder}/" if folder and not folder.endswith("/") else folder
        below = [name.removeprefix(folder) for name in self._kept if name.startswith(folder)]
        keys = sorted({f"{name.split('/')[0]}/" if "/" in name else name for name in below})
        return (_OK, {"data": {"keys": keys}}) if keys else (_MISSING, {"errors": []})


def _about(number: int) -> dict[str, Any]:
    return {"version": number, "created_time": "2026-01-01T00:00:00Z", "deletion_time": "", "destroyed": False}


# ------------------------------------------------------------------------------------------------------------------ AWS


@dataclass(slots=True)
class _Held:
    """One secret: versions by id with their stages, oldest first."""

    versions: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    stages: dict[str, str] = field(default_factory=dict[str, str])
    deleted: float = 0.0


class AwsError(Exception):
    """An error of the API: its code and message."""


class AwsServer(_Server):
    """AWS Secrets Manager, JSON 1.1. ``access_key`` and ``secret_key`` are the only credentials that it knows."""

    page = 2  # entries of a listing in one answer, so that clients must ask for the next

    def __init__(self) -> None:
        super().__init__()
        self.access_key = f"AKIA{secrets.token_hex(8).upper()}"
        self.secret_key = secrets.token_urlsafe(30)
        self._kept: dict[str, _Held] = {}

    def fault_body(self, fault: Fault) -> object:
        """AWS's error document."""
        return fault.body if fault.body is not None else {"__type": fault.code, "Message": "a fault"}

    def binary(self, name: str, data: bytes) -> None:
        """Keep bytes, as no client of this kind would."""
        from base64 import b64encode

        with self.lock:
            self._put(self._kept.setdefault(name, _Held()), {"SecretBinary": b64encode(data).decode()})

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, object]:
        """The operation that ``X-Amz-Target`` names."""
        operation = request.headers.get("X-Amz-Target", "").removeprefix("secretsmanager.")
        given = cast("dict[str, Any]", json.loads(body or b"{}"))
        self.seen.append((operation, str(given.get("SecretId") or given.get("Name") or "")))
        if f"Credential={self.access_key}/" not in request.headers.get("Authorization", ""):
            return _BAD, {"__type": "UnrecognizedClientException", "Message": "The security token is invalid."}
        try:
            return _OK, getattr(self, "_do" + re.sub("([A-Z])", r"_\1", operation).lower())(given)
        except AwsError as error:
            return _BAD, {"__type": error.args[0], "Message": error.args[1]}

    def _find(self, given: Mapping[str, Any], *, deleted: bool = False) -> _Held:
        held = self._kept.get(given["SecretId"])
        if held is None:
            code, text = "ResourceNotFoundException", "Secrets Manager can't find the specified secret."
            raise AwsError(code, text)
        if held.deleted and not deleted:
            code = "InvalidRequestException"
            raise AwsError(code, "You can't perform this operation on the secret because it was marked for deletion.")
        return held

    def _do_get_secret_value(self, given: Mapping[str, Any]) -> dict[str, Any]:
        held = self._find(given)
        which = given.get("VersionId") or held.stages.get(given.get("VersionStage", "AWSCURRENT"), "")
        if which not in held.versions:
            code, text = "ResourceNotFoundException", "Secrets Manager can't find the specified secret value."
            raise AwsError(code, text)
        return {"Name": given["SecretId"], "VersionId": which, **held.versions[which]}

    def _put(self, held: _Held, value: dict[str, Any]) -> str:
        made = str(uuid.uuid4())
        held.versions[made] = value
        if "AWSCURRENT" in held.stages:
            held.stages["AWSPREVIOUS"] = held.stages["AWSCURRENT"]
        held.stages["AWSCURRENT"] = made
        return made

    def _do_put_secret_value(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"VersionId": self._put(self._find(given), {"SecretString": given["SecretString"]})}

    def _do_create_secret(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if given["Name"] in self._kept:
            code, text = "ResourceExistsException", "A resource with the ID you requested already exists."
            raise AwsError(code, text)
        held = self._kept[given["Name"]] = _Held()
        return {"Name": given["Name"], "VersionId": self._put(held, {"SecretString": given["SecretString"]})}

    def _do_describe_secret(self, given: Mapping[str, Any]) -> dict[str, Any]:
        held = self._find(given, deleted=True)
        return {"Name": given["SecretId"], **({"DeletedDate": held.deleted} if held.deleted else {})}

    def _do_delete_secret(self, given: Mapping[str, Any]) -> dict[str, Any]:
        held = self._find(given, deleted=True)
        held.deleted = held.deleted or time.time()
        return {"Name": given["SecretId"], "DeletionDate": held.deleted}

    def _do_list_secrets(self, given: Mapping[str, Any]) -> dict[str, Any]:
        prefixes = [value for each in given.get("Filters", ()) for value in each["Values"]] or [""]
        names = [name for name, held in self._kept.items() if name.startswith(tuple(prefixes)) and not held.deleted]
        return self._page([{"Name": name} for name in sorted(names)], "SecretList", given)

    def _do_list_secret_version_ids(self, given: Mapping[str, Any]) -> dict[str, Any]:
        held = self._find(given)
        rows = [
            {
                "VersionId": version,
                "CreatedDate": 1_700_000_000.0 + number,
                "VersionStages": [stage for stage, of in held.stages.items() if of == version],
            }
            for number, version in enumerate(held.versions)
        ]
        return self._page(rows, "Versions", given)

    def _page(self, rows: list[dict[str, Any]], name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        start = int(given.get("NextToken") or 0)
        more = {"NextToken": str(start + self.page)} if start + self.page < len(rows) else {}
        return {name: rows[start : start + self.page], **more}
