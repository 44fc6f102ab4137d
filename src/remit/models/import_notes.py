"""What parts of a LiteLLM configuration mean here, for the report: what stands in for each, and how to order it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: Of ``litellm_params``.
PARAMS: Mapping[str, str] = MappingProxyType(
    {
        "api_version": "not wanted by the interface at /openai/v1",
        "aws_access_key_id": "Remit does not speak Bedrock's interface",
        "max_budget": "set a budget: remit budget set",
        "max_retries": "the guard retries what may pass, for all calls alike",
        "max_tokens": "a caller's own; a key's limits bound it",
        "mock_response": "for tests",
        "num_retries": "the guard retries what may pass, for all calls alike",
        "rpm": "a limit is set with remit limits set",
        "stream_timeout": "the setting of the breaker bounds the time to the first byte",
        "temperature": "a caller's own: requests go on as they came",
        "timeout": "the setting of the breaker bounds the time to the first byte",
        "tpm": "a limit that holds is set with remit limits set",
    }
)

#: Of ``model_info``, and parts at the top of the file.
KEYS: Mapping[str, str] = MappingProxyType(
    {
        "access_groups": "what a key may ask is the key's: patterns of names",
        "base_model": "whose price it has is not taken from there: remit models price PROVIDER/MODEL",
        "credential_list": "keep each as a secret: remit secrets set",
        "environment_variables": "keep each as a secret: remit secrets import",
        "guardrails": "rules are written in a file: remit policy check",
        "include": "other files are not read: import each",
        "mcp_servers": "the tools of MCP servers are governed one by one",
        "vector_store_registry": "no counterpart",
    }
)

_RETRIES = "here the guard retries what may pass, with backoff and a budget of retries"
_CIRCUITS = "here circuits open by themselves: remit breakers"
_REDACTION = "here secrets and personal data are masked in every log"

#: By part of the file and key in it. What begins with "here" is there by itself.
SETTINGS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "router_settings": {
            "allowed_fails": _CIRCUITS,
            "cooldown_time": _CIRCUITS,
            "content_policy_fallbacks": "a refusal of content is an answer, and is not asked elsewhere",
            "context_window_fallbacks": "here the router passes over what is too small for a request",
            "default_fallbacks": "fallbacks are named for each model: remit models fallback",
            "enable_pre_call_checks": "here always",
            "num_retries": _RETRIES,
            "redis_host": "here processes share the store",
            "redis_password": "here processes share the store; the password was not copied",
            "redis_port": "here processes share the store",
            "retry_policy": _RETRIES,
            "routing_strategy": "here those of a name are asked by order, then the cheapest, then by weight; "
            "auto:fast asks the quickest",
            "timeout": "the setting of the breaker bounds the time to the first byte",
        },
        "litellm_settings": {
            "cache": "here answers are kept by order of each workspace",
            "cache_params": "here answers are kept in the store",
            "callbacks": "here figures and spans are exported, see docs/telemetry.md",
            "content_policy_fallbacks": "a refusal of content is an answer, and is not asked elsewhere",
            "context_window_fallbacks": "here the router passes over what is too small for a request",
            "default_fallbacks": "fallbacks are named for each model: remit models fallback",
            "drop_params": "requests go on as they came",
            "failure_callback": "failures stand in the audit log: remit why ID",
            "json_logs": "set log_format to json",
            "max_budget": "set a budget: remit budget set",
            "num_retries": _RETRIES,
            "redact_user_api_key_info": _REDACTION,
            "request_timeout": "the setting of the breaker bounds the time to the first byte",
            "set_verbose": "set log_level",
            "success_callback": "calls stand in the audit log and in remit usage",
            "turn_off_message_logging": _REDACTION,
        },
        "general_settings": {
            "alerting": "set notify, see docs/notify.md",
            "alerting_threshold": "thresholds of budgets are told by themselves",
            "database_url": "the store is the setting database; nothing of that database is read",
            "disable_spend_logs": "what is used is always written down",
            "master_key": "no key passes every check here, and it was not copied; people sign in as themselves",
            "max_parallel_requests": "a limit is set with remit limits set",
            "salt_key": "secrets are sealed under the home's own key; it was not copied",
            "store_model_in_db": "here always",
            "ui_access_mode": "who may do what, roles say: remit users",
        },
    }
)
