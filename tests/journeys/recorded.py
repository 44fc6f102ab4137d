"""Every journey a person can take with a mission, once, with the name of every write recorded on the way."""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from remit.adapters.store.migrate import alembic_config
from remit.testing.drill import DATABASE, PACK, Drill, Ran, until

SHOP = "remit.testing.shop:PACK"
PROVE = os.environ.get("REMIT_PROVE") == "1"
#: The same moments are tried every time; a proof tries those of its day. DRILL_SEED=... repeats a day's.
SEED = os.environ.get("DRILL_SEED") or (f"{datetime.now(UTC):%Y-%m-%d}" if PROVE else "remit")
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

_SOURCE = Path(__file__).parents[2] / "src"

#: Writes that only a server makes: `tests/api/test_crash.py` dies at them.
SERVED = frozenset({"api.answer", "api.repeat", "edge.rates"})

#: Orders that are no mission's, given one after the other at the end: (exit code, words). ``MISSION`` is the last run's
#: id. Each room adds those that reach its own writes.
ADMINISTRATION: tuple[tuple[int, str], ...] = (
    # accounts
    (0, "users add bob --email bob@example.com --role admin"),
    (0, "teams create red --billing bills@example.com"),
    (0, "teams invite red --email zoe@example.com"),
    (3, "teams accept no-such-token"),
    (0, "teams policy --team red --clear"),
    (0, "agents register scout --team red --effect tool"),
    (0, "agents update scout --tool search"),
    (0, "agents pause red --scope team --reason drill"),
    (0, "breakglass request 'team red' --for scout --reason drill"),
    (0, "agents resume red --scope team --reason over"),
    (0, "agents retire scout --reason over"),
    (0, "teams delete red"),
    (0, "plan set pro"),
    (0, "workspaces create lab --team crew"),
    (0, "users remove bob"),
    # agents in missions
    (0, "agents register clerk --effect model --effect tool --effect files --tool * --model scripted/*"),
    (0, "run remit.testing.desk:PACK probe.json"),
    # telemetry
    (0, "telemetry turn feedback on --reason drill"),
    (0, "telemetry feedback 4 --comment drill"),
    (0, "telemetry forget --reason over"),
    # signing in
    (0, "users link owner"),
    (0, "users sessions"),
    (0, "users signout owner"),
    (0, "apikeys create drill --scope read"),
    (2, "apikeys revoke nothing"),
    # keys and the gateway's policy
    (0, "agents register gate --effect model"),
    (0, "keys create drill --agent gate --budget 1"),
    (0, "keys rotate drill --overlap 1h"),
    (0, "keys limit drill --requests 60"),
    (0, "keys policy --set unknown_price=refuse"),
    (0, "keys revoke drill --reason over"),
    # rules, evidence
    (0, "policy attest kyc --reason 'passport seen'"),
    # approvals
    # deployment and presets
    # budgets
    (0, "budget set agent coder 5 --period month"),
    (0, "budget set workspace 100"),
    (0, "budget remove workspace"),
    # kept answers
    (2, "cache show 00000000"),
    (0, "cache clear --reason drill"),
    # secrets
    (0, "secrets set drill --generate"),
    (2, "secrets rotate nothing --generate"),
    (0, "secrets rotate drill --generate"),
    (0, "secrets get drill"),
    (0, "secrets allow drill --agent scout"),
    (0, "secrets deny drill --kind fetch"),
    (0, "secrets deny drill --kind fetch --remove"),
    (0, "secrets check MISSION"),
    (0, "secrets delete drill --reason over"),
    # rates and queue
    (0, "limits set coder.minute --amount 20"),
    (0, "limits set coder.minute --reset"),
    (0, "queue clean --older-than 0s"),
    (0, "queue pause --reason drill"),
    (0, "queue resume --reason 'drill over'"),
    # circuits
    (0, "breakers open tool search --reason drill"),
    (0, "breakers reset tool search --reason 'drill over'"),
    # models: nobody listens on the discard port, so the call fails and its health is written
    (0, "providers add nowhere --base-url http://127.0.0.1:9/v1"),
    (0, "models price nowhere/m --input 0 --output 0"),
    (5, "providers test nowhere --model m"),
    # tool servers: registered, reached (nothing is there), known, accepted, forgotten
    (0, "mcp servers add drill --url http://127.0.0.1:9/mcp"),
    (5, "mcp tools check drill"),
    (0, "mcp servers remove drill"),
    (
        0,
        f"mcp servers add witness --env PYTHONPATH={_SOURCE} {sys.executable} -m remit.testing.mcp_server --calls c",
    ),
    (0, "mcp tools check witness"),
    (0, "mcp tools accept witness echo"),
    # the audit log
    (0, "audit hold case-17 --reason drill --subject customer-4711"),
    (3, "audit erase customer-4711 --reason drill"),
    (0, "audit release case-17 --reason over"),
    (0, "audit erase customer-4711 --reason drill"),
    (0, "audit retain"),
    (0, "audit export audit-export --format csv"),
    (0, "audit verify --scheduled"),
    (0, "audit key rotate --reason drill"),
    (2, "audit acknowledge --reason drill"),
)


