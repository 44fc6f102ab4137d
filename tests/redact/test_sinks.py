"""Two secrets are planted in everything that a mission, a command or an order can carry; then every sink is looked at.

One is registered (a channel's key, read from the environment), one is known by its form alone. Both are drawn at run
time. Looked at: every byte of the home (each row of each database, git's objects unpacked, what the audit log's exports
decrypt), every answer of every command, what the receivers of messages got, what the model was sent, the spans.
"""

from __future__ import annotations

import base64
import json
import os
import random
import sqlite3
import string
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from remit.redact.registered import forms
from remit.testing.drill import Drill, Ran

HERE = Path(__file__).parent

pytestmark = pytest.mark.timeout(600)  # some eighty commands, and every byte that they left

#: Where a planted secret must be, as parts of the place's name, and why. Nothing: not even the mission's own home.
EXCEPTED: dict[str, str] = {}


@dataclass
class Planted:
    """The two secrets and every place that was seen so far."""

    known: str
    token: str
    seen: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def look(self, place: str, data: bytes | str) -> None:
        """Keep what a sink showed."""
        text = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
        self.seen[place] = self.seen.get(place, b"") + text

    def found(self) -> list[str]:
        """Places that hold one, in whatever form."""
        wanted = [form.encode("utf-8", "surrogatepass") for value in (self.known, self.token) for form in forms(value)]
        wanted += [self.known[:12].encode(), self.token[4:20].encode()]
        found: dict[str, str] = {}
        for place, data in self.seen.items():
            for form in wanted:
                if form in data and not any(part in place for part in EXCEPTED):
                    found[place] = f"{place}: ...{data[max(data.find(form) - 80, 0) : data.find(form) + 20]!r}"
        return list(found.values())


@pytest.fixture(scope="module")
def receiver() -> Iterator[tuple[str, list[bytes]]]:
    """Who gets messages."""
    got: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(f"{self.path}\n{self.headers}\n".encode() + body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            del args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class World(Drill):
    """A home with a channel whose key is the registered secret."""

    planted: Planted
    missions: dict[str, str]

    def keep(self, name: str, ran: Ran) -> Ran:
        """Look at what a command answered."""
        self.planted.look(f"stdout of {name}", ran.out)
        self.planted.look(f"stderr of {name}", ran.err)
        return ran

    def plant(self, *words: str, given: str = "", **environ: str) -> Ran:
        """The plant in a process of its own."""
        return self.started([sys.executable, str(HERE / "redact_plant.py"), *words], given, **environ)

    def started(self, argv: list[str], given: str = "", **environ: str) -> Ran:
        """A process with this world's environment."""
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=110, check=False, input=given,
            env=self._environ("", environ, record=False), cwd=self.folder,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)

    def told(self, *orders: tuple[str, ...], **environ: str) -> list[Ran]:
        """What each command answers with ``--json``; each is also given once more, for people, with ``--debug``."""
        home = ("--home", str(self.home))
        lines = [[*words, *home, *form] for words in orders for form in (("--json",), ("--debug",))]
        ran = self.plant("commands", given=json.dumps(lines), **environ)
        outs, errs = ran.out.split("\x1e"), ran.err.split("\x1e\x1e\n")
        answers: list[Ran] = []
        for number, words in enumerate(lines):
            name = " ".join(words).replace(self.planted.known, "KNOWN").replace(self.planted.token, "TOKEN")
            assert 2 * number + 1 < len(outs), f"{name} ended the process: {ran.err[-2000:]}"
            answers.append(self.keep(name, Ran(int(outs[2 * number + 1]), outs[2 * number], errs[number])))
        return answers[::2]

    def run_missions(self, *plans: tuple[str, ...]) -> None:
        """Run the plant pack's steps, each plan a mission that is known by its first step."""
        sources: list[str] = []
        for steps in plans:
            source = self.folder / f"{steps[0]}.json"
            source.write_text(json.dumps({"steps": steps}), encoding="utf-8")
            sources.append(str(source))
        ran = self.keep("missions", self.plant(str(self.home), str(self.folder / "sent.log"), *sources))
        made = [json.loads(line)["mission"] for line in ran.out.splitlines() if line.startswith('{"mission"')]
        assert len(made) == len(plans), ran.err[-3000:]
        self.missions = {steps[0]: mission for steps, mission in zip(plans, made, strict=True)}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, receiver: tuple[str, list[bytes]]) -> Iterator[World]:
    rng = random.Random()
    letters = string.ascii_letters + string.digits
    known = (
        "".join(rng.choice(letters) for _ in range(10)) + "-" + "".join(rng.choice(letters) for _ in range(21)) + "/+"
    )
    token = "gh" + "p_" + "".join(rng.choice(letters) for _ in range(36))
    folder = tmp_path_factory.mktemp("plant")
    channels = [
        {"name": "hook", "kind": "webhook", "url": receiver[0], "secret": "env:PLANT_KNOWN"},
        {"name": "desk", "kind": "console"},
    ]
    with World(folder) as made:
        made.planted, made.missions = Planted(known, token), {}
        made.environ = {
            "PLANT_KNOWN": known,
            "PLANT_TOKEN": token,
            "REMIT_NOTIFY": json.dumps(channels),
            "REMIT_LOG_LEVEL": "DEBUG",
            "REMIT_SPANS": str(folder / "spans.jsonl"),
            "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]),
        }
        _plant(made, known, token)
        _look(made, receiver[1])
        yield made


