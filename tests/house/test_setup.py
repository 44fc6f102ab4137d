"""Setup finds an interpreter that really runs, wherever it hides, and says in three lines when there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TOOLS = ["sh", "cat", "cksum", "cut", "dirname", "env", "rm", "sed", "tail"]
INTERPRETER = str(Path(getattr(sys, "_base_executable", sys.executable)).resolve())
REAL = f'#!/bin/sh\nexec "{INTERPRETER}" "$@"\n'
TOO_OLD = "#!/bin/sh\nexit 1\n"
SHIM = "#!/bin/sh\necho 'pyenv: command not found in the chosen version' >&2\nexit 127\n"


def machine(folder: Path, **programs: str) -> dict[str, str]:
    """A machine with a PATH of its own: a few system tools and these programs."""
    path = folder / "bin"
    path.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found is not None
        (path / name).symlink_to(found)
    for name, text in programs.items():
        program(path / name.replace("_", "."), text)
    return {"PATH": str(path), "HOME": str(folder)}


def program(path: Path, text: str) -> None:
    """An executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def found(env: dict[str, str]) -> tuple[int, str, str]:
    """What `scripts/bootstrap --python` answers there, run from a copy of what it reads."""
    copy = Path(env["HOME"]) / "checkout"
    for name in ("scripts", "requirements"):
        shutil.copytree(REPOSITORY / name, copy / name)
    done = subprocess.run(
        [str(copy / "scripts" / "bootstrap"), "--python"], env=env, capture_output=True, text=True, check=False
    )
    assert not (copy / ".venv").exists()
    return done.returncode, done.stdout.strip(), done.stderr


def test_the_newest_on_path_that_runs_is_taken(tmp_path: Path) -> None:
    code, python, said = found(machine(tmp_path, python3_14=SHIM, python3_12=REAL, python3=TOO_OLD))
    assert (code, python, said) == (0, INTERPRETER, "")


def test_pyenv_hides_it_off_the_path(tmp_path: Path) -> None:
    env = machine(tmp_path, python3=TOO_OLD, python3_13=SHIM)
    program(tmp_path / ".pyenv" / "versions" / "3.11.7" / "bin" / "python3", TOO_OLD)
    program(tmp_path / ".pyenv" / "versions" / "3.13.0" / "bin" / "python3", SHIM)
    program(tmp_path / ".pyenv" / "versions" / "3.12.1" / "bin" / "python3", REAL)
    assert found(env)[:2] == (0, INTERPRETER)


def test_pyenv_may_live_elsewhere(tmp_path: Path) -> None:
    env = machine(tmp_path)
    program(tmp_path / "elsewhere" / "versions" / "3.12.1" / "bin" / "python3", REAL)
    assert found({**env, "PYENV_ROOT": str(tmp_path / "elsewhere")})[:2] == (0, INTERPRETER)


def test_uv_has_one_of_its_own(tmp_path: Path) -> None:
    program(tmp_path / "managed" / "python3.12", REAL)
    answer = f'"python find"*) echo "{tmp_path}/managed/python3.12" ;;'
    uv = f'#!/bin/sh\ncase "$*" in --version) echo uv 1.2.3 ;; {answer} *) exit 1 ;; esac\n'
    assert found(machine(tmp_path, uv=uv))[:2] == (0, INTERPRETER)


def test_the_named_one_wins(tmp_path: Path) -> None:
    env = machine(tmp_path, python3_13=SHIM)
    program(tmp_path / "mine" / "python", REAL)
    assert found({**env, "REMIT_PYTHON": str(tmp_path / "mine" / "python")})[:2] == (0, INTERPRETER)


@pytest.mark.parametrize("named", ["", "/nowhere/python"])
def test_none_is_told_in_three_lines(named: str, tmp_path: Path) -> None:
    env = machine(tmp_path, python3=TOO_OLD)
    code, python, said = found({**env, **({"REMIT_PYTHON": named} if named else {})})
    assert (code, python) == (1, "")
    what, why, hint = said.splitlines()[-3:]
    assert what.startswith("setup: ")
    assert why.startswith("why: ")
    assert hint.startswith("hint: ")
    assert "REMIT_PYTHON=" in hint


def test_the_scripts_are_plain_shell() -> None:
    shell = shutil.which("dash") or "sh"
    for name in ("bootstrap", "lock"):
        path = REPOSITORY / "scripts" / name
        assert os.access(path, os.X_OK)
        assert subprocess.run([shell, "-n", str(path)], check=False).returncode == 0
    assert subprocess.run(["bash", "-n", str(REPOSITORY / ".ci" / "run")], check=False).returncode == 0
