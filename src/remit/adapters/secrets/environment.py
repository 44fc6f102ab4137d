"""Secrets in the process's own environment: ``REMIT_SECRET_DB_PASSWORD`` is ``secret://db_password``. Read only."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from remit.adapters.secrets.answers import read_only, unknown
from remit.kernel.ports import SecretValue
from remit.kernel.secret_sources import ENV_PREFIX

#: Names that a variable's name says exactly: no two names are one variable, whatever a rule says about either.
_NAME = re.compile(r"[a-z0-9_]+")
_VERSION = "1"


class EnvironmentSecrets:
    """Variables that begin with a prefix; the rest of the name, in lower case, is the secret's.

    Args:
        prefix: Of the variables; ``REMIT_SECRET_`` when empty.
        environ: The variables; the process's own when left out.
    """

    name = "env"
    writable = False

    def __init__(self, *, prefix: str = "", environ: Mapping[str, str] | None = None) -> None:
        self._prefix = prefix or ENV_PREFIX
        self._environ = os.environ if environ is None else environ

    def __repr__(self) -> str:
        return f"EnvironmentSecrets({self._prefix!r})"

    def get(self, name: str, *, version: str = "") -> SecretValue:
        """As ``SecretBackend.get``; there is one version, ``1``. An empty variable is none."""
        text = self._environ.get(self._prefix + name.upper(), "") if _NAME.fullmatch(name) else ""
        if not text:
            raise unknown(name, "the environment")
        if version not in {"", _VERSION}:
            raise unknown(name, "the environment", version=version)
        return SecretValue(name, _VERSION, self.name, text)

    def set(self, name: str, text: str) -> str:
        """Refused: Remit doesn't change its own environment."""
        del name, text
        raise read_only("the environment")

    def delete(self, name: str) -> None:
        """Refused."""
        del name
        raise read_only("the environment")

    def names(self) -> list[str]:
        """As ``SecretBackend.names``."""
        found = (key.removeprefix(self._prefix) for key in self._environ if key.startswith(self._prefix))
        return sorted(
            name.lower()
            for name in found
            if name == name.upper() and _NAME.fullmatch(name.lower()) and self._environ[self._prefix + name]
        )

    def versions(self, name: str) -> list[str]:
        """As ``SecretBackend.versions``."""
        return [self.get(name).version]
