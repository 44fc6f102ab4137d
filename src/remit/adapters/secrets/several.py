"""Several backends as one: the first, in the order of the settings, that has a secret gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from remit.adapters.secrets.answers import read_only, unknown
from remit.kernel.errors import NotFound
from remit.kernel.ports import SecretBackend, SecretValue


@dataclass(frozen=True, slots=True)
class Route:
    """A backend, and the pattern of the names that it serves."""

    names: str
    backend: SecretBackend


class Several:
    """A backend that is several.

    One that doesn't answer ends the search: a secret of a later one must not stand in for what it may hold.
    """

    name = "several"

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = tuple(routes)

    def __repr__(self) -> str:
        return f"Several({', '.join(f'{route.names}: {route.backend.name}' for route in self.routes)})"

    @property
    def writable(self) -> bool:
        """Whether any of them is."""
        return any(route.backend.writable for route in self.routes)

    def holder(self, name: str) -> SecretBackend:
        """The backend that has the secret.

        Raises:
            NotFound, Failed, Unavailable: As ``SecretBackend.get``.
        """
        for backend in self._serving(name):
            try:
                backend.get(name)
            except NotFound:
                continue
            return backend
        raise self._unknown(name)

    def get(self, name: str, *, version: str = "") -> SecretValue:
        """As ``SecretBackend.get``; a version is looked for where the secret is."""
        for backend in self._serving(name):
            try:
                found = backend.get(name)
            except NotFound:
                continue
            return found if version in {"", found.version} else backend.get(name, version=version)
        raise self._unknown(name)

    def set(self, name: str, text: str) -> str:
        """Keep it where it is already, else in the first that serves the name and can be written."""
        try:
            return self.holder(name).set(name, text)
        except NotFound:
            pass
        for backend in self._serving(name):
            if backend.writable:
                return backend.set(name, text)
        raise read_only("the sources that serve this name")

    def delete(self, name: str) -> None:
        """As ``SecretBackend.delete``, where it is."""
        self.holder(name).delete(name)

    def names(self) -> list[str]:
        """As ``SecretBackend.names``, of all."""
        return sorted(
            {name for route in self.routes for name in route.backend.names() if fnmatchcase(name, route.names)}
        )

    def versions(self, name: str) -> list[str]:
        """As ``SecretBackend.versions``."""
        return self.holder(name).versions(name)

    def _serving(self, name: str) -> list[SecretBackend]:
        return [route.backend for route in self.routes if fnmatchcase(name, route.names)]

    def _unknown(self, name: str) -> NotFound:
        asked = ", ".join(dict.fromkeys(each.name for each in self._serving(name)))
        return unknown(name, f"any source ({asked})" if asked else "any source: none serves this name")
