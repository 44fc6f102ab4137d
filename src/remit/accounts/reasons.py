"""The reasons that people give for their orders: there is one, it is short enough, and it carries no secret."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from remit.kernel.errors import InvalidInput
from remit.redact.redactor import Redactor

LONGEST_REASON = 2000

type Mask = Callable[[str], str]

#: The known kinds of tokens, for callers that have no redactor of their own; its masks' suffixes mean nothing.
_KINDS_ONLY = Redactor(secrets.token_bytes(16))


def given(reason: str, *, mask: Mask | None = None) -> str:
    """The reason as it may be kept: stripped, secrets masked.

    Args:
        reason: As typed.
        mask: The install's redactor, which also knows registered values.

    Raises:
        InvalidInput: There is none, or it is longer than 2,000 characters.
    """
    text = reason.strip().encode("utf-8", "replace").decode()
    if not 0 < len(text) <= LONGEST_REASON:
        message = f"Such an order needs a reason of at most {LONGEST_REASON} characters, for whoever reads the log."
        raise InvalidInput(message, code="accounts.reason", hint="add --reason TEXT")
    return (mask or _KINDS_ONLY.mask)(text)
