"""Text from outside, and knowing it again: prints of what came in, compared with what goes out.

A print is a keyed hash of a piece: of 24 characters chosen by winnowing (Schleimer, Wilkerson and Aiken, 2003, windows
of 16: any 39 characters in common are found, case, blanks and punctuation aside), or of one telling word (an address, a
host, an account number). Nobody without the install's key can tell a text from its prints.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.effects import Command, Deploy, Effect, Fetch, Model, Notify, Order, Publish, Tool, WriteFiles

PIECE, WINDOW = 24, 16
#: Characters of a text that prints are made of, and prints of one text.
MOST_CHARACTERS = 256 * 1024
MOST_PRINTS = 6000
SIZE = 8

_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"[^\s\"'`<>()\[\]{},;|\\]{6,300}")
_TELLING = re.compile(r"@|://|\w\.[a-z]{2,}|\d{6,}|[A-Za-z]\d|\d[A-Za-z]", re.IGNORECASE)
_HOST = re.compile(r"^[a-z][a-z0-9+.-]{1,20}://(?:[^/@]{0,200}@)?([^/:?#]{4,255})", re.IGNORECASE)
_EDGES = ".,:!?*_-/#=&"
_DEEPEST = 32


class Source(StrEnum):
    """Where a text came from."""

    FETCHED = "fetched"
    TOOL = "tool"
    MODEL = "model"
    FILE = "file"

    @property
    def outside(self) -> bool:
        """Whether others wrote it. A model's answer is judged by its signs, and by what it repeats."""
        return self is not Source.MODEL


#: Whose answers are labelled. Commands and files are the mission's own: they run in its sandbox on its tree.
SOURCES: Mapping[str, Source] = {"fetch": Source.FETCHED, "tool": Source.TOOL, "model": Source.MODEL}


@dataclass(frozen=True, slots=True)
class Taint:
    """What rules read of an action: signs of injection in what its mission has read, and whether it repeats such text.

    ``score`` is the highest of any text that came in, between 0 and 1, ``place`` where that came from, ``signs`` what
    was found in it; "" when nothing was. ``outside`` says whether the action's own words stand in a text from outside,
    ``source`` which kind of text.
    """

    score: float = 0.0
    place: str = ""
    signs: str = ""
    outside: bool = False
    source: str = ""


CLEAN = Taint()


def prints(text: str, key: bytes) -> frozenset[bytes]:
    """The prints of ``text``, at most 6,000 (those of its telling words first)."""
    text = text[:MOST_CHARACTERS]
    made = dict.fromkeys(_hash(key, word) for word in _telling(text))
    for piece in _pieces(" ".join(_WORD.findall(text.casefold()))):
        if len(made) >= MOST_PRINTS:
            break
        made[_hash(key, piece)] = None
    return frozenset(list(made)[:MOST_PRINTS])


def _telling(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        word = match[0].strip(_EDGES)
        if len(word) >= 6 and _TELLING.search(word):  # noqa: PLR2004 - as the pattern
            yield word.casefold()
            if (host := _HOST.match(word)) is not None:
                yield host[1].casefold()


def _pieces(text: str) -> Iterator[str]:
    """Every piece that is the least of some window, by a quick hash; the last of equals."""
    count = len(text) - PIECE + 1
    if count <= 0:
        return
    data = text.encode("utf-32-le", "surrogatepass")
    quick = [zlib.crc32(data[at * 4 : (at + PIECE) * 4]) for at in range(count)]
    chosen = -1
    for start in range(max(1, count - WINDOW + 1)):
        end = min(start + WINDOW, count)
        if chosen < start:
            least = min(quick[start:end])
            chosen = next(at for at in range(end - 1, start - 1, -1) if quick[at] == least)
        elif quick[end - 1] <= quick[chosen]:
            chosen = end - 1
        else:
            continue
        yield text[chosen : chosen + PIECE]


def _hash(key: bytes, piece: str) -> bytes:
    return hashlib.blake2b(piece.encode("utf-8", "surrogatepass"), digest_size=SIZE, key=key).digest()


def packed(made: Iterable[bytes]) -> bytes:
    """Prints as bytes, in order."""
    return b"".join(sorted(made))


def unpacked(data: bytes) -> frozenset[bytes]:
    """The prints that ``packed`` put together."""
    return frozenset(data[at : at + SIZE] for at in range(0, len(data), SIZE))


def leaves(value: Json | Mapping[str, Json], depth: int = 0) -> Iterator[str]:
    """Every text in JSON, names included."""
    if isinstance(value, str):
        yield value
    elif depth > _DEEPEST:
        return
    elif isinstance(value, Mapping):
        for name, each in cast("Mapping[str, Json]", value).items():
            yield name
            yield from leaves(each, depth + 1)
    elif isinstance(value, list | tuple):
        for each in cast("Iterable[Json]", value):
            yield from leaves(each, depth + 1)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def asked(action: Action) -> str:
    """The words of an action, which may have been taken from somewhere: all but the names of its fields."""
    return "\n".join(_words(action.effect))


def _words(effect: Effect) -> Iterator[str]:
    match effect:
        case Fetch():
            yield effect.url
        case Command():
            yield from (*effect.argv, effect.stdin.decode("utf-8", "replace"))
        case WriteFiles():
            for path, data in effect.files.items():
                yield from (path, data.decode("utf-8", "replace"))
        case Notify():
            yield from (effect.target, effect.subject, effect.body)
        case Model():
            return  # a prompt is made of what was read: that says nothing
        case Tool() | Deploy() | Order() | Publish():
            yield from leaves(_told(effect))


def _told(effect: Tool | Deploy | Order | Publish) -> Mapping[str, Json]:
    match effect:
        case Tool():
            return effect.arguments
        case Deploy():
            return effect.release
        case Order():
            return effect.order
        case Publish():
            return effect.asset
