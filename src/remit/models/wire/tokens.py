"""What an answer used up, as its provider reports it; counted from its text where nobody does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from remit.models.wire.request import BYTES_PER_TOKEN


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one answer.

    Attributes:
        tokens_in: Read, those of the provider's cache included; 0 while nobody reported them.
        tokens_out: Written, those of reasoning included.
        cached_in: Of ``tokens_in``, read from the provider's cache of prompts.
        cache_write: Of ``tokens_in``, written into that cache (Anthropic bills them higher).
        reasoning: Of ``tokens_out``, those of reasoning, where the provider tells.
        reported: Whether the provider reported them; else ``tokens_out`` is counted from what came.
        model: The model that answered, as the provider names it.
    """

    tokens_in: int = 0
    tokens_out: int = 0
    cached_in: int = 0
    cache_write: int = 0
    reasoning: int = 0
    reported: bool = False
    model: str = ""


class Meter:
    """Collects what an answer says about itself."""

    __slots__ = ("_cached", "_in", "_out", "_reasoning", "_written", "bytes", "deltas", "final", "model")

    def __init__(self) -> None:
        self.model = ""
        self.deltas = 0  # pieces of text that came: a token at least each
        self.bytes = 0  # of text that came
        self.final = False  # whether the provider said what the whole answer used
        self._in = 0
        self._out = 0
        self._cached = 0
        self._written = 0
        self._reasoning = 0

    def said(self, text: str) -> None:
        """A piece of text came."""
        self.deltas += 1
        self.bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

    def openai(self, usage: Mapping[str, object]) -> None:
        """Usage as chat, embeddings and responses report it: at the end, and whole."""
        self._in = _count(usage, "prompt_tokens", "input_tokens")
        self._out = _count(usage, "completion_tokens", "output_tokens")
        read = _inner(usage, "prompt_tokens_details", "input_tokens_details")
        self._cached = _count(read, "cached_tokens") or _count(usage, "prompt_cache_hit_tokens")
        self._written = _count(read, "cache_write_tokens", "cache_creation_tokens")
        self._reasoning = _count(
            _inner(usage, "completion_tokens_details", "output_tokens_details"), "reasoning_tokens"
        )
        self.final = True

    def anthropic(self, usage: Mapping[str, object], *, final: bool) -> None:
        """Usage as messages report it: what was read first, what was written last, each a total so far."""
        if "input_tokens" in usage and usage["input_tokens"] is not None:
            self._cached = _count(usage, "cache_read_input_tokens")
            self._written = _count(usage, "cache_creation_input_tokens")
            self._in = _count(usage, "input_tokens") + self._cached + self._written
        if "output_tokens" in usage:
            self._out = _count(usage, "output_tokens")
        self.final = self.final or final

    @property
    def tokens(self) -> Tokens:
        """What is known now."""
        out = self._out
        if not self.final:
            # The rule that requests are reserved by; and no piece of text is less than a token.
            out = max(out, self.deltas, -(-self.bytes // BYTES_PER_TOKEN))
        return Tokens(self._in, out, self._cached, self._written, self._reasoning, self.final, self.model)


def _count(usage: Mapping[str, object], *names: str) -> int:
    for name in names:
        value = usage.get(name)
        if isinstance(value, int) and value > 0:
            return value
    return 0


def _inner(usage: Mapping[str, object], *names: str) -> Mapping[str, object]:
    for name in names:
        value = usage.get(name)
        if isinstance(value, Mapping):
            return cast("Mapping[str, object]", value)
    return {}
