"""How numbers, times, money and other people's text are written on a page: the console's filters.

Text that is not ours (``visible``) shows every character that would hide, reverse or control others as ``[U+202E]``.
It is applied to whatever a template writes (see ``rendering``); what these functions make is markup of our own.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

import orjson
from markupsafe import Markup

from remit.kernel.clock import iso
from remit.kernel.money import Money
from remit.kernel.plain import spelled

SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
MINUS = "\u2212"
SPACE = "\u00a0"  # no-break
_CENT, _DOLLAR = 10_000, 1_000_000
_EIGHT = 8
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SIGNS = re.compile(r"[^0-9a-zA-Z]+")
_THOUSAND = 1000
_KIBI = 1024
#: Fields that hold a list of words or paths.
_COMMANDS = frozenset({"argv", "delete", "release.smoke"})
_OF_NOTHING = hashlib.sha256(b"").hexdigest()
#: By what browsers and systems are known in the header User-Agent; each says the ones below it, too.
_BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
_SYSTEMS = (
    *(("Windows", "Windows"), ("Android", "Android"), ("iPhone", "iOS"), ("iPad", "iPadOS")),
    *(("Mac OS X", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux")),
)
_DOES = {
    "command": "Run",
    "deploy": "Deploy to",
    "fetch": "Fetch",
    "files": "Write files in",
    "model": "Ask the model",
    "notify": "Notify",
    "order": "Send an order to",
    "publish": "Publish to",
    "tool": "Use the tool",
}


def visible(text: str) -> str:
    """``text`` with nothing hidden in it; line ends and tabs stay."""
    return (
        text
        if text.isascii() and text.isprintable()
        else spelled(text, lambda char: f"[U+{ord(char):04X}]", keep="\n\t")
    )


def money(amount: Money | int, *, fine: bool = False) -> Markup:
    """``$31.84``; with ``fine`` three decimals below a dollar and four below a cent, for single steps."""
    micros = amount.micros if isinstance(amount, Money) else amount
    places = 2
    if fine and 0 < abs(micros) < _DOLLAR:
        places = 4 if abs(micros) < _CENT else 3
    value = (Decimal(abs(micros)) / _DOLLAR).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    return Markup("{}").format(f"{MINUS if micros < 0 else ''}${value:,}")


def count(number: int) -> Markup:
    """``1,048,611``."""
    return Markup("{}").format(f"{number:,}".replace("-", MINUS))


def short(number: int) -> Markup:
    """``3.1 M``, for overviews."""
    value, unit = float(number), ""
    for each in ("k", "M", "G"):
        if abs(value) < _THOUSAND:
            break
        value, unit = value / _THOUSAND, each
    return Markup("{}").format(f"{value:.1f}{SPACE}{unit}" if unit else f"{number}")


def percent(part: float, whole: float) -> Markup:
    """``8.4 %`` of a whole; empty when there is none."""
    return Markup("{}").format(f"{100 * part / whole:.1f}{SPACE}%" if whole else "")


def duration(micros: int) -> Markup:
    """``12 µs``, ``1.4 ms``, ``4.6 s``, ``6:05``, ``3 h 08 min``, ``2 d 4 h``."""
    if micros < _THOUSAND:
        told = f"{micros}{SPACE}µs"
    elif micros < SECOND:
        told = f"{micros / _THOUSAND:.1f}{SPACE}ms"
    elif micros < MINUTE:
        told = f"{micros / SECOND:.1f}{SPACE}s"
    else:
        told = _long(micros)
    return Markup("{}").format(told)


def _long(micros: int) -> str:
    seconds = micros // SECOND
    if micros < HOUR:
        return f"{seconds // 60}:{seconds % 60:02}"
    if micros < DAY:
        return f"{seconds // 3600}{SPACE}h{SPACE}{seconds % 3600 // 60:02}{SPACE}min"
    return f"{seconds // 86400}{SPACE}d{SPACE}{seconds % 86400 // 3600}{SPACE}h"


def left(deadline_us: int, now_us: int) -> Markup:
    """The time left until a deadline; a script counts it down by the server's clock. Empty when it is over."""
    rest = deadline_us - now_us
    if rest <= 0:
        return Markup("")
    seconds = rest // SECOND
    told = f"0:{seconds:02}" if rest < MINUTE else _long(rest)
    return Markup('<time datetime="PT{}S" data-deadline="{}" title="until {}">{}</time>').format(
        seconds, deadline_us, iso(deadline_us), told
    )


def remaining(deadline_us: int, now_us: int) -> Markup:
    """The time left in figures alone, for an element that counts it down itself; ``0:00`` when it is over."""
    rest = max(0, deadline_us - now_us)
    return Markup("{}").format(f"0:{rest // SECOND:02}" if rest < MINUTE else _long(rest))


