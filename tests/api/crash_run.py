"""One trial of the crash drill, in a process of its own that is killed in it.

    python -m tests.api.crash_run make HOME
    python -m tests.api.crash_run learn HOME "POST /api/v1/teams"
    python -m tests.api.crash_run die HOME "POST /api/v1/teams" guard.intent:before:1
    python -m tests.api.crash_run after HOME '{"method": ..., what "die" told}'

Each prints one JSON line. With no words it reads them, a JSON list a line, and runs each trial in a process that it
forks: what takes longest is Python's start and Remit's imports. The list begins with the file that gets what the trial
prints; its exit code is answered, below zero for the signal that ended it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from remit.kernel import crash
from remit.testing import crashpoints

from .half_made import half_made
from .samples import every_sample
from .serving import Api, serving

#: Ends of orders that are about a mission which must have run before, or that an engine carries out.
_RUNNING = ("/branches", "/deployments", "/back", "/attestations", "/cancel", "/queue/{mission}")
KEY = "01900000-0000-7000-8000-000000000001"


def tell(**told: Any) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def prepared(api: Api, label: str) -> dict[str, Any]:
    """What is asked, about something that was made for it."""
    method, _, path = label.partition(" ")
    sample = every_sample()[method, path]
    made = api.do(lambda: sample.make(api))
    body = None if sample.body is None else sample.body(made)
    return {
        "method": method,
        "path": path.format(**made) + sample.query.format(**made),
        "body": body,
        "ok": sorted(sample.ok),
        "token": api.key("owner"),
        "engine": _runs(label),
    }


def ask(api: Api, asked: dict[str, Any]) -> tuple[int, str, str]:
    client = api.open(asked["token"])
    reply = client.ask(asked["method"], asked["path"], asked["body"], idempotency_key=KEY)
    told = reply.json if reply.body else {}
    return reply.status, str(told.get("code", "")), str(told.get("detail", ""))


def _runs(label: str) -> bool:
    """Whether it needs an engine."""
    return label.endswith(_RUNNING)


def learn(home: Path, label: str) -> None:
    """Which writes the order reaches."""
    with serving(home, engine=_runs(label)) as api, tempfile.TemporaryDirectory() as folder:
        asked = prepared(api, label)
        api.owner.get("/api/v1/teams")
        log = Path(folder) / "log"
        crashpoints.install({"REMIT_CRASH_LOG": str(log)}, production=False)
        status, *_ = ask(api, asked)
        crash.install(None)
        tell(status=status, ok=asked["ok"], moments=log.read_text(encoding="utf-8").split())


def die(home: Path, label: str, moment: str) -> None:
    """Ask, and die on the way."""
    with serving(home, engine=_runs(label)) as api:
        asked = prepared(api, label)
        api.owner.get("/api/v1/teams")
        tell(**asked)
        crashpoints.install({"REMIT_CRASH_AT": moment}, production=False)
        ask(api, asked)
        time.sleep(0.2)  # a write that nobody waits for may come after the answer
        crash.install(None)


def after(home: Path, asked: dict[str, Any]) -> None:
    """What is there now, and what the same order answers: twice, for the second time must not do it again."""
    with serving(home, engine=asked["engine"]) as api:
        wrong = api.runtime.store.view(half_made)
        again = [ask(api, asked), ask(api, asked)]
        report = api.runtime.store.verify()
        wrong += [str(each) for each in report.discrepancies]
        wrong += api.runtime.store.view(half_made)
        tell(wrong=wrong, again=again)


def serve() -> None:
    """Run trials as they are asked for, each in a process of its own."""
    for line in sys.stdin:
        prints, *argv = json.loads(line)
        if (pid := os.fork()) == 0:
            into = os.open(prints, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(into, 1)
            os.dup2(into, 2)
            code = 1
            try:
                main(argv)
                code = 0
            except BaseException:  # noqa: BLE001 - the process ends here, and must not read its parent's orders
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def main(argv: list[str]) -> None:
    if not argv:
        serve()
        return
    mode, home, *rest = argv
    place = Path(home)
    if mode == "make":
        with serving(place):
            tell(made=True)
    elif mode == "learn":
        learn(place, *rest)
    elif mode == "die":
        die(place, *rest)
    else:
        after(place, json.loads(rest[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
