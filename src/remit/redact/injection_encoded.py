"""What encodings hide: base64, hexadecimal, percent, entity and backslash escapes, rot13, letters spaced out."""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote

#: Characters of a decoded part that are looked at, and parts of one text.
MOST_DECODED = 16_384
MOST_PARTS = 48

_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{24,40000}={0,2}")
_WRAPPED = re.compile(r"(?:^[A-Za-z0-9+/]{40,100}\r?\n){1,400}[A-Za-z0-9+/]{1,100}={0,2}$", re.MULTILINE)
_HEX = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{2}[ :]?){16,20000}(?![0-9A-Fa-f])")
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2}[\w.+-]{0,40}){3,2000}")
_BEFORE = 200  # characters before the first escape that belong to the same word
_ENTITY = re.compile(r"(?:&#x?[0-9A-Fa-f]{1,6};[\w ,.'-]{0,40}){6,2000}")
_BACKSLASH = re.compile(r"(?:\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})){6,4000}")
_SPACED = re.compile(r"(?<![^\W_])(?:[A-Za-z][ ._*|-]{1,3}){10,400}[A-Za-z](?![^\W_])")
_ROT13 = ("vtaber", "qvfertneq", "vafgehpgvba", "cebzcg", "flfgrz")  # ignore, disregard, instruction, prompt, system
_PRINTABLE = 0.9
_SHORTEST = 12
_WORDS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-"

type Part = tuple[str, str, int, int]  # the encoding's name, what it says, where it stands


def decoded(text: str) -> Iterator[Part]:
    """The parts of ``text`` that decode to text, at most 48, each cut at 16,384 characters."""
    for number, part in enumerate(_parts(text)):
        if number >= MOST_PARTS:
            return
        name, plain, start, end = part
        yield name, plain[:MOST_DECODED], start, end


def _parts(text: str) -> Iterator[Part]:
    yield from _base64(text)
    for match in _HEX.finditer(text):
        plain = _told(bytes.fromhex(re.sub("[ :]", "", match[0])))
        if plain:
            yield "hexadecimal", plain, match.start(), match.end()
    for name, mark, pattern, decode in _ESCAPES:
        for match in pattern.finditer(text) if mark in text else ():
            start = _begins(text, match.start()) if mark == "%" else match.start()
            yield name, decode(text[start : match.end()]), start, match.end()
    lowered = text.lower()
    if sum(stem in lowered for stem in _ROT13) > 1:
        yield "rot13", codecs.encode(text, "rot13"), 0, len(text)


def _begins(text: str, at: int) -> int:
    before = text[max(0, at - _BEFORE) : at]
    return at - (len(before) - len(before.rstrip(_WORDS)))


def _base64(text: str) -> Iterator[Part]:
    ends = 0
    for match in _WRAPPED.finditer(text):
        ends = match.end()
        if plain := _from_base64(re.sub(r"\s", "", match[0])):
            yield "base64", plain, match.start(), match.end()
    for match in _BASE64.finditer(text, 0):
        if match.start() >= ends and (plain := _from_base64(match[0])):
            yield "base64", plain, match.start(), match.end()


def _from_base64(run: str) -> str:
    bare = run[: MOST_DECODED * 2].rstrip("=").translate(str.maketrans("-_", "+/"))
    bare = bare[: len(bare) - (len(bare) % 4 == 1)]
    try:
        return _told(base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True))
    except (binascii.Error, ValueError):
        return ""


def _told(octets: bytes) -> str:
    """The text of ``octets`` (UTF-8 or UTF-16LE); "" when they are none."""
    for encoding in ("utf-8", "utf-16-le"):
        try:
            text = octets.decode(encoding)
        except UnicodeDecodeError:
            continue
        readable = sum(each.isprintable() or each in "\n\r\t" for each in text)
        words = sum(each.isascii() for each in text) if encoding == "utf-16-le" else len(text)
        if len(text) >= _SHORTEST and readable >= _PRINTABLE * len(text) and words >= _PRINTABLE * len(text):
            return text
    return ""


def _unescaped(run: str) -> str:
    values = [int(each, 16) for each in re.findall(r"\\[xu]([0-9A-Fa-f]{2,4})", run)]
    return "".join(map(chr, values)).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _joined(run: str) -> str:
    """``i g n o r e   p r e v i o u s`` as ``ignore previous``: longer gaps part words, where there are any."""
    gaps = sorted({len(gap) for gap in re.findall(r"[ ._*|-]+", run)})
    if len(gaps) > 1:
        return " ".join(re.sub(r"[ ._*|-]", "", word) for word in re.split(rf"[ ._*|-]{{{gaps[-1]}}}", run))
    return re.sub(r"[ ._*|-]", "", run)


_ESCAPES: tuple[tuple[str, str, re.Pattern[str], Callable[[str], str]], ...] = (
    ("percent escapes", "%", _PERCENT, lambda run: unquote(run.replace("+", " "))),
    ("entities", "&#", _ENTITY, html.unescape),
    ("backslash escapes", "\\", _BACKSLASH, _unescaped),
    ("letters spaced out", "", _SPACED, _joined),
)
