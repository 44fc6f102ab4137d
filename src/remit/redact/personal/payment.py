"""Payment cards and bank accounts: by issuer and length, and by their check digits."""

from __future__ import annotations

import re
from collections.abc import Iterator

from remit.redact.personal.clusters import Run
from remit.redact.personal.context import near, otherwise
from remit.redact.personal.digits import luhn, mod97
from remit.redact.personal.kinds import STRENGTH, Kind, Personal

SHORTEST_CARD, LONGEST_CARD = 12, 19
_GROUP = 4
_CHECK_DIGITS = 2  # of an account (ISO 13616)

#: Issuer prefixes (lowest, highest) and lengths, as the networks publish their ranges of ISO/IEC 7812 numbers.
_BRANDS: tuple[tuple[str, tuple[tuple[str, str], ...], tuple[int, ...]], ...] = (
    ("amex", (("34", "34"), ("37", "37")), (15,)),
    ("diners", (("300", "305"), ("3095", "3095"), ("36", "36"), ("38", "39")), (14, 15, 16, 17, 18, 19)),
    ("jcb", (("3528", "3589"),), (16, 17, 18, 19)),
    ("mir", (("2200", "2204"),), (16, 17, 18, 19)),
    ("mastercard", (("2221", "2720"), ("51", "55")), (16,)),
    ("visa", (("4", "4"),), (13, 16, 19)),
    ("discover", (("6011", "6011"), ("644", "649"), ("65", "65"), ("622126", "622925")), (16, 17, 18, 19)),
    ("unionpay", (("62", "62"),), (16, 17, 18, 19)),
    (
        "maestro",
        (("5018", "5018"), ("5020", "5020"), ("5038", "5038"), ("5893", "5893"), ("6304", "6304"), ("6759", "6763")),
        (12, 13, 14, 15, 16, 17, 18, 19),
    ),
    ("rupay", (("508500", "508999"), ("606985", "607984"), ("608001", "608500"), ("6521", "6522")), (16,)),
    ("elo", (("438935", "438935"), ("504175", "504175"), ("5067", "5067"), ("636297", "636368")), (16,)),
    ("dankort", (("5019", "5019"), ("4571", "4571")), (16,)),
    ("interpayment", (("636", "636"),), (16, 17, 18, 19)),
    ("instapayment", (("637", "639"),), (16,)),
)
_LAYOUTS = frozenset(
    {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4), (4, 4, 4, 1), (4, 4, 4, 4, 3), (4, 4, 4, 3), (6, 13), (8, 8)}
)
_CARD_WORDS = (
    *(
        "card",
        "credit",
        "debit",
        "visa",
        "mastercard",
        "master card",
        "amex",
        "american express",
        "discover",
        "maestro",
    ),
    *("diners", "jcb", "unionpay", "pan", "cc", "ccn", "karte", "kreditkarte", "carte", "tarjeta", "carta", "cartao"),
    *("cartão", "kaart", "kort", "payment", "pay", "paid", "cvv", "cvc", "expiry", "expires", "exp", "charge*"),
)


def brand(number: str) -> str:
    """The network that issues numbers like this, from prefix and length; empty when none does."""
    for name, ranges, lengths in _BRANDS:
        if len(number) in lengths and any(low <= number[: len(low)] <= high for low, high in ranges):
            return name
    return ""


def card(run: Run) -> Personal | None:
    """A card number: first digit 2 to 6, Luhn, single spaces or dashes throughout, a known issuer.

    Without a known issuer a word for it must stand near. A bare run right after a label that says something else
    (``order``, ``tracking``) is none.
    """
    number = run.digits
    if number[0] not in "23456" or not luhn(number) or not SHORTEST_CARD <= len(number) <= LONGEST_CARD:
        return None
    joint = run.joint
    if joint not in {"", " ", "-", "\u00a0"} or not run.alone or _hangs(run) or _longer(run) or len(set(number)) == 1:
        return None
    text = run.cluster.text
    grouped = bool(joint)
    if grouped and tuple(map(len, run.groups)) not in _LAYOUTS:
        return None
    if not (brand(number) and (grouped or not otherwise(text, run.start))) and not near(
        text, run.start, run.end, _CARD_WORDS
    ):
        return None
    return Personal(Kind.CARD, run.start, run.end, STRENGTH[Kind.CARD])


def _longer(run: Run) -> bool:
    """Whether four more digits go on in the same way, and are no year: it is a part of a longer number."""
    joint, cluster = run.joint, run.cluster
    if not joint:
        return False
    before = cluster.groups[run.first - 1] if run.first and run.left == joint else ""
    after = cluster.groups[run.last] if run.last < len(cluster.groups) and run.right == joint else ""
    # PL38 4664 ...: the first group hangs on letters, as the check digits of an account do.
    tied = run.first == 1 and cluster.before.isalpha() and len(before) == _CHECK_DIGITS
    return _part(before) or tied or _part(after)


def _part(beside: str) -> bool:
    """Whether the digits beside belong to it: four, and no year (2027 4111 1111 ... is an expiry and a card)."""
    return len(beside) == _GROUP and beside[:2] != "20"


def _hangs(run: Run) -> bool:
    """Whether it hangs on a token with digits in it by a dash or a point: a part of a UUID, of a serial number."""
    if run.first:
        return False
    text, start = run.cluster.text, run.start
    if text[max(0, start - 1) : start] not in {"-", ".", "/", ",", "\u2013"} or start < 2:  # noqa: PLR2004
        return False
    before = text[max(0, start - 12) : start - 1]
    return bool(before) and before[-1].isalnum() and any(each.isdigit() for each in before.split()[-1])


#: Lengths by country, from the IBAN registry that SWIFT keeps for ISO 13616 (release 99).
_LENGTHS: dict[str, int] = {
    name: length
    for length, names in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for name in names.split()
}
#: Anchored on its first digit: two letters before it, at the start of a token.
IBAN = re.compile(
    r"[0-9]{2}(?<=[A-Za-z]{2}[0-9]{2})(?<![A-Za-z0-9_][A-Za-z]{2}[0-9]{2})(?:[ \-\u00a0]?[A-Za-z0-9]){11,45}"
)
_DIGITS_LEAST = 6  # check digits, and some of the account; prose behind two letters and digits has none


def ibans(text: str) -> Iterator[Personal]:
    """Account numbers: the country's length, and MOD 97-10 (ISO 13616). What follows it is left out."""
    for match in IBAN.finditer(text):
        start = match.start() - 2
        wanted = _LENGTHS.get(text[start : start + 2].upper())
        if wanted is None:
            continue
        places = [at for at in range(start, match.end()) if text[at].isalnum()][:wanted]
        end = places[-1] + 1
        if len(places) < wanted or text[end : end + 1].isalnum() or text[end : end + 1] == "_":
            continue
        number = "".join(text[at] for at in places).upper()
        if sum(each.isdigit() for each in number) >= _DIGITS_LEAST and mod97(number[4:] + number[:4]) == 1:
            yield Personal(Kind.IBAN, start, end, STRENGTH[Kind.IBAN])
