"""National numbers, by a table: what each looks like, how it is checked, which words speak for it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from remit.kernel.errors import IntegrityError
from remit.redact.personal.clusters import Run
from remit.redact.personal.context import near, otherwise
from remit.redact.personal.kinds import FORMED, Kind, Personal
from remit.redact.personal.national_checks import CHECKS


class Alone(StrEnum):
    """When a number stands without a word for it near."""

    NEVER = "never"
    FORMATTED = "formatted"  # in its own grouping, with its check digits right
    ALWAYS = "always"  # its check digits and its letters or dates leave little to chance


@dataclass(frozen=True, slots=True)
class Row:
    """One number of one country.

    ``lengths`` counts letters and digits; ``form`` matches the whole number as it is written. Without ``check`` a word
    of ``context`` must stand near (the loader holds the table to that).
    """

    kind: str
    name: str
    country: str
    lengths: tuple[int, ...]
    form: str
    check: str
    context: tuple[str, ...]
    alone: Alone
    source: str


#: Words that speak for any national number.
_ANY = (
    *("national id", "national identification", "national identity", "identity number", "identity card", "id card"),
    *("identification number", "citizen id", "citizen number", "personal id", "personal identification", "tax id"),
    *("tax number", "taxpayer", "tin", "social security", "social insurance", "government id", "resident id"),
)
# A token with digits in it: from its first digit on; letters before it are looked for behind.
TOKEN = re.compile(r"[0-9][0-9A-Za-z\-./()]{3,24}")
_HEAD = re.compile(r"[A-Za-z&\u00d1\u00f1]{1,6}-?\Z")
_NINO = re.compile(r"[A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D](?![A-Za-z0-9])", re.IGNORECASE)
_DIGIT = re.compile("[0-9]")
_LETTER = re.compile("[A-Za-z&\u00d1\u00f1]")
_LEAST = 4  # digits in any national number
_SHORTEST = 8


@cache
def table() -> dict[int, tuple[Row, ...]]:
    """The rows by length.

    Raises:
        IntegrityError: The packaged table breaks its own rules.
    """
    packaged = resources.files("remit.redact").joinpath("data/national.toml").read_text("utf-8")
    found: dict[int, list[Row]] = {}
    for row in rows(packaged):
        for length in row.lengths:
            found.setdefault(length, []).append(row)
    return {length: tuple(each) for length, each in found.items()}


def kinds() -> tuple[str, ...]:
    """Every kind of personal data."""
    return (*(kind.value for kind in Kind), *dict.fromkeys(row.kind for each in table().values() for row in each))


def rows(text: str) -> list[Row]:
    """The rows of a table.

    Raises:
        IntegrityError: A row has neither a known check nor words, or is let alone without a check.
    """
    found: list[Row] = []
    for each in tomllib.loads(text)["national"]:
        row = Row(
            kind=each["id"],
            name=each["name"],
            country=each["country"],
            lengths=tuple(each["lengths"]),
            form=each["form"],
            check=each.get("check", ""),
            context=tuple(each["context"]),
            alone=Alone(each.get("alone", "never")),
            source=each["source"],
        )
        if (row.check and row.check not in CHECKS) or not row.context or (not row.check and row.alone != Alone.NEVER):
            message = f"The table of national numbers is broken at {row.kind}."
            raise IntegrityError(message, code="redact.table")
        found.append(row)
    return found


@cache
def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def numbers(run: Run) -> Iterator[Personal]:
    """What a run of digit groups is, by the table."""
    candidates = table().get(len(run.digits))
    if candidates:
        fitting = _fitting(run.spelled, run.digits, candidates)
        if fitting and run.alone:
            yield from _told(run.cluster.text, run.start, run.end, fitting, chained=run.chained)


def tokens(text: str) -> Iterator[Personal]:
    """National numbers with letters in them."""
    by_length = table()
    for match in TOKEN.finditer(text):
        start, end = match.span()
        before = text[start - 1] if start else ""
        lettered = before.isalpha() or before in {"-", "&"}
        if (not lettered and match[0].isdigit()) or text[end : end + 1].isalnum():
            continue
        while text[end - 1] in "-./(" or (text[end - 1] == ")" and "(" not in text[start:end]):
            end -= 1
        head = _HEAD.search(text, max(0, start - 7), start) if lettered else None
        start = start if head is None else head.start()
        before = text[start - 1] if start else ""
        spelled = text[start:end]
        if before.isalnum() or before == "_" or len(_DIGIT.findall(spelled)) < _LEAST:
            continue
        letters = len(_LETTER.findall(spelled))
        candidates = by_length.get(letters + len(_DIGIT.findall(spelled))) if letters else None
        fitting = _fitted(spelled, candidates) if candidates else []
        if fitting:
            yield from _told(text, start, end, fitting)


def spaced(run: Run) -> Iterator[Personal]:
    """``QQ 12 34 56 C``: letters around a run of six digits."""
    text = run.cluster.text
    for back in (2, 3):
        start = run.start - back
        if start < 0 or (start and text[start - 1].isalnum()):
            continue
        match = _NINO.match(text, start)
        if match is not None:
            fitting = _fitted(match[0], table().get(9, ()))
            if fitting:
                yield from _told(text, start, match.end(), fitting)


def _fitted(spelled: str, candidates: tuple[Row, ...]) -> list[Row]:
    folded = spelled.upper()
    return _fitting(folded, "".join(each for each in folded if each.isalnum() or each == "&"), candidates)


def _fitting(folded: str, compact: str, candidates: tuple[Row, ...]) -> list[Row]:
    """The rows whose form and check digits hold."""
    return [
        row
        for row in candidates
        if _form(row.form).fullmatch(folded) is not None and (not row.check or CHECKS[row.check](compact))
    ]


def _told(text: str, start: int, end: int, fitting: list[Row], *, chained: bool = False) -> Iterator[Personal]:
    """The row that a word near speaks for; else one that stands alone; else any, where a word speaks for any."""
    spelled = text[start:end]
    formatted = not spelled.isalnum()
    row = next((row for row in fitting if near(text, start, end, row.context)), None)
    if row is None and not chained and spelled == spelled.upper() and not otherwise(text, start, surely=True):
        stands = (Alone.ALWAYS, Alone.FORMATTED) if formatted else (Alone.ALWAYS,)
        row = next((row for row in fitting if row.alone in stands), None)
    if row is None and near(text, start, end, _ANY):
        row = fitting[0]
    if row is not None:
        yield Personal(row.kind, start, end, FORMED - (0 if row.check else 5))
