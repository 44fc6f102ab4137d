"""What rules read of a tool call beyond its name and its arguments' JSON: who offers it, and what its arguments hold.

Arguments are looked at whole, however long they are: a rule about one argument, or about addresses in any, still has
a value when the JSON of all of them is too long for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, cast
from urllib.parse import unquote

import orjson

from remit.kernel.canonical import Json, canonical
from remit.kernel.urls import known_url

#: Rules read one argument as ``argument.NAME``, one within another as ``argument.NAME.INNER``.
ARGUMENT: Final = "argument."
SEPARATOR = "/"  # between a server's name and its tool's
_DEEPEST = 64
_LONGEST_PATH = 4096
_CALLED = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NAMED = re.compile(r"\bargument(?:\.[A-Za-z_][A-Za-z0-9_]*)+(?:[ \t\n]*\()?")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://[^\s\"'<>`]+")
_PATH_NAMES = re.compile(r"path|file|dir|folder|root|cwd|uri|source|destination|target|location", re.IGNORECASE)
_PLACES = re.compile(
    r"(?:^|/)\.(?:ssh|aws|azure|gnupg|kube|docker|netrc|pgpass|npmrc|pypirc|git-credentials|env(?:\.[a-z]+)?)(?:/|$)"
    r"|(?:^|/)\.config/(?:gcloud|gh)(?:/|$)|(?:^|/)\.git/(?:hooks|config)(?:/|$)"
    r"|(?:^|/)id_(?:rsa|dsa|ecdsa|ed25519)$"
    r"|^/(?:etc|proc|sys|dev|boot|var/run|run)(?:/|$)",
    re.IGNORECASE,
)
_IN_PATHS = re.compile(r"[/\\%.]|id_")  # without one of these no text is a path to such a place
_PLAIN = (int, float, type(None))  # a tuple: asking a union of types takes several times as long
_FLAT = frozenset((str, bool, int, float, type(None)))
_STATEMENTS = re.compile(
    r"\b(?:drop\s+(?:table|database|schema|view|index|user|role)|truncate\s+(?:table\s+)?\w|delete\s+from\s"
    r"|rm\s+-[a-z]*[rf]|rm\s+--(?:recursive|force)|mkfs|shred\s|dd\s+if="
    r"|git\s+push\s+(?:-f\b|--force)|git\s+reset\s+--hard|git\s+clean\s+-[a-z]*f)",
    re.IGNORECASE,
)


#: The texts of some arguments, each with the name that it stands under.
type Texts = list[tuple[str, str]]


def server_of(name: str) -> str:
    """The server that offers a tool: what stands before the first slash; empty without one."""
    return name.partition(SEPARATOR)[0] if SEPARATOR in name else ""


def own_name(name: str) -> str:
    """A tool's name at its server."""
    return name.partition(SEPARATOR)[2] if SEPARATOR in name else name


@lru_cache(maxsize=1024)
def words(name: str) -> str:
    """The words of a tool's own name in lower case, a blank round each: `` delete file `` of ``fs/deleteFile``."""
    found = [word.lower() for word in _CALLED.findall(own_name(name))]
    return f" {' '.join(found)} " if found else " "


def named_in(texts: Iterable[str]) -> frozenset[str]:
    """The arguments that texts of rules name; of ``argument.path.contains(...)`` that is ``argument.path``."""
    found: set[str] = set()
    for text in texts:
        for match in _NAMED.finditer(text):
            name = match[0]
            found.add(name.rstrip("( \t\n").rpartition(".")[0] if name.endswith("(") else name)
    return frozenset(name for name in found if name.startswith(ARGUMENT))


def argument(arguments: Mapping[str, Json], name: str) -> str:
    """One argument as a text: itself when it is one, else its JSON; empty when it is absent or null."""
    value: Json = arguments
    for part in name.removeprefix(ARGUMENT).split("."):
        if not isinstance(value, Mapping) or part not in value:
            return ""
        value = cast("Mapping[str, Json]", value)[part]
    if value is None:
        return ""
    return value if isinstance(value, str) else canonical(value).decode("utf-8", "replace")


def arguments_from(text: str) -> Mapping[str, Json] | None:
    """Arguments from the JSON that was kept of them; ``None`` when it is none."""
    try:
        told: Json = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return cast("Mapping[str, Json]", told) if isinstance(told, dict) else None


