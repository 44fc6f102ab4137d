"""Secrets: who used which by name and when, who was kept from one, what was out of the ordinary. Never a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode

from remit.accounts.roles import Resource
from remit.guard.secrets_log import LAST, Access, Oddity, accesses, secrets_seen
from remit.guard.secrets_orders import SecretRow
from remit.guard.secrets_use import Anomaly, SecretStatistics
from remit.kernel.ports import ReadTx
from remit.serve.console.asking import Ask
from remit.serve.console.numbers import told
from remit.serve.console.page import page

SIZE = 50
SINCE_US = 30 * 86_400_000_000
_DIGITS = 18
_MOST = 100  # lines of statistics: those that are used most
WORDS = {
    Anomaly.FIRST_USE: "used it for the first time",
    Anomaly.DENIED: "was denied it",
    Anomaly.UNUSUAL_COUNT: "used it more often than usual",
}


#: Why a try was refused, by the reason in its entry.
REASONS = {
    "secrets.denied": "no rule lets it",
    "secrets.misplaced": "the reference stood where none is resolved",
    "secrets.unavailable": "where it is kept did not answer",
    "secrets.unknown": "there is no such secret",
    "secrets.unmaskable": "its value is too short to be masked",
    "secrets.unreadable": "where it is kept would not give it",
}


@dataclass(frozen=True, slots=True)
class Odd:
    """Something out of the ordinary, in words."""

    words: str
    what: Oddity


@dataclass(frozen=True, slots=True)
class Secrets:
    """The page. ``uses`` are sums of thirty days by secret, who and mission."""

    title: str
    log: tuple[Access, ...]
    denied: bool
    next: str
    first: str
    secrets: tuple[SecretRow, ...]
    uses: tuple[SecretStatistics, ...]
    odd: tuple[Odd, ...]
    reasons: dict[str, str] = field(default_factory=lambda: REASONS)


@page("/secrets", template="secrets.html", group="Proof", label="Secrets")
async def secrets(ask: Ask) -> Secrets:
    """Who used which secret when."""
    word, denied = ask.query.get("before", ""), ask.query.get("denied") == "1"
    before = int(word) if word.isascii() and word.isdigit() and len(word) <= _DIGITS else LAST

    def op(tx: ReadTx) -> Secrets:
        found = accesses(tx, ask.workspace, before=before, limit=SIZE + 1, denied=True if denied else None)
        seen = secrets_seen(tx, ask.workspace, since_us=ask.now_us - SINCE_US)
        shown, asked = tuple(found[:SIZE]), {"denied": "1"} if denied else {}
        known = [one for one in seen.secrets if one.status == "active"]
        uses = sorted(seen.statistics, key=lambda one: (-one.uses - one.denied, one.secret, one.principal))
        return Secrets(
            title=told(len(known), "secret is known", "secrets are known") if known else "No secret is known yet",
            log=shown,
            denied=denied,
            next=f"/secrets?{urlencode({**asked, 'before': shown[-1].seq})}" if len(found) > SIZE else "",
            first=f"/secrets?{urlencode(asked)}" if before != LAST else "",
            secrets=tuple(known),
            uses=tuple(uses[:_MOST]),
            odd=tuple(Odd(WORDS[one.what], one) for one in seen.oddities),
        )

    return await ask.read(op, resource=Resource.AUDIT)
