"""Headers to and from providers: what goes along, what passes back, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from remit import __version__
from remit.models.catalogue import ProviderKind

ANTHROPIC_VERSION = "2023-06-01"  # the one version of Anthropic's interface; sent when the caller names none
EVENTS = "text/event-stream"

#: The caller's own headers that go along, by whose interface the provider speaks.
FORWARDED: Mapping[ProviderKind, frozenset[str]] = {
    ProviderKind.ANTHROPIC: frozenset({"anthropic-version", "anthropic-beta"}),
    ProviderKind.OPENAI: frozenset({"openai-beta", "openai-organization", "openai-project", "idempotency-key"}),
    ProviderKind.COMPATIBLE: frozenset({"openai-beta"}),
}
#: What of an answer's head passes back: what it is, how to find it in the provider's logs, and what it limits.
_PASSED = frozenset(
    {"content-type", "request-id", "x-request-id", "retry-after", "x-should-retry", "openai-processing-ms"}
    | {"openai-version", "openai-model"}
)
_PASSED_FAMILIES = ("x-ratelimit-", "anthropic-ratelimit-")
_AGENT = ("user-agent", f"remit/{__version__}")
_JSON = ("content-type", "application/json")
_ACCEPT = {True: ("accept", EVENTS), False: ("accept", "application/json")}


def outward(
    kind: ProviderKind,
    *,
    key: str,
    own: Iterable[tuple[str, str]] = (),
    caller: Iterable[tuple[str, str]] = (),
    streamed: bool = False,
) -> tuple[tuple[str, str], ...]:
    """The headers of a request, each name once: the provider's own win over ours, and ours over the caller's.

    Args:
        kind: Whose interface it speaks, and so how it wants its key.
        key: Its key; empty: it wants none.
        own: What the administrator set for this provider.
        caller: What came along with the request; all but ``FORWARDED`` stays here, keys and cookies above all.
        streamed: The answer is to come as events.
    """
    allowed = FORWARDED[kind]
    headers = {name: value for name, value in ((name.lower(), value) for name, value in caller) if name in allowed}
    if kind is ProviderKind.ANTHROPIC:
        headers.setdefault("anthropic-version", ANTHROPIC_VERSION)
    headers.update((_AGENT, _JSON, _ACCEPT[streamed]))
    if key and kind is ProviderKind.ANTHROPIC:
        headers["x-api-key"] = key
    elif key:
        headers["authorization"] = f"Bearer {key}"
    headers.update((name.lower(), value) for name, value in own)
    return tuple(headers.items())


def inward(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What of an answer's headers (lower-case names) may be told to whoever asked."""
    return tuple(
        (name, value) for name, value in headers.items() if name in _PASSED or name.startswith(_PASSED_FAMILIES)
    )


def is_stream(headers: Mapping[str, str]) -> bool:
    """Whether an answer says that it comes as events."""
    return headers.get("content-type", "").lower().startswith(EVENTS)