def moment(at_us: int, now_us: int) -> Markup:
    """``14:32:07`` today, ``17 Nov`` on another day, ``17 Nov 2025`` in another year; the full instant in its title."""
    at, now = _utc(at_us), _utc(now_us)
    if at.date() == now.date():
        told = f"{at:%H:%M:%S}"
    else:
        told = f"{at.day}{SPACE}{_MONTHS[at.month - 1]}" + ("" if at.year == now.year else f"{SPACE}{at.year}")
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(iso(at_us), told)


def instant(at_us: int) -> Markup:
    """``2026-11-19 14:32:07`` (UTC), where a day must not be guessed."""
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(iso(at_us), f"{_utc(at_us):%Y-%m-%d %H:%M:%S}")


def ago(at_us: int, now_us: int) -> Markup:
    """``8 s ago``, for what is fresh or late."""
    rest = max(0, now_us - at_us)
    told = (
        f"{rest // SECOND}{SPACE}s" if rest < MINUTE else f"{rest // MINUTE}{SPACE}min" if rest < HOUR else _long(rest)
    )
    return Markup('<time datetime="{0}" title="{0}">{1}{2}ago</time>').format(iso(at_us), told, SPACE)


def day(now_us: int) -> Markup:
    """``Thursday 19 November 2026``."""
    at = _utc(now_us)
    return Markup("{}").format(f"{at:%A} {at.day} {at:%B} {at.year}")


def eights(digest: str) -> Markup:
    """All of a hash, in groups of eight."""
    parts = " ".join(visible(digest[at : at + _EIGHT]) for at in range(0, len(digest), _EIGHT))
    return Markup('<span class="hash">{}</span>').format(parts)


def ident(which: str) -> Markup:
    """The last eight characters of an id: UUIDv7 shares its first ones. The whole stands in its title."""
    return Markup('<code title="{}">{}</code>').format(visible(which), visible(which[-_EIGHT:]))


def coded(text: str) -> Markup:
    """Our own prose, with what stands between backticks as code."""
    parts = visible(text).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else Markup("{}").format(part)
        for place, part in enumerate(parts)
    )


def anchor(text: str) -> Markup:
    """Any text as an id in the page's markup."""
    return Markup("{}").format(_SIGNS.sub("-", text).strip("-").lower() or "x")


def effect(kind: str, target: str) -> str:
    """``Deploy to production``: what an effect of a kind does to its target, as a sentence's beginning."""
    does = _DOES.get(kind, kind.capitalize())
    return f"{does} {target}" if target else does.removesuffix(" to").removesuffix(" in")


def figure(value: str, name: str) -> str:
    """A field's value; micros and bytes (its name says so) also in units for people, a command as one types it."""
    if name.endswith("_micros") and re.fullmatch(r"-?[0-9]{1,18}", value):
        whole = (Decimal(value) / _DOLLAR).quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)
        return f"{value} ({whole:,})"
    if name.endswith("_bytes") and re.fullmatch(r"[0-9]{4,18}", value):
        return f"{value} ({size(int(value))})"
    if name.endswith("sha256") and value == _OF_NOTHING:
        return f"{value} (of nothing)"
    return typed_as(value) if name in _COMMANDS else value


def typed_as(argv: str) -> str:
    """A command's words, given as a JSON list, as somebody types them; text that is no such list stays."""
    try:
        found: object = orjson.loads(argv)
    except orjson.JSONDecodeError:
        return argv
    return shlex.join(map(str, found)) if isinstance(found, list) else argv  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def size(number: int) -> str:
    """``4 GiB``, ``1.5 MiB``, ``812 bytes``."""
    value, unit = float(number), "bytes"
    for each in ("KiB", "MiB", "GiB", "TiB"):
        if value < _KIBI:
            break
        value, unit = value / _KIBI, each
    return f"{value:.1f}".removesuffix(".0") + f" {unit}"


def plain(told: Markup) -> str:
    """What a filter made, as text that goes through the escaping of other people's text: with ordinary spaces."""
    return str(told).replace(SPACE, " ")


def browser(agent: str) -> str:
    """``Firefox on Linux``, of what a browser says of itself; its first 60 characters when it is none that we know."""
    name = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return f"{name} on {system}" if name and system else name or agent[:60]


def who(principal: str) -> str:
    """``user:ines`` as ``ines``: what a person is called; others keep their kind, and Remit itself is ``Remit``."""
    kind, _, name = principal.partition(":")
    if principal == "system:remit":
        return "Remit"
    return name if kind in {"user", "agent"} and name else principal


def _utc(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us // SECOND, UTC)


FILTERS = {
    "money": money,
    "count": count,
    "short": short,
    "duration": duration,
    "instant": instant,
    "eights": eights,
    "ident": ident,
    "anchor": anchor,
    "coded": coded,
    "effect": effect,
    "figure": figure,
    "who": who,
    "browser": browser,
    "day": day,
    "iso": iso,
}
