"""A tiny web application as a mission, for deployments: quick to build, with real critics and a real smoke test.

Run it as ``remit run remit.testing.shop:PACK FILE``. The input is JSON: ``{"greeting": "hello"}``. With
``"health": 500`` the application is ill, with ``"test": false`` its own test fails, with ``"late": true`` a step
changes the tree after the critics judged it, with ``"leak": "TEXT"`` that text stands in a file.

Its smoke test starts the server, asks ``/health`` and ``/`` over a socket and stops it. A file ``closed`` beside
``current`` makes a release fail once it is live, and a file ``slow`` makes its test take that many seconds there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from remit.kernel.canonical import Json
from remit.kernel.effects import Command, WriteFiles
from remit.kernel.errors import Failed, InvalidInput, NotFound
from remit.kernel.finding import Finding, Severity
from remit.kernel.mission import FileExists, NoSecrets, Plan, ResultHas, StepSpec
from remit.missions.pack import Result, StepContext, StepFunction

VERSION = "1"

SERVER = '''"""Says hello."""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

HEALTH = {health}
GREETING = (Path(__file__).parent / "greeting.txt").read_text()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        status, text = (HEALTH, "health") if self.path == "/health" else (200, GREETING)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
'''

SMOKE = '''"""Start the application, ask it, stop it."""

import http.client
import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def ask(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


place = ROOT.parents[1]
if (place / "slow").exists():
    time.sleep(float((place / "slow").read_text()))
child = subprocess.Popen([sys.executable, "server.py"], cwd=ROOT, stdout=subprocess.PIPE)
try:
    port = int(child.stdout.readline())
    seen = [ask(port, "/health"), ask(port, "/")]
finally:
    child.kill()
    child.wait()
ok = [status for status, _ in seen] == [200, 200] and not (place / "closed").exists()
print(json.dumps({"ok": ok, "seen": seen, "root": str(ROOT)}))
sys.exit(0 if ok else 1)
'''

TEST = "import server; assert server.GREETING, 'it says nothing'; assert {verdict}, 'told to fail'"


def _read(data: bytes, name: str) -> dict[str, Any]:
    try:
        value: object = json.loads(data)
    except ValueError as error:
        message = f"the shop's input is no JSON: {error}"
        raise InvalidInput(message, place=name) from error
    if not isinstance(value, dict):
        message = "the shop's input must be a JSON object"
        raise InvalidInput(message, place=name)
    given = cast("dict[str, Any]", value)
    return {"greeting": "hello", "health": 200, "test": True, "late": False, "leak": "", **given}


async def write(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Write the application."""
    files = {
        "server.py": SERVER.replace("{health}", str(params["health"])),
        "greeting.txt": f"{params['greeting']}\n",
        "scripts/smoke.py": SMOKE,
        **({"notes.txt": f"{params['leak']}\n"} if params["leak"] else {}),
    }
    await ctx.do(WriteFiles({path: text.encode() for path, text in files.items()}))
    return {"files": len(files)}


async def test(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Run the application's own test."""
    outcome = await ctx.do(Command(("python", "-c", TEST.replace("{verdict}", str(params["verdict"])))))
    if not outcome.ok:
        ctx.report([Finding("tests.failed", Severity.ERROR, outcome.text[-200:], "server.py", "mend the test")])
        raise Failed(f"the test failed: {outcome.text[-200:]}")
    return {"tests": 1}


async def scan(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Look for what is dangerous, and for secrets."""
    del params
    outcome = await ctx.do(Command(("python", "-m", "compileall", "-q", "server.py")))
    secrets = await ctx.secrets()
    ctx.report(secrets, critic="secrets")
    if not outcome.ok or secrets:
        raise Failed(f"the scan found something: {outcome.text[-200:]}")
    return {"scanned": True}


async def late(ctx: StepContext, params: Mapping[str, Json]) -> Result:
    """Change what was judged."""
    del params
    await ctx.do(WriteFiles({"late.txt": b"nobody looked at this\n"}))
    return {"late": True}


class Shop:
    """The pack."""

    name = "remit.testing.shop:PACK"
    version = VERSION

    def plan(self, data: bytes, *, name: str) -> Plan:
        """``write``, then the critics ``tests`` and ``security``, then what comes too late."""
        given = _read(data, name)
        params = {key: given[key] for key in ("greeting", "health", "leak")}
        clean = NoSecrets()
        steps = [
            StepSpec("write", "write", params=params, version=VERSION, post=(FileExists("server.py"), clean)),
            StepSpec(
                "tests",
                "test",
                params={"verdict": bool(given["test"])},
                needs=("write",),
                version=VERSION,
                post=(ResultHas("tests", 1),),
                critic="tests",
            ),
            StepSpec(
                "security",
                "scan",
                needs=("write",),
                version=VERSION,
                post=(ResultHas("scanned", value=True),),
                critic="security",
            ),
        ]
        if given["late"]:
            post = (FileExists("late.txt"),)
            steps.append(StepSpec("late", "late", needs=("tests", "security"), version=VERSION, post=post))
        return Plan(self.name, tuple(steps), summary=f"a shop that says {given['greeting']}")

    def step(self, uses: str) -> StepFunction:
        """The function of that name."""
        functions: dict[str, StepFunction] = {"write": write, "test": test, "scan": scan, "late": late}
        if uses not in functions:
            message = f"the shop has no step function {uses!r}"
            raise InvalidInput(message)
        return functions[uses]

    def without(self, data: bytes, feature: str) -> tuple[bytes, tuple[str, ...]]:
        """It has no features."""
        del data
        message = f"the shop has no feature {feature!r}"
        raise NotFound(message)


PACK = Shop()