def _plant(world: World, known: str, token: str) -> None:
    """Put them everywhere."""
    allow = ("--effect", "files", "--effect", "command", "--effect", "notify", "--effect", "model", "--effect", "tool")
    more = ("--effect", "fetch", "--tool", "*", "--model", "*", "--domain", "*")
    made, updated = world.told(("init",), ("agents", "update", "coder", *allow, *more))
    assert (made.code, updated.code) == (0, 0)
    world.run_missions(("say", "execute"), ("wait",), ("fail",), ("leave-text",), ("leave-name",), ("answer",))
    source = world.folder / "bad.json"
    source.write_text(json.dumps({"steps": ["say"], "note": known, token: 1}), encoding="utf-8")
    named = world.folder / f"{token}.json"
    named.write_text(json.dumps({"steps": ["say"]}), encoding="utf-8")
    asked, content, name = world.told(
        ("approvals",), ("run", "redact_plant:PACK", str(source)), ("run", "redact_plant:PACK", str(named))
    )
    assert (content.code, name.code) == (2, 2)
    named.unlink()
    [waiting] = [each["approval"] for each in asked.json()["approvals"]]
    both = f"because of {known} and {token}"
    world.told(
        ("deny", waiting, "--reason", both),
        ("kill", "coder", "--reason", both),
        ("unkill", "coder", "--reason", both),
        ("agents", "pause", "apptester", "--reason", both),
        ("breakglass", "request", "agent apptester", "--for", "apptester", "--reason", both),
        ("audit", "hold", "case", "--reason", both),
        ("audit", "hold", token, "--reason", both),
        ("users", "add", "tom", "--name", both),
        ("teams", "create", "crew", "--name", both),
        ("delegate", "tom", "--days", "1", "--reason", both),
        ("kill", known, "--reason", both),
        ("run", "build", str(world.folder / f"{token}.yaml")),
        ("run", f"{token}:PACK", str(source)),
        ("show", token),
        ("why", known),
        ("logs", f"{known}{token}"),
        (token,),
        ("missions", f"--{token}"),
        ("limits", "set", token, "--amount", "1", "--every", "1h"),
        ("deploy", world.missions["say"], "--to", f"nowhere/{token}"),
    )
    world.told(("missions",), REMIT_PARALLEL=token)
    assert {ran.code for ran in world.told(("init",), ("missions",), ("metrics",), REMIT_WORKSPACE=token)} == {2}
    main = [sys.executable, "-m", "remit.cli"]  # the entry point itself, once
    for number, words in enumerate((["show", token, "--debug"], [token], ["logs", world.missions["say"]])):
        world.keep(f"entry point {number}", world.started([*main, *words, "--home", str(world.home)]))


