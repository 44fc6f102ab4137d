"""The deployment checklist: what a production install needs beyond working."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from remit.operations.checkup import Check, State, graded
from remit.settings import Settings

DAY_S = 86_400
BACKUP_WARN_S, BACKUP_BAD_S = 1 * DAY_S, 7 * DAY_S
TLS = frozenset({"require", "verify-ca", "verify-full"})
_KEY = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"


@dataclass(frozen=True, slots=True)
class Deployed:
    """What the settings do not say.

    Attributes:
        uid: Who runs this; 0 is root.
        secret_weakness: Why the signing secret is no good; empty: it is good.
        backup_age_s: Since the last whole backup; ``None``: there never was one.
        limits_off: Shipped rates that somebody took out of force.
        workspace_budget: Whether the workspace has a budget.
        crash_points: Variables of crash drills that are set.
    """

    uid: int
    secret_weakness: str
    backup_age_s: float | None
    limits_off: Sequence[str]
    workspace_budget: bool
    crash_points: Sequence[str]


def checklist(settings: Settings, deployed: Deployed) -> list[Check]:
    """Every line of the list."""
    return [
        *_process(settings, deployed),
        *_door(settings, deployed),
        *_data(settings, deployed),
        *_people(settings, deployed),
    ]


def _process(settings: Settings, deployed: Deployed) -> Iterator[Check]:
    yield graded(
        "environment",
        settings.production,
        settings.environment.value,
        "only production refuses crash points, weak secrets and plain cookies",
        "set environment = production",
    )
    yield graded(
        "operating system user",
        deployed.uid != 0,
        "root" if deployed.uid == 0 else f"user {deployed.uid}",
        "a fault in Remit or in a sandbox would be root's",
        "make a user for Remit alone, and give it the home: useradd --system remit",
    )
    yield graded(
        "crash points",
        not deployed.crash_points,
        ", ".join(deployed.crash_points) or "none",
        "they end the process on purpose",
        "unset REMIT_CRASH_AT and REMIT_CRASH_LOG",
    )
    yield graded(
        "log level",
        settings.log_level != "DEBUG",
        settings.log_level,
        "debug lines are many, and tell more than needed",
        "set log_level = WARNING",
    )
    yield graded(
        "sandbox tier",
        settings.sandbox_tier > 1,
        f"tier {settings.sandbox_tier} is enough",
        "tier 1 limits a command's resources, not what it reads",
        "set sandbox_tier = 2 (Landlock) or 3 (bubblewrap)",
        state=State.WARN,
    )


def _door(settings: Settings, deployed: Deployed) -> Iterator[Check]:
    yield graded(
        "signing secret",
        not deployed.secret_weakness,
        deployed.secret_weakness or "strong",
        "whoever knows it signs in as anybody",
        f'export REMIT_SIGNING_SECRET="$({_KEY})", and keep it',
    )
    https = settings.public_url.startswith("https://")
    yield graded(
        "HTTPS",
        https,
        settings.public_url or "no public_url",
        "keys, cookies and passwords would travel in the clear",
        "put a proxy with TLS in front, and set public_url = https://HOST",
    )
    yield graded(
        "cookies",
        https and settings.production,
        "Secure, __Host-" if https and settings.production else "plain",
        "a cookie that goes over plain HTTP can be read on the way",
        "set environment = production and public_url = https://HOST",
    )
    proxies = str(getattr(settings, "proxies", ""))
    yield graded(
        "proxies",
        bool(proxies),
        proxies or "none named",
        "without them every client has the proxy's address: limits for each address hold for all together",
        "set proxies to the networks of your proxies",
        state=State.WARN,
    )
    yield graded(
        "second factor",
        settings.second_factor != "nobody",
        settings.second_factor,
        "one stolen password is enough",
        "set second_factor = administrators, or everybody",
        state=State.WARN,
    )
    yield graded(
        "rate limits",
        not deployed.limits_off,
        f"off: {', '.join(deployed.limits_off)}" if deployed.limits_off else "on",
        "one client can take everything",
        f"remit limits set {next(iter(deployed.limits_off), 'NAME')} --reset",
        state=State.WARN,
    )


def _data(settings: Settings, deployed: Deployed) -> Iterator[Check]:
    if settings.store_url:
        encrypted, seen = tls_of(settings.store_url)
        why, fix = "rows and the database's password would travel in the clear", "add ?sslmode=verify-full to store_url"
        yield graded("database", encrypted, seen, why, fix)
    else:
        why = "one process on one machine: no second worker, and its disk is the only copy"
        fix = "set store_url = postgresql://HOST/NAME?sslmode=verify-full, or live with one machine"
        yield Check("database", State.WARN, "SQLite", why, fix)
    age = deployed.backup_age_s
    seen = "never taken" if age is None else f"{age / 3600:.0f} h old"
    state = State.BAD if age is None or age > BACKUP_BAD_S else State.WARN
    why, fix = "what was done since would be lost with the disk", "remit backup FOLDER --key-file FILE, every day"
    yield graded("backup", age is not None and age <= BACKUP_WARN_S, seen, why, fix, state=state)
    days = settings.retention_days
    why, fix = "files of finished missions pile up", "set retention_days = 30"
    yield graded("retention", days > 0, f"{days} days" if days else "never", why, fix, state=State.WARN)
    seconds = settings.audit_verify_every_s
    why, fix = "a change of the log would go unnoticed", "set audit_verify_every_s = 86400"
    yield graded("scheduled verification", seconds > 0, f"every {seconds} s" if seconds else "never", why, fix)
    witnessed = bool(settings.witness_url and settings.witness_key)
    why = "whoever holds the database and the key can write another log; only a head kept elsewhere shows it"
    fix = "set witness_url and witness_key, then: remit audit witness"
    yield graded("witness", witnessed, settings.witness_url or "none", why, fix, state=State.WARN)


def _people(settings: Settings, deployed: Deployed) -> Iterator[Check]:
    names = [channel.name for channel in settings.notify]
    why, fix = "nobody hears of approvals, budgets and incidents", "add a [[notify]] table to remit.toml"
    yield graded("notifications", bool(names), ", ".join(names) or "no channel", why, fix)
    why, fix = "agents may spend what their missions ask for", "remit budget set workspace 100"
    seen = "set" if deployed.workspace_budget else "none"
    yield graded("workspace budget", deployed.workspace_budget, seen, why, fix, state=State.WARN)
    why = "who asks could approve it, wherever there is only one person"
    fix = "set approval_separation = on"
    ok = settings.approval_separation != "off"
    yield graded("two persons", ok, settings.approval_separation, why, fix, state=State.WARN)
    leaving = [name for name in ("telemetry", "feedback") if getattr(settings, name)]
    yield Check("leaves this machine", State.OK, f"allowed: {', '.join(leaving)}" if leaving else "nothing")


def tls_of(url: str) -> tuple[bool, str]:
    """Whether a database's address keeps others from reading along, and what was seen."""
    parts = urlsplit(url)
    options: Mapping[str, list[str]] = parse_qs(parts.query)
    host = parts.hostname or options.get("host", [""])[0]
    mode = options.get("sslmode", ["prefer"])[0]
    if not host or host.startswith("/") or host == "localhost" or _loopback(host):
        return True, "Postgres on this machine"
    return mode in TLS, f"Postgres, sslmode={mode}"


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
