"""`remit doctor`: what is wrong is named, with a command that mends it; looking changes nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from remit.adapters.store.migrate import alembic_config
from remit.bootstrap import traced
from remit.kernel.errors import InvalidInput
from remit.operations.checkup import Facts, Log, State, Trouble, examine
from remit.operations.deployment import tls_of
from remit.settings import Settings, abroad
from remit.testing.drill import Drill

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home."""
    with Drill(tmp_path_factory.mktemp("made")) as drill:
        assert drill.remit("init").code == 0
        return drill.home


@pytest.fixture
def drill(tmp_path: Path, made: Path) -> Iterator[Drill]:
    with Drill(tmp_path) as one:
        shutil.copytree(made, one.home)
        yield one


def checks(drill: Drill, *words: str, code: int = 0, **environ: str) -> dict[str, dict[str, Any]]:
    ran = drill.remit("doctor", *words, **environ)
    assert ran.code == code, ran.out + ran.err
    assert ran.json()["ok"] is (code == 0)
    return {one["name"]: one for one in ran.json()["checks"]}


def test_a_healthy_home(drill: Drill) -> None:
    found = checks(drill)
    assert {name for name, one in found.items() if one["state"] == "bad"} == set()
    assert {"python", "git", "home mode", "key audit.key", "schema", "audit log", "clocks", "secrets"} <= found.keys()
    assert all(one["why"] and one["fix"] for one in found.values() if one["state"] != "ok")


def test_looking_changes_nothing(drill: Drill) -> None:
    def state() -> dict[str, str]:
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in drill.home.iterdir()
            if path.is_file() and not path.name.endswith(("-wal", "-shm"))
        }

    checks(drill)
    before = state()
    checks(drill)
    assert state() == before


def test_an_older_schema_is_told_and_not_migrated(drill: Drill) -> None:
    engine = create_engine(f"sqlite:///{drill.home / 'remit.db'}", poolclass=NullPool)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0020")
    engine.dispose()
    one = checks(drill, code=1)["schema"]
    assert (one["state"], one["fix"]) == ("bad", "remit upgrade")
    assert checks(drill, code=1)["schema"]["state"] == "bad", "looking did not migrate"
    assert drill.remit("upgrade").code == 0
    assert checks(drill)["schema"]["state"] == "ok"


def test_modes_and_missing_keys(drill: Drill) -> None:
    drill.home.chmod(0o755)
    (drill.home / "audit.key").chmod(0o644)
    (drill.home / "mask.key").unlink()
    ran = drill.remit("doctor")
    found = {one["name"]: one for one in ran.json().get("checks", [])}
    if not found:  # a key that others can read is refused before anything is looked at
        assert "chmod 600" in ran.json()["error"]["hint"]
        (drill.home / "audit.key").chmod(0o600)
        found = checks(drill, code=1)
    else:
        assert found["key audit.key"]["fix"] == f"chmod 600 {drill.home}/audit.key"
    assert found["home mode"]["fix"] == f"chmod 700 {drill.home}"
    assert found["key mask.key"]["state"] == "bad"


def test_a_log_that_was_changed(drill: Drill) -> None:
    with closing(sqlite3.connect(drill.home / "remit.db")) as store, store:
        for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            store.execute(f'DROP TRIGGER "{name}"')
        for table in ("audit_payload", "audit_entry"):
            store.execute(f"DELETE FROM {table} WHERE seq = (SELECT max(seq) FROM {table})")  # noqa: S608 - two names
    one = checks(drill, code=1)["audit log"]
    assert (one["state"], one["fix"]) == ("bad", "remit audit verify")


def test_providers_are_asked_only_when_told_to(drill: Drill) -> None:
    assert drill.remit("providers", "add", "nowhere", "--base-url", "http://127.0.0.1:9/v1").code == 0
    assert "--network" in checks(drill)["provider nowhere"]["seen"]
    assert checks(drill, "--network", code=1)["provider nowhere"]["state"] == "bad"


def test_the_deployment_checklist(drill: Drill, tmp_path: Path) -> None:
    found = checks(drill, "--production", code=1)
    wanted = {"environment", "signing secret", "HTTPS", "cookies", "backup", "notifications", "witness", "database"}
    assert wanted <= {name for name, one in found.items() if one["state"] != "ok"}
    assert drill.remit("backup", tmp_path / "b.gz", "--with-keys").code == 0
    assert drill.remit("budget", "set", "workspace", "100").code == 0
    (tmp_path / "remit.toml").write_text('[[notify]]\nname = "log"\nkind = "console"\n')
    secret = "".join(f"{n:02x}" for n in hashlib.sha256(b"a test's secret").digest())
    root = os.geteuid() == 0
    good = checks(
        drill,
        "--production",
        code=1 if root else 0,
        REMIT_ENVIRONMENT="production",
        REMIT_SIGNING_SECRET=secret,
        REMIT_PUBLIC_URL="https://remit.example.org",
        REMIT_PROXIES="10.0.0.0/8",
        REMIT_SECOND_FACTOR="administrators",
        REMIT_SANDBOX_TIER="2",
    )
    assert {name for name, one in good.items() if one["state"] == "bad"} == (
        {"operating system user"} if root else set()
    )
    assert good["backup"]["state"] == "ok"


