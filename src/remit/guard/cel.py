"""CEL, the Common Expression Language (https://cel.dev), behind the few calls that rules need.

The library answers an evaluation error with a value of type ERROR that is a non-empty text, and so would pass for true:
here only a BOOL that is ``True`` holds. What could run long is refused before it is compiled: no comprehension within
another, no regular expression but a short literal, no lists, maps or messages being built. Its own bounds come on top:
32 levels, 10,000 iterations, RE2.
"""

from __future__ import annotations

import difflib
import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cel_expr_python import cel  # pyright: ignore[reportMissingTypeStubs] - it ships none

from remit.guard.cel_text import (
    Place,
    Problem,
    Token,
    conjuncts,
    names_in,
    problem_at,
    tokens_of,
    unsafe,
)

LONGEST = 2000  # characters of one expression
LONGEST_TEXT = 4096  # characters of a variable's value; a longer one is no value
SLOWEST_S = 0.025  # what an expression may take on the worst values that are tried when it is saved

type Value = bool | int | float | str


class Type(StrEnum):
    """The types of variables."""

    BOOL = "bool"
    INT = "int"
    DOUBLE = "double"
    STRING = "string"


_TYPES = {Type.BOOL: cel.Type.BOOL, Type.INT: cel.Type.INT, Type.DOUBLE: cel.Type.DOUBLE, Type.STRING: cel.Type.STRING}
_BOOL = cel.Type.BOOL
_AT = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_OVERLOAD = re.compile(r"found no matching overload for '(.*)' applied to '\((.*)\)'")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_NO_VALUE = re.compile(r'No value with name "([^"]+)"')
_DEEP = ("recursion", "Exceeded max")
_BRACKETED = re.compile(r"^[A-Z_]+: | \[[A-Z_]+\]$")
_INT_MAX = (1 << 63) - 1
_ONE_TYPE = "compare values of one type"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an expression said. It holds only when it is true; ``error`` tells why it could not be evaluated."""

    holds: bool
    error: str = ""


class Binding:
    """Values for one evaluation or many. Texts that are too long and numbers that are none have no value."""

    __slots__ = ("activation", "values")

    def __init__(self, environment: cel.Env, values: Mapping[str, Value]) -> None:
        self.values = {name: value for name, value in values.items() if usable(value)}
        self.activation = environment.Activation(self.values)


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression of type bool. Any number of threads may ask it."""

    text: str
    names: frozenset[str]
    compiled: cel.Expression

    def ask(self, binding: Binding) -> Answer:
        """Whether it holds. Never raises: what goes wrong is an answer that does not hold."""
        try:
            said = self.compiled.eval(binding.activation)
            if said.type() == _BOOL:
                return HOLDS if said.value() is True else FAILS
            return Answer(holds=False, error=_told(str(said.value())))
        except Exception as error:  # noqa: BLE001 - whatever the library does, it does not hold
            return Answer(holds=False, error=_told(str(error)))


HOLDS = Answer(holds=True)
FAILS = Answer(holds=False)


class Language:
    """The variables that expressions may name, with their types."""

    def __init__(self, variables: Mapping[str, Type]) -> None:
        self.variables = dict(variables)
        self._environment = cel.NewEnv(variables={name: _TYPES[kind] for name, kind in variables.items()})

    def bind(self, values: Mapping[str, Value]) -> Binding:
        """Values to evaluate with; those of unknown names do no harm."""
        return Binding(self._environment, values)

    def compile(self, text: str) -> Expression | tuple[Problem, ...]:
        """The expression, or what is wrong with it, with the place of each problem and how to mend it."""
        if len(text) > LONGEST:
            what = f"it has {len(text)} characters; {LONGEST} are the most"
            return (problem_at(text[:LONGEST], Place(0), what, "split it into several rules"),)
        tokens = tokens_of(text)
        if isinstance(tokens, Problem):
            return (tokens,)
        problem = unsafe(text, tokens)
        if problem is not None:
            return (problem,)
        try:
            compiled = self._environment.compile(text)
            kind = compiled.return_type()
        except Exception as error:  # noqa: BLE001 - the library raises RuntimeError for every refusal
            return self._problems(text, tokens, str(error))
        if kind != _BOOL:
            what = f"it is a {kind.name().lower()}, and a rule must be true or false"
            return (problem_at(text, Place(0), what, "compare it with something: ... <= 1.0, ... == 'x'"),)
        names = names_in(tokens, self.variables)
        return Expression(text, names, compiled)

    def conditions(self, expression: Expression) -> tuple[Expression, ...]:
        """The parts that ``&&`` joins at the top, each to be asked on its own; just itself when it has none."""
        parts = [self.compile(part) for part in conjuncts(expression.text)]
        whole = tuple(part for part in parts if isinstance(part, Expression))
        return whole if len(whole) == len(parts) else (expression,)

    def slow(self, expression: Expression) -> float:
        """Processor seconds that it takes at worst, over values made from its own texts to be hard for it."""
        worst = 0.0
        for text in _hard_texts(expression.text):
            binding = self.bind(dict(_filled(self.variables, expression.names, text)))
            took = math.inf
            for _ in range(3):  # the least of three: a busy machine is not the rule's fault
                start = time.thread_time()
                expression.ask(binding)
                took = min(took, time.thread_time() - start)
                if took <= SLOWEST_S:
                    break
            worst = max(worst, took)
        return worst

    def _problems(self, text: str, tokens: tuple[Token, ...], said: str) -> tuple[Problem, ...]:
        found = [self._problem(text, tokens, *match.groups()) for match in map(_AT.match, said_lines(said)) if match]
        if found:
            return tuple(dict.fromkeys(found))
        if any(word in said for word in _DEEP):
            return (problem_at(text, Place(0), "it is nested deeper than 32 levels", "split it into several rules"),)
        return (problem_at(text, Place(0), _told(said), "simplify the expression"),)

    def _problem(self, text: str, tokens: tuple[Token, ...], line: str, column: str, what: str) -> Problem:
        what = what.removesuffix(" (in container '')")
        if "max recursion" in what:
            return problem_at(text, Place(0), "it is nested deeper than 32 levels", "split it into several rules")
        at = offset_of(text, int(line), int(column))
        token = next((token for token in tokens if token.start <= at < token.end), None)
        undeclared = _UNDECLARED.search(what)
        if undeclared:
            name = token.text if token and token.is_name else undeclared[1]
            near = difflib.get_close_matches(name, self.variables, 1, cutoff=0.5)
            fix = f"did you mean {near[0]}?" if near else "see the variables of each kind of action in docs/rules.md"
            return problem_at(text, Place(token.start if token else at), f"{name} is no variable here", fix)
        overload = _OVERLOAD.search(what)
        if overload:
            operator, types = overload[1].strip("_").replace("_", ""), overload[2]
            return problem_at(
                text,
                Place(at),
                f"{operator} does not go with ({types})",
                _retyped(tokens, at, types),
            )
        return problem_at(text, Place(at), what[:200], "correct the expression at this place")


