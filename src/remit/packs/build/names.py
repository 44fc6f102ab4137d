"""How a name of an intake becomes the names of code: folded to ASCII, cased, kept off reserved words, kept short."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from remit.packs.build.ir import Casing
from remit.packs.build.reserved import KEYWORDS, RENAMED_ATTRIBUTES, RENAMED_CLASSES, RENAMED_VARIABLES

IDENTIFIER_LIMIT = 63
"""Postgres cuts identifiers at NAMEDATALEN - 1 bytes; ours never get there."""

NAME = re.compile(r"[^\W\d_][\w \-]*\Z")
"""A name starts with a letter of any script and holds letters, digits, spaces, `_` and `-`."""

_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[A-Za-z0-9]+")


@lru_cache(maxsize=8192)
def words(name: str) -> tuple[str, ...]:
    """The lower-case ASCII words of a name: `Größe-Maß` -> (`grosse`, `mass`); () when no letter or digit is left."""
    folded = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return tuple(part.lower() for word in _WORD.findall(folded) for part in _BOUNDARY.split(word) if part)


def snake(name: str) -> str:
    """`Order line` -> `order_line`; empty when the script folds to nothing."""
    return "_".join(words(name))


def pascal(name: str) -> str:
    """`Order line` -> `OrderLine`."""
    return "".join(word.capitalize() for word in words(name))


def kebab(name: str) -> str:
    """`Order line` -> `order-line`."""
    return "-".join(words(name))


def camel(name: str) -> str:
    """`Order line` -> `orderLine`."""
    first, *rest = words(name) or ("",)
    return first + "".join(word.capitalize() for word in rest)


def label(name: str) -> str:
    """`orderLine` -> `Order line`; a name of another script stays as it is."""
    text = " ".join(words(name)) if name.isascii() else name
    return text[:1].upper() + text[1:]


def cased(snake_name: str, casing: Casing) -> str:
    """A name that the generator adds, as the generated API spells it."""
    return camel(snake_name) if casing is Casing.CAMEL else snake_name


_PLURALS = {"person": "people", "child": "children", "man": "men", "woman": "women", "foot": "feet", "tooth": "teeth"}
_SAME = frozenset({"equipment", "information", "series", "species", "staff", "news", "data", "feedback", "inventory"})


def plural(name: str) -> str:
    """The English plural of a snake name's last word; give `plural` in the intake where it is wrong."""
    head, _, last = name.rpartition("_")
    lead = f"{head}_" if head else ""
    if last in _PLURALS:
        return lead + _PLURALS[last]
    if last in _SAME:
        return f"{lead}{last}" if last.endswith("s") else f"{lead}{last}_items"
    if re.search(r"[^aeiou]y\Z", last):
        return f"{lead}{last[:-1]}ies"
    if re.search(r"(s|x|z|ch|sh)\Z", last):
        return f"{lead}{last}es"
    return f"{lead}{last}s"


def attribute(name: str) -> str:
    """A Python attribute for a snake name: never a keyword, nor a name of SQLAlchemy's or Pydantic's."""
    if name in KEYWORDS or name in RENAMED_ATTRIBUTES or name.startswith("model_"):
        return f"{name}_"
    return name


def class_name(name: str) -> str:
    """A class for an entity's name, off the names that generated modules import."""
    text = pascal(name)
    return f"{text}Record" if text in RENAMED_CLASSES else text


def variable(name: str) -> str:
    """A local variable for a snake name, off the names that templates use."""
    return f"{name}_record" if name in RENAMED_VARIABLES or name in KEYWORDS else name


def member(value: str) -> str:
    """An enum member for any text: `in progress` -> `IN_PROGRESS`, `2nd` -> `V_2ND`, no ASCII -> a stable hash."""
    text = "_".join(words(value)).upper()
    if not text:
        return f"V_{hashlib.sha256(value.encode()).hexdigest()[:8].upper()}"
    return f"V_{text}" if text[0].isdigit() else text


def members(values: Iterable[str]) -> list[str]:
    """A distinct member for each value, in order; values that fold alike are told apart by a stable hash."""
    found: list[str] = []
    for value in values:
        name = member(value)
        found.append(name if name not in found else f"{name}_{hashlib.sha256(value.encode()).hexdigest()[:8].upper()}")
    return found


def identifier(*parts: str) -> str:
    """A database identifier joined from parts, at most 63 characters; a long one ends in a hash of the whole."""
    text = "_".join(parts)
    if len(text) <= IDENTIFIER_LIMIT:
        return text
    return f"{text[: IDENTIFIER_LIMIT - 9]}_{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be, if any is near.

    Comparing is dear, so among very many names only those of like length, then of like beginning, are looked at.
    """
    wanted = name.casefold()[:100]
    by_fold = {text.casefold(): text for text in known}
    near = [text for text in by_fold if abs(len(text) - len(wanted)) <= max(3, len(wanted) // 2)]
    if len(near) > _MANY:
        near = [text for text in near if text[:1] == wanted[:1]][:_MANY]
    found = get_close_matches(wanted, near, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


_MANY = 200


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A hint that names the nearest known name, or else as many as help; worked out only when it is shown."""

    name: str
    known: Iterable[str]

    def __str__(self) -> str:
        choices = list(dict.fromkeys(self.known))
        near = nearest(self.name, choices)
        if near:
            return f"Did you mean `{near}`?"
        if not choices:
            return "There is none to refer to."
        listed = ", ".join(f"`{choice}`" for choice in choices[:_SHOWN])
        return f"Known: {listed}{', ...' if len(choices) > _SHOWN else ''}."


_SHOWN = 12
