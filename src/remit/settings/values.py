"""What settings may be: a text that somebody wrote becomes the setting's value, or is refused with what it must be."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Never

from remit.kernel.money import usd
from remit.kernel.usage import UnknownPrice

KINDS = frozenset({"files", "command", "fetch", "model", "tool", "deploy", "order", "publish", "notify"})
PERSONAL_DATA = frozenset({"models", "logs"})
MOST_USER_AGENT = 200  # characters


class Environment(StrEnum):
    """Where this install runs; drills and crash points are refused in production."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class LogFormat(StrEnum):
    """How log lines look."""

    TEXT = "text"
    JSON = "json"


def value_of(key: str, text: str) -> object:
    """``text`` in the type of the setting ``key``, checked against its bounds.

    Raises:
        ValueError: It is not what the setting may be; says what that is.
    """
    return _CONVERT.get(key, _name)(text)


def _name(text: str) -> str:
    return text or _refuse("a name that is not empty")


def _environment(text: str) -> Environment:
    known = [each.value for each in Environment]
    return Environment(text) if text in known else _refuse(" or ".join(known))


def _format(text: str) -> LogFormat:
    known = [each.value for each in LogFormat]
    return LogFormat(text) if text in known else _refuse(" or ".join(known))


def _level(text: str) -> str:
    level = text.upper()
    return level if level in {"DEBUG", "INFO", "WARNING", "ERROR"} else _refuse("DEBUG, INFO, WARNING or ERROR")


def _address(text: str) -> str:
    return text if not text or text.startswith("postgresql") else _refuse("a postgresql:// address")


def abroad(address: str) -> bool:
    """Whether an ``http(s)://`` address is another machine's."""
    scheme, found, rest = address.partition("://")
    host = rest.partition("/")[0].rpartition("@")[2]
    name = host.partition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    local = name in {"localhost", "::1"} or (name.startswith("127.") and name.replace(".", "").isdigit())
    return scheme in {"http", "https"} and bool(found) and not local


def _dollars(text: str) -> str:
    usd(text)
    return text


def _price(text: str) -> str:
    return text if usd(text) else _refuse("more than zero")


def _policy(text: str) -> UnknownPrice:
    known = [policy.value for policy in UnknownPrice]
    return UnknownPrice(text.lower()) if text.lower() in known else _refuse(", ".join(known))


