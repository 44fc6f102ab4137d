"""The one exception tree.

    RemitError
    ├── UserError            bad input, usage or configuration: the caller can mend it
    │   ├── InvalidInput     a document, argument or setting is wrong (says where)
    │   │   ├── TooLarge     it has more bytes than are taken
    │   │   └── ContextTooLong   more tokens than the model reads at once
    │   ├── ContentRefused   a provider's filter refused what was asked or answered
    │   └── NotFound         no such mission, step, agent ...
    ├── Unauthenticated      nobody knows who asks: no key, or one that does not count (any more)
    ├── Denied               the guard refused; carries the decision id
    │   ├── BudgetExceeded
    │   └── RateLimited
    ├── ApprovalPending      a person must decide first
    ├── Conflict             the state changed under the caller
    │   ├── Fenced           another worker owns this mission now
    │   └── Drift            an artefact is not what its step left behind
    ├── Failed               the work itself failed (a step, a command, a postcondition)
    ├── Unavailable          something outside is not there now; may be tried again
    │   ├── Timeout
    │   ├── Throttled        a provider's own rate limit
    │   ├── Overloaded       a provider has too much to do
    │   ├── KeyRefused       a provider refuses the key it is asked with
    │   └── InvalidAnswer    what came back is no answer
    ├── IntegrityError       evidence does not hold; never retried
    └── InternalError        a fault of ours

``TABLE`` maps each class to code, hint, HTTP status, exit code and whether a retry may help; a class inherits its
parent's row. ``Cancelled`` stands apart: it is control flow, so it is a ``BaseException``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

DOCS = "docs/errors.md"


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """What the outside sees of an error class."""

    code: str
    http: int
    exit: int
    retryable: bool
    hint: str


class RemitError(Exception):
    """Root of every error Remit raises on purpose.

    Args:
        message: What failed and why, one or two sentences, free of secrets.
        hint: The exact next command or change; the class's own hint from ``TABLE`` when left out.
        code: A more precise code than the class's (``room.reason``).
        place: Where in the input, e.g. ``clinic.yaml:12:5``.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, code: str | None = None, place: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self._hint = hint
        self._code = code

    @property
    def row(self) -> ErrorRow:
        """The table row of the nearest listed class."""
        return row_of(type(self))

    @property
    def code(self) -> str:
        """Stable machine-readable code."""
        return self._code or self.row.code

    @property
    def hint(self) -> str:
        """The exact next thing to do."""
        return self._hint or self.row.hint

    @property
    def anchor(self) -> str:
        """Where the documentation explains this error."""
        return f"{DOCS}#{self.row.code}"

    def __reduce__(self) -> tuple[object, ...]:
        """Errors survive a process boundary whole."""
        return (_rebuild, (type(self), self.message, self._hint, self._code, self.place), dict(self.__dict__))


def _rebuild(cls: type[RemitError], message: str, hint: str | None, code: str | None, place: str | None) -> RemitError:
    error = cls.__new__(cls)
    RemitError.__init__(error, message, hint=hint, code=code, place=place)
    return error


class UserError(RemitError):
    """The caller can mend this."""


class InvalidInput(UserError):
    """A document, argument or setting is wrong. ``problems`` lists every finding, the first is the message."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        place: str | None = None,
        problems: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint, code=code, place=place)
        self.problems = problems or (message,)


class TooLarge(InvalidInput):
    """It has more bytes than are taken."""


class ContextTooLong(InvalidInput):
    """More tokens than the model reads at once."""


class ContentRefused(UserError):
    """A provider's filter refused what was asked, or what would have been answered."""


class NotFound(UserError):
    """No such thing."""


class Unauthenticated(RemitError):
    """Nobody knows who asks: there is no key, or one that does not count (any more). Never says which."""


class Denied(RemitError):
    """The guard refused an action. ``decision_id`` is what ``remit why`` takes."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        place: str | None = None,
        decision_id: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code, place=place)
        self.decision_id = decision_id

    @property
    def hint(self) -> str:
        """``remit why`` with the decision, unless a better hint was given."""
        if self._hint:
            return self._hint
        return f"remit why {self.decision_id}" if self.decision_id else self.row.hint


class BudgetExceeded(Denied):
    """A budget would be passed. ``told`` says which, and how it stands, for programs (LIM-4); empty when not known.

    Its keys: ``limit`` (in words), ``limit_usd``, ``spent_usd``, ``reserved_usd``, ``left_usd``, ``retry_after``
    (seconds until the next period; ``None``: never) and ``lift`` (the command that raises it).
    """

    told: Mapping[str, str | float | None] = MappingProxyType({})


class RateLimited(Denied):
    """A rate would be passed, or a queue is full. What is known is told (LIM-4); ``None``: not known, or never.

    Attributes:
        limit: The limit in words, ``10 model requests a minute for the agent coder``.
        remaining: How much of it is left.
        retry_after: Seconds after which to come back.
        position: The caller's place in the line before it, from 1.
        wait: Estimated seconds until it is the caller's turn.
        plan: The plan that would lift it.
        bucket: Which bucket, for the line before it; internal.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        place: str | None = None,
        decision_id: str | None = None,
        limit: str = "",
        remaining: int = 0,
        retry_after: float | None = None,
        position: int | None = None,
        wait: float | None = None,
        plan: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code, place=place, decision_id=decision_id)
        self.limit = limit
        self.remaining = remaining
        self.retry_after = retry_after
        self.position = position
        self.wait = wait
        self.plan = plan
        self.bucket = ""

    @property
    def told(self) -> dict[str, str | int | float | None]:
        """What the answer carries beside the sentence, for programs."""
        return {
            "limit": self.limit,
            "remaining": self.remaining,
            "retry_after": self.retry_after,
            "position": self.position,
            "wait": self.wait,
            "plan": self.plan,
        }


