"""How text of an intake may enter generated code: only as a literal, a wrapped docstring or escaped prose."""

import json
import textwrap
import unicodedata

from remit.packs.build.ir import Application
from remit.packs.build.names import cased

WIDTH = 96
CHUNK = 80


def py(value: object) -> str:
    """A Python literal; long text becomes adjoining literals in parentheses, so that no line is too long."""
    if not isinstance(value, str):
        return repr(value)
    if len(repr(value)) <= CHUNK:
        return repr(value)
    chunks = [value[start : start + CHUNK // 2] for start in range(0, len(value), CHUNK // 2)]
    return "(" + " ".join(repr(chunk) for chunk in chunks) + ")"


def doc(text: str) -> str:
    """A docstring: wrapped, with backslashes, quotes and unseen characters escaped."""
    paragraphs = [_visible(part) for part in text.strip().splitlines()]
    lines = [line for part in paragraphs for line in (textwrap.wrap(part, WIDTH) or [""])]
    escaped = [line.replace("\\", "\\\\").replace('"', '\\"').rstrip() for line in lines]
    while escaped and not escaped[-1]:
        escaped.pop()
    if not escaped:
        return '"""Generated."""'
    if len(escaped) == 1:
        return f'"""{escaped[0]}"""'
    return '"""' + escaped[0] + "\n\n" + "\n".join(escaped[1:]) + '\n"""'


def prose(text: str) -> str:
    """Text for Markdown: one line, no markup of its own."""
    flat = " ".join(_visible(text).split())
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>()#+!|" else char for char in flat)


def oneline(text: str) -> str:
    """Text without line breaks and unseen characters."""
    return " ".join(_visible(text).split())


def toml(text: str) -> str:
    """A basic string of TOML, which takes JSON's escapes; DEL needs one of its own."""
    return json.dumps(text, ensure_ascii=True)


def _visible(text: str) -> str:
    return "".join(
        char if char.isprintable() else " " if char.isspace() or unicodedata.category(char) == "Cc" else "\ufffd"
        for char in text
    )


def spoken(name: str, app: Application) -> str:
    """A name that the generator adds, as this API spells it."""
    return cased(name, app.casing)


def system_alias(name: str, app: Application) -> str:
    """The alias of such a name in an answer, when it differs."""
    said = spoken(name, app)
    return f" = Field(serialization_alias={py(said)})" if said != name else ""
