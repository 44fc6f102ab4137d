"""The models that a key may ask, as both protocols list them: public names and aliases, each once, sorted."""

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


def reachable(catalogue: Catalogue, reaches: Reaches, *, provider: str = "") -> dict[str, str]:
    """Name of a model → who owns it.

    Args:
        catalogue: The workspace's.
        reaches: Patterns of models, each of which must let it pass: the key's and its agent's.
        provider: Only models that this provider answers; empty: all.
    """
    bounds = tuple(reaches)

    def fits(deployment: Deployment) -> bool:
        known = catalogue.providers.get(deployment.provider)
        return (
            known is not None
            and not known.paused
            and (not provider or deployment.provider == provider)
            and all(reaches_model(bound, deployment.target) for bound in bounds)
        )

    found: dict[str, str] = {}
    for name, deployments in catalogue.deployments.items():
        fitting = [each for each in deployments if fits(each)]
        if fitting:
            found[name] = fitting[0].provider
    for alias, name in catalogue.aliases.items():
        if name in found:
            found[alias] = found[name]
    return dict(sorted(found.items()))


def some_models(found: dict[str, str], *, anthropic: bool) -> bytes:
    """The list of models."""
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


def one_model(found: dict[str, str], name: str, *, anthropic: bool) -> bytes:
    """One model.

    Raises:
        NotFound: There is none of that name, or the key may not ask it.
    """
    by = found.get(name)
    if by is None:
        told = f"There is no model {name[:200]!r} that this key may ask."
        raise NotFound(told, code="gateway.model", hint="ask for the list: GET /v1/models")
    return orjson.dumps(_anthropic(name) if anthropic else _openai(name, by))


def _openai(name: str, by: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": by}


def _anthropic(name: str) -> dict[str, object]:
    return {"type": "model", "id": name, "display_name": name, "created_at": _CREATED_AT}