#: What only the orders of persons write: those orders take minutes, so they are given under REMIT_PROVE=1.
ORDERED = frozenset(
    {
        "accounts.gateway",
        "accounts.glass",
        "accounts.key",
        "accounts.policy",
        "accounts.team",
        "accounts.user",
        "accounts.workspace",
        "audit.acknowledged",
        "audit.erase",
        "audit.export",
        "audit.hold",
        "audit.key",
        "audit.prune",
        "audit.release",
        "audit.verified",
        "backup.archive",
        "backup.taken",
        "deploy.back",
        "deploy.evidence",
        "deploy.prune",
        "deploy.record",
        "deploy.release",
        "deploy.settle",
        "deploy.stage",
        "deploy.switch",
        "fetch.hop",
        "fetch.request",
        "guard.approval",
        "guard.budget",
        "guard.delegation",
        "guard.evidence",
        "guard.expiry",
        "guard.limit",
        "guard.notice",
        "guard.rules",
        "mcp.accept",
        "mcp.server",
        "mcp.tools",
        "models.cache",
        "models.health",
        "models.set",
        "step.recorded",
        "telemetry.event",
        "telemetry.forget",
        "telemetry.switch",
        "queue.clean",
        "queue.enter",
        "queue.give_back",
        "queue.move",
        "queue.pause",
        "queue.refused",
        "queue.take",
        "queue.worker",
        "restore.held",
        "restore.place",
        "secret.policy",
        "secret.retire",
        "secret.seen",
        "secret.set",
        "secret.told",
        "secret.use",
        "secrets.file",
        "sign_in.api_key",
        "sign_in.factor",
        "sign_in.identity",
        "sign_in.link",
        "sign_in.password",
        "sign_in.refresh",
        "sign_in.seen",
        "sign_in.session",
        "sign_in.try",
        "upgrade.copy",
        "upgrade.done",
    }
)


@dataclass(slots=True)
class Recorded:
    """What each command printed and which moments it reached, by a name of ours."""

    ran: dict[str, Ran] = field(default_factory=dict[str, Ran])
    moments: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def tree(self, name: str) -> str:
        """The tree that a command told."""
        return str(self.ran[name].json()["tree"])


