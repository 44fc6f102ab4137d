"""Text that a person doesn't see and a model reads: invisible characters, look-alike letters, hidden markup."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from remit.redact.injection_phrases import Hit, words

_TAGS = re.compile("[\U000e0020-\U000e007f]{2,}")
_FLAG = "\U0001f3f4"  # a flag may be spelled in tag characters (Unicode TR51), ended by the cancel tag
_FLAG_END = "\U000e007f"
_FLAG_TAGS = 7  # letters of a region, and the end
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{3,}")
_ZERO = "\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff\u180e\u00ad\u034f\u115f\u1160\u3164\uffa0"
_ZERO_RUN = re.compile("[\u200b\u200c\u200d\u2060-\u2064\ufeff\u180e\u034f\u115f\u1160\u3164]{6,}")
_IN_WORD = re.compile(r"(?<=[A-Za-z])[\u200b\u200c\u200d\u2060-\u2064\ufeff\u180e\u034f](?=[A-Za-z])")
_OVERRIDES = re.compile("[\u202d\u202e]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
_RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_FEW = 3

_LATIN = re.compile("[A-Za-z]")
_ALIEN = re.compile("[\u0370-\u03ff\u0400-\u052f\u0531-\u058f\u0251\u0261\u1d00-\u1d25]")
_WORD = re.compile(r"\w{3,40}")

_COMMENT = re.compile(
    r"<!--(.{1,20000}?)-->|^\[(?://|comment)\]:\s?(?:#|<>)\s?[(\"'](.{1,4000}?)[)\"']\s?$", re.DOTALL | re.MULTILINE
)
_HIDING = re.compile(
    r"<(\w{1,12})\b[^<>]{0,400}?(?:display\s?:\s?none|visibility\s?:\s?hidden|font-size\s?:\s?0|opacity\s?:\s?0(?![.\d]*[1-9])"
    r"|(?:left|top|text-indent)\s?:\s?-\d{3,}|(?<!-)color\s?:\s?(?:white|transparent|#fff(?:fff)?\b)|\bhidden\b|aria-hidden)"
    r"[^<>]{0,400}>(.{1,8000}?)</\1",
    re.IGNORECASE | re.DOTALL,
)
_HIDERS = ("none", "hidden", "font-size", "opacity", "left", "top", "indent", "color")
_TAG = re.compile(r"<[^<>]{1,400}>")
_MOST_PARTS = 64


def invisible(text: str) -> Iterator[Hit]:
    """Characters that no reader sees, where they have no business."""
    if text.isascii():
        return
    for match in _TAGS.finditer(text):
        flag = text[: match.start()].endswith(_FLAG) and match[0].endswith(_FLAG_END) and len(match[0]) <= _FLAG_TAGS
        if not flag:
            yield "tag characters", 0.9, match.start(), match.end()
            break
    if (match := _SELECTORS.search(text)) is not None:
        yield "a run of variation selectors", 0.8, match.start(), match.end()
    if (match := _ZERO_RUN.search(text)) is not None:
        yield "a run of invisible characters", 0.7, match.start(), match.end()
    inside = [match.start() for match in _IN_WORD.finditer(text)]
    if inside:
        yield "invisible characters within words", 0.4 if len(inside) < _FEW else 0.65, inside[0], inside[0] + 1
    if (match := _OVERRIDES.search(text)) is not None:
        yield "a bidirectional override", 0.65, match.start(), match.end()
    elif (match := _BIDI.search(text)) is not None and not _RIGHT_TO_LEFT.search(text):
        yield "bidirectional controls without right-to-left text", 0.45, match.start(), match.end()


def smuggled(text: str) -> Iterator[tuple[str, int, int]]:
    """What invisible characters spell: tag characters as ASCII, variation selectors as bytes."""
    if text.isascii():
        return
    for match in _TAGS.finditer(text):
        yield "".join(chr(ord(each) - 0xE0000) for each in match[0]), match.start(), match.end()
    for match in _SELECTORS.finditer(text):
        octets = bytes(ord(each) - 0xFE00 if ord(each) <= 0xFE0F else ord(each) - 0xE0100 + 16 for each in match[0])  # noqa: PLR2004 - the two blocks of selectors
        yield octets.decode("utf-8", "replace"), match.start(), match.end()


def look_alikes(text: str) -> Iterator[Hit]:
    """Words of Latin letters with some of another script among them that only look so."""
    if text.isascii() or not _ALIEN.search(text):
        return
    found = [
        match
        for match in _WORD.finditer(text)
        if (alien := _ALIEN.findall(match[0]))
        and _LATIN.search(match[0])
        and all(each in words().look_alikes for each in alien)
        and len(match[0]) > _FEW
    ]
    if found:
        yield "look-alike letters", 0.35 if len(found) < _FEW else 0.6, found[0].start(), found[0].end()


def folded(text: str) -> str | None:
    """``text`` as it looks: compatibility forms, look-alike letters and invisible characters undone; or ``None``."""
    if text.isascii():
        return None
    plain = unicodedata.normalize("NFKC", text).translate(_folding())
    return None if plain == text else plain


@lru_cache(maxsize=1)
def _folding() -> dict[int, str | None]:
    letters: dict[int, str | None] = {ord(alien): latin for alien, latin in words().look_alikes.items()}
    return letters | dict.fromkeys(map(ord, _ZERO))


def hidden(text: str) -> Iterator[tuple[str, int, int]]:
    """What markup hides: comments of HTML and Markdown, elements that style makes invisible."""
    if "<!--" in text or "[//]" in text or "[comment]" in text:
        for number, match in enumerate(_COMMENT.finditer(text)):
            if number >= _MOST_PARTS:
                break
            yield match[1] or match[2], match.start(), match.end()
    if "<" in text and _may_hide(text):
        for number, match in enumerate(_HIDING.finditer(text)):
            if number >= _MOST_PARTS:
                break
            yield html.unescape(_TAG.sub(" ", match[2])), match.start(), match.end()


def _may_hide(text: str) -> bool:
    lowered = text.lower()
    return any(stem in lowered for stem in _HIDERS)
