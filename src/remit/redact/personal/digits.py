"""Check digits: the published formulas that tell a number from a run of digits. Each takes compact text.

``weighted`` is the sum of digit times weight, which most national formulas start from.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

# Verhoeff, "Error Detecting Decimal Codes" (1969): multiplication in the dihedral group D5, and the permutation.
_D5 = (
    *("0123456789", "1234067895", "2340178956", "3401289567", "4012395678"),
    *("5987604321", "6598710432", "7659821043", "8765932104", "9876543210"),
)
_TURNS = (
    *("0123456789", "1576283094", "5803796142", "8916043527"),
    *("9453126870", "4286573901", "2793806415", "7046913258"),
)


def luhn(number: str) -> bool:
    """ISO/IEC 7812-1 annex B: every second digit from the right doubled, its digits added; the sum ends in 0."""
    total = 0
    for index, each in enumerate(reversed(number)):
        digit = ord(each) - 48
        if index % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2  # noqa: PLR2004 - 2 x 5 has two digits
        total += digit
    return total % 10 == 0


def mod97(text: str) -> int:
    """ISO/IEC 7064 MOD 97-10 remainder; letters count as 10 to 35."""
    return int("".join(str(int(each, 36)) for each in text)) % 97


def mod11_10(number: str) -> bool:
    """ISO/IEC 7064 MOD 11,10, check digit last."""
    product = 10
    for each in number[:-1]:
        product = (int(each) + product) % 10 or 10
        product = product * 2 % 11
    return (11 - product) % 10 == int(number[-1])


def verhoeff(number: str) -> bool:
    """Verhoeff's scheme over the dihedral group D5, check digit last."""
    check = 0
    for index, each in enumerate(reversed(number)):
        check = int(_D5[check][int(_TURNS[index % 8][int(each)])])
    return check == 0


def weighted(number: str, weights: Sequence[int]) -> int:
    """The sum of each digit times its weight, for as many as there are weights."""
    return sum(int(each) * weight for each, weight in zip(number, weights, strict=False))


def ean(number: str) -> bool:
    """GS1 check digit: from the right, weights 1 and 3 in turn; the sum ends in 0."""
    return sum(int(each) * (3 if index % 2 else 1) for index, each in enumerate(reversed(number))) % 10 == 0


def dated(year: int, month: int, day: int) -> bool:
    """Whether that day exists."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def short_date(day: str, month: str, year: str) -> bool:
    """Whether that day exists in this century or the last (``year``: two digits)."""
    return any(dated(century + int(year), int(month), int(day)) for century in (1900, 2000))
