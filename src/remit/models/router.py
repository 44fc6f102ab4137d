"""Which deployment answers: the cheapest that can do it, is good enough, is allowed, and fits the budget."""

from __future__ import annotations

from dataclasses import dataclass

from remit.kernel.money import Money
from remit.models.catalogue import Deployment


@dataclass(frozen=True, slots=True)
class Want:
    """What a call needs.

    Attributes:
        name: As the caller wrote it: ``provider/model``, a public name, an alias, ``auto``, ``auto:cheap``,
            ``auto:fast``, ``auto:best``; empty: the workspace's default.
        needs: Capabilities that it takes.
        tokens_in: Tokens of the request, by estimate.
        max_out: Tokens that the answer may have.
        left: What is left of the budget; ``None``: no budget bounds it.
        allowed: Patterns (``*``, ``?``) of the key or agent, on public names and on ``provider/model``; empty: nothing.
        quality: The least quality.
        unpriced: Whether a model whose price nobody knows may be taken (the policy ``unknown_price``).
    """

    name: str
    needs: frozenset[str] = frozenset()
    tokens_in: int = 0
    max_out: int = 0
    left: Money | None = None
    allowed: tuple[str, ...] = ("*",)
    quality: int = 0
    unpriced: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """Who is asked, in order: the first, then those that may stand in before the first byte. ``why``: line by line."""

    candidates: tuple[Deployment, ...]
    why: tuple[str, ...]
