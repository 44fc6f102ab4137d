"""Errors as clients of the protocol get them: JSON-RPC errors with Remit's code, sentence and next command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mcp_types
from mcp.shared.exceptions import MCPError

from remit.kernel.errors import (
    ApprovalPending,
    BudgetExceeded,
    Conflict,
    Denied,
    InternalError,
    InvalidInput,
    NotFound,
    RateLimited,
    RemitError,
    Unavailable,
    row_of,
)

#: From the range that JSON-RPC leaves to servers; -32002 and -32042 have meanings of their own in MCP.
CODES: tuple[tuple[type[RemitError], int], ...] = (
    (BudgetExceeded, -32022),
    (RateLimited, -32023),
    (Denied, -32020),
    (ApprovalPending, -32021),
    (InvalidInput, mcp_types.INVALID_PARAMS),
    (NotFound, mcp_types.INVALID_PARAMS),
    (Conflict, -32024),
    (Unavailable, -32025),
    (InternalError, mcp_types.INTERNAL_ERROR),
)
_FAILED = -32026


def told(error: RemitError, mask: Callable[[str], str]) -> MCPError:
    """The error of the protocol. Its sentence ends with the next command, for most clients show nothing else.

    ``data``: ``code``, ``hint``, ``retryable``, and what there is of ``decision``, ``approval``, ``retry_after``.
    """
    number = next((code for kind, code in CODES if isinstance(error, kind)), _FAILED)
    hint = mask(error.hint)
    data: dict[str, Any] = {"code": error.code, "hint": hint, "retryable": row_of(type(error)).retryable}
    if isinstance(error, ApprovalPending):
        data["approval"] = error.approval_id
    if isinstance(error, Denied) and error.decision_id:
        data["decision"] = error.decision_id
    wait = getattr(error, "retry_after", None)
    if wait is not None:
        data["retry_after"] = wait
    return MCPError(number, f"{mask(error.message).rstrip()} [{error.code}] Next: {hint}", data)


def unexpected(error: Exception, mask: Callable[[str], str]) -> MCPError:
    """A fault of ours, told without its details."""
    return told(InternalError(f"Remit failed ({type(error).__name__}); nothing was let through."), mask)
