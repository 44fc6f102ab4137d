"""What rules read of a tool call beyond its name and its arguments' JSON: who offers it, and what its arguments hold.

Arguments are looked at whole, however long they are: a rule about one argument, or about addresses in any, still has
a value when the JSON of all of them is too long for one.
"""

from __future__ import annotations

import re
import threading
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
_PLAIN = int | float | None
_STATEMENTS = re.compile(
    r"\b(?:drop\s+(?:table|database|schema|view|index|user|role)|truncate\s+(?:table\s+)?\w|delete\s+from\s"
    r"|rm\s+-[a-z]*[rf]|rm\s+--(?:recursive|force)|mkfs|shred\s|dd\s+if="
    r"|git\s+push\s+(?:-f\b|--force)|git\s+reset\s+--hard|git\s+clean\s+-[a-z]*f)",
    re.IGNORECASE,
)


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


def leads_out(arguments: Mapping[str, Json]) -> bool:
    """Whether a path among the arguments climbs (``..``), however it is written, or holds a NUL."""
    whole = _look(arguments).whole
    if ".." not in whole and "%" not in whole and "\0" not in whole:
        return False
    return any(_climbs(path) for path in _paths(arguments))


def sensitive_paths(arguments: Mapping[str, Json]) -> int:
    """How many paths among the arguments lead to credentials or to the system's own folders."""
    if not _IN_PATHS.search(_look(arguments).whole):
        return 0
    return sum(_PLACES.search(_plain(path)) is not None for path in _paths(arguments))


def statements(arguments: Mapping[str, Json]) -> str:
    """Orders to destroy that stand in the arguments (SQL, shell, git), each once, in lower case, each line ended."""
    looked = _look(arguments)
    if not _STATEMENTS.search(looked.whole):
        return ""
    found = dict.fromkeys(
        " ".join(match[0].lower().split()) for _, text in looked.texts for match in _STATEMENTS.finditer(text)
    )
    return "".join(f"{each}\n" for each in list(found)[:20])


def hosts(arguments: Mapping[str, Json]) -> str:
    """The hosts of every address in the arguments, sorted, each once, each line ended; ``?``: it can't be told."""
    return "".join(f"{host}\n" for host in sorted({_host(url) for url in _urls(arguments)}))


def url_data(arguments: Mapping[str, Json]) -> int:
    """The most characters that one address in the arguments carries: in its query, or in its longest part."""
    return max((_carried(url) for url in _urls(arguments)), default=0)


def depth(value: Json) -> int:
    """How deep objects and lists lie in each other."""
    if isinstance(value, dict) and all(isinstance(each, str | _PLAIN) for each in value.values()):
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


class _Looked(NamedTuple):
    """The texts of some arguments, each with the name that it stands under; and all of them, one a line."""

    arguments: object
    texts: list[tuple[str, str]]
    whole: str


class _Last(threading.local):
    looked: _Looked = _Looked(None, [], "")


_last = _Last()


def _look(arguments: Mapping[str, Json]) -> _Looked:
    """Walked once for all that is asked of the same arguments, one thing after the other."""
    if _last.looked.arguments is not arguments:
        texts = list(_texts(arguments))
        _last.looked = _Looked(arguments, texts, "\n".join(text for _, text in texts))
    return _last.looked


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


def _paths(arguments: Mapping[str, Json]) -> Iterator[str]:
    """Texts that may be paths: those under a name that says so, and those of one word."""
    for name, text in _look(arguments).texts:
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


def _urls(arguments: Mapping[str, Json]) -> Iterator[str]:
    looked = _look(arguments)
    for _, text in looked.texts if "://" in looked.whole else ():
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
