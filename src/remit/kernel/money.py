"""Money: whole micro-dollars, never floating point."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, InvalidOperation

from remit.kernel.errors import InvalidInput

_MICROS = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """An amount in US dollars, held as integer micros (1 USD = 1,000,000)."""

    micros: int = 0

    def __add__(self, other: Money) -> Money:
        return Money(self.micros + other.micros)

    def __sub__(self, other: Money) -> Money:
        return Money(self.micros - other.micros)

    def __bool__(self) -> bool:
        return self.micros != 0

    @property
    def usd(self) -> Decimal:
        """The exact amount in dollars."""
        return Decimal(self.micros) / _MICROS

    def __str__(self) -> str:
        """``$0.50``; four more digits when they matter."""
        return f"${self.usd:.2f}" if self.micros % 10_000 == 0 else f"${self.usd:.6f}"


ZERO = Money()


def usd(amount: str | int | Decimal) -> Money:
    """Money from dollars, rounded up to a micro so that an estimate is never too low.

    Raises:
        InvalidInput: Not a finite number, or negative.
    """
    text = str(amount).strip().upper().removesuffix("USD").strip().removeprefix("$")
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        message = f"{str(amount)[:40]!r} is not an amount of dollars: write 0.50, $0.50 or '0.50 USD'."
        raise InvalidInput(message)
    return Money(int((value * _MICROS).to_integral_value(ROUND_CEILING)))
