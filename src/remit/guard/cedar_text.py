"""A text of Cedar policies taken apart: each policy with its place, bounded before any parser sees it.

Cedar's parser and validator recurse, and a text nested a few thousand deep ends the process; so nesting, length and
chains of operators are counted here first.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

#: Bounds of one policy and of a text. Within them parsing and validating stay under 50 ms and 1 MiB of stack.
LONGEST_POLICY = 2000
LONGEST_TEXT = 64_000
MOST_POLICIES = 200
DEEPEST = 32
MOST_OPERATORS = 200

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|[()\[\]{};]|&&|\|\||[-+*.!<>=]+|\bif\b|\n', re.DOTALL)
_SKIPPED = re.compile(r"(?:\s+|//[^\n]*)*")


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy as written, with the line on which it starts (from 1) and its column (from 1)."""

    text: str
    line: int
    column: int

    def place(self, offset: int) -> str:
        """``line:column`` of a character of it."""
        before = self.text[:offset]
        lines = before.count("\n")
        column = offset - before.rfind("\n") if lines else self.column + offset
        return f"{self.line + lines}:{column}"

    @property
    def start(self) -> str:
        """``line:column`` of its first character."""
        return f"{self.line}:{self.column}"


def split(text: str) -> tuple[list[Policy], list[str]]:
    """The policies of a text and what forbids reading it any further, each problem with its place."""
    if len(text) > LONGEST_TEXT:
        return [], [f"1:1: the text has {len(text)} characters, at most {LONGEST_TEXT} are read"]
    policies: list[Policy] = []
    problems: list[str] = []
    position = 0
    while True:
        position = _skip(text, position)
        if position >= len(text):
            break
        end, found = _end(text, position)
        line = text.count("\n", 0, position) + 1
        policy = Policy(text[position:end], line, position - text.rfind("\n", 0, position))
        policies.append(policy)
        problems += [f"{policy.start}: {problem}" for problem in found]
        position = end
    if len(policies) > MOST_POLICIES:
        problems.append(f"1:1: there are {len(policies)} policies, at most {MOST_POLICIES} are read")
    return policies, problems


def _skip(text: str, position: int) -> int:
    found = _SKIPPED.match(text, position)
    return position if found is None else found.end()


def _end(text: str, start: int) -> tuple[int, list[str]]:
    """Where the policy that starts here ends, and the bounds that it passes."""
    count = Counter[str]()
    depth = deepest = 0
    end = len(text)
    problems = ["the policy does not end: a ; is missing"]
    for token in _TOKEN.finditer(text, start):
        word = token[0]
        if word == ";" and depth <= 0:
            end, problems = token.end(), []
            break
        depth += (word in "([{") - (word in ")]}")
        deepest = max(deepest, depth)
        count[word if word == "if" else "operators" if word[0] in "&|-+*.!<>=" else "rest"] += 1
    if end - start > LONGEST_POLICY:
        problems.append(f"a policy of {end - start} characters; at most {LONGEST_POLICY} are read")
    nested = max(deepest, count["if"])
    if nested > DEEPEST:
        problems.append(f"nested {nested} deep; at most {DEEPEST} are read")
    if count["operators"] > MOST_OPERATORS:
        problems.append(f"{count['operators']} operators; at most {MOST_OPERATORS} are read")
    return end, problems
