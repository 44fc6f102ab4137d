"""Every form in which a known value turns up once programs have written it: encodings, escapes, quotes."""

from __future__ import annotations

import base64
import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

#: No form shorter than this is looked for inside other text; a shorter value only as a whole word.
SHORTEST = 8

# What different encoders leave as it is beside letters, digits and ``_.-~``: RFC 3986, Python's default, encodeURI and
# encodeURIComponent (ECMA-262), form fields as the WHATWG URL standard writes them.
_LEFT_ALONE = ("", "/", "!'()*", ";,/?:@&=+$#!'()*")
_SHELL_PLAIN = re.compile(r"([^A-Za-z0-9_@%+=:,./-])")
_DOUBLE_QUOTED = re.compile(r'([$`"\\!])')
_IN_SCRIPTS = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "'": "\\u0027"})
_URL_SAFE = str.maketrans("+/", "-_")


def forms(value: str) -> tuple[str, ...]:
    r"""Every form of ``value`` that is looked for, longest first.

    Raw, NFC and NFD, each also as: hexadecimal; base64 in both alphabets at its three alignments; percent and form
    encoding; JSON (with ``\uXXXX``, ``\/``, safe for scripts, twice); ``repr`` of text and bytes; HTML and XML
    entities (named, decimal, hexadecimal); quoted for shells, SQL and CSV; UTF-16 in both byte orders, plain and in
    base64; and how the UTF-8 of each looks when bytes are scanned. Forms shorter than 8 characters are left out, but
    for the value itself. White space around the value is no part of it.
    """
    bare = value.strip()
    found: dict[str, None] = {bare: None}
    for text in dict.fromkeys((bare, unicodedata.normalize("NFC", bare), unicodedata.normalize("NFD", bare))):
        found |= dict.fromkeys(_written(text))
        if "\n" in text and "\r" not in text:
            found |= dict.fromkeys(_written(text.replace("\n", "\r\n")))
    found |= dict.fromkeys(
        each.encode("utf-8", "surrogatepass").decode("latin-1") for each in tuple(found) if not each.isascii()
    )
    return tuple(sorted((each for each in found if len(each) >= SHORTEST or each == bare), key=len, reverse=True))


def _written(text: str) -> Iterator[str]:
    data = text.encode("utf-8", "surrogatepass")
    yield text
    yield data.hex()
    yield data.hex().upper()
    yield from _aligned(data)
    yield from _percent(text, data)
    yield from _json(text)
    yield repr(text)[1:-1]
    yield repr(data)[2:-1]
    yield "".join(f"\\x{byte:02x}" for byte in data)
    yield from _entities(text)
    yield from _quoted(text)
    for order in ("utf-16-le", "utf-16-be"):
        wide = text.encode(order, "surrogatepass")
        yield wide.decode("latin-1")
        yield from _aligned(wide)


def _aligned(data: bytes) -> Iterator[str]:
    """Base64 of ``data`` at its three possible alignments inside a longer encoded text (RFC 4648, both alphabets).

    Trimmed to the characters that depend on ``data`` alone: with k bytes in front, 0/2/3 leading characters for
    k = 0/1/2, and 0/3/2 trailing ones (``=`` counted) for (length + k) mod 3 = 0/1/2.
    """
    for front in range(3):
        text = base64.b64encode(b"\0" * front + data).decode()
        trimmed = text[(0, 2, 3)[front] : len(text) - (0, 3, 2)[(len(data) + front) % 3]]
        yield trimmed
        yield trimmed.translate(_URL_SAFE)


def _percent(text: str, data: bytes) -> Iterator[str]:
    every = "".join(f"%{byte:02X}" for byte in data)
    spelled = [quote(text, safe=safe, errors="surrogatepass") for safe in _LEFT_ALONE]
    spelled.append(quote_plus(text, errors="surrogatepass"))
    spelled.append(quote_plus(text, safe="*", errors="surrogatepass").replace("~", "%7E"))
    for each in (every, *dict.fromkeys(spelled)):
        lower = _lower_escapes(each)
        yield each
        yield lower
        yield each.replace("%", "%25")
        yield lower.replace("%", "%25")


def _lower_escapes(text: str) -> str:
    head, *rest = text.split("%")
    return "%".join((head, *(part[:2].lower() + part[2:] for part in rest)))


def _json(text: str) -> Iterator[str]:
    escaped = json.dumps(text)[1:-1]
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    units = text.encode("utf-16-be", "surrogatepass")
    every = "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
    once = [escaped, plain, every]
    once += [each.replace("/", "\\/") for each in (escaped, plain)]
    once += [each.translate(_IN_SCRIPTS) for each in (escaped, plain)]
    once += [_upper_escapes(each) for each in tuple(once)]
    for each in dict.fromkeys(once):
        yield each
        yield json.dumps(each, ensure_ascii=False)[1:-1]


def _upper_escapes(text: str) -> str:
    """JSON with its escapes in upper-case hexadecimal (RFC 8259 allows both)."""
    return re.sub(r"(?<!\\)((?:\\\\)*\\u)([0-9a-f]{4})", lambda found: found[1] + found[2].upper(), text)


def _entities(text: str) -> Iterator[str]:
    named = html.escape(text)
    yield named
    yield named.replace("&#x27;", "&#39;")
    yield named.replace("&#x27;", "&apos;")
    yield named.replace("&quot;", "&#34;").replace("&#x27;", "&#39;")  # Go, and Jinja's markupsafe
    yield html.escape(text, quote=False)
    yield named.encode("ascii", "xmlcharrefreplace").decode()
    for special in (_entity_of(text, only=True), _entity_of(text, only=False)):
        yield from special


def _entity_of(text: str, *, only: bool) -> Iterable[str]:
    """Numeric references for every character, or ``only`` for those that are no ASCII letters, digits or spaces."""

    def spelled(pattern: str) -> str:
        return "".join(
            each if only and each.isascii() and (each.isalnum() or each == " ") else pattern.format(ord(each))
            for each in text
        )

    return (spelled("&#{};"), spelled("&#x{:x};"), spelled("&#x{:X};"))


def _quoted(text: str) -> Iterator[str]:
    yield text.replace("'", "'\\''")
    yield text.replace("'", "'\"'\"'")  # shlex.quote
    yield _SHELL_PLAIN.sub(r"\\\1", text)  # printf %q
    yield _DOUBLE_QUOTED.sub(r"\\\1", text)
    yield text.replace("\\", "\\\\")
    yield text.replace("'", "''")  # SQL, YAML
    yield text.replace('"', '""')  # CSV
    yield text.replace("\\", "\\\\").replace("'", "\\'")
