"""``remit secrets`` as a person uses it: the real command, a real home, a child that prints what it was given."""

from __future__ import annotations

import base64
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from remit.testing.secret_servers import AwsServer, Fault, VaultServer

from ..warm import run as run_command  # noqa: TID252 - tests are loaded by path
from .conftest import some_value

PROBE = "remit.testing.probe:PACK"


class Person:
    """Somebody at a command line, with a home of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.env = {**os.environ, "REMIT_HOME": str(self.home), "NO_COLOR": "1"}

    def remit(self, *words: object, code: int = 0, stdin: str = "", **env: str) -> str:
        argv = [sys.executable, "-m", "remit.cli", *map(str, words)]
        done = run_command(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env={**self.env, **env},
            cwd=self.folder,
            timeout=60,
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        self.said = done.stdout + done.stderr
        return done.stdout

    def json(self, *words: object, code: int = 0, **env: str) -> dict[str, object]:
        answer: dict[str, object] = json.loads(self.remit(*words, "--json", code=code, **env))
        return answer


@pytest.fixture
def person(tmp_path: Path) -> Person:
    found = Person(tmp_path)
    found.remit("init")
    return found


def test_a_command_that_prints_its_secret_leaves_it_nowhere(person: Person) -> None:
    value = some_value() + "/+é'"
    person.remit("secrets", "set", "db", stdin=value + "\n")
    (person.folder / "in.json").write_text('{"secret": "secret://db"}')
    person.remit("run", PROBE, "in.json", code=3)
    assert "may not use the secret 'db'" in person.said
    person.remit("secrets", "allow", "db", "--agent", "coder", "--kind", "command")
    mission = person.json("run", PROBE, "in.json")["mission"]
    logs = person.remit("logs", mission) + person.remit("show", mission, "--json")
    assert "it is [REDACTED:" in logs
    person.remit("audit", "export", person.folder / "export", "--format", "jsonl")
    kept = {path: path.read_bytes() for path in person.folder.rglob("*") if path.is_file()}
    data = value.encode()
    forms = [
        data,
        repr(value)[1:-1].encode(),
        json.dumps(value)[1:-1].encode(),
        base64.b64encode(data)[:-4],
        base64.b64encode(b"user:" + data)[8:-4],
        data.hex().encode(),
        quote(value, safe="").encode(),
    ]
    for form in forms:
        assert form.decode() not in logs
        assert [path for path, content in kept.items() if form in content] == []
    told = person.json("secrets", "check")
    assert told == {"values": 1, "leaks": [], "unsearched": []}
    assert person.json("secrets", "check", mission)["leaks"] == []
    uses = person.json("secrets", "stats")["uses"]
    assert isinstance(uses, list)
    counted = {(row["principal"], bool(row["mission"]), row["uses"], row["denied"]) for row in uses}
    assert counted == {("agent:coder", True, 0, 1), ("agent:coder", True, 1, 0)}


def test_a_leak_is_found_by_path_and_the_value_is_not_shown(person: Person) -> None:
    value = some_value()
    person.remit("secrets", "set", "db", stdin=value)
    person.remit("secrets", "rotate", "db", "--generate")
    assert value not in person.said
    place = person.folder / "report" / "a.txt"
    place.parent.mkdir()
    place.write_text(f"password={base64.b64encode(value.encode()).decode()}\n")
    told = person.json("secrets", "check", place.parent, code=1)
    assert told["leaks"] == [{"secret": "db", "version": "1", "path": str(place), "state": "retired", "count": 1}]
    assert value not in person.said
    person.remit("secrets", "check", place.parent / "nothing", code=2)
    assert "secret.checked" in person.remit("audit", "show")
    person.remit("users", "add", "mel", "--email", "mel@example.com", "--role", "member")
    person.remit("secrets", "check", code=3, REMIT_USER="mel")


def test_a_value_is_shown_to_an_owner_at_a_terminal_only(person: Person) -> None:
    value = some_value()
    person.remit("secrets", "set", "db", stdin=value)
    assert value not in person.remit("secrets", "get", "db")
    assert "[REDACTED:" in person.said
    person.remit("secrets", "get", "db", "--reveal", "--reason", "look", code=2)
    assert value not in person.said
    argv = [sys.executable, "-m", "remit.cli", "secrets", "get", "db", "--reveal"]
    assert value not in at_terminal(argv, person)
    assert value in at_terminal([*argv, "--reason", "the database refuses it"], person)
    person.remit("users", "add", "mel", "--email", "mel@example.com", "--role", "admin")
    person.env["REMIT_USER"] = "mel"
    assert value not in at_terminal([*argv, "--reason", "curious"], person)
    assert "secret.revealed" in person.remit("audit", "show")


def at_terminal(argv: list[str], person: Person) -> str:
    leader, follower = pty.openpty()
    with subprocess.Popen(
        argv, stdin=follower, stdout=follower, stderr=follower, env=person.env, cwd=person.folder
    ) as process:
        os.close(follower)
        said = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:
                break
            if not part:
                break
            said += part
        process.wait(30)
    os.close(leader)
    return said.decode()


def test_a_file_of_variables_is_imported_and_the_environment_serves_too(person: Person) -> None:
    first, second, third = some_value(), some_value(), some_value()
    env = person.folder / "app.env"
    env.write_text(f"# app\nexport DB_PASSWORD='{first}'\nAPI_KEY={second}\n\n")
    told = person.json("secrets", "import", env)
    assert [row["secret"] for row in told["imported"]] == ["db_password", "api_key"]  # type: ignore[union-attr,index]
    assert first not in person.said
    assert person.json("secrets", "import", env)["unchanged"] == ["db_password", "api_key"]
    env.write_text("no variable here\n")
    person.remit("secrets", "import", env, code=2)
    assert "no variable here" not in person.said
    more = {"REMIT_SECRETS": "env, file", "REMIT_SECRET_TOKEN": third}
    listed = person.json("secrets", "list", **more)["secrets"]
    assert [(row["secret"], row["backend"]) for row in listed] == [  # type: ignore[index,union-attr]
        ("api_key", "file"),
        ("db_password", "file"),
        ("token", "env"),
    ]
    assert third not in person.said
    person.remit("secrets", "rotate", "token", "--generate", code=1, **more)
    assert "can't be changed from here" in person.said


def test_a_mission_is_given_secrets_of_vault_and_aws(person: Person, aws: AwsServer, vault: VaultServer) -> None:
    sources = [
        {"kind": "vault", "names": "v-*", "url": vault.url, "role_id": "env:ROLE", "secret_id": "env:ROLE_SECRET"},
        {"kind": "aws", "region": "eu-central-1", "url": aws.url, "tries": 1},
    ]
    person.env |= {
        "REMIT_SECRETS": json.dumps(sources),
        "ROLE": vault.role_id,
        "ROLE_SECRET": vault.secret_id,
        "AWS_ACCESS_KEY_ID": aws.access_key,
        "AWS_SECRET_ACCESS_KEY": aws.secret_key,
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    value = some_value()
    person.remit("secrets", "set", "v-db", stdin=value)
    person.remit("secrets", "set", "token", "--generate")
    assert ("POST", "secret/data/remit/default/v-db") in vault.seen
    assert ("CreateSecret", "remit/default/token") in aws.seen
    person.remit("secrets", "allow", "*", "--agent", "coder")
    for name in ("v-db", "token"):
        (person.folder / "in.json").write_text(json.dumps({"secret": f"secret://{name}"}))
        mission = person.json("run", PROBE, "in.json")["mission"]
        assert "it is [REDACTED:" in person.remit("logs", mission)
        assert value not in person.said
    aws.faults.append(Fault(status=503))
    person.remit("run", PROBE, "in.json", code=5)
    assert "can't be asked for secrets now" in person.said


def test_wrong_settings_say_what_is_wrong(person: Person) -> None:
    for text, said in (
        ("fil", "env, file, aws, vault"),
        ('[{"kind": "vault"}]', "needs a url"),
        ('[{"kind": "vault", "url": "http://vault.example.org"}]', "https"),
        ('[{"kind": "file", "nam": "x"}]', "did you mean"),
        ('[{"kind": "vault", "url": "https://v", "token": "hvs.x"}]', "reference"),
    ):
        person.remit("secrets", "list", code=2, REMIT_SECRETS=text)
        assert said in person.said.replace("SecretSource", "source"), person.said
