"""Words near a candidate that speak for it, or against it."""

from __future__ import annotations

import re
from functools import lru_cache

#: How far a word may stand from what it speaks for, in characters.
REACH = 40
_MASKS = re.compile(r"(?:\A[A-Za-z0-9:-]*|\[REDACTED):[0-9a-z:-]*(?:\]|\Z)")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_JOINTS = "_-/.=\"'"

#: Labels after which digits are something else, when they stand directly before them.
_OTHERWISE = (
    "order|orders|invoice|ticket|tracking|shipment|parcel|waybill|awb|isbn|issn|ean|upc|gtin|asin|sku|imei|imsi|iccid|"
    "serial|part|article|item|product|model|version|ver|build|release|revision|rev|commit|hash|checksum|timestamp|epoch|"
    "unix|nonce|seed|trace|span|request|session|transaction|txn|batch|job|task|run|row|line|lines|page|offset|size|bytes|"
    "length|count|total|amount|price|qty|quantity|population|patent|docket|rfc|issue|bug|pull|pr|lot|po|coordinates|lat|"
    "lon|lng|latitude|longitude|pi|score|port|pid|bestellung|bestellnummer|rechnung|auftrag|commande|facture|pedido|"
    "factura|sequence|seq|since|until|ms|ts|time|date"
)
#: Labels that a person's own number may have as well.
_VAGUE = "case|id|uid|uuid|guid|ref|reference|key|code"
_JOINED = r"(?:\s?(?:number|numbers|nummer|no|nr|num|id|code|stamp|key))?\s?[#:\s(\[,>]{0,4}\Z"
_AGAINST = re.compile(rf"(?:^|[^a-z])(?:{_OTHERWISE}|{_VAGUE}){_JOINED}")
_SURELY = re.compile(rf"(?:^|[^a-z])(?:{_OTHERWISE}){_JOINED}")


def folded(text: str) -> str:
    """Lower case, with names taken apart: ``phoneNumber`` and ``phone_number`` become ``phone number``."""
    if not text.islower():
        text = _HUMP.sub(" ", text).lower()
    for joint in _JOINTS:  # seven times quicker than str.translate on text that isn't all ASCII
        if joint in text:
            text = text.replace(joint, " ")
    return text


@lru_cache(maxsize=512)
def speaks(words: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern for any of ``words``, whole; a ``*`` at the end stands for any ending."""
    parts = (re.escape(word[:-1]) if word.endswith("*") else rf"{re.escape(word)}s?(?![^\W\d_])" for word in words)
    return re.compile(rf"(?<![^\W\d_])(?:{'|'.join(parts)})")


def _unmasked(around: str) -> str:
    """Without masks: their kinds would speak for whatever stands beside them."""
    return _MASKS.sub(" ", around) if "]" in around or "[R" in around else around


def near(text: str, start: int, end: int, words: tuple[str, ...]) -> bool:
    """Whether one of ``words`` stands within ``REACH`` characters before or after ``[start, end)``."""
    before, after = _unmasked(text[max(0, start - REACH) : start]), _unmasked(text[end : end + REACH])
    around = f"{folded(before)}\n{folded(after)}"
    return speaks(words).search(around) is not None


def otherwise(text: str, start: int, *, surely: bool = False) -> bool:
    """Whether a label directly before ``start`` says that what follows is something else.

    ``surely`` leaves out labels that a person's own number may have (``id``, ``reference``).
    """
    return (_SURELY if surely else _AGAINST).search(folded(text[max(0, start - 32) : start])) is not None
