"""Counts as a title says them: small ones in words."""

from __future__ import annotations

_WORDS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")


def told(number: int, one: str, many: str = "", *, most: int = 0) -> str:
    """``Three requests wait``: the number with its noun (and verb), at a sentence's beginning.

    Args:
        number: How many.
        one: What follows a single one, ``request waits``.
        many: What follows any other number; ``one`` with an ``s`` when left out.
        most: What was counted up to; a number as large is told as "more than".
    """
    noun = one if number == 1 else many or f"{one}s"
    if most and number >= most:
        return f"More than {most - 1} {noun}"
    return f"{_WORDS[number] if number < len(_WORDS) else f'{number:,}'} {noun}"
