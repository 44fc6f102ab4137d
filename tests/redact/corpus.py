"""What the development set is made of: values drawn at run time, planted in texts as people write them.

Nothing that looks like a token stands in the tree: forms are spelled as recipes (``corpus_written``, ``corpus_held``).
"""

from __future__ import annotations

import base64
import random
import re
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass

LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
ALPHABETS = {
    "a": LOWER,
    "A": UPPER,
    "d": DIGITS,
    "h": "0123456789abcdef",
    "H": "0123456789ABCDEF",
    "n": LOWER + DIGITS,
    "N": UPPER + DIGITS,
    "w": LOWER + UPPER + DIGITS,
    "l": LOWER + UPPER,
    "u": LOWER + UPPER + DIGITS + "-_",
    "b": LOWER + UPPER + DIGITS + "+/",
    "p": LOWER + UPPER + DIGITS + "!@#$%^&*-_=+.",
    "v": "23456789abcdefghijkmnpqrstuvwxyz",
}
_PART = re.compile(r"\{([a-zA-Z]):(\d+)(?:-(\d+))?\}")


@dataclass(frozen=True, slots=True)
class Case:
    """One planted secret."""

    kind: str
    secret: str
    text: str


def draw(recipe: str, rng: random.Random) -> str:
    """A value from a recipe: ``ab_{h:32}`` is ``ab_`` and 32 hexadecimal digits, ``{w:20-40}`` 20 to 40 of 62."""

    def one(match: re.Match[str]) -> str:
        low = int(match[2])
        size = rng.randint(low, int(match[3] or low))
        return "".join(rng.choice(ALPHABETS[match[1]]) for _ in range(size))

    return _PART.sub(one, recipe).replace("~~", "")


def uuid(rng: random.Random) -> str:
    return draw("{h:8}-{h:4}-4{h:3}-a{h:3}-{h:12}", rng)


def value(recipe: str | Callable[[random.Random], str], rng: random.Random) -> str:
    return draw(recipe.replace("{uuid}", uuid(rng)), rng) if isinstance(recipe, str) else recipe(rng)


def b64(size: int) -> Callable[[random.Random], str]:
    return lambda rng: base64.b64encode(rng.randbytes(size)).decode()


def plant(template: str, secret: str, rng: random.Random, *, name: str = "") -> str:
    """``template`` with ``@@`` for the secret and ``%NAME%``, ``%name%``, ``%Name%``, ``%-%`` for forms of the name."""
    words = re.split(r"[_\s-]+", name.lower()) if name else [""]
    camel = words[0] + "".join(each.title() for each in words[1:])
    forms = {"%NAME%": "_".join(words).upper(), "%name%": "_".join(words), "%camel%": camel}
    forms |= {"%Name%": "".join(each.title() for each in words), "%-%": "-".join(words), "%.%": ".".join(words)}
    for form, written in forms.items():
        template = template.replace(form, written)
    template = re.sub(r"\{w\}", lambda _: rng.choice(_WORDS), template)
    template = re.sub(r"\{n\}", lambda _: str(rng.randint(1, 9999)), template)
    return template.replace("@@", secret)


_WORDS = (
    *("orders", "billing", "search", "report", "worker", "mailer", "gateway", "inventory", "metrics", "session"),
    *("catalog", "payments", "ledger", "profile", "upload", "archive", "invoice", "shipment", "customer", "planner"),
)


def each(
    kinds: Iterable[tuple[str, str | Callable[[random.Random], str], str]],
    templates: tuple[str, ...],
    rng: random.Random,
    *,
    times: int,
) -> list[Case]:
    """``times`` cases of every (kind, recipe, name) in templates drawn at random."""
    made: list[Case] = []
    for kind, recipe, name in kinds:
        for _ in range(times):
            secret = value(recipe, rng)
            made.append(Case(kind, secret, plant(rng.choice(templates), secret, rng, name=name)))
    return made