def _look(world: World, received: list[bytes]) -> None:
    """Every sink."""
    missions = world.missions.values()
    world.told(
        *(("missions",), ("approvals", "--all"), ("agents",), ("users", "list"), ("teams", "list"), ("metrics",)),
        *(("audit", "show", "--limit", "5000"), ("audit", "holds"), ("breakglass", "list"), ("limits",), ("usage",)),
        *((word, each) for each in missions for word in ("show", "logs", "why")),
        *(("resume", world.missions[name]) for name in ("wait", "fail")),
    )
    with closing(sqlite3.connect(f"file:{world.home / 'remit.db'}?mode=ro", uri=True)) as connection:
        actions = [row[0] for row in connection.execute("SELECT id FROM action WHERE state <> 'ok' LIMIT 6")]
    world.told(*(("why", each) for each in actions))
    for form in ("jsonl", "csv", "parquet"):
        to = world.folder / f"export-{form}"
        assert world.remit("audit", "export", str(to), "--format", form).code == 0
        for path in to.rglob("*"):
            if path.suffix == ".parquet":
                world.planted.look(f"export {path.name}", _parquet(path))
            elif path.is_file():
                world.planted.look(f"export {path.name}", path.read_bytes())
    assert world.remit("audit", "verify").code == 0
    for body in received:
        world.planted.look("what the webhook's receiver got", body)
    world.planted.look("what the model and the tool were sent", (world.folder / "sent.log").read_bytes())
    world.planted.look("spans", (world.folder / "spans.jsonl").read_bytes())
    for path in sorted(world.home.rglob("*")):
        world.planted.look("names of files", str(path.relative_to(world.home)))
        if path.is_symlink() or not path.is_file():
            continue
        world.planted.look(f"file {path.relative_to(world.home)}", path.read_bytes())
        if path.suffix == ".db":
            world.planted.look(f"rows of {path.name}", _rows(path))
        elif path.name == "HEAD" and (path.parent / "objects").is_dir():
            world.planted.look(f"objects of {path.parent.relative_to(world.home)}", _objects(path.parent))


def _rows(path: Path) -> bytes:
    """Every value of every table, blobs as they are and, where they are base64 of something, that too."""
    parts: list[bytes] = []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - names from the database itself
                parts += [value if isinstance(value, bytes) else str(value).encode() for value in row]
    parts += [base64.b64decode(part + b"=" * (-len(part) % 4), validate=False) for part in parts if _is_base64(part)]
    return b"\n".join(parts)


def _is_base64(part: bytes) -> bool:
    return len(part) > 40 and part.rstrip(b"=").isalnum()


def _objects(folder: Path) -> bytes:
    """Every object of a repository, reachable or not, unpacked."""
    argv = ["git", "--git-dir", str(folder), "cat-file", "--batch-all-objects", "--batch", "--unordered"]
    return subprocess.run(argv, capture_output=True, check=True).stdout


def _parquet(path: Path) -> bytes:
    import pyarrow.parquet as pq

    return repr(pq.read_table(path).to_pylist()).encode()


def test_the_planted_secrets_are_nowhere(world: World) -> None:
    assert world.planted.found() == []


def test_they_really_went_everywhere(world: World) -> None:
    """A mask stands where a secret was planted: nothing was merely dropped, and every sink was reached."""
    masked = {place for place, data in world.planted.seen.items() if b"[REDACTED:" in data}
    for place in (
        "stderr of missions",
        "stdout of missions",
        "rows of remit.db",
        "what the webhook's receiver got",
        "what the model and the tool were sent",
        "file notices.log",
    ):
        assert place in masked, place
    assert any(place.startswith("export") and place.endswith(".csv") for place in masked)
    for name, step in world.missions.items():
        assert any(place.startswith(f"stdout of logs {step}") for place in world.planted.seen), name
    assert sum(place.startswith("objects of") for place in world.planted.seen) >= 4
    assert any(place.startswith("stderr of kill KNOWN") for place in masked)


def test_what_is_executed_was_refused_and_what_is_read_was_done(world: World) -> None:
    said = world.remit("show", world.missions["say"]).json()
    steps = {step["name"]: step["status"] for step in said["steps"]}
    assert steps == {"say": "succeeded", "execute": "succeeded"}
    log = world.remit("logs", world.missions["say"]).out
    assert log.count("refused: ") >= 9
    for name in ("leave-text", "leave-name", "answer"):
        shown = world.remit("show", world.missions[name]).json()
        assert shown["status"] == "failed"
        assert "step.secret" in json.dumps(shown), name
