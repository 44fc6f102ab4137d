"""What stands in the repository: no path of somebody's machine, no registry, locks that fit, checks that pass."""

import ast
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, metadata, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]

#: Somebody's home folder, and the shapes that addresses of package registries have.
FOREIGN = re.compile(
    r"""(?<![\w.~$}{-])/(?:home|Users)/\w+/
    | [A-Za-z]:\\+Users\\
    | ://[^\s/]*(?:pypi|registry|mirror|artifact|nexus|devpi|crates|hosted)[^\s/]*\.[a-z]+
    | ://[^\s"']+/simple\b
    | \bpypi\.[a-z]{2,4}\b
    """,
    re.VERBOSE,
)


def here() -> list[str]:
    """Folders of this very machine: whoever runs the tests, where the checkout and the interpreter lie."""
    folders = {Path.home(), REPOSITORY, REPOSITORY.parent, Path(sys.prefix), Path(sys.base_prefix)}
    shared = {Path("/"), Path("/usr"), Path("/usr/local"), Path(tempfile.gettempdir())}
    return [f"{folder}/" for folder in folders - shared]


def tracked() -> list[Path]:
    """Every file git knows, or would with the next `git add`."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    return [REPOSITORY / name for name in listing.stdout.decode().split("\0") if name]


def test_no_file_names_a_machine_or_a_registry() -> None:
    machine = here()
    found: list[str] = []
    for path in tracked():
        if not path.is_file() or path.is_symlink() or path == Path(__file__):
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        for number, line in enumerate(text.splitlines(), 1):
            if FOREIGN.search(line) or any(folder in line for folder in machine):
                found.append(f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()[:120]}")
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "see /home/anna/remit",
        "/Users/anna/x",
        "C:\\Users\\anna",
        "--index https://packages.example/simple",
        "https://mirror.example.com/x",
        "from pypi.test",
    ],
)
def test_such_a_line_is_seen(line: str) -> None:
    assert FOREIGN.search(line)


@pytest.mark.parametrize("line", ["~/x", "$HOME/x", "a/home/b/c", "/homepage", "http://127.0.0.1:8080/simple_page"])
def test_such_a_line_is_fine(line: str) -> None:
    assert not FOREIGN.search(line)


def locked(name: str) -> dict[str, str]:
    """Package → version, of one lock."""
    text = (REPOSITORY / "requirements" / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", text, re.MULTILINE))


def test_the_lock_holds_what_the_project_asks_for() -> None:
    versions = locked("dev.txt") | locked("e2e.txt")
    wanted = [
        *PROJECT["dependencies"],
        *(line for lines in PROJECT["optional-dependencies"].values() for line in lines),
    ]
    for line in wanted:
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        assert name in versions, f"{name} is not locked: scripts/lock"
        assert requirement.specifier.contains(versions[name]), f"{name} {versions[name]} is not {line}: scripts/lock"


@pytest.mark.parametrize("name", ["dev.txt", "e2e.txt", "installer.txt"])
def test_every_locked_package_has_hashes_and_no_address(name: str) -> None:
    text = (REPOSITORY / "requirements" / name).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[a-z])", text.strip())
    assert len(entries) == len(locked(name))
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
    assert "--index" not in text


def test_nothing_that_is_locked_is_under_the_gpl() -> None:
    for name in locked("dev.txt"):
        try:
            about = metadata(name)
        except PackageNotFoundError:
            continue  # for another platform
        licences = [about.get("License-Expression", ""), *(about.get_all("Classifier") or [])]
        assert not [text for text in licences if re.search(r"(?<!L)\bA?GPL|(?<!Lesser )General Public", text)], name


#: Packages that come with a declared one, under its version.
COMPANIONS = {
    "anyio": "mcp",
    "httpx2": "mcp",
    "mcp-types": "mcp",
    "psycopg-pool": "psycopg",
    "pydantic-core": "pydantic",
    "yarl": "aiohttp",
}


def imported(folder: Path) -> set[str]:
    """Top-level names of everything imported below a folder."""
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"remit"}


#: Extras whose packages are imported only when a person asked for what they do.
OPTIONAL = ("parquet", "telemetry", "timestamps")


def test_every_import_of_the_product_is_declared() -> None:
    extras = ("agents", "build", "postgres", *OPTIONAL)
    wanted = [line for extra in extras for line in PROJECT["optional-dependencies"][extra]]
    declared = {canonicalize_name(Requirement(line).name) for line in [*PROJECT["dependencies"], *wanted]}
    declared |= {companion for companion, name in COMPANIONS.items() if name in declared}
    providers = packages_distributions()
    found = imported(REPOSITORY / "src" / "remit")
    unknown = {name for name in found if not {canonicalize_name(p) for p in providers.get(name, [])} & declared}
    assert unknown == set(), "declare these in pyproject.toml, then: scripts/lock"


def test_every_import_of_the_tests_is_declared() -> None:
    lines = [*PROJECT["dependencies"], *(line for lines in PROJECT["optional-dependencies"].values() for line in lines)]
    declared = {canonicalize_name(Requirement(line).name) for line in lines} | set(COMPANIONS)
    providers = packages_distributions()
    # What only `make e2e` installs is called as its package is.
    own = {path.stem for path in (REPOSITORY / "tests").rglob("*.py")} | {"benchmarks", "tests"}
    unknown = {
        name
        for name in imported(REPOSITORY / "tests") - own
        if not {canonicalize_name(p) for p in providers.get(name, [name])} & declared
    }
    assert unknown == set(), "declare these in the dev extra, then: scripts/lock"


@pytest.mark.parametrize("argv", [["check", "."], ["format", "--check", "."]], ids=["lint", "format"])
def test_ruff_is_content(argv: list[str]) -> None:
    done = subprocess.run([BIN / "ruff", *argv], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(300)
def test_pyright_is_content() -> None:
    done = subprocess.run(
        [BIN / "pyright", "--pythonpath", sys.executable],
        cwd=REPOSITORY,
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