def record(drill: Drill) -> Recorded:
    """Take every journey on one home."""
    found = Recorded()

    def took(name: str, ran: Ran, *, code: int = 0) -> Ran:
        assert ran.code == code, f"{name}: exit code {ran.code}\n{ran.out}\n{ran.err}"
        reached = drill.recorded()
        seen = sum(map(len, found.moments.values()))
        found.ran[name], found.moments[name] = ran, reached[seen:]
        return ran

    def go(name: str, *words: object, code: int = 0) -> str:
        return str(took(name, drill.remit(*words, record=True), code=code).json().get("mission", ""))

    took("fresh", drill.remit("run", PACK, drill.intake(), record=True))
    shutil.rmtree(drill.home)  # the same again in two commands
    go("init", "init")
    mission = go("run", "run", PACK, drill.intake())
    go("branch", "branch", mission, "--from", "feature-red")
    go("feature", "rollback", mission, "--feature", "red")
    go("from", "resume", mission, "--from", "join")
    go("to", "rollback", mission, "--to", "start")
    go("all", "rollback", mission)
    go("again", "resume", mission)
    go("retried", "run", PACK, drill.intake(flaky=2))
    failed = go("failed", "run", PACK, drill.intake(fail=True), code=1)
    go("failed again", "resume", failed, code=1)
    took("crash", drill.remit("run", PACK, drill.intake(), at="step.finish:before:3"), code=-9)
    go("resume", "resume", drill.look().mission)
    go("kill", "kill", "coder", "--reason", "drill")
    refused = go("refused", "run", PACK, drill.intake(), code=3)
    go("unkill", "unkill", "coder", "--reason", "drill over")
    go("let go on", "resume", refused)
    go("breaker", "run", PACK, drill.intake(knock=6, away="http://127.0.0.1:9", features=[]))
    slow = drill.start("run", PACK, drill.intake(sleep_s=60), record=True)
    until(lambda: "sleep" in drill.look().bodies, what="the command of the mission to be cancelled")
    took("cancel", drill.remit("cancel", drill.look().mission, record=True))
    took("cancelled", drill.ended(slow), code=1)
    if PROVE:
        _deployments(drill, took)
        _approvals(drill, took)
        _queue(drill, took)
        _secrets(drill, took)
        _fetches(drill, took)
        _sign_in(drill, took)
        for code, words in ADMINISTRATION:
            go(words, *(mission if word == "MISSION" else word for word in shlex.split(words)), code=code)
        _alarm(drill, took)
        _recovery(drill, took)
    return found


def _alarm(drill: Drill, took: Callable[..., Ran]) -> None:
    """Somebody changes the log behind Remit's back, which is found; it is changed back, and a person has looked."""

    def place(workspace: str, seq: int) -> None:
        """Say whose a payload is, as somebody with the file could: the triggers that guard it are put back."""
        with closing(sqlite3.connect(drill.home / DATABASE, isolation_level=None)) as connection:
            guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for name, _ in guards:
                connection.execute(f'DROP TRIGGER "{name}"')
            connection.execute("UPDATE audit_payload SET workspace = ? WHERE seq = ?", (workspace, seq))
            for _, text in guards:
                connection.execute(text)

    with closing(sqlite3.connect(drill.home / DATABASE)) as connection:
        seq, whose = connection.execute("SELECT seq, workspace FROM audit_payload ORDER BY seq DESC").fetchone()
    place("elsewhere", seq)
    time.sleep(1)  # so long ago must the one before have been
    due = drill.remit("audit", "verify", "--scheduled", record=True, REMIT_AUDIT_VERIFY_EVERY_S="1")
    took("alarm", due, code=1)
    place(whose, seq)
    took("alarm acknowledged", drill.remit("audit", "acknowledge", "--reason", "drill", record=True))


def _recovery(drill: Drill, took: Callable[..., Ran]) -> None:
    """The home is backed up, lost and restored; then a newer version finds it."""
    backup = drill.folder / "home.backup"
    took("backup", drill.remit("backup", backup, "--with-keys", record=True))
    drill.home.rename(drill.folder / "lost")
    took("restore", drill.remit("restore", backup, record=True))
    engine = create_engine(f"sqlite:///{drill.home / 'remit.db'}", poolclass=NullPool)
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0020")
    engine.dispose()
    took("upgrade", drill.remit("upgrade", record=True))