class Seen(NamedTuple):
    """What rules read of some arguments, see ``docs/rules.md``: ``tool.depth``, ``tool.leads_out`` and so on."""

    depth: int
    leads_out: bool
    sensitive_paths: int
    statements: str
    hosts: str
    url_data: int


def seen(arguments: Mapping[str, Json]) -> Seen:
    """Look at arguments: their texts are collected once for all that is asked of them."""
    texts = _all_texts(arguments)
    whole = "\n".join([text for _, text in texts])
    urls = list(_urls(texts)) if "://" in whole else []
    return Seen(
        depth(cast("Json", arguments)),
        (".." in whole or "%" in whole or "\0" in whole) and any(_climbs(path) for path in _paths(texts)),
        sum(_PLACES.search(_plain(path)) is not None for path in _paths(texts)) if _IN_PATHS.search(whole) else 0,
        _statements(texts) if _STATEMENTS.search(whole) else "",
        "".join(f"{host}\n" for host in sorted({_host(url) for url in urls})) if urls else "",
        max(map(_carried, urls)) if urls else 0,
    )


def _statements(texts: Texts) -> str:
    found = dict.fromkeys(
        " ".join(match[0].lower().split()) for _, text in texts for match in _STATEMENTS.finditer(text)
    )
    return "".join(f"{each}\n" for each in list(found)[:20])


def depth(value: Json) -> int:
    """How deep objects and lists lie in each other."""
    if isinstance(value, dict) and _FLAT.issuperset(map(type, value.values())):
        return 1
    deepest, level = 0, [value]
    while level and deepest <= _DEEPEST:
        inner: list[Json] = []
        for each in level:
            if isinstance(each, Mapping):
                inner += cast("Mapping[str, Json]", each).values()
            elif isinstance(each, list | tuple):
                inner += cast("list[Json]", each)
            else:
                continue
        if not any(isinstance(each, Mapping | list | tuple) for each in level):
            break
        deepest, level = deepest + 1, inner
    return deepest


def _all_texts(arguments: Mapping[str, Json]) -> Texts:
    """As ``_texts`` has them; without a generator for those at the top, where most arguments have all of theirs."""
    texts: Texts = []
    for key, each in arguments.items():
        texts.append(("", key))
        if isinstance(each, str):
            texts.append((key, each))
        elif not isinstance(each, _PLAIN):
            texts += _texts(each, key, 1)
    return texts


def _texts(value: Json | Mapping[str, Json], name: str = "", level: int = 0) -> Iterator[tuple[str, str]]:
    """Every text with the name that it stands under; names of objects stand under themselves."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, _PLAIN) or level > _DEEPEST:
        return
    elif isinstance(value, dict | Mapping):
        for key, each in cast("Mapping[str, Json]", value).items():
            yield "", key
            if isinstance(each, str):
                yield key, each
            elif not isinstance(each, _PLAIN):
                yield from _texts(each, key, level + 1)
    elif isinstance(value, list | tuple):
        for each in cast("Iterable[Json]", value):
            yield from _texts(each, name, level + 1)


def _paths(texts: Texts) -> Iterator[str]:
    """Texts that may be paths: those under a name that says so, and those of one word."""
    for name, text in texts:
        if _PATH_NAMES.search(name):
            yield text[:_LONGEST_PATH]
        elif len(text) <= _LONGEST_PATH and len(text.split(maxsplit=1)) == 1:
            yield text.strip()


def _plain(path: str) -> str:
    """A path as file systems read it: percent signs decoded (twice, as careless programs do), backslashes turned."""
    text = unquote(unquote(path)) if "%" in path else path
    text = text.replace("\\", "/").strip()
    if text.lower().startswith("file:"):
        text = "/" + text[5:].lstrip("/")
    return text


def _climbs(path: str) -> bool:
    text = _plain(path)
    return "\0" in text or ".." in text.split("/")


def _urls(texts: Texts) -> Iterator[str]:
    for _, text in texts:
        if "://" in text:
            yield from _URL.findall(text)


def _host(url: str) -> str:
    found = known_url(url)
    return "?" if found is None else found.host


def _carried(url: str) -> int:
    rest = url.partition("://")[2]
    before, _, query = rest.partition("?")
    parts = re.split(r"[/.:@#]", before)
    return max(len(query), *map(len, parts))
