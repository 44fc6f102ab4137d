"""What the docs show is true: marked commands run, links lead somewhere, named files and targets exist.

A fenced block that opens with `console run` is run line by line: `$ remit ...` in one fresh home for the block, each
line ending with exit code 0 unless it says otherwise with `# exit N`. Lines that do not start with `$` are output that
must occur, with `...` standing for anything.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    info: str
    text: str


def blocks() -> list[Block]:
    """Every fenced block of every page."""
    found: list[Block] = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"^```([^\n]*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(str(page.relative_to(REPOSITORY)), line, match[1].strip(), match[2]))
    return found


RUN = [block for block in blocks() if block.info == "console run"]


class Command(NamedTuple):
    """One line of a block: what to run, how it should end, what it should print."""

    argv: list[str]
    code: int
    output: list[str]


def commands(text: str) -> list[Command]:
    """The commands of a block."""
    found: list[Command] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            shown, _, comment = line[2:].partition("  #")
            wanted = re.search(r"exit (\d+)", comment)
            found.append(Command(shlex.split(shown), int(wanted[1]) if wanted else 0, []))
        elif line.strip():
            found[-1].output.append(line)
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("block", RUN, ids=[f"{block.page}:{block.line}" for block in RUN])
def test_the_docs_run_as_written(block: Block, tmp_path: Path) -> None:
    env = {**os.environ, "REMIT_HOME": str(tmp_path / "home"), "COLUMNS": "100", "NO_COLOR": "1"}
    for command in commands(block.text):
        assert command.argv[0] == "remit", f"{block.page}:{block.line}: only `remit` is run from the docs"
        done = subprocess.run(
            [sys.executable, "-m", "remit.cli", *command.argv[1:]],
            cwd=REPOSITORY,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == command.code, f"{shlex.join(command.argv)} ended with {done.returncode}:\n{said}"
        for line in command.output:
            pattern = ".*".join(re.escape(part.strip()) for part in line.split("..."))
            assert re.search(pattern, said), f"{shlex.join(command.argv)} did not print {line!r}:\n{said}"


def test_the_readme_shows_commands_that_run() -> None:
    assert any(block.page == "README.md" for block in RUN)


def test_every_shown_command_exists() -> None:
    from remit.cli.root import COMMANDS

    shown = [
        line for block in blocks() if block.info.split(" ")[0] in {"sh", "console"} for line in block.text.splitlines()
    ]
    named = {match[1] for line in shown if (match := re.search(r"(?:^|/|\$ |&& )remit ([a-z][a-z-]*)", line))}
    assert named
    assert named <= set(COMMANDS)


def test_every_shown_target_exists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert {"setup", "demo", "test", "check", "coverage", "bench", "bench-peers", "prove", "docs"} <= targets
    for page in PAGES:
        named = re.findall(r"(?:^|`|&& )make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(named) <= targets, page.name


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:|#", target):
                assert (page.parent / target.partition("#")[0]).exists(), f"{page.name} links to {target}"


def test_every_file_the_readme_names_exists() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"\b((?:src|examples|docs|tests)/[\w./-]+\.\w+)", text)
    assert len([name for name in named if name.startswith("src/remit/")]) == 5
    assert [name for name in named if not (REPOSITORY / name).exists()] == []
