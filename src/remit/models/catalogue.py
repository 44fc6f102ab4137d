"""The catalogue: which providers and models a workspace has, as one snapshot that nobody changes.

A *provider* is an address with a key. A *deployment* is one model at one provider under a *public name*; several may
share a name (other regions, other keys, other makers): ``order`` says which are asked first, ``weight`` how calls are
shared among equals. An *alias* is another name for a public name, a *fallback* the name that is asked when nobody of
a name answers. Any model of a provider can be asked as ``provider/model`` without being listed, and a well-known name
finds the providers of its maker: what a key may ask is the key's to say.

``Models`` reads one snapshot for each workspace, at most a second old, and gives no answer rather than an old one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from remit.kernel.clock import Clock
from remit.kernel.errors import RemitError, Unavailable
from remit.kernel.ports import Journal, ReadTx
from remit.models.prices import Rate

OLDEST_S = 1.0
REFRESH_S = 0.7  # the first caller after this reads anew while the others still use what is known

NOTHING: Mapping[str, str] = MappingProxyType({})


class ProviderKind(StrEnum):
    """Whose interface a provider speaks."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    COMPATIBLE = "compatible"  # OpenAI's interface at any address: Ollama, vLLM, llama.cpp, another gateway


class ProviderStatus(StrEnum):
    """Whether a provider may be asked."""

    ACTIVE = "active"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Provider:
    """Where models are asked.

    Attributes:
        workspace: Whose it is.
        name: What it is called there, the first part of ``provider/model``.
        kind: The interface it speaks.
        base_url: Up to and with the version (``https://api.openai.com/v1``), without a slash at its end.
        key: ``secret://NAME``, or empty where none is wanted.
        headers: Sent with every call; a value may be a reference too.
        status: Paused ones are passed over.
    """

    workspace: str
    name: str
    kind: ProviderKind
    base_url: str
    key: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    status: ProviderStatus = ProviderStatus.ACTIVE

    @property
    def paused(self) -> bool:
        """Whether nobody may ask it now."""
        return self.status is ProviderStatus.PAUSED


@dataclass(frozen=True, slots=True)
class Deployment:
    """One model at one provider, under one public name.

    Attributes:
        workspace: Whose it is.
        name: The public name; of one that nobody listed, ``provider/model``.
        provider: The provider's name.
        model: The provider's own name of the model.
        weight: Its share of the calls among those of its order; 0: only when no other is left.
        order: Lower ones are asked first.
        capabilities: What it can do, in the words of ``models/capabilities.py``.
        quality: 0 to 100, Remit's own coarse tiers unless the workspace set another.
        context: Tokens that a request and its answer may have together; 0: not known.
        prices: The workspace's own, if it set any.
        rate: What a token costs; ``None``: nobody knows, which is never free.
        listed: Whether a person listed it; otherwise it follows from its provider alone.
    """

    workspace: str
    name: str
    provider: str
    model: str
    weight: int = 1
    order: int = 0
    capabilities: frozenset[str] = frozenset()
    quality: int = 0
    context: int = 0
    prices: Rate | None = None
    rate: Rate | None = None
    listed: bool = True
    target: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """``target`` is ``provider/model``: what the guard, the circuits and the health figures call it."""
        object.__setattr__(self, "target", f"{self.provider}/{self.model}")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything of one workspace, as it stood at one moment.

    Attributes:
        workspace: Whose it is.
        providers: By name.
        deployments: By public name, those of the lowest order first.
        aliases: Another name → public name; ``default`` is what is asked when nobody names a model.
        fallbacks: Public name → names that are asked after it, in order.
        read_at: Monotonic seconds when the read began.
    """

    workspace: str
    providers: Mapping[str, Provider] = field(default_factory=dict[str, Provider])
    deployments: Mapping[str, tuple[Deployment, ...]] = field(default_factory=dict[str, tuple[Deployment, ...]])
    aliases: Mapping[str, str] = NOTHING
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    read_at: float = 0.0