# -------------------------------------------------------------------------------------------------------------- rules

WELL = Facts(
    python=(3, 12, 1),
    libraries={"click": "8.5.1"},
    sqlite=(3, 40, 1),
    git="git version 2.39.5",
    sandbox=(3, "namespace"),
    sandbox_wanted=1,
    missing_tools=(),
    home="/h",
    home_there=True,
    uid=1000,
    home_mode=0o700,
    home_uid=1000,
    keys={"audit.key": (0o600, 1000)},
    free=8 << 30,
    files=65_536,
    store="SQLite, 1 KiB",
    schema="0024",
    schema_known="0024",
    log=Log(3, 3),
)


def test_when_all_is_well_nothing_is_said() -> None:
    assert {one.state for one in examine(WELL)} == {State.OK}
    assert not any(one.why or one.fix for one in examine(WELL))


@pytest.mark.parametrize(
    ("change", "name", "state"),
    [
        ({"python": (3, 11, 9)}, "python", State.BAD),
        ({"libraries": {"click": ""}}, "libraries", State.BAD),
        ({"sqlite": (3, 31, 0)}, "sqlite", State.BAD),
        ({"git": ""}, "git", State.BAD),
        ({"git": "git version 2.35.9"}, "git", State.BAD),
        ({"sandbox": (1, "limits"), "sandbox_wanted": 2}, "sandbox", State.BAD),
        ({"sandbox": Trouble("no", "yes")}, "sandbox", State.BAD),
        ({"missing_tools": ("mypy",)}, "build environment", State.BAD),
        ({"files": 1024}, "open files", State.WARN),
        ({"home_mode": 0o750}, "home mode", State.BAD),
        ({"home_uid": 0}, "home owner", State.BAD),
        ({"keys": {"audit.key": None}}, "key audit.key", State.BAD),
        ({"keys": {"audit.key": (0o640, 1000)}}, "key audit.key", State.BAD),
        ({"keys": {"audit.key": (0o600, 0)}}, "key audit.key", State.BAD),
        ({"unwritable": ("/h",)}, "writable folders", State.BAD),
        ({"free": 512 << 20}, "disk", State.WARN),
        ({"free": 1 << 20}, "disk", State.BAD),
        ({"store": Trouble("gone", "start it")}, "store", State.BAD),
        ({"schema": "9999", "schema_newer": True}, "schema", State.BAD),
        ({"log": Log(3, 2, ("cut",))}, "audit log", State.BAD),
        ({"store_skew_s": -5.0}, "clocks", State.WARN),
        ({"disk_skew_s": 60.0}, "clocks", State.BAD),
        ({"future_s": 90.0}, "clocks", State.BAD),
        ({"secrets": Trouble("sealed", "unseal it")}, "secrets", State.BAD),
        ({"providers": {"p": Trouble("no key", "set it")}}, "provider p", State.BAD),
        ({"port": "taken"}, "port", State.WARN),
    ],
)
def test_each_finding_is_named_with_why_and_fix(change: dict[str, Any], name: str, state: State) -> None:
    found = [one for one in examine(replace(WELL, **change)) if one.state is not State.OK]
    assert [(one.name, one.state) for one in found] == [(name, state)]
    assert found[0].why
    assert found[0].fix
    assert found[0].ok == (state is State.WARN)


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("postgresql:///remit", True),
        ("postgresql://127.0.0.1/remit", True),
        ("postgresql://remit@/remit?host=/var/run/postgresql", True),
        ("postgresql://db.example.org/remit", False),
        ("postgresql://db.example.org/remit?sslmode=prefer", False),
        ("postgresql://db.example.org/remit?sslmode=verify-full", True),
    ],
)
def test_a_database_elsewhere_needs_tls(url: str, *, fine: bool) -> None:
    assert tls_of(url)[0] is fine


def test_spans_leave_the_machine_only_when_both_settings_say_so(tmp_path: Path) -> None:
    assert not Settings(home=tmp_path).telemetry
    assert not Settings(home=tmp_path).feedback
    away = Settings(home=tmp_path, spans="https://collector.example.org/v1/traces")
    with pytest.raises(InvalidInput, match="telemetry"), traced(away):
        pass
    local = [
        f"{scheme}://{host}/x" for scheme in ("http", "https") for host in ("127.0.0.1:4318", "localhost", "[::1]:1")
    ]
    assert not any(abroad(one) for one in [*local, "spans.jsonl", "/var/spans.jsonl"])
    assert all(abroad(one) for one in ("http://10.0.0.1/x", "https://127.0.0.1.example.org", "http://a@h/x"))
