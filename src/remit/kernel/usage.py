"""What an attempt used up, in the units in which it is billed: tokens, graphics time, storage, network."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum

from remit.kernel.canonical import Json
from remit.kernel.errors import InvalidInput
from remit.kernel.money import ZERO, Money


class Part(StrEnum):
    """What money was spent on. What no part names is ``OTHER``."""

    TOKENS = "tokens"
    GPU = "gpu"
    STORAGE = "storage"
    NETWORK = "network"
    OTHER = "other"


class UnknownPrice(StrEnum):
    """What happens to an action whose price nobody can tell. Unknown is never zero."""

    REFUSE = "refuse"
    CEILING = "ceiling"  # a configured amount is reserved
    WARN = "warn"  # allowed, said so in the decision, and counted as unknown


@dataclass(frozen=True, slots=True)
class Usage:
    """Quantities of one attempt, and how its cost is shared out.

    An adapter says what it knows; what it leaves out is zero. ``tokens_cost`` to ``network_cost`` are shares of the
    outcome's ``cost``; the rest of it counts as other. Shares that add up to more than the cost mean that the cost was
    given too low, and their sum is charged.

    Attributes:
        provider: Who bills it, ``openai`` for instance.
        model: The model that answered, which may not be the one that was asked.
        tokens_in: Tokens read, cached ones included.
        tokens_out: Tokens written, those of reasoning included.
        gpu_ms: Milliseconds of graphics processors, summed over processors.
        storage_bytes: Bytes left behind in paid storage.
        network_bytes: Bytes received and sent.
        tokens_cached: Of ``tokens_in``, read from the provider's cache of prompts.
        tokens_cache_write: Of ``tokens_in``, written into that cache.
        estimated: Whether quantities were counted here, because nobody who bills said them.
        kept: Whether an answer that was kept was given again, so that nothing was used.
        saved: What that answer had cost.
        terms: What moved the price beside tokens, as a JSON object; empty: nothing did. ``service``: the tier that
            served it; ``raised``: where every token costs more; ``tools``: those that the provider ran, and how often;
            ``unpriced``: those of them whose price nobody knows, so that they are in no cost.
        refs: Digests of ids by which a later call can go on from this one (``guard.continuing``).

    Raises:
        InvalidInput: Something is negative.
    """

    provider: str = ""
    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    gpu_ms: int = 0
    storage_bytes: int = 0
    network_bytes: int = 0
    tokens_cost: Money = ZERO
    gpu_cost: Money = ZERO
    storage_cost: Money = ZERO
    network_cost: Money = ZERO
    tokens_cached: int = 0
    estimated: bool = False
    kept: bool = False
    saved: Money = ZERO
    tokens_cache_write: int = 0
    terms: str = ""
    refs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        quantities = (self.tokens_in, self.tokens_out, self.gpu_ms, self.storage_bytes, self.network_bytes)
        costs = (self.tokens_cost.micros, self.gpu_cost.micros, self.storage_cost.micros, self.network_cost.micros)
        if min(quantities) < 0 or min(costs) < 0 or min(self.tokens_cached, self.tokens_cache_write) < 0:
            message = "An attempt can't have used less than nothing."
            raise InvalidInput(message, code="usage.negative")

    def quantities(self) -> dict[str, int]:
        """What was used, by name."""
        return {
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "gpu_ms": self.gpu_ms,
            "storage_bytes": self.storage_bytes,
            "network_bytes": self.network_bytes,
        }

    def shares(self) -> dict[Part, Money]:
        """What the named parts cost."""
        return {
            Part.TOKENS: self.tokens_cost,
            Part.GPU: self.gpu_cost,
            Part.STORAGE: self.storage_cost,
            Part.NETWORK: self.network_cost,
        }

    @property
    def named(self) -> Money:
        """The sum of the shares."""
        costs = (self.tokens_cost, self.gpu_cost, self.storage_cost, self.network_cost)
        return Money(sum(cost.micros for cost in costs))

    def plus(self, other: Usage) -> Usage:
        """Both together, of the provider and model of ``other`` where it names them."""
        if self is NOTHING:
            return other
        summed = ("tokens_in", "tokens_out", "gpu_ms", "storage_bytes", "network_bytes")
        cached = ("tokens_cached", "tokens_cache_write")
        costs = ("tokens_cost", "gpu_cost", "storage_cost", "network_cost")
        return replace(
            self,
            provider=other.provider or self.provider,
            model=other.model or self.model,
            estimated=self.estimated or other.estimated,
            kept=self.kept or other.kept,
            saved=self.saved + other.saved,
            terms=other.terms or self.terms,
            refs=self.refs + other.refs,
            **{name: getattr(self, name) + getattr(other, name) for name in (*summed, *cached, *costs)},
        )

    def as_json(self) -> dict[str, Json]:
        """For the audit log: what isn't zero or empty."""
        told: dict[str, Json] = {name: amount for name, amount in self.quantities().items() if amount}
        told |= {f"{part.value}_micros": cost.micros for part, cost in self.shares().items() if cost}
        if self.tokens_cached:
            told["tokens_cached"] = self.tokens_cached
        if self.tokens_cache_write:
            told["tokens_cache_write"] = self.tokens_cache_write
        if self.terms:
            told["terms"] = json.loads(self.terms)
        if self.estimated:
            told["estimated"] = True
        if self.kept:
            told |= {"kept": True, "saved_micros": self.saved.micros}
        told |= {name: text for name, text in (("provider", self.provider), ("model", self.model)) if text}
        return told


NOTHING = Usage()