def said_lines(said: str) -> list[str]:
    """The lines of the library's complaint, its code removed."""
    return _BRACKETED.sub("", said).removeprefix("INVALID_ARGUMENT: ").splitlines()


def offset_of(text: str, line: int, column: int) -> int:
    """Where (1-based) line and column lie; the library counts both in characters."""
    lines = text.split("\n")
    before = sum(len(each) + 1 for each in lines[: max(line, 1) - 1])
    return max(0, min(before + max(column, 1) - 1, len(text)))


def usable(value: object) -> bool:
    """Whether a rule may see a value: a finite number, an integer of 64 bits, a text that is not too long."""
    if isinstance(value, str):
        return len(value) <= LONGEST_TEXT
    if isinstance(value, int):  # a bool is one
        return -_INT_MAX <= value <= _INT_MAX
    return isinstance(value, float) and math.isfinite(value)


def _told(said: str) -> str:
    """The library's words on an evaluation error as ours."""
    missing = _NO_VALUE.search(said)
    if missing:
        return f"{missing[1]} has no value"
    return _BRACKETED.sub("", said.strip()).split("\n")[0][:200] or "it gave no answer"


def _retyped(tokens: tuple[Token, ...], at: int, types: str) -> str:
    """How to write the number beside an operator so that the types agree."""
    sides = [kind.strip() for kind in types.split(",")]
    index = next((number for number, token in enumerate(tokens) if token.start <= at < token.end), None)
    if index is None or len(sides) != 2:  # noqa: PLR2004 - left and right
        return _ONE_TYPE
    beside = [tokens[place] for place in (index + 1, index - 1, index + 2) if 0 <= place < len(tokens)]
    if sorted(sides) == ["double", "int"]:
        number = next((token.text for token in beside if token.is_number), "")
        if number.isdigit():
            return f"write {number}.0 for a double"
        return "write int numbers as 1 and doubles as 1.0, or convert: double(x)"
    if "string" in sides:
        return "put quotes round a text: 'x'"
    return "a bool stands alone or after !: evidence.tests, !evidence.tests" if "bool" in sides else _ONE_TYPE


_LITERAL = re.compile(r"'([^'\\]{1,200})'|\"([^\"\\]{1,200})\"")


def _hard_texts(text: str) -> list[str]:
    """Long texts for searches to have it hard: repetitions of the expression's own literals, almost to their end."""
    hard = ["x" * LONGEST_TEXT, "ab" * (LONGEST_TEXT // 2)]
    for match in list(_LITERAL.finditer(text))[:8]:
        literal = match[1] or match[2]
        units = (unit for unit in (literal, literal[:-1], literal[:1]) if unit)
        hard += ((unit * (LONGEST_TEXT // len(unit) + 1))[:LONGEST_TEXT] for unit in units)
    return list(dict.fromkeys(hard))


def _filled(variables: Mapping[str, Type], names: Iterable[str], text: str) -> Iterable[tuple[str, Value]]:
    values: dict[Type, Value] = {Type.BOOL: True, Type.INT: 1, Type.DOUBLE: 1.0, Type.STRING: text}
    return ((name, values[variables[name]]) for name in names)
