"""One call as steps, without any I/O: what to ask, how long to wait, what to make of the answers.

Both clients run the same steps: a generator yields ``Ask`` and is sent the answer, or yields ``Wait`` and is sent
nothing. What it returns is the call's result; what it raises is its error.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import quote, urlencode

import orjson

from remit.kernel.errors import TABLE, InvalidAnswer, RemitError, Unavailable
from remit.kernel.ids import new_id

TRIES = 4
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 30.0
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
AGAIN = frozenset({429, 502, 503, 504})
_KINDS = {row.code: kind for kind, row in TABLE.items()}
#: Members of a problem that are told by attributes of the error.
_TOLD = ("decision_id", "approval_id", "limit", "remaining", "retry_after", "position", "wait", "plan")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: ``target`` is the path with its query."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, whole. ``status`` is 0 when there was none: ``error`` says why."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    error: str = ""


type Steps[T] = Generator[Ask | Wait, Answer | None, T]


@dataclass(frozen=True, slots=True)
class Call:
    """What is called.

    Attributes:
        method: ``GET``, ``POST`` ...
        path: With its parameters in braces.
        params: The path's parameters.
        query: Of the query; ``None`` is left out.
        body: JSON; ``None``: none.
        headers: More of them.
    """

    method: str
    path: str
    params: Mapping[str, object] = field(default_factory=dict[str, object])
    query: Mapping[str, object] = field(default_factory=dict[str, object])
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def ask(self) -> Ask:
        """As a request. Each write has a key of its own, the same in each try: it is carried out once."""
        path = self.path
        for name, value in self.params.items():
            path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
        query = urlencode({name: _text(value) for name, value in self.query.items() if value is not None})
        headers = dict(self.headers)
        if self.method in WRITES:
            headers.setdefault("idempotency-key", new_id())
        if self.body is not None:
            headers["content-type"] = "application/json"
        body = b"" if self.body is None else orjson.dumps(self.body)
        return Ask(self.method, f"{path}?{query}" if query else path, headers, body)


def asked(ask: Ask, *, tries: int = TRIES) -> Steps[Answer]:
    """Ask until there is an answer that asking again would not change. Reads and writes with a key may be asked again.

    Raises:
        RemitError: What the server says went wrong.
        Unavailable: No answer came.
    """
    wait = FIRST_WAIT_S
    for left in range(tries - 1, -1, -1):
        answer = yield ask
        if answer is None:
            message = "A step was run without an answer."
            raise InvalidAnswer(message, code="client.answer")
        if answer.status and answer.status < 400:  # noqa: PLR2004 - what went well
            return answer
        error = error_of(answer)
        if not left or not _again(answer, error):
            raise error
        said = answer.headers.get("retry-after", "")
        pause = float(said) if said.isdigit() else wait
        if pause > LONGEST_WAIT_S:
            raise error
        yield Wait(pause)
        wait = min(wait * 2, LONGEST_WAIT_S)
    message = "No try was left."
    raise Unavailable(message, code="client.tries")


def _again(answer: Answer, error: RemitError) -> bool:
    return answer.status in AGAIN or not answer.status or error.code == "api.in_flight"


def error_of(answer: Answer) -> RemitError:
    """What went wrong, as the rooms themselves raise it."""
    if not answer.status:
        message = f"The server gave no answer: {answer.error}."
        return Unavailable(message, code="client.connection", hint="is it running? remit up")
    found = _problem(answer.body)
    if found is None:
        message = f"The server answered {answer.status}, and no problem document."
        return InvalidAnswer(message, code="client.answer", hint="is this the address of a Remit server?")
    kind = _KINDS.get(str(found.get("type", "")).rpartition(":")[2], RemitError)
    place = found.get("place")
    error = kind(
        str(found.get("detail", "It failed.")),
        code=str(found.get("code", "")) or None,
        hint=str(found.get("hint", "")) or None,
        place=None if place is None else str(place),
    )
    for name in _TOLD:
        if name in found and hasattr(error, name):
            setattr(error, name, found[name])
    if isinstance(found.get("problems"), list) and hasattr(error, "problems"):
        error.problems = tuple(found["problems"])  # pyright: ignore[reportAttributeAccessIssue] - looked for above
    return error


def _problem(body: bytes) -> dict[str, Any] | None:
    try:
        found: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def read(answer: Answer) -> Any:  # noqa: ANN401 - JSON; whoever calls says which
    """The answer's JSON; ``None`` where there is nothing.

    Raises:
        InvalidAnswer: It is no JSON.
    """
    if not answer.body:
        return None
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        message = "The server's answer is no JSON."
        raise InvalidAnswer(message, code="client.answer", hint="is this the address of a Remit server?") from error


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