def _deployments(drill: Drill, took: Callable[..., Ran]) -> None:
    """A release is asked for, approved, live, not answering and switched back, half-done and settled, taken back."""
    site = drill.folder / "site"
    site.mkdir(mode=0o755)
    shops: list[str] = []
    for greeting in ("one", "two"):
        given = drill.intake(f"{greeting}.json", greeting=greeting)
        shops.append(str(took(f"shop {greeting}", drill.remit("run", SHOP, given, record=True)).json()["mission"]))
        words = ("policy", "attest", "review", "--mission", shops[-1], "--reason", "drill")
        took(f"review {greeting}", drill.remit(*words, record=True))

    def ask(name: str, shop: str, *, code: int = 0, at: str = "") -> Ran:
        return took(name, drill.remit("deploy", shop, "--to", site, at=at, record=True), code=code)

    def approved(name: str, shop: str, *, code: int = 0, at: str = "") -> Ran:
        waits = ask(f"{name}, asked", shop, code=4).json()
        took(f"{name}, approved", drill.remit("approve", waits["approval"], record=True))
        return ask(name, shop, code=code, at=at)

    approved("deploy", shops[0])
    (site / "closed").touch()
    approved("deploy, switched back", shops[1], code=1)
    (site / "closed").unlink()
    approved("deploy, killed", shops[1], code=-9, at="deploy.switch:after")
    ask("deploy, settled", shops[1])
    took("deployments", drill.remit("deploy", "--to", site, "--status", record=True))
    took("deployment taken back", drill.remit("rollback", shops[1], record=True))
    took("presets", drill.remit("presets", record=True))


def _approvals(drill: Drill, took: Callable[..., Ran]) -> None:
    """Ask people, be allowed, be heard by nobody, hand a right on in vain."""
    words = ("run", PACK, drill.intake(ship_usd=12, features=[]), "--budget", "100")
    desk = '[{"name": "desk", "kind": "console"}]'
    asked = took("asks", drill.remit(*words, record=True, REMIT_NOTIFY=desk), code=4)
    took("approve", drill.remit("approve", asked.json()["mission"], record=True))
    took("asks in vain", drill.remit(*words, record=True, REMIT_APPROVAL_HOURS="0.005"), code=4)
    time.sleep(18)  # as long as that
    took("expired", drill.remit("approvals", record=True))
    took("delegate", drill.remit("delegate", "nobody", "--days", "1", record=True), code=2)


def _secrets(drill: Drill, took: Callable[..., Ran]) -> None:
    """Use a secret in a command, be told of its first use through a channel whose key is one too."""
    took("secret", drill.remit("secrets", "set", "given", "--generate", record=True))
    took("channel's secret", drill.remit("secrets", "set", "hook", "--generate", record=True))
    took("secret allowed", drill.remit("secrets", "allow", "given", "--agent", "coder", record=True))
    hook = {"name": "hook", "kind": "webhook", "url": f"{drill.witness}/hook", "secret": "secret://hook"}
    words = ("run", PACK, drill.intake(secret="secret://given", features=[]))
    took("secret used", drill.remit(*words, record=True, REMIT_NOTIFY=json.dumps([hook])))


def _fetches(drill: Drill, took: Callable[..., Ran]) -> None:
    """Ask a port of this machine where nobody listens: judged, counted, recorded, given up."""
    rules = drill.folder / "fetch.yaml"
    rules.write_text("lists: {fetch.allow: [+127.0.0.1]}\n")
    took("rules of fetches", drill.remit("policy", "save", rules, "--reason", "drill", record=True))
    opened = {"REMIT_FETCH_PRIVATE": "127.0.0.0/8", "REMIT_FETCH_PORTS": "9"}
    took("fetch", drill.remit("fetch", "http://127.0.0.1:9/", record=True, **opened), code=5)


#: Ten missions for any worker, and one more than the free plan lets wait.
FILL = """
import asyncio, os, sys
from remit.testing import crashpoints
crashpoints.install(os.environ, production=False)
from remit.bootstrap import open_runtime
from remit.kernel.errors import RateLimited
from remit.settings import load
settings, _ = load(flags={"home": sys.argv[1]})
pack = "remit.testing.probe:PACK"
async def fill():
    async with open_runtime(settings, pack=pack) as runtime:
        await runtime.start()
        made = []
        for number in range(11):
            try:
                made.append(await runtime.missions.create(
                    settings.workspace, pack, b"{}", name="in.json", originator=runtime.owner, queue=True
                ))
            except RateLimited:
                assert number == 10, number
        for mission in made[1:]:
            await runtime.missions.cancel(settings.workspace, mission, actor=runtime.owner)
    print('{"mission": "%s"}' % made[0])
asyncio.run(fill())
"""