class ApprovalPending(RemitError):
    """A person must decide before this goes on. ``approval_id`` is what ``remit approve`` takes."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        place: str | None = None,
        approval_id: str = "",
    ) -> None:
        super().__init__(message, hint=hint, code=code, place=place)
        self.approval_id = approval_id


class Conflict(RemitError):
    """The state changed under the caller, or two writers disagree."""


class Fenced(Conflict):
    """Another worker owns this mission; this one must stop and write nothing."""


class Drift(Conflict):
    """An artefact is not what its step left behind."""


class Failed(RemitError):
    """The work itself failed: a step, a command, a postcondition."""


class Unavailable(RemitError):
    """Something outside is not there now. ``retry_after`` is in seconds, when known."""

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        place: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code, place=place)
        self.retry_after = retry_after


class Timeout(Unavailable):
    """Something outside did not answer in its time."""


class Throttled(Unavailable):
    """A provider's own rate limit. ``retry_after`` is what it said."""


class Overloaded(Unavailable):
    """A provider has too much to do."""


class KeyRefused(Unavailable):
    """A provider refuses the key it is asked with: the same call can't succeed there, elsewhere it may."""


class InvalidAnswer(Unavailable):
    """What came back from outside is no answer: no JSON, no document of its interface, cut off, too large."""


class IntegrityError(RemitError):
    """Evidence does not hold: a log, a proof, an artefact. Never retried."""


class InternalError(RemitError):
    """A fault of ours."""


class Cancelled(BaseException):
    """Control flow: a person cancelled the mission. Not an ``Exception``, so that no step swallows it."""


TABLE: dict[type[RemitError], ErrorRow] = {
    UserError: ErrorRow("user", 400, 2, retryable=False, hint="remit --help"),
    InvalidInput: ErrorRow(
        "invalid_input", 422, 2, retryable=False, hint="correct the input and run the command again"
    ),
    TooLarge: ErrorRow("too_large", 413, 2, retryable=False, hint="send less at once"),
    ContextTooLong: ErrorRow(
        "context_length", 400, 2, retryable=False, hint="shorten the prompt, or ask a model with a longer context"
    ),
    ContentRefused: ErrorRow("content_refused", 400, 2, retryable=False, hint="change the prompt"),
    NotFound: ErrorRow("not_found", 404, 2, retryable=False, hint="remit missions"),
    Unauthenticated: ErrorRow(
        "unauthenticated", 401, 3, retryable=False, hint="remit apikeys create NAME --scope read"
    ),
    Denied: ErrorRow("denied", 403, 3, retryable=False, hint="remit why ID"),
    BudgetExceeded: ErrorRow(
        "budget_exceeded", 402, 3, retryable=False, hint="raise the mission's budget: remit run ... --budget USD"
    ),
    RateLimited: ErrorRow("rate_limited", 429, 3, retryable=True, hint="wait and run the command again"),
    ApprovalPending: ErrorRow("approval_pending", 409, 4, retryable=False, hint="remit approvals"),
    Conflict: ErrorRow("conflict", 409, 1, retryable=False, hint="remit show ID"),
    Fenced: ErrorRow("fenced", 409, 1, retryable=False, hint="remit show ID"),
    Drift: ErrorRow("drift", 409, 1, retryable=False, hint="remit resume ID --drift rerun"),
    Failed: ErrorRow("failed", 500, 1, retryable=False, hint="remit logs ID"),
    Unavailable: ErrorRow("unavailable", 503, 5, retryable=True, hint="remit doctor"),
    Timeout: ErrorRow("timeout", 504, 5, retryable=True, hint="remit doctor"),
    Throttled: ErrorRow("throttled", 429, 5, retryable=True, hint="wait and ask again, or add another provider"),
    Overloaded: ErrorRow("overloaded", 503, 5, retryable=True, hint="wait and ask again, or add another provider"),
    KeyRefused: ErrorRow("key_refused", 502, 5, retryable=False, hint="remit secrets list"),
    InvalidAnswer: ErrorRow("invalid_answer", 502, 5, retryable=True, hint="remit doctor"),
    IntegrityError: ErrorRow("integrity", 500, 1, retryable=False, hint="remit audit verify"),
    InternalError: ErrorRow(
        "internal", 500, 1, retryable=False, hint="run the command again with --debug and report it"
    ),
}


def row_of(cls: type[BaseException]) -> ErrorRow:
    """The row of ``cls`` or of its nearest listed ancestor; anything foreign is an internal error."""
    for parent in cls.__mro__:
        if issubclass(parent, RemitError) and parent in TABLE:
            return TABLE[parent]
    return TABLE[InternalError]
