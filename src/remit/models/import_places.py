"""Whose interface a prefix of LiteLLM means, and where it is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from remit.kernel.plain import plain
from remit.models.catalogue import ProviderKind
from remit.models.checks import HOMES

#: Prefixes of providers that speak OpenAI's interface, and where. Sources: their own documentation.
HOSTED: Mapping[str, str] = MappingProxyType(
    {
        "cerebras": "https://api.cerebras.ai/v1",
        "deepinfra": "https://api.deepinfra.com/v1/openai",
        "deepseek": "https://api.deepseek.com/v1",
        "fireworks_ai": "https://api.fireworks.ai/inference/v1",
        "gemini": "https://generativelanguage.googleapis.com/v1beta/openai",
        "groq": "https://api.groq.com/openai/v1",
        "mistral": "https://api.mistral.ai/v1",
        "nvidia_nim": "https://integrate.api.nvidia.com/v1",
        "openrouter": "https://openrouter.ai/api/v1",
        "perplexity": "https://api.perplexity.ai",
        "together_ai": "https://api.together.xyz/v1",
        "xai": "https://api.x.ai/v1",
    }
)
#: Prefixes of servers of one's own; empty: the file must say where.
OWN: Mapping[str, str] = MappingProxyType(
    {
        "custom_openai": "",
        "hosted_vllm": "",
        "litellm_proxy": "",
        "llamafile": "http://127.0.0.1:8080/v1",
        "lm_studio": "",
        "ollama": "http://127.0.0.1:11434",
        "ollama_chat": "http://127.0.0.1:11434",
        "openai_like": "",
        "vllm": "",
    }
)


class LeftOutError(Exception):
    """An entry that can't be taken: why."""


def place_of(prefix: str, given: str) -> tuple[ProviderKind, str, bool]:
    """The interface, the address, and whether no key is wanted by default."""
    base = given.rstrip("/")
    if prefix == "openai":
        return (
            (ProviderKind.COMPATIBLE, base, False) if base else (ProviderKind.OPENAI, HOMES[ProviderKind.OPENAI], False)
        )
    if prefix == "anthropic":
        base = base or HOMES[ProviderKind.ANTHROPIC]
        return ProviderKind.ANTHROPIC, base if base.endswith("/v1") else f"{base}/v1", False
    if prefix == "azure" and base:
        base = base.partition("/openai")[0]
        return ProviderKind.COMPATIBLE, f"{base}/openai/v1", False
    if prefix in HOSTED:
        return ProviderKind.COMPATIBLE, base or HOSTED[prefix], False
    if prefix in OWN:
        base = base or OWN[prefix]
        if not base:
            raise LeftOutError(f"the prefix {prefix}/ needs an api_base")
        if prefix.startswith("ollama") and not base.endswith("/v1"):
            base = f"{base}/v1"
        return ProviderKind.COMPATIBLE, base, True
    raise LeftOutError(f"Remit does not speak the interface of {plain(prefix, limit=40)!r}")
