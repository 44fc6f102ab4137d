"""Every setting with its value, its default, where that came from and what it does. What may be secret is hidden."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from functools import cache
from urllib.parse import urlsplit, urlunsplit

from remit.kernel.references import SCHEME
from remit.settings import NAMES, PREFIX, SHOWN_NEVER, Settings

_HOME = "the platform's data folder"
_LINE = re.compile(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", re.MULTILINE)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S+")


class From(StrEnum):
    """Where a value came from."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    COMMAND = "command line"
    PROGRAM = "program"  # whoever opened Remit gave it, without looking at files or variables


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        name: Its key in ``remit.toml``; ``variable`` is its environment variable.
        value: What is in force, as text; empty when it is hidden or nothing.
        default: What it is when nobody says anything; empty when it is hidden or nothing.
        origin: Where the value came from.
        place: The file's path, or the variable's name; empty otherwise.
        hidden: Its value may be a secret and is never shown; ``changed`` says whether there is one.
        changed: Whether the value is another than the default.
        meaning: What it does.
    """

    name: str
    variable: str
    value: str
    default: str
    origin: From
    place: str
    hidden: bool
    changed: bool
    meaning: str


def list_settings(settings: Settings) -> tuple[Setting, ...]:
    """Every setting of this process, in the order in which they are documented.

    Values that may be secret are hidden: those of ``settings.SHOWN_NEVER``, references to secrets, and in addresses
    whatever stands before an ``@`` or after a ``?``. Callers mask the rest with what is known to be secret.
    """
    return tuple(_setting(settings, name) for name in NAMES)


def matching(found: Iterable[Setting], *, words: str = "", changed: bool = False) -> tuple[Setting, ...]:
    """Those whose name or meaning has the words (whatever their case); with ``changed`` those that somebody set."""
    wanted = words.lower()
    return tuple(
        one
        for one in found
        if (not changed or one.origin is not From.DEFAULT)
        and (wanted in one.name.lower() or wanted in one.meaning.lower())
    )


def _setting(settings: Settings, name: str) -> Setting:
    value, default = _shown(getattr(settings, name)), _default(name)
    origin, place = _origin(settings, name, changed=value != default)
    hidden = name in SHOWN_NEVER or SCHEME in value
    return Setting(
        name=name,
        variable=f"{PREFIX}{name.upper()}",
        value="" if hidden else _ADDRESS.sub(_bare, value),
        default="" if name in SHOWN_NEVER else default,
        origin=origin,
        place=place,
        hidden=hidden,
        changed=value != default,
        meaning=_meanings().get(name, ""),
    )


def _origin(settings: Settings, name: str, *, changed: bool) -> tuple[From, str]:
    said = settings.origins.get(name, "")
    match said:
        case "":
            return (From.PROGRAM if changed else From.DEFAULT), ""
        case "default":
            return From.DEFAULT, ""
        case "flag":
            return From.COMMAND, ""
        case _ if said == f"{PREFIX}{name.upper()}":
            return From.ENVIRONMENT, said
        case _:
            return From.FILE, said


def _default(name: str) -> str:
    for each in fields(Settings):
        if each.name == name and each.default is not MISSING:
            return _shown(each.default)
    return _HOME


def _shown(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case tuple():
            return f"{len(value)}" if value else ""  # pyright: ignore[reportUnknownArgumentType] - of tables: counted
        case _:
            return str(value)


def _bare(found: re.Match[str]) -> str:
    """An address without what may let somebody in."""
    try:
        parts = urlsplit(found.group())
    except ValueError:
        return "(an address that can't be read)"
    host = parts.netloc.rpartition("@")[2]
    told = urlunsplit((parts.scheme, host, parts.path, "", ""))
    return told if told == found.group() else f"{told} (part of it is hidden)"


@cache
def _meanings() -> dict[str, str]:
    """What each does, as the class says it: one text for programmers and for people."""
    told = inspect.cleandoc(Settings.__doc__ or "").partition("Attributes:\n")[2]
    return {name: re.sub(r"\s+", " ", text).replace("``", "`") for name, text in _LINE.findall(told)}
