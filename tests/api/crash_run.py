"""One trial of the crash drill, in a process of its own that is killed in it.

    python -m tests.api.crash_run make HOME
    python -m tests.api.crash_run build HOME
    python -m tests.api.crash_run learn HOME "POST /api/v1/teams"
    python -m tests.api.crash_run die HOME "POST /api/v1/teams" guard.intent:before:1
    python -m tests.api.crash_run after HOME '{"method": ..., what "die" told}'

Each prints one JSON line. With no words it reads them, a JSON list a line, and runs each trial in a process that it
forks: what takes longest is Python's start and Remit's imports. The list begins with the file that gets what the trial
prints; its exit code is answered, below zero for the signal that ended it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from remit.kernel import crash
from remit.settings import Settings
from remit.testing import crashpoints

from . import crash_deploys, crash_orders
from .crash_orders import NOTHING, OPEN, WHOLE, mail
from .half_made import half_made
from .samples import every_sample
from .serving import Api, serving

#: Ends of orders that are about a mission which must have run before, or that an engine carries out.
_RUNNING = ("/branches", "/deployments", "/back", "/attestations", "/cancel", "/queue/{mission}")
KEY = "01900000-0000-7000-8000-000000000001"
ANOTHER_KEY = "01900000-0000-7000-8000-000000000002"
ORDERS = {**crash_orders.ORDERS, **crash_deploys.ORDERS}
#: Orders that send mail.
MAILED = {"POST /api/v1/password/forgotten"}


def tell(**told: Any) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


@contextmanager
def world(home: Path, label: str) -> Generator[Api]:
    """What the order is given to."""
    with ExitStack() as stack:
        notify = (stack.enter_context(mail()),) if label in MAILED else ()
        yield stack.enter_context(serving(home, engine=label.endswith(_RUNNING), notify=notify))


def prepared(api: Api, label: str) -> dict[str, Any]:
    """What is asked, about something that was made for it."""
    method, _, path = label.partition(" ")
    sample = ORDERS[label].sample if label in ORDERS else every_sample()[method, path]
    made = api.do(lambda: sample.make(api))
    return {
        "label": label,
        "made": made,
        "path": path.format(**made) + sample.query.format(**made),
        "body": None if sample.body is None else sample.body(made),
        "token": made.get("bearer") or api.key("owner"),
    }


def ask(api: Api, asked: dict[str, Any], key: str = KEY) -> dict[str, Any]:
    """The answer; what goes on after it has ended, too."""
    client = api.open(asked["token"])
    method, _, _ = asked["label"].partition(" ")
    reply = client.ask(method, asked["path"], asked["body"], idempotency_key=key)
    if api.runtime.entrance.resets is not None:
        api.do(api.runtime.entrance.resets.settled)
    told = reply.json if reply.body else {}
    return {"status": reply.status, "code": told.get("code", ""), "body": reply.body.decode()}


def stands(api: Api, asked: dict[str, Any]) -> str:
    """What is there of the order; nothing is told of one that only samples know."""
    label = asked["label"]
    return ORDERS[label].stands(api, asked["made"]) if label in ORDERS else ""


def learn(home: Path, label: str) -> None:
    """Which writes the order reaches."""
    with world(home, label) as api, tempfile.TemporaryDirectory() as folder:
        asked = prepared(api, label)
        api.owner.get("/api/v1/teams")
        log = Path(folder) / "log"
        before = stands(api, asked)
        crashpoints.install({"REMIT_CRASH_LOG": str(log)}, production=False)
        answer = ask(api, asked)
        crash.install(None)
        moments = log.read_text(encoding="utf-8").split()
        tell(answer=answer, before=before, stands=stands(api, asked), moments=moments)


def die(home: Path, label: str, moment: str) -> None:
    """Ask, and die on the way."""
    with world(home, label) as api:
        asked = prepared(api, label)
        api.owner.get("/api/v1/teams")
        tell(**asked)
        crashpoints.install({"REMIT_CRASH_AT": moment}, production=False)
        ask(api, asked)
        time.sleep(0.2)  # a write that nobody waits for may come after the answer
        crash.install(None)


def after(home: Path, asked: dict[str, Any]) -> None:
    """What is there now, and what the same order answers: twice, for the second time must not do it again."""
    with world(home, asked["label"]) as api:
        wrong = api.runtime.store.view(half_made)
        left = stands(api, asked)
        again = [ask(api, asked), ask(api, asked)]
        wrong += _ended(api, asked, left, again[0])
        report = api.runtime.store.verify()
        wrong += [str(each) for each in report.discrepancies]
        wrong += api.runtime.store.view(half_made)
        tell(wrong=wrong, again=again)


def _ended(api: Api, asked: dict[str, Any], left: str, first: dict[str, Any]) -> list[str]:
    """What is wrong with how the order stands: after the death, after the same order, after a new one if need be."""
    order = ORDERS.get(asked["label"])
    if order is None:
        return []
    now = stands(api, asked)
    wrong = [each for each in (left, now) if each not in {NOTHING, WHOLE, OPEN}]
    if first["status"] < 300 and order.promises and now != WHOLE:
        wrong.append(f"answered {first}, and {now} is there")
    if first["status"] >= 300 and now != left:
        wrong.append(f"answered {first}, and {now} is there where {left} was")
    if wrong or now == WHOLE:
        return wrong
    renewed = asked["made"] if order.renew is None else api.do(lambda: order.renew(api, asked["made"]))
    body = None if order.sample.body is None else order.sample.body(renewed)
    anew = ask(api, {**asked, "body": body}, key=ANOTHER_KEY)
    now = stands(api, asked)
    return [] if anew["status"] < 300 and now == WHOLE else [f"ordered anew: {anew}, and {now} is there"]


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
    elif mode == "build":
        asyncio.run(crash_deploys.build(Settings(home=place)))
        tell(built=True)
    elif mode == "learn":
        learn(place, *rest)
    elif mode == "die":
        die(place, *rest)
    else:
        after(place, json.loads(rest[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
