"""Generated applications pass everything that is asked of them, and avoid every pitfall that was met before."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from remit.packs.build.ir import Application
from remit.packs.build.render import render_application

FORMAT = (["-m", "ruff", "check", "--fix", "--select", "I,F,UP", "."], ["-m", "ruff", "format", "."])
CHECKS = (
    ["-m", "ruff", "check", "--no-fix", "."],
    ["-m", "ruff", "format", "--check", "."],
    ["-m", "mypy"],
    ["-m", "bandit", "-q", "-r", "app"],
    ["-m", "pytest", "-q"],
)


def _run(folder: Path, args: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.run(
        [sys.executable, *args], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=300
    )


def _written(app: Application, folder: Path) -> Path:
    for path, content in render_application(app).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    for args in FORMAT:
        done = _run(folder, args)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def kept_types(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where mypy keeps what it knows of the libraries, which are the same for every application."""
    return str(tmp_path_factory.mktemp("mypy"))


@pytest.mark.timeout(600)
def test_application_passes_every_check(app: Application, tmp_path: Path, kept_types: str) -> None:
    folder = _written(app, tmp_path)
    for args in CHECKS:
        done = _run(folder, args, MYPY_CACHE_DIR=kept_types)
        assert done.returncode == 0, f"{args}\n{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    smoke = _run(folder, ["scripts/smoke.py"])
    assert smoke.returncode == 0, smoke.stdout + smoke.stderr
    told = json.loads(smoke.stdout)
    assert told["ok"] is True
    assert told["health"]["status"] == "ok"
    assert told["path"].startswith("/api/v1/")
    left = {path.name for path in folder.iterdir()} - {Path(path).parts[0] for path in render_application(app)}
    assert left <= {".cache"}


def test_smoke_says_why_it_failed(pitfalls: Application, tmp_path: Path) -> None:
    folder = _written(pitfalls, tmp_path)
    (folder / "app" / "main.py").write_text("raise RuntimeError('broken on purpose')\n")
    done = _run(folder, ["scripts/smoke.py"])
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["ok"] is False
    assert "before it answered" in told["reason"]


def test_first_sql_for_postgres_holds_every_key_and_closes_circles_last(pitfalls: Application, tmp_path: Path) -> None:
    folder = _written(pitfalls, tmp_path)
    url = "postgresql+psycopg://localhost/any"
    done = _run(folder, ["-m", "alembic", "upgrade", "head", "--sql"], APP_DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    references = [ref for entity in pitfalls.entities for ref in entity.references]
    links = [link for entity in pitfalls.entities for link in entity.links if not link.through]
    names = [ref.constraint for ref in references]
    names += [name for link in links for name in (link.left_constraint, link.right_constraint)]
    for name in names:
        assert f"CONSTRAINT {name} FOREIGN KEY" in done.stdout, name
    deferred = [ref for ref in references if ref.deferred]
    assert deferred
    last_table = done.stdout.rindex("CREATE TABLE")
    for ref in deferred:
        assert done.stdout.index(f"ADD CONSTRAINT {ref.constraint}") > last_table


_PROBE = """
import os, sys, json
sys.path.insert(0, os.getcwd())
import tests.conftest
from app.main import app
print(json.dumps(app.openapi()))
"""


def test_api_description_says_what_the_application_does(pitfalls: Application, tmp_path: Path) -> None:
    done = _run(_written(pitfalls, tmp_path), ["-c", _PROBE])
    assert done.returncode == 0, done.stderr
    described = json.loads(done.stdout)
    schemas = described["components"]["schemas"]
    created = schemas["ThingCreate"]["properties"]
    # the raw names are spoken, although Python or SQLAlchemy could not bear them
    assert {"metadata", "registry", "schema", "copy", "limit", "float", "名前"} <= created.keys()
    assert created["type"]["enum"] == ["None", "True", "1st", "two words", "a'b\"c", "%s", "日本"]
    assert created["price"]["pattern"] == r"^[0-9]{1,6}(\.[0-9]{1,2})?$"
    assert "token" in created
    assert "token" not in schemas["ThingRead"]["properties"]
    listing = described["paths"]["/api/v1/things"]["get"]
    parameters = {parameter["name"]: parameter["schema"] for parameter in listing["parameters"]}
    assert (parameters["limit"]["minimum"], parameters["limit"]["maximum"]) == (1, 100)
    assert parameters["offset"]["maximum"] == 1_000_000
    for method, codes in (("get", {"401", "403"}), ("post", {"400", "401", "403", "409", "422"})):
        assert codes <= described["paths"]["/api/v1/things"][method]["responses"].keys()
    for operation in ("get", "patch", "delete"):
        assert "404" in described["paths"]["/api/v1/things/{row_id}"][operation]["responses"]
    # personal data is no query parameter
    assert "email" not in parameters


_PRODUCTION = "import app.main"


def test_production_needs_a_secret(pitfalls: Application, tmp_path: Path) -> None:
    folder = _written(pitfalls, tmp_path)
    refused = _run(folder, ["-c", _PRODUCTION])
    assert refused.returncode != 0
    assert "APP_JWT_SECRET" in refused.stderr
    assert _run(folder, ["-c", _PRODUCTION], APP_JWT_SECRET="x" * 32).returncode == 0


def test_container_does_not_run_as_root_and_ci_runs_all_checks(pitfalls: Application) -> None:
    files = {path: content.decode() for path, content in render_application(pitfalls).items()}
    stages = files["Dockerfile"].split("FROM ")
    assert re.search(r"^USER (?!0|root)", stages[-1], re.MULTILINE)
    for tool in ("ruff check", "ruff format --check", "mypy", "bandit", "pytest", "smoke.py"):
        assert tool in files[".github/workflows/ci.yml"]