#: What people do with a console and programs: a first password, tokens, a second factor, a key, a provider.
SIGN_IN = """
import asyncio, os, sys
import pyotp
from remit.testing import crashpoints
crashpoints.install(os.environ, production=False)
from remit.accounts.api_keys import create_api_key
from remit.accounts.entrance import Visit
from remit.accounts.links import make_link, use_link
from remit.accounts.oidc import sign_in_verified
from remit.accounts.provider import Verified
from remit.accounts.refresh_tokens import refresh
from remit.accounts.sessions import SessionKind, end_sessions
from remit.accounts.signing_in import change_password, sign_in, turn_factor_off
from remit.accounts.totp import begin_factor, confirm_factor
from remit.bootstrap import open_runtime
from remit.settings import load
settings, _ = load(flags={"home": sys.argv[1]})
words, others, here = "three quiet lanterns drift", "seven loud kettles dance", Visit("192.0.2.7")
async def enter():
    async with open_runtime(settings) as runtime:
        gate, of, who = runtime.entrance, settings.workspace, runtime.owner
        link = await make_link(gate, who.id, workspace=of, by=who, own=True)
        await use_link(gate, link.token, words, visit=here)
        signed = await sign_in(gate, who.id, words, workspace=of, visit=here, kind=SessionKind.PROGRAM)
        await refresh(gate, signed.tokens.refresh)
        begun = await begin_factor(gate, workspace=of, by=who)
        await confirm_factor(gate, pyotp.TOTP(begun.secret).now(), workspace=of, by=who)
        await turn_factor_off(gate, words, workspace=of, by=who, visit=here)
        await change_password(gate, words, others, workspace=of, by=who, visit=here)
        key = await create_api_key(gate, "drill", workspace=of, by=who, scopes=["read"])
        assert await gate.sign_in.key(key.token) is not None
        told = Verified("https://issuer.example", "7", "zoe@example.com", email_verified=True)
        await sign_in_verified(gate, told, workspace=of, visit=here, domains=frozenset({"example.com"}))
        await end_sessions(gate, workspace=of, by=who)
asyncio.run(enter())
"""


def _sign_in(drill: Drill, took: Callable[..., Ran]) -> None:
    """Come in by everything there is."""
    argv = [sys.executable, "-c", SIGN_IN, str(drill.home)]
    environ = os.environ | {"REMIT_CRASH_LOG": str(drill.moments)}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environ, timeout=120)
    took("signed in", Ran(done.returncode, done.stdout, done.stderr))


def _queue(drill: Drill, took: Callable[..., None]) -> None:
    """Fill the queue, be refused, cancel all but one, move that up, let a worker take it."""
    argv = [sys.executable, "-c", FILL, str(drill.home)]
    environ = os.environ | {"REMIT_CRASH_LOG": str(drill.moments)}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environ, timeout=120)
    filled = Ran(done.returncode, done.stdout, done.stderr)
    took("queue filled", filled)
    first = str(filled.json()["mission"])
    took("queue moved", drill.remit("queue", "move", first, "--priority", "critical", record=True))
    worker = drill.start("worker", "--concurrency", "1", record=True)
    until(lambda: drill.remit("show", first).json()["status"] == "succeeded", what="a worker to run what waits")
    worker.send_signal(signal.SIGTERM)
    took("worker", drill.ended(worker))


def sample(moments: list[str], size: int, *, name: str, every: bool = False) -> list[str]:
    """Moments to die at: all (``every``), under REMIT_PROVE=1 the first and last of each point and side, or a few."""
    if PROVE and every:
        return moments
    first: dict[str, str] = {}
    last: dict[str, str] = {}
    for moment in moments:
        key = moment.rpartition(":")[0]
        first.setdefault(key, moment)
        last[key] = moment
    chosen = sorted({*first.values(), *last.values()})
    return chosen if PROVE else random.Random(f"{SEED} {name}").sample(chosen, min(size, len(chosen)))


def folder(base: Path, moment: str) -> Path:
    """A folder for the drill at one moment."""
    return base / moment.replace(":", "-")
