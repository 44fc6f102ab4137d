"""What the docs show is true: marked commands run, links lead somewhere, named files, commands and options exist.

A fenced block that opens with `console run` is run line by line in a fresh home: `$ remit ...`, each ending with exit
code 0 unless it says otherwise with `# exit N`; one that opens with `console continued` goes on in the home of the
block before it. Other lines are output that must occur, with `...` standing for anything. `MISSION` in a command is
the newest mission's id. A block that opens with `LANGUAGE file=NAME` is saved under that name where the page's commands
run; one that opens with `python run` is run by Python.
"""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from ..warm import run as run_command  # noqa: TID252 - tests are loaded by path

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])
COMMON = {"--home", "--json", "--debug", "--help"}


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


def chains() -> list[list[Block]]:
    """Blocks that run, each with those that continue it."""
    found: list[list[Block]] = []
    for block in blocks():
        if block.info == "console run":
            found.append([block])
        elif block.info == "console continued":
            assert found, f"{block.page}:{block.line} continues nothing"
            assert found[-1][0].page == block.page, f"{block.page}:{block.line} continues nothing"
            found[-1].append(block)
    return found


RUN = chains()


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


class Reader:
    """Somebody who types what a page shows, in a folder with the examples and the files that the page gives."""

    def __init__(self, folder: Path, page: str) -> None:
        self.folder = folder
        self.env = {**os.environ, "REMIT_HOME": str(folder / "home"), "COLUMNS": "100", "NO_COLOR": "1"}
        entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        inherited = [str(Path(entry).resolve()) for entry in entries if entry]
        self.env["PYTHONPATH"] = os.pathsep.join([*inherited, str(folder)])
        (folder / "examples").symlink_to(REPOSITORY / "examples")
        for block in blocks():
            name = re.fullmatch(r"\w+ file=([\w.-]+)", block.info)
            if block.page == page and name:
                (folder / name[1]).write_text(block.text, encoding="utf-8")

    def remit(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one command."""
        return run_command(
            [sys.executable, "-m", "remit.cli", *words],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def newest(self) -> str:
        """The newest mission's id."""
        return str(json.loads(self.remit("missions", "--json").stdout)["missions"][0]["mission"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("chain", RUN, ids=[f"{chain[0].page}:{chain[0].line}" for chain in RUN])
def test_the_docs_run_as_written(chain: list[Block], tmp_path: Path) -> None:
    reader = Reader(tmp_path, chain[0].page)
    for block in chain:
        for command in commands(block.text):
            place = f"{block.page}:{block.line}: {shlex.join(command.argv)}"
            assert command.argv[0] == "remit", f"{place}: only `remit` is run from the docs"
            words = [reader.newest() if word == "MISSION" else word for word in command.argv[1:]]
            done = reader.remit(*words)
            said = done.stdout + done.stderr
            assert done.returncode == command.code, f"{place} ended with {done.returncode}:\n{said}"
            for line in command.output:
                pattern = ".*".join(re.escape(part.strip()) for part in line.split("..."))
                assert re.search(pattern, said), f"{place} did not print {line!r}:\n{said}"


PROGRAMS = [block for block in blocks() if block.info == "python run"]


@pytest.mark.parametrize("block", PROGRAMS, ids=[f"{block.page}:{block.line}" for block in PROGRAMS])
def test_programs_of_the_docs_run(block: Block, tmp_path: Path) -> None:
    reader = Reader(tmp_path, block.page)
    argv = [sys.executable, "-c", block.text]
    done = subprocess.run(argv, cwd=tmp_path, env=reader.env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_readme_shows_commands_that_run() -> None:
    assert any(chain[0].page == "README.md" for chain in RUN)


def test_every_shown_command_exists() -> None:
    from remit.cli.root import COMMANDS

    shown = [
        line for block in blocks() if block.info.split(" ")[0] in {"sh", "console"} for line in block.text.splitlines()
    ]
    named = {match[1] for line in shown if (match := re.search(r"(?:^|/|\$ |&& )remit ([a-z][a-z-]*)", line))}
    named |= {match for page in PAGES for match in re.findall(r"`remit ([a-z][a-z-]*)", page.read_text("utf-8"))}
    assert named
    assert named <= set(COMMANDS), sorted(named - set(COMMANDS))


def test_every_command_that_remit_tells_a_person_to_run_exists() -> None:
    from remit.cli.root import COMMANDS

    named: dict[str, str] = {}
    for path in REPOSITORY.glob("src/remit/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named |= dict.fromkeys(re.findall(r"\bremit ([a-z]+)\b", node.value), path.name)
    assert len(named) > 10
    assert {name: place for name, place in named.items() if name not in COMMANDS} == {}


def tree() -> dict[str, click.Command]:
    """Every command that does something, by what a person types."""
    from remit.cli.root import root

    found: dict[str, click.Command] = {}

    def walk(group: click.Group, words: str) -> None:
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                walk(command, f"{words} {name}")
            if not isinstance(command, click.Group) or command.invoke_without_command:
                found[f"{words} {name}"] = command

    walk(root, "remit")
    return found


def test_every_command_and_option_is_documented_and_nothing_else() -> None:
    page = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    parts = re.split(r"^#{2,3} `(remit(?: [a-z]+(?:-[a-z]+)*)+)[^`\n]*`\n", page, flags=re.MULTILINE)
    sections = {name.strip(): text for name, text in zip(parts[1::2], parts[2::2], strict=True)}
    known = tree()
    assert sorted(sections) == sorted(known)
    for name, command in known.items():
        options = {option for one in command.params if isinstance(one, click.Option) for option in one.opts}
        told = set(re.findall(r"`(--[a-z-]+)", re.split(r"^## ", sections[name], flags=re.MULTILINE)[0]))
        assert options - COMMON <= told, f"{name}: {sorted(options - COMMON - told)} undocumented"
        assert told <= options | COMMON, f"{name} has no {sorted(told - options - COMMON)}"
        for argument in command.params:
            if isinstance(argument, click.Argument):
                shown = argument.metavar or str(argument.name).upper()
                assert re.search(rf"^##+ `{name} [^`]*{shown}", page, re.MULTILINE), f"{name} takes {shown}"
    common = page.split("\n## ")[1]
    assert set(re.findall(r"`(--[a-z-]+)", common)) >= COMMON


def test_every_setting_is_documented_with_its_default() -> None:
    from dataclasses import MISSING, fields

    from remit.settings import NAMES, OTHER_VARIABLES, Settings

    page = (REPOSITORY / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", page, re.MULTILINE))
    settings = {setting.name: setting.default for setting in fields(Settings) if setting.name in NAMES}
    for name, default in settings.items():
        assert name in rows, name
        if default is not MISSING:
            assert rows[name].strip("`") == (str(default) or "none"), f"{name}: {rows[name]}, but it is {default!r}"
    others = {name for name in rows if name.isupper()}
    assert others == set(OTHER_VARIABLES)
    assert rows.keys() - others == settings.keys()


def test_every_shown_target_exists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", makefile, re.MULTILINE))
    assert {"setup", "demo", "test", "check", "coverage", "bench", "bench-peers", "prove", "docs"} <= targets
    for page in PAGES:
        named = re.findall(r"(?:^|`|&& )make ([a-z0-9-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(named) <= targets, page.name


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:|#", target):
                assert (page.parent / target.partition("#")[0]).exists(), f"{page.name} links to {target}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    found: set[Path] = set()
    todo = [REPOSITORY / "README.md"]
    while todo:
        page = todo.pop()
        if page not in found:
            found.add(page)
            links = re.findall(r"\]\(([^)#\s]+\.md)", page.read_text(encoding="utf-8"))
            todo += [(page.parent / link).resolve() for link in links if "://" not in link]
    assert [page.name for page in PAGES if page not in found] == []


def test_every_file_that_a_page_names_exists() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"`src/remit/[\w./-]+\.py`", text)) == 5
    for page in PAGES:
        named = re.findall(r"`((?:src|examples|docs|tests|scripts|benchmarks)/[\w./-]+)`", page.read_text("utf-8"))
        assert [name for name in named if not (REPOSITORY / name).exists()] == [], page.name
