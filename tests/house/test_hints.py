"""Every command that Remit tells people to type is one it has, with options that it takes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click

import remit
from remit.cli.root import COMMANDS, root

SOURCES = Path(remit.__file__).parent
TOLD = re.compile(r"(?<![\w./@-])remit ([a-z]+)((?: (?!remit\b)[^\s,;:()`']+)*)")
PROSE = {"can", "is", "and", "has"}


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every text of a module but its docstrings; the holes of a template hold ``X``."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            skipped.update(id(part) for part in node.values)
            parts = [part.value if isinstance(part, ast.Constant) else "X" for part in node.values]
            yield node.lineno, "".join(str(part) for part in parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.lineno, node.value


def _flag(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and parameter.is_flag


def problem(name: str, rest: list[str]) -> str:
    """What is wrong with ``remit NAME REST``; empty when nothing is."""
    if name not in COMMANDS:
        return "no such command"
    context = click.Context(root)
    command = root.get_command(context, name)
    if isinstance(command, click.Group) and rest:
        command = command.get_command(context, rest.pop(0).rstrip("."))
    if command is None:
        return "no such subcommand"
    if rest and rest[0] not in {"--help", "takes"}:  # the other is prose
        words, takes = rest[:], {name for each in command.params for name in each.opts if not _flag(each)}
        for at in [at for at, word in enumerate(words) if word in takes][::-1]:
            del words[at : at + 2]
        asked = sum(isinstance(each, click.Argument) and each.required for each in command.params)
        if "..." not in words and sum(not word.startswith("-") for word in words) < asked:
            return "it needs more arguments"
        told = {word.rstrip(".") for word in rest}
        needed = [each for each in command.params if isinstance(each, click.Option) and each.required]
        if missing := [each.opts[0] for each in needed if not told & set(each.opts)]:
            return f"it needs {missing[0]}"
    known = {"--help"} | {option for parameter in command.params for option in parameter.opts}
    return next((f"no option {word}" for word in rest if word.startswith("--") and word.rstrip(".") not in known), "")


def test_every_command_in_a_hint_exists() -> None:
    wrong: list[str] = []
    found = 0
    for path in sorted(SOURCES.rglob("*.py")):
        for line, text in texts(ast.parse(path.read_text(encoding="utf-8"))):
            for match in TOLD.finditer(text):
                if match[1] in PROSE:
                    continue
                found += 1
                bad = problem(match[1], match[2].split())
                if bad:
                    wrong.append(f"{path.relative_to(SOURCES)}:{line}: {match[0]!r}: {bad}")
    assert found > 60, "the pattern no longer finds the hints"
    assert not wrong, "\n".join(wrong)
