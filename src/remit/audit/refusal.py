"""A refusal that is on record: the order that raises it is undone, and its entry stands in the log all the same."""

from __future__ import annotations

from collections.abc import Mapping

from remit.audit.entry import Entry
from remit.kernel.canonical import Json
from remit.kernel.errors import Denied


class Refused(Denied):
    """Somebody may not do what they ordered.

    Raised inside an operation of the journal: the store undoes what the operation did and commits ``entry`` in the same
    transaction, before the caller hears of it. When that commit fails, the order stays refused.

    Args:
        message: Who may not do what, and who could.
        entry: What the log is to say.
        payload: What goes with the entry, free of secrets.
        code: ``room.reason``.
        hint: The exact next command.
    """

    entry: Entry | None = None  # one that crossed a process boundary has left its entry behind
    payload: Mapping[str, Json] | None = None

    def __init__(
        self,
        message: str,
        *,
        entry: Entry,
        payload: Mapping[str, Json] | None = None,
        code: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.entry = entry
        self.payload = payload
