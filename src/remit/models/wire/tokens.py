"""What an answer used up, as its provider reports it; counted from its text where nobody does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeGuard, cast

from remit.models.services import HERE, PLAIN
from remit.models.wire.hosted import used
from remit.models.wire.request import BYTES_PER_TOKEN

#: A hundred times the longest contexts there are: a larger number counts no tokens of one answer.
MOST_TOKENS = 1_000_000_000
LONGEST_SERVICE = 64
#: Ids of one answer that are remembered, and characters of one.
MOST_REFS = 512
LONGEST_REF = 512


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
        service: The service tier that served it, as the provider says; empty: it says nothing.
        raised: Whether the provider says that it ran where every token costs more.
        uses: Tools that the provider ran and bills by the use, each with how often.
        refs: What the provider keeps of it, or kept it with: ids by which a later call can go on from there.
    """

    tokens_in: int = 0
    tokens_out: int = 0
    cached_in: int = 0
    cache_write: int = 0
    reasoning: int = 0
    reported: bool = False
    model: str = ""
    service: str = ""
    raised: bool = False
    uses: tuple[tuple[str, int], ...] = ()
    refs: tuple[str, ...] = ()


class Meter:
    """Collects what an answer says about itself."""

    __slots__ = (
        *("_cached", "_in", "_out", "_raised", "_reasoning", "_refs", "_service", "_uses", "_written"),
        *("bytes", "deltas", "final", "kept", "model"),
    )

    def __init__(self) -> None:
        self.model = ""
        self.kept = True  # whether the provider keeps the response
        self.deltas = 0  # pieces of text that came: a token at least each
        self.bytes = 0  # of text that came
        self.final = False  # whether the provider said what the whole answer used
        self._in = 0
        self._out = 0
        self._cached = 0
        self._written = 0
        self._reasoning = 0
        self._service = ""
        self._raised = False
        self._uses: dict[str, int] = {}
        self._refs: dict[str, None] = {}

    def served(self, service: object) -> None:
        """By which service tier, as the answer says."""
        if isinstance(service, str) and len(service) <= LONGEST_SERVICE:
            self._service = service

    def used(self, tool: str) -> None:
        """A tool was run that is billed by the use; empty: one that isn't."""
        if tool:
            self._uses[tool] = self._uses.get(tool, 0) + 1

    def refers(self, value: object) -> None:
        """An id by which a later call can go on."""
        if isinstance(value, str) and 0 < len(value) <= LONGEST_REF and len(self._refs) < MOST_REFS:
            self._refs[value] = None

    def contained(self, container: object) -> None:
        """What runs code for an answer, and may for a later one."""
        if isinstance(container, Mapping):
            self.refers(cast("Mapping[str, object]", container).get("id"))

    def response(self, response: Mapping[str, object]) -> None:
        """What a response says about itself: its tier, and by what one can go on from it."""
        self.served(response.get("service_tier"))
        self.contained(response.get("conversation"))
        if response.get("store") is False:
            self.kept = False
        elif self.kept:
            self.refers(response.get("id"))

    def item(self, item: Mapping[str, object], *, done: bool = True) -> None:
        """An item of a response: by its id a later request can refer to it; what it ran may be billed."""
        if self.kept:
            self.refers(item.get("id"))
        self.refers(item.get("container_id"))
        if done:
            self.used(used(item))

    def said(self, text: str) -> None:
        """A piece of text came."""
        self.deltas += 1
        self.bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

    def openai(self, usage: Mapping[str, object]) -> None:
        """Usage as chat, embeddings and responses report it: at the end, and whole.

        What has no count of tokens in it is no report: then they are counted here.
        """
        if not _tells(usage, "prompt_tokens", "input_tokens", "completion_tokens", "output_tokens"):
            return
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
        if _tells(usage, "output_tokens"):
            self._out = _count(usage, "output_tokens")
            self.final = self.final or final
        if "speed" in usage or "service_tier" in usage:
            speed = usage.get("speed")
            self.served(speed if isinstance(speed, str) and speed not in PLAIN else usage.get("service_tier"))
        self._raised = self._raised or usage.get("inference_geo") == HERE
        counted = usage.get("server_tool_use")
        if final and isinstance(counted, Mapping):  # one that failed is none: what is said here counts
            self._uses["web_search"] = _count(cast("Mapping[str, object]", counted), "web_search_requests")

    @property
    def tokens(self) -> Tokens:
        """What is known now."""
        out, reported = self._out, self.final and bool(self._out or not self.bytes)
        if not reported:
            # The rule that requests are reserved by; and no piece of text is less than a token.
            out = max(out, self.deltas, -(-self.bytes // BYTES_PER_TOKEN))
        counts = (self._in, out, self._cached, self._written, self._reasoning)
        more = (self._service, self._raised, tuple([use for use in self._uses.items() if use[1]]), tuple(self._refs))
        return Tokens(*counts, reported, self.model, *more)


def _count(usage: Mapping[str, object], *names: str) -> int:
    for name in names:
        value = usage.get(name)
        if _is_count(value) and value > 0:
            return value
    return 0


def _tells(usage: Mapping[str, object], *names: str) -> bool:
    """Whether one of these is a count, and none of them is what can be none."""
    told = [value for name in names if (value := usage.get(name)) is not None]
    return bool(told) and all(map(_is_count, told))


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS


def _inner(usage: Mapping[str, object], *names: str) -> Mapping[str, object]:
    for name in names:
        value = usage.get(name)
        if isinstance(value, Mapping):
            return cast("Mapping[str, object]", value)
    return {}
