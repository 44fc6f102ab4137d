"""The rooms keep apart: import-linter and the banned APIs hold, and each catches what is planted against it."""

import ast
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from remit import bootstrap
from remit.infrastructure import INFRASTRUCTURE, reason

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "src" / "remit"
OUTWARD = ("adapters", "bootstrap", "cli", "client", "serve", "settings", "testing")
BIN = Path(sys.executable).parent


def tool(*argv: str, cwd: Path = REPOSITORY, text: str | None = None, path: str | None = None) -> tuple[int, str]:
    """Run one of the environment's own tools; its exit code and all it said."""
    program = BIN / argv[0]
    env = {"PATH": f"{BIN}:/usr/bin:/bin", "PYTHONPATH": path or str(REPOSITORY / "src"), "LANG": "C.UTF-8"}
    done = subprocess.run(
        [program, *argv[1:]], cwd=cwd, env=env, input=text, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_the_tree_keeps_its_contracts() -> None:
    code, said = tool("lint-imports", "--no-cache")
    assert code == 0, said
    assert "6 kept, 0 broken" in said


@pytest.mark.parametrize(
    ("contract", "files"),
    [
        pytest.param("layers", {"kernel/planted.py": "import remit.guard\n"}, id="upwards"),
        pytest.param("layers", {"guard/planted.py": "import remit.missions\n"}, id="upwards by one"),
        pytest.param("layers", {"packs/planted.py": "import remit.adapters.store\n"}, id="sideways"),
        pytest.param("layers", {"extras/__init__.py": ""}, id="a room that the design does not know"),
        pytest.param("packs", {"packs/planted/__init__.py": "import remit.packs.build\n"}, id="a pack knows another"),
        pytest.param("adapters", {"cli/planted.py": "import remit.adapters.store\n"}, id="past bootstrap"),
        pytest.param(
            "acyclic",
            {
                "missions/planted.py": "import remit.missions.planned\n",
                "missions/planned.py": "import remit.missions.planted\n",
            },
            id="in circles",
        ),
        *[
            pytest.param("outside", {f"{room}/planted.py": f"import {name}\n"}, id=f"{room} imports {name}")
            for room, name in [
                ("guard", "socket"),
                ("missions", "subprocess"),
                ("audit", "sqlite3"),
                ("kernel", "psycopg"),
                ("packs/build", "httpx"),
                ("sdk", "dbos"),
            ]
        ],
    ],
)
def test_import_linter_catches(contract: str, files: dict[str, str], tmp_path: Path) -> None:
    shutil.copytree(SOURCE, tmp_path / "src" / "remit", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    arguments = ("lint-imports", "--no-cache", "--contract", contract)
    before, said = tool(*arguments, cwd=tmp_path, path=str(tmp_path / "src"))
    assert before == 0, said
    for name, text in files.items():
        planted = tmp_path / "src" / "remit" / name
        planted.parent.mkdir(parents=True, exist_ok=True)
        planted.write_text(text)
    after, said = tool(*arguments, cwd=tmp_path, path=str(tmp_path / "src"))
    assert after == 1, said
    assert "0 kept, 1 broken" in said
    assert "planted" in said or "extras" in said


CALLS = """\
asyncio.create_subprocess_exec("true")
asyncio.create_subprocess_shell("true")
asyncio.open_connection("127.0.0.1", 1)
asyncio.start_server(None)
builtins.open("x", "w")
importlib.import_module("socket")
io.FileIO("x", "w")
io.open("x", "w")
os.execv("/bin/true", [])
os.execvpe("true", [], {})
os.fork()
os.kill(1, 9)
os.open("x", 1)
os.popen("true")
os.posix_spawn("/bin/true", [], {})
os.remove("x")
os.replace("x", "y")
os.system("true")
pathlib.Path.write_bytes(None, b"x")
pathlib.Path.write_text(None, "x")
sqlalchemy.create_engine("sqlite://")
""".splitlines()
IMPORTS = """\
import ctypes
import http.client
import importlib.util
import multiprocessing
import pickle
import pty
import runpy
import shutil
import tempfile
import urllib.request
from asyncio import create_subprocess_exec
from importlib import import_module
from os import system
from sqlalchemy import create_engine
from sqlalchemy.orm import Session
from urllib.request import urlopen
""".splitlines()
FREE = "import asyncio, builtins, importlib, io, os, pathlib, sqlalchemy"


def uncaught(room: str, lines: list[str]) -> list[str]:
    """Those of the planted lines about which ruff says nothing."""
    name = f"src/remit/{room}/planted.py"
    options = ("--select", "TID251", "--output-format=concise", "--stdin-filename", name, "-")
    _code, said = tool("ruff", "check", *options, text="\n".join([FREE, *lines]) + "\n")
    caught = {int(line.split(":")[1]) for line in said.splitlines() if "TID251" in line}
    assert 1 not in caught
    return [line for number, line in enumerate(lines, 2) if number not in caught]


@pytest.mark.parametrize("room", ["guard", "kernel", "missions", "packs/build", "redact", "sdk"])
def test_ruff_catches_what_import_linter_cannot_see(room: str) -> None:
    assert uncaught(room, CALLS) == []
    assert uncaught(room, IMPORTS) == []


def test_ruff_lets_the_adapters_work() -> None:
    assert uncaught("adapters/files", CALLS + IMPORTS) == CALLS + IMPORTS


#: What ruff cannot name: methods that change the outside world, whatever the object, and builtins called bare.
METHODS = frozenset(
    {"chmod", "hardlink_to", "lchmod", "mkdir", "rename", "rmdir", "symlink_to", "touch", "unlink", "write_bytes"}
    | {"write_text", "create_connection", "create_datagram_endpoint", "create_server", "create_unix_connection"}
    | {"sock_connect", "subprocess_exec", "subprocess_shell"}
)
BUILTINS = frozenset({"__import__", "compile", "eval", "exec", "open"})


def touching(tree: ast.AST) -> list[tuple[int, str]]:
    """Where such a method or builtin is called."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    methods = [(call.lineno, call.func.attr) for call in calls if isinstance(call.func, ast.Attribute)]
    builtins = [(call.lineno, call.func.id) for call in calls if isinstance(call.func, ast.Name)]
    return [*(m for m in methods if m[1] in METHODS), *(b for b in builtins if b[1] in BUILTINS)]


def test_no_room_touches_the_world_through_a_method() -> None:
    rooms = [path for path in SOURCE.rglob("*.py") if path.relative_to(SOURCE).parts[0] not in OUTWARD]
    assert rooms
    found = {
        str(path.relative_to(SOURCE)): calls
        for path in rooms
        if (calls := touching(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert found == {}


@pytest.mark.parametrize(
    "call", ["path.write_text('x')", "loop.create_connection(f, 'h', 1)", "Path('x').unlink()", "open('x', 'w')"]
)
def test_such_a_method_is_seen(call: str) -> None:
    assert touching(ast.parse(call))


def test_the_infrastructure_is_real_and_holds_no_effect() -> None:
    for module, why in INFRASTRUCTURE.items():
        assert find_spec(module) is not None, f"{module} stands in the list of infrastructure and does not exist"
        assert why.endswith(".")
    for effect in ("sandbox", "files", "notify"):
        assert reason(f"remit.adapters.{effect}.anything") is None
    assert reason("remit.guard.guard") is None
    assert reason("remit.adapters.storehouse") is None
    assert reason("remit.adapters.store.writer") == INFRASTRUCTURE["remit.adapters.store"]


def test_what_bootstrap_exports_stands_where_it_says() -> None:
    """Names are loaded by a table and typed by imports; both must name the same places."""
    tree = ast.parse((SOURCE / "bootstrap" / "__init__.py").read_text(encoding="utf-8"))
    typed: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("remit."):
            for name in node.names:
                known = find_spec(f"{node.module}.{name.name}") if is_package(node.module) else None
                place = f"{node.module}.{name.name}:" if known else f"{node.module}:{name.name}"
                typed[name.asname or name.name] = place if known or name.asname else node.module
    del typed["steps"], typed["agent_step"]  # which tells what to install, where it can't be loaded
    assert dict(bootstrap._PLACES) == typed
    assert set(bootstrap.__all__) == {*typed, "agent_step"}


def is_package(module: str) -> bool:
    found = find_spec(module)
    return found is not None and found.submodule_search_locations is not None


def test_every_package_starts_with_its_promise() -> None:
    for file in SOURCE.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), f"{file} has no docstring"


def test_every_ignored_rule_has_its_reason() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    lint = tomllib.loads(text)["tool"]["ruff"]["lint"]
    assert lint["select"] == ["ALL"]
    rules = [*lint["ignore"], *(rule for rules in lint["per-file-ignores"].values() for rule in rules)]
    lines = [
        line
        for line in text.splitlines()
        if line.strip().startswith('"') and line.strip().strip('",').split('"')[0] in rules
    ]
    assert len(lines) >= len(rules)
    assert [line for line in lines if line.lstrip()[1:].split('"')[0] in rules and "# " not in line] == []
