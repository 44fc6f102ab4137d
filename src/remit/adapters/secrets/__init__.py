"""Where secrets are kept: backends behind ``kernel.ports.SecretBackend``, in the order of the settings.

Infrastructure, as the store is: a value is read before the action that needs it may start. Nothing here logs a value,
puts one into an error, or writes one to disk unencrypted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import assert_never

from remit.adapters.secrets.several import Route, Several
from remit.kernel.clock import Clock
from remit.kernel.ports import SecretBackend
from remit.kernel.secret_sources import DEFAULT, SecretSource, SourceKind

__all__ = ["make_backends"]

FILE = "secrets.json"
#: Put before names where the settings say nothing, so that no workspace meets another's.
PREFIXES: Mapping[SourceKind, str] = MappingProxyType(
    {SourceKind.FILE: "{workspace}/", SourceKind.AWS: "remit/{workspace}/", SourceKind.VAULT: "remit/{workspace}/"}
)


def make_backends(
    sources: Sequence[SecretSource],
    *,
    workspace: str,
    home: Path,
    key: bytes,
    clock: Clock,
    environ: Mapping[str, str] | None = None,
) -> Several:
    """The backends of the settings as one. Nothing is connected yet, and no driver is imported that isn't needed.

    Args:
        sources: In order: the first that has a secret gives it.
        workspace: Whose; it takes the place of ``{workspace}`` in prefixes.
        home: Where the file backend keeps its file.
        key: The home's key, from which the file's is derived.
        clock: What versions are dated by.
        environ: The variables of the process; its own when left out.

    Raises:
        InvalidInput: A driver is not installed (``pip install 'remit[aws]'``, ``'remit[vault]'``).
    """
    routes: list[Route] = []
    for each in sources or DEFAULT:
        prefix = (each.prefix or PREFIXES.get(each.kind, "")).replace("{workspace}", workspace)
        routes.append(Route(each.names, _make(replace(each, prefix=prefix), home, key, clock, environ)))
    return Several(routes)


def _make(
    source: SecretSource, home: Path, key: bytes, clock: Clock, environ: Mapping[str, str] | None
) -> SecretBackend:
    match source.kind:
        case SourceKind.ENV:
            from remit.adapters.secrets.environment import EnvironmentSecrets

            return EnvironmentSecrets(prefix=source.prefix, environ=environ)
        case SourceKind.FILE:
            from remit.adapters.secrets.file import FileSecrets

            return FileSecrets(home / FILE, key, clock=clock, prefix=source.prefix)
        case SourceKind.AWS:
            from remit.adapters.secrets.aws import AwsSecrets

            return AwsSecrets(source)
        case SourceKind.VAULT:
            from remit.adapters.secrets.vault import VaultSecrets

            return VaultSecrets(source, environ=environ)
        case _:
            assert_never(source.kind)
