"""Read an intake: YAML or JSON bytes in, a valid `Intake` out, or every problem with its place in the file."""

from dataclasses import dataclass
from typing import cast

import orjson
from pydantic import BaseModel, ValidationError

from remit.kernel.errors import InvalidInput
from remit.packs.build.document_json import mark_json, read_json
from remit.packs.build.document_marks import MAX_BYTES, Malformed, Mark, locate
from remit.packs.build.document_text import text_problems, unprintable
from remit.packs.build.document_yaml import read_yaml
from remit.packs.build.problem import Problem, dotted
from remit.packs.build.schema import Intake
from remit.packs.build.schema_errors import schema_problems

MAX_PROBLEMS = 50
"""Most problems that one reading reports; the rest are counted."""

_BEYOND_JSON = frozenset({"build.not_finite", "build.number_range"})


@dataclass(frozen=True, slots=True)
class PlacedProblem:
    """A problem with its place: `place` is `file:line:column`, `path` the way to it in the document."""

    code: str
    place: str
    line: int
    column: int
    path: str
    what: str
    hint: str

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{self.place}: {where}{self.what}. {self.hint}"


class InvalidDocument(InvalidInput):
    """A document that can't be accepted.

    `found` holds its problems, in the order in which they stand in the file; `more` counts those left out.
    """

    def __init__(self, found: tuple[PlacedProblem, ...], *, more: int = 0) -> None:
        first = found[0]
        where = f"{first.path}: " if first.path else ""
        others = len(found) - 1 + more
        tail = f" ({others} more problem{'s' if others > 1 else ''})" if others else ""
        listed = tuple(str(problem) for problem in found)
        super().__init__(
            f"{where}{first.what}{tail}",
            hint=first.hint,
            code=first.code,
            place=first.place,
            problems=(*listed, f"... and {more} more") if more else listed,
        )
        self.found = found
        self.more = more

    def __reduce__(self) -> tuple[object, ...]:
        """Survives a process boundary whole."""
        return (_again, (self.found, self.more))


def _again(found: tuple[PlacedProblem, ...], more: int) -> InvalidDocument:
    return InvalidDocument(found, more=more)


def read_intake(data: bytes, *, name: str) -> Intake:
    """The intake in these bytes; `name` is the file's name, by whose ending JSON is told from YAML.

    Raises:
        InvalidDocument: With every problem found: first those of the text, then those of shape and text together,
            and, when the shape is right, every broken rule. Nothing is written anywhere.
    """
    return read_document(Intake, data, name=name)


def read_document[M: BaseModel](model: type[M], data: bytes, *, name: str) -> M:
    """A document of any of the pack's models, under the same bounds and with the same errors as `read_intake`."""
    try:
        text = _decoded(data)
        document, marks = _parsed(text, name)
    except Malformed as error:
        raise InvalidDocument((_placed(error.problem, (error.line, error.column), name),)) from None
    problems = list(text_problems(document))
    found = _validated(model, document, problems)
    if problems:
        raise _invalid(problems, marks or mark_json(text), name)
    if found is None:
        raise AssertionError("a document without a problem has a model")
    return found


def read_values(data: bytes, *, name: str) -> object:
    """What stands in a text, under the same bounds; its shape is not looked at.

    Raises:
        InvalidDocument: It is no YAML or JSON.
    """
    try:
        return _parsed(_decoded(data), name)[0]
    except Malformed as error:
        raise InvalidDocument((_placed(error.problem, (error.line, error.column), name),)) from None


def _decoded(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        what = f"the file has {len(data):,} bytes, more than {MAX_BYTES:,}"
        raise Malformed(Problem("build.too_large", (), what, "Split the application, or shorten its texts."), 1, 1)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        utf16 = data[:2] in {b"\xff\xfe", b"\xfe\xff"}
        what = "the file is UTF-16, not UTF-8" if utf16 else f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise Malformed(Problem("build.encoding", (), what, "Save the file as UTF-8."), line, column) from None
    found = unprintable(text)
    if found is not None:
        line, column = text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())
        what = f"the file holds the control character U+{ord(found.group()):04X}"
        raise Malformed(Problem("build.control_character", (), what, "Remove it."), line, column)
    return text


def _is_json(text: str, name: str) -> bool:
    lowered = name.lower()
    if lowered.endswith((".yaml", ".yml")):
        return False
    return lowered.endswith(".json") or text.lstrip()[:1] in {"{", "["}


def _parsed(text: str, name: str) -> tuple[dict[str, object], Mark | None]:
    """The document, and its marks where reading gives them anyway."""
    document, marks = (read_json(text), None) if _is_json(text, name) else read_yaml(text)
    if isinstance(document, dict):
        return cast("dict[str, object]", document), marks
    what = f"the document is {'a list' if isinstance(document, list) else 'a single value'}, not a mapping"
    raise Malformed(Problem("build.wrong_type", (), what, "Start with `metadata:` and `requirements:`."), 1, 1)


def _validated[M: BaseModel](model: type[M], document: dict[str, object], problems: list[Problem]) -> M | None:
    """The model, or None with the reasons added to `problems`."""
    broken: list[Problem] = []
    if any(problem.code in _BEYOND_JSON or "U+D" in problem.what for problem in problems):
        return None
    try:
        found = model.model_validate_json(orjson.dumps(document), context={"problems": broken})
    except ValidationError as error:
        known = {problem.path for problem in problems}
        reasons = schema_problems(model, error.errors(include_url=False), document)
        problems.extend(problem for problem in reasons if problem.path not in known)
        return None
    known = {problem.path for problem in problems}
    problems.extend(problem for problem in broken if problem.path not in known)
    return found


def _invalid(problems: list[Problem], marks: Mark, name: str) -> InvalidDocument:
    """The error for these problems in the order of the file, each once."""
    distinct = {(problem.code, problem.path, problem.what): problem for problem in problems}
    places = [(locate(marks, problem.path, at_key=problem.at_key), problem) for problem in distinct.values()]
    places.sort(key=lambda entry: entry[0])
    shown = tuple(_placed(problem, at, name) for at, problem in places[:MAX_PROBLEMS])
    return InvalidDocument(shown, more=max(0, len(places) - MAX_PROBLEMS))


def _placed(problem: Problem, at: tuple[int, int], name: str) -> PlacedProblem:
    line, column = at
    path = dotted(problem.path) if problem.path else ""
    told = (_printable(text) for text in (path, problem.what, str(problem.hint)))
    return PlacedProblem(problem.code, f"{name}:{line}:{column}", line, column, *told)


def _printable(text: str) -> str:
    """What a terminal can be given: one line, of bounded length, without control characters."""
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return "".join(char if char.isprintable() else "?" for char in cut)


_LONGEST = 600