def words(text: str) -> tuple[str, ...]:
    """The parts of a list separated by commas."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _addresses(text: str) -> str:
    for word in words(text):
        scheme, found, rest = word.partition("://")
        if scheme not in {"http", "https"} or not found or "@" in rest or "*" in rest[:-1] or " " in rest:
            _refuse(f"addresses such as http://127.0.0.1:8080/hook, separated by commas; {word!r} is none")
        if rest.endswith("*") and "/" not in rest:
            _refuse(f"addresses with a whole host before the *: write http://HOST:PORT/*, not {word!r}")
    return text


def _ports(text: str) -> str:
    found = [int(_within(int(word), 1, 65_535)) for word in words(text)]
    return text if found else _refuse("ports such as 80, 443")


def _origin(text: str) -> str:
    scheme, found, rest = text.rstrip("/").partition("://")
    fit = scheme in {"http", "https"} and found and rest and not set("/?#@ ") & set(rest)
    return (
        text.rstrip("/") if not text or fit else _refuse("an address without a path, such as https://remit.example.org")
    )


def _issuer(text: str) -> str:
    scheme, found, rest = text.partition("://")
    local = rest.partition("/")[0].rpartition(":")[0] in {"127.0.0.1", "localhost", "[::1]"}
    fit = found and rest and (scheme == "https" or (scheme == "http" and local)) and not set("?#@ ") & set(rest)
    return text if not text or fit else _refuse("an https:// address (http:// on this machine only)")


def _demand(text: str) -> str:
    word = text.lower()
    return word if word in {"nobody", "administrators", "everybody"} else _refuse("nobody, administrators or everybody")


def _private(text: str) -> str:
    if text:
        from remit.kernel.addresses import read_networks  # noqa: PLC0415 - for installs that open one

        read_networks(text)
    return text


def _user_agent(text: str) -> str:
    product = text.partition("/")[0].partition(" ")[0]
    fit = product.replace("-", "").replace("_", "").isalpha() and text.isascii() and text.isprintable()
    return text if fit and len(text) <= MOST_USER_AGENT else _refuse("a name of letters, then a version or a remark")


def folders_of(text: str) -> tuple[tuple[str, str], ...]:
    """``/srv, lab=/srv/lab`` as ``(("", "/srv"), ("lab", "/srv/lab"))``: for which workspace (empty: any) each is."""
    pairs = (word.partition("=") if word[:1] != "/" else ("", "", word) for word in words(text))
    return tuple((name.strip(), folder.strip()) for name, _, folder in pairs)


def _folders(text: str) -> str:
    for word, (name, folder) in zip(words(text), folders_of(text), strict=True):
        plain = os.path.isabs(folder) and os.path.normpath(folder) == folder and folder != "/"  # noqa: PTH117 - text
        if not plain or (not name and word != folder):
            _refuse(f"absolute folders such as /srv, or lab=/srv/lab for one workspace, with commas; {word!r} is none")
    return text


def _domains(text: str) -> str:
    for word in words(text):
        if "/" in word or ":" in word or "*" in word or " " in word:
            _refuse(f"domains such as example.org, separated by commas; {word!r} is none")
    return text.lower()


def quorums(text: str) -> dict[str, int]:
    """``1, deploy=2`` as ``{"": 1, "deploy": 2}``.

    Raises:
        ValueError: Not of that form, or not between 1 and 20.
    """
    found: dict[str, int] = {}
    for word in words(text):
        kind, _, number = word.rpartition("=")
        if kind.strip() and kind.strip() not in KINDS:
            _refuse(f"1, or by kind of effect, such as 'deploy=2'; {kind.strip()!r} is no kind")
        found[kind.strip()] = int(_within(int(number), 1, 20))
    return found or _refuse("1, or by kind of effect, such as '1, deploy=2'")


def _quorum(text: str) -> str:
    quorums(text)
    return text


def _personal(text: str) -> str:
    for word in words(text.lower()):
        if word not in PERSONAL_DATA:
            _refuse(f"{' and '.join(sorted(PERSONAL_DATA))}, separated by commas; {word!r} is neither")
    return text.lower()


def _regions(text: str) -> str:
    for word in words(text):
        if len(word) != 2 or not word.isalpha():  # noqa: PLR2004 - ISO 3166-1 alpha-2
            _refuse(f"countries such as US, separated by commas; {word!r} is none")
    return text.upper()


def _proxies(text: str) -> str:
    from ipaddress import ip_network  # noqa: PLC0415 - for installs behind a proxy

    for word in words(text):
        if ip_network(word).prefixlen == 0:
            _refuse("the networks of your proxies; everybody's is none")
    return text


def _origins(text: str) -> str:
    for word in words(text):
        if "*" in word:
            _refuse("origins by name: any is never let in")
        if not _origin(word) or word != word.lower().rstrip("/"):
            _refuse(f"origins such as https://app.example.org, separated by commas; {word!r} is none")
    return text


def _api_limits(text: str) -> str:
    for word in words(text):
        place, _, numbers = word.rpartition("=")
        method, _, path = place.partition(" ")
        minute, _, hour = numbers.partition("/")
        if not (method.isalpha() and path.startswith("/") and minute.isdigit() and hour.isdigit()):
            _refuse(f"METHOD PATH=MINUTE/HOUR, separated by commas; {word!r} is none")
    return text


def _switch(text: str) -> bool:
    word = text.lower()
    return word in _ON if word in _ON | _OFF else _refuse("true or false")


def _separation(text: str) -> str:
    word = text.lower()
    return word if word in {"auto", "on", "off"} else _refuse("auto, on or off")


def _within(value: float, low: float, high: float) -> float:
    return value if low <= value <= high else _refuse(f"between {low} and {high}")


def _refuse(need: str) -> Never:
    message = f"it must be {need}"
    raise ValueError(message)


_ON = frozenset({"true", "on", "1", "yes"})
_OFF = frozenset({"false", "off", "0", "no"})

_CONVERT: Mapping[str, Callable[[str], object]] = {
    "environment": lambda text: _environment(text.lower()),
    "parallel": lambda text: int(_within(int(text), 1, 64)),
    "sandbox_tier": lambda text: int(_within(int(text), 1, 3)),
    "answers_mb": lambda text: int(_within(int(text), 1, 65_536)),
    "concurrency": lambda text: int(_within(int(text), 1, 256)),
    "retention_days": lambda text: int(_within(int(text), 0, 36_500)),
    "audit_retention_days": lambda text: int(_within(int(text), 0, 36_500)),
    "audit_verify_every_s": lambda text: int(_within(int(text), 0, 31_536_000)),
    "lease_s": lambda text: _within(float(text), 1, 3600),
    "breaker_failures": lambda text: int(_within(int(text), 1, 1000)),
    "breaker_error_rate": lambda text: _within(float(text), 0.01, 2),
    "breaker_cooldown_s": lambda text: _within(float(text), 0.1, 86_400),
    "secrets_cache_s": lambda text: _within(float(text), 0, 3600),
    "secrets_retention_days": lambda text: int(_within(int(text), 1, 36_500)),
    "telemetry": _switch,
    "telemetry_days": lambda text: int(_within(int(text), 1, 3650)),
    "objective_actions": lambda text: _within(float(text), 0.5, 0.99999),
    "objective_missions": lambda text: _within(float(text), 0.5, 0.99999),
    "feedback": _switch,
    "stop_notice_s": lambda text: _within(float(text), 0, 300),
    "log_level": _level,
    "log_format": lambda text: _format(text.lower()),
    "store_url": _address,
    "classifier_url": str,
    "witness_url": str,
    "witness_key": str,
    "timestamp_url": str,
    "timestamp_ca": str,
    "budget_usd": _dollars,
    "unknown_price": _policy,
    "unknown_price_usd": _price,
    "approval_over_usd": _dollars,
    "approval_domains": _domains,
    "approval_free_targets": str,
    "deploy_roots": _folders,
    "approval_hours": lambda text: _within(float(text), 0.0001, 24 * 365),
    "approval_quorum": _quorum,
    "approval_separation": _separation,
    "approval_open": lambda text: int(_within(int(text), 1, 100_000)),
    "notify_allow": _addresses,
    "fetch_ports": _ports,
    "fetch_private": _private,
    "fetch_user_agent": _user_agent,
    "fetch_timeout_s": lambda text: _within(float(text), 0.1, 300),
    "fetch_bytes": lambda text: int(_within(int(text), 1024, 1 << 30)),
    "fetch_ca": str,
    "gateway_body_bytes": lambda text: int(_within(int(text), 1024, 1 << 30)),
    "gateway_body_s": lambda text: _within(float(text), 0.1, 600),
    "gateway_heartbeat_s": lambda text: _within(float(text), 0.1, 300),
    "gateway_wait_s": lambda text: _within(float(text), 0, 3600),
    "gateway_slow_s": lambda text: _within(float(text), 1, 3600),
    "gateway_queue": lambda text: int(_within(int(text), 1, 1_000_000)),
    "gateway_queue_s": lambda text: _within(float(text), 0, 600),
    "gateway_drain_s": lambda text: _within(float(text), 0, 3600),
    "gateway_max_out": lambda text: int(_within(int(text), 1, 1_000_000)),
    "connections": lambda text: int(_within(int(text), 16, 1_000_000)),
    "connection_head_s": lambda text: _within(float(text), 0.1, 600),
    "streams": lambda text: int(_within(int(text), 1, 100_000)),
    "streams_each": lambda text: int(_within(int(text), 1, 100_000)),
    "signing_secret": str,
    "session_idle_minutes": lambda text: _within(float(text), 2, 1440),
    "session_hours": lambda text: _within(float(text), 0.1, 24 * 30),
    "access_minutes": lambda text: _within(float(text), 1, 60),
    "refresh_days": lambda text: _within(float(text), 0.01, 365),
    "second_factor": _demand,
    "reset_by_mail": _switch,
    "public_url": _origin,
    "oidc_issuer": _issuer,
    "oidc_client_id": str,
    "oidc_client_secret": str,
    "oidc_domains": _domains,
    "api_body_bytes": lambda text: int(_within(int(text), 1024, 1 << 30)),
    "api_time_s": lambda text: _within(float(text), 0.1, 600),
    "api_idle_s": lambda text: _within(float(text), 0.1, 3600),
    "api_per_minute": lambda text: int(_within(int(text), 1, 10_000_000)),
    "api_per_hour": lambda text: int(_within(int(text), 1, 1_000_000_000)),
    "api_limits": _api_limits,
    "key_per_minute": lambda text: int(_within(int(text), 1, 10_000_000)),
    "key_per_hour": lambda text: int(_within(int(text), 1, 1_000_000_000)),
    "console_per_minute": lambda text: int(_within(int(text), 1, 10_000_000)),
    "console_per_hour": lambda text: int(_within(int(text), 1, 1_000_000_000)),
    "proxies": _proxies,
    "hosts": _domains,
    "cors_origins": _origins,
    "https": _separation,
    "request_log": _switch,
    "personal_data": _personal,
    "personal_tools": str,
    "personal_analyzer": str,
    "phone_regions": _regions,
}
