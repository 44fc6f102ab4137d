"""What is recorded of a run's end, and what another process makes of it: a code, never a text."""

from __future__ import annotations

import json

from remit.adapters.engine.records import FORMAT, RunRow
from remit.kernel.errors import TABLE, Cancelled, Failed, IntegrityError, InternalError, RemitError, Unavailable

#: Recorded for a run that its driver ended by ``Cancelled``.
CANCELLED = "cancelled"


_BY_CODE = {row.code: kind for kind, row in TABLE.items()}
_GIVEN_UP = "MAX_RECOVERY_ATTEMPTS_EXCEEDED"


def stopped(run_id: str) -> Unavailable:
    """The error of whoever waits for a run while the engine stops."""
    return Unavailable(f"The engine stopped before run {run_id} had ended.", hint=f"remit resume {run_id}")


def check_format(row: RunRow) -> None:
    """Refuse a row that is not in the format Remit writes.

    Raises:
        IntegrityError: Somebody else wrote it.
    """
    if row.serialization != FORMAT:
        raise _changed(row, f"it asks for {row.serialization!r}")


def code_of(error: BaseException | None) -> str | None:
    """What the engine records of an error: never its text, which may hold content."""
    match error:
        case None:
            return None
        case Cancelled():
            return CANCELLED
        case RemitError():
            return error.row.code
        case _:
            return TABLE[InternalError].code


def error_of(row: RunRow) -> BaseException | None:
    """The error of a run that ended elsewhere, from its row.

    Raises:
        IntegrityError: The row is not one that Remit wrote.
    """
    check_format(row)
    hint = f"remit show {row.run_id}"
    if row.status == "CANCELLED":
        return Cancelled()
    if row.status == _GIVEN_UP:
        return Failed(f"Run {row.run_id} was given up: it did not end in {row.attempts} attempts.", hint=hint)
    if row.status != "SUCCESS":
        return InternalError(f"Run {row.run_id} could not be started.", hint=hint)
    try:
        code = json.loads(row.output or "null")
    except ValueError:
        raise _changed(row, "its outcome can't be read") from None
    if code is None:
        return None
    if code == CANCELLED:
        return Cancelled()
    if code not in _BY_CODE:
        raise _changed(row, "its outcome is unknown")
    return _BY_CODE[code](f"Run {row.run_id} ended with {code}.", hint=hint)


def _changed(row: RunRow, why: str) -> IntegrityError:
    message = f"The engine's row of run {row.run_id} was changed from outside: {why}."
    return IntegrityError(message, code="integrity.engine_row", hint="remit doctor")
