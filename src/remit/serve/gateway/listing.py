"""The models that a key may ask, as both protocols list them: public names and aliases, each once, sorted.

What can be asked without a name of its own (``provider/model``) is found by who asks for it, and not listed.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from remit.accounts.reach import reaches_model
from remit.kernel.errors import NotFound
from remit.models.catalogue import Catalogue, Deployment

type Reaches = Iterable[frozenset[str]]

#: A date for both protocols, which want one; Remit does not know when a provider made a model.
_CREATED = 1_767_225_600
_CREATED_AT = "2026-01-01T00:00:00Z"


class Reachable:
    """What a key may ask.

    Args:
        catalogue: The workspace's.
        reaches: Patterns of models, each of which must let it pass: the key's and its agent's.
        provider: Only models that this provider answers; empty: all.
    """

    def __init__(self, catalogue: Catalogue, reaches: Reaches, *, provider: str = "") -> None:
        self._catalogue = catalogue
        self._bounds = tuple(reaches)
        self._provider = provider

    def listed(self) -> dict[str, str]:
        """Public names and aliases, sorted, and who answers each of them."""
        names = self._catalogue.names()
        return {name: owner for name in names if (owner := self.owner(name))}

    def owner(self, name: str) -> str:
        """Who answers for a name, listed or not; empty: nobody that may be asked."""
        resolved = self._catalogue.resolve(name)
        if resolved is None and self._provider and not name.startswith(f"{self._provider}/"):
            resolved = self._catalogue.resolve(f"{self._provider}/{name}")
        if resolved is None:
            return ""
        group = resolved.groups[0] if resolved.groups else self._catalogue.listed()  # auto takes any that is listed
        return next((each.provider for each in group if self._fits(each)), "")

    def _fits(self, deployment: Deployment) -> bool:
        known = self._catalogue.providers.get(deployment.provider)
        return (
            known is not None
            and not known.paused
            and (not self._provider or deployment.provider == self._provider)
            and all(reaches_model(bound, deployment.target) for bound in self._bounds)
        )


def some_models(reachable: Reachable, *, anthropic: bool) -> bytes:
    """The list of models."""
    found = reachable.listed()
    if not anthropic:
        return orjson.dumps({"object": "list", "data": [_openai(name, by) for name, by in found.items()]})
    names = list(found)
    return orjson.dumps(
        {
            "data": [_anthropic(name) for name in names],
            "has_more": False,
            "first_id": names[0] if names else None,
            "last_id": names[-1] if names else None,
        }
    )


def one_model(reachable: Reachable, name: str, *, anthropic: bool) -> bytes:
    """One model, by any name by which it may be asked.

    Raises:
        NotFound: There is none of that name, or the key may not ask it.
    """
    by = reachable.owner(name)
    if not by:
        told = f"There is no model {name[:200]!r} that this key may ask."
        raise NotFound(told, code="gateway.model", hint="ask for the list: GET /v1/models")
    return orjson.dumps(_anthropic(name) if anthropic else _openai(name, by))


def _openai(name: str, by: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": by}


def _anthropic(name: str) -> dict[str, object]:
    return {"type": "model", "id": name, "display_name": name, "created_at": _CREATED_AT}
