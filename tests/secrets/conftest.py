"""One contract, every backend: how to make each, and what each can't do."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from remit.adapters.secrets.aws import AwsSecrets
from remit.adapters.secrets.cache import CachedSecrets
from remit.adapters.secrets.environment import EnvironmentSecrets
from remit.adapters.secrets.file import FileSecrets
from remit.adapters.secrets.several import Route, Several
from remit.adapters.secrets.vault import VaultSecrets
from remit.kernel.clock import SystemClock
from remit.kernel.ports import SecretBackend
from remit.kernel.secret_sources import SecretSource, SourceKind
from remit.testing.secret_servers import AwsServer, VaultServer

KEY = secrets.token_bytes(32)
AWS = SecretSource(SourceKind.AWS, region="eu-central-1", prefix="team/", timeout_s=30.0, tries=2)
VAULT = SecretSource(SourceKind.VAULT, url="https://vault.invalid", prefix="team/", timeout_s=30.0, tries=2)


def some_value() -> str:
    return "v-" + secrets.token_urlsafe(24)


@dataclass
class Made:
    """A backend, and how a value comes into it when it can't be written."""

    backend: SecretBackend
    put: Callable[[str, str], object]


def aws_backend(server: AwsServer, monkeypatch: pytest.MonkeyPatch, **options: object) -> AwsSecrets:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    return AwsSecrets(replace(AWS, url=server.url, **options))


def vault_backend(server: VaultServer, **options: object) -> VaultSecrets:
    source = replace(VAULT, url=server.url, token="env:TOKEN", **options)
    return VaultSecrets(source, environ={"TOKEN": server.token}, sleep=lambda _seconds: None)


@pytest.fixture
def aws() -> Iterator[AwsServer]:
    with AwsServer() as server:
        yield server


@pytest.fixture
def vault() -> Iterator[VaultServer]:
    with VaultServer() as server:
        yield server


@pytest.fixture(params=["env", "file", "aws", "vault", "cached", "several"])
def made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    file = FileSecrets(tmp_path / "secrets.json", KEY, clock=SystemClock())
    with ExitStack() as stack:
        match request.param:
            case "env":
                environ: dict[str, str] = {}

                def put(name: str, value: str) -> None:
                    environ["REMIT_SECRET_" + name.upper()] = value

                yield Made(EnvironmentSecrets(environ=environ), put)
                return
            case "file":
                backend: SecretBackend = file
            case "aws":
                backend = aws_backend(stack.enter_context(AwsServer()), monkeypatch)
            case "vault":
                backend = vault_backend(stack.enter_context(VaultServer()))
            case "cached":
                backend = CachedSecrets(file, monotonic=SystemClock().monotonic, keep_s=60)
            case _:
                backend = Several([Route("*", EnvironmentSecrets(environ={})), Route("*", file)])
        yield Made(backend, backend.set)
