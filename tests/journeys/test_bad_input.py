"""A wrong input through the command line: its place, exit code 2, and the home exactly as it was."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from remit.testing.drill import PACK, Drill

from .recorded import PROVE, SEED

pytestmark = pytest.mark.timeout(900 if PROVE else 180)

PLAN = Path(__file__).parents[1] / "packs" / "build" / "plan"
PLACE = re.compile(r".+\.(yaml|json):\d+:\d+$|^stdin:\d+:\d+$")

#: Runs the real entry point once for each input, in one process: an interpreter's start for each would say no more.
EVERY = """
import contextlib, io, json, sys
from remit.cli.root import run
for path in sys.stdin.read().splitlines():
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(["run", "build", path, "--home", sys.argv[1], "--json"])
    print(json.dumps({"path": path, "code": code, "out": out.getvalue(), "err": err.getvalue()}))
"""


def _generated() -> Mapping[str, tuple[bytes, str]]:
    """The inputs that are no files of the repository (1 MB strings, bombs, wrong encodings): bytes and file name."""
    path = PLAN / "test_broken_intakes.py"
    spec = importlib.util.spec_from_file_location("broken_intakes", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {case: (given[0], given[1]) for case, given in module.GENERATED.items()}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Every broken intake as a file."""
    base = tmp_path_factory.mktemp("broken")
    found = sorted((PLAN / "broken").glob("*.yaml"))
    for number, (data, name) in enumerate(_generated().values()):
        path = base / str(number) / name
        path.parent.mkdir()
        path.write_bytes(data)
        found.append(path)
    assert len(found) >= 40
    return found


def fingerprint(folder: Path) -> str:
    """Every name, mode and byte under a folder; of one that is missing, that it is."""
    if not folder.exists():
        return "missing"
    digest = hashlib.sha256()
    for path in sorted([folder, *folder.rglob("*")]):
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        digest.update(repr((str(path.relative_to(folder)), path.lstat().st_mode, content)).encode())
    return digest.hexdigest()


def _refusal(path: Path, code: int, out: str, err: str) -> list[str]:
    """What is wrong with how an input was refused."""
    found = [] if code == 2 else [f"exit code {code}"]
    try:
        body: dict[str, Any] = json.loads(out)["error"]
    except (ValueError, KeyError) as error:
        return [*found, f"no JSON error object on stdout ({error}): {out[:200]} {err[-300:]}"]
    if not PLACE.match(str(body.get("place"))) or not str(body["place"]).startswith(path.name):
        found.append(f"no place: {body.get('place')}")
    found += [f"no {name}" for name in ("code", "message", "hint") if not body.get(name)]
    return found if f"error: {body['place']}" in err else [*found, f"the place is not in the words for a person: {err}"]


@pytest.mark.parametrize("there", [True, False], ids=["home", "no home"])
def test_every_broken_intake_is_refused_and_the_home_stays_as_it_was(
    there: bool,  # noqa: FBT001 - a parameter of the test
    broken: list[Path],
    drill: Drill,
) -> None:
    if there:
        assert drill.remit("run", PACK, drill.intake()).code == 0
    before = fingerprint(drill.home)
    done = subprocess.run(
        [sys.executable, "-c", EVERY, str(drill.home)],
        input="\n".join(map(str, broken)),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        cwd=drill.folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("REMIT_")},
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == len(broken)
    wrong = {
        one["path"]: found
        for one in told
        if (found := _refusal(Path(one["path"]), one["code"], one["out"], one["err"]))
    }
    assert wrong == {}
    assert fingerprint(drill.home) == before


def test_one_command_for_each_leaves_the_home_as_it_was(broken: list[Path], drill: Drill) -> None:
    import random

    chosen = broken if PROVE else random.Random(f"{SEED} bad input").sample(broken, 4)
    for home in ("no home", "home"):
        if home == "home":
            assert drill.remit("init").code == 0
        before = fingerprint(drill.home)
        for path in chosen:
            ran = drill.remit("run", "build", path)
            assert _refusal(path, ran.code, ran.out, ran.err) == [], path
            assert fingerprint(drill.home) == before, path


@pytest.mark.parametrize(
    ("pack", "text", "code"),
    [
        (PACK, "not json", "invalid_input"),
        (PACK, "[]", "invalid_input"),
        ("no-such-pack", "{}", "not_found"),
        ("remit.testing.probe:MISSING", "{}", "pack.missing"),
        ("missing.module:PACK", "{}", "pack.missing"),
    ],
)
def test_other_wrong_words_leave_no_home_either(pack: str, text: str, code: str, drill: Drill) -> None:
    path = drill.folder / "input.json"
    path.write_text(text, encoding="utf-8")
    ran = drill.remit("run", pack, path)
    assert (ran.code, ran.json()["error"]["code"]) == (2, code)
    assert not drill.home.exists()
    assert drill.remit("run", PACK, drill.folder / "missing.json").code == 2
    assert not drill.home.exists()
