"""One trial of the crash drill, in a process of its own that is killed in it.

    python -m tests.api.crash_run make HOME
    python -m tests.api.crash_run learn HOME "POST /api/v1/teams"
    python -m tests.api.crash_run die HOME "POST /api/v1/teams" guard.intent:before:1
    python -m tests.api.crash_run after HOME '{"method": ..., what "die" told}'

Each prints one JSON line.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from remit.kernel import crash
from remit.testing import crashpoints

from .half_made import half_made
from .samples import every_sample
from .serving import Api, serving

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
        "path": path.format(**made) + sample.query,
        "body": body,
        "ok": sorted(sample.ok),
        "token": api.key("owner"),
    }


def ask(api: Api, asked: dict[str, Any]) -> tuple[int, str]:
    client = api.open(asked["token"])
    reply = client.ask(asked["method"], asked["path"], asked["body"], idempotency_key=KEY)
    return reply.status, str(reply.json.get("code", "")) if reply.body else ""


def _runs(label: str) -> bool:
    """Whether what is asked about must have run before."""
    return label.endswith(("/branches", "/deployments"))


def learn(home: Path, label: str) -> None:
    """Which writes the order reaches."""
    with serving(home, engine=_runs(label)) as api, tempfile.TemporaryDirectory() as folder:
        asked = prepared(api, label)
        api.owner.get("/api/v1/teams")
        log = Path(folder) / "log"
        crashpoints.install({"REMIT_CRASH_LOG": str(log)}, production=False)
        status, _ = ask(api, asked)
        crash.install(None)
        tell(status=status, moments=log.read_text(encoding="utf-8").split())


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
    with serving(home) as api:
        wrong = api.runtime.store.view(half_made)
        again = [ask(api, asked), ask(api, asked)]
        report = api.runtime.store.verify()
        wrong += [str(each) for each in report.discrepancies]
        wrong += api.runtime.store.view(half_made)
        tell(wrong=wrong, again=again)


def main(argv: list[str]) -> None:
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
