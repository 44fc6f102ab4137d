"""What models can do, in one word each, and how good they are, in coarse tiers of Remit's own.

The shipped table (``data/capabilities.json``) knows families of well-known models by their names, with source and date.
It is no benchmark: the tiers say which models a team would try first for what, and a workspace that knows better sets
its own for a deployment. What the table does not know is not guessed: such a model is asked when it is named, and
``auto`` passes it over until somebody says what it can do.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

import orjson

from remit.kernel.errors import InvalidInput

#: Every word, with what it means.
WORDS: dict[str, str] = {
    "chat": "answers messages",
    "embeddings": "turns texts into vectors",
    "streaming": "sends its answer while it writes it",
    "tools": "calls tools",
    "vision": "reads images",
    "audio": "hears or speaks",
    "json_schema": "keeps to a JSON schema",
    "thinking": "thinks before it answers, in a part of its own",
}
MOST_QUALITY = 100


@dataclass(frozen=True, slots=True)
class Trait:
    """What is known of a model by its name. ``maker``: whose interface it is asked through (``openai``), if one's."""

    capabilities: frozenset[str]
    quality: int
    maker: str = ""


@dataclass(frozen=True, slots=True)
class _Family:
    pattern: re.Pattern[str]
    trait: Trait


@cache
def _families() -> tuple[_Family, ...]:
    told = orjson.loads((resources.files("remit.models") / "data" / "capabilities.json").read_bytes())
    return tuple(
        _Family(
            re.compile("|".join(fnmatch.translate(pattern) for pattern in family["match"])),
            Trait(
                frozenset(family["can"].split()),
                int(family["quality"]),
                family["source"] if family["source"] in {"openai", "anthropic"} else "",
            ),
        )
        for family in told["models"]
    )


@lru_cache(1024)
def shipped(model: str) -> Trait | None:
    """What the table knows of a model, by the last part of its name; ``None``: nothing."""
    name = model.lower().rpartition("/")[2]
    return next((family.trait for family in _families() if family.pattern.match(name)), None)


def check_words(words: Iterable[str]) -> frozenset[str]:
    """Capabilities as somebody wrote them.

    Raises:
        InvalidInput: A word that means nothing here.
    """
    found = frozenset(word.strip().lower() for word in words if word.strip())
    unknown = sorted(found - WORDS.keys())
    if unknown:
        message = f"{unknown[0][:40]!r} is no capability: they are {', '.join(WORDS)}."
        raise InvalidInput(message, code="models.capability", hint="remit models add --help")
    return found


def check_quality(quality: int) -> int:
    """A quality from 0 to 100.

    Raises:
        InvalidInput: It isn't.
    """
    if not 0 <= quality <= MOST_QUALITY:
        message = f"A quality is 0 to {MOST_QUALITY}, not {quality}."
        raise InvalidInput(message, code="models.quality", hint="remit models add --help")
    return quality
