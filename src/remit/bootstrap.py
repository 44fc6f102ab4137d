"""The one place that wires everything: settings, store, engine, guard, adapters, packs.

Promise: whoever wants a running Remit asks here, and no other module knows both a port and the adapter behind it.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import platform
import random
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, cast
from weakref import WeakSet

from remit.adapters.store.keyfile import KeyFile, create_key, create_payload_key, parse_payload_key
from remit.adapters.store.origin import process_origin
from remit.adapters.store.shown import Masking
from remit.audit.keyring import Keyring
from remit.kernel import correlation, crash, tracing
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import Clock, SystemClock, micros_of
from remit.kernel.effects import Deploy
from remit.kernel.errors import Conflict, IntegrityError, InvalidInput, NotFound, RemitError, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.money import usd
from remit.kernel.ports import Adapter, ReadTx, Tx
from remit.kernel.references import parse
from remit.redact import sinks
from remit.settings import Settings, abroad, quorums, words
from remit.settings import load as load_settings

if TYPE_CHECKING:
    from remit.accounts.agents import Agent
    from remit.accounts.entrance import Entrance
    from remit.accounts.sign_in import SignIn
    from remit.adapters.agents.agent import Governed, Opened
    from remit.adapters.agents.library import AbstractAgent
    from remit.adapters.agents.steps import agent_step
    from remit.adapters.backup.restoring import Restored
    from remit.adapters.backup.taking import Taken
    from remit.adapters.backup.upgrading import Upgraded
    from remit.adapters.engine import DurableEngine, ExecutorLocks
    from remit.adapters.export.orders import check_export, erase_person, export_log
    from remit.adapters.mcp.tools import McpTools
    from remit.adapters.providers.wiring import ModelRoom
    from remit.adapters.scan import sources as scan_sources
    from remit.adapters.scan import written as scan_written
    from remit.adapters.secrets.wiring import find_leaks, known_values
    from remit.adapters.store.postgres import PostgresStore
    from remit.adapters.store.rotation import Rotated
    from remit.adapters.store.sqlite import SqliteStore
    from remit.adapters.witness.cosigning import Cosigned
    from remit.adapters.witness.timestamps import Stamped
    from remit.audit.report import LogReader, Report
    from remit.guard.approval_notices import Notices
    from remit.guard.approval_terms import ApprovalTerms
    from remit.guard.breaker import Numbers
    from remit.guard.faults import Faults, Scenario
    from remit.guard.guard import Guard
    from remit.guard.permit import Terms
    from remit.guard.personal_terms import PersonalTerms
    from remit.guard.records import Past
    from remit.guard.secrets_orders import Order
    from remit.guard.secrets_provider import Secrets
    from remit.guard.why_log import Prove, Standing
    from remit.missions.deployments import Deployments
    from remit.missions.deps import Performed
    from remit.missions.pack import Pack
    from remit.missions.queue_worker import Worker
    from remit.missions.rows import ChildRow
    from remit.missions.service import Missions
    from remit.operations.checkup import Check, Trouble
    from remit.redact.redactor import Redactor

#: What the command line orders of the audit log and of secrets, for those who may not know the adapters; and what
#: ``remit scan`` reads and writes with, which needs no home and wires nothing.
_ELSEWHERE: Final = MappingProxyType(
    {
        "check_export": "remit.adapters.export.orders:check_export",
        "erase_person": "remit.adapters.export.orders:erase_person",
        "export_log": "remit.adapters.export.orders:export_log",
        "find_leaks": "remit.adapters.secrets.wiring:find_leaks",
        "known_values": "remit.adapters.secrets.wiring:known_values",
        "scan_sources": "remit.adapters.scan.sources:",
        "scan_written": "remit.adapters.scan.written:",
    }
)
__all__ = [
    "agent_step",
    "check_export",
    "erase_person",
    "export_log",
    "find_leaks",
    "known_values",
    "scan_sources",
    "scan_written",
]

_log = logging.getLogger(__name__)

type Store = SqliteStore | PostgresStore

DATABASE = "remit.db"
ENGINE_DATABASE = "engine.db"
KEY = "audit.key"
MASK_KEY = "mask.key"
HEADS = "heads.log"
PAYLOAD_KEY = "payload.key"
LOCKS = "executors"
SERVING = "remit-up"  # the lock of whoever serves a home
DEPLOYS = "deploys"
WITNESSED = "witness.log"
STAMPED = "timestamps.log"
PRIVATE = 0o700
#: What is written to the store is masked with all that this process knows.
MASKING = Masking(sinks.mask, partial(sinks.mask_tree, names=False))
SYSTEM = Principal(ActorKind.SYSTEM, "worker")
LOOK_SECONDS = 60.0  # between looks at whether a verification is due
HOST = platform.node() or "localhost"
TEND_S = 2.0  # seconds between the rounds of ``Runtime.tend``
LEDGER_ROUNDS = 30  # of them between looks for reservations that nobody will settle: a minute


def make_home(settings: Settings) -> bool:
    """Make the home folder (mode 0700) with its keys, unless they are there; whether anything was made.

    Raises:
        Conflict: The path is taken by something that is no folder.
        NotFound: There is a log without its key: a new key would never verify it.
        Unavailable: The folder can't be made or written.
    """
    home = settings.home
    fresh = not (home / KEY).exists()
    if fresh and any((home / name).exists() for name in (DATABASE, HEADS)):
        message = f"The home {home} holds an audit log, but its signing key {KEY} is gone."
        raise NotFound(message, code="audit.key", hint=f"restore {home / KEY} from its backup, or use another --home")
    try:
        crash.reach("home.folder:before")
        home.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        home.chmod(PRIVATE)
        settings.missions.mkdir(mode=PRIVATE, exist_ok=True)
        crash.reach("home.folder:after")
        crash.reach("home.keys:before")
        create_key(home / KEY)
        create_payload_key(home / PAYLOAD_KEY)
        _create_mask_key(home / MASK_KEY)
        crash.reach("home.keys:after")
    except FileExistsError as error:
        message = f"{home} is there already and is no folder."
        raise Conflict(message, hint="choose another place: --home DIR") from error
    except OSError as error:
        message = f"The home folder {home} can't be written: {error.strerror}."
        raise Unavailable(message, hint="choose another place: --home DIR") from error
    return fresh


def _create_mask_key(path: Path) -> None:
    """The key of the masks' suffixes, whole or not at all: written beside, then linked into place."""
    if path.exists():
        return
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(32))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def rotate_log_key(
    settings: Settings, store: Store, *, by: Principal, reason: str, allow: Callable[[ReadTx], None]
) -> Rotated:
    """Change the key that signs the audit log, see ``adapters.store.rotation``."""
    from remit.adapters.store.rotation import rotate_key

    return rotate_key(store, KeyFile(settings.home / KEY), by=by, reason=reason, allow=allow)


def prover(store: Store) -> Prove:
    """What checks an entry's inclusion under the newest signed checkpoint, for ``guard.why``."""
    from remit.audit.query import prove
    from remit.guard.why_log import Standing

    verifiers = store.verifiers

    def standing(tx: ReadTx, seq: int) -> Standing:
        try:
            prove(cast("LogReader", tx), seq, verifiers=verifiers)  # what every store's read transaction is
        except NotFound:
            return Standing.UNSIGNED
        except IntegrityError:
            return Standing.BROKEN
        return Standing.PROVED

    return standing


def ask_witness(settings: Settings, store: Store) -> Cosigned:
    """Have the configured witness cosign the newest head.

    Raises:
        InvalidInput: None is configured.
    """
    from remit.adapters.witness.cosigning import witness_head
    from remit.audit.cosignature import parse_witness

    if not (settings.witness_url and settings.witness_key):
        message = "No witness is configured."
        raise InvalidInput(message, hint="set witness_url and witness_key in remit.toml")
    witness = parse_witness(settings.witness_key)
    return witness_head(store, settings.home / WITNESSED, url=settings.witness_url, witness=witness)


def ask_timestamp(settings: Settings, store: Store) -> Stamped:
    """Have the configured authority stamp the newest head.

    Raises:
        InvalidInput: None is configured.
    """
    from remit.adapters.witness.timestamps import stamp_head

    if not (settings.timestamp_url and settings.timestamp_ca):
        message = "No time stamp authority is configured."
        raise InvalidInput(message, hint="set timestamp_url and timestamp_ca in remit.toml")
    root = Path(settings.timestamp_ca)
    return stamp_head(store, settings.home / STAMPED, url=settings.timestamp_url, root_certificate=root)


async def verify_if_due(store: Store, clock: Clock, *, every_s: int) -> Report | None:
    """Run the verification that is due, if one is, and log what it found; see ``audit.schedule``."""
    from remit.audit.schedule import due, record_verified

    found = await store.read(lambda tx: due(tx, now_us=micros_of(clock.now()), every_s=every_s))
    if found is None:
        return None
    report = await asyncio.to_thread(store.verify, start=found.start)
    await store.commit("audit.verified", lambda tx: record_verified(tx, report, found))
    if not report.ok:
        named = "; ".join(str(each) for each in report.discrepancies[:3])
        _log.error("the audit log was changed: %s (remit audit verify)", named)
    return report


async def verify_now(store: Store, *, by: Principal, allow: Callable[[ReadTx], None]) -> Report:
    """Verify the whole log because somebody asks, and log what was found; one at a time in a process.

    Raises:
        Refused: ``by`` may not, as ``allow`` says.
        Conflict: Another one is under way.
    """
    from remit.accounts.access import reading
    from remit.audit.schedule import Due, record_verified

    await reading(store, allow)
    if store in _VERIFYING:
        message = "The log is being verified at this moment; its result will be an entry of the log."
        raise Conflict(message, code="audit.verifying", hint="remit audit show --action audit.verified")
    _VERIFYING.add(store)
    try:
        report = await asyncio.to_thread(store.verify)
    finally:
        _VERIFYING.discard(store)
    await store.commit("audit.verified", lambda tx: record_verified(tx, report, Due(0), by=by))
    return report


_VERIFYING: WeakSet[Store] = WeakSet()  # those that are being verified because somebody asked


async def verify_on_schedule(store: Store, clock: Clock, *, every_s: int) -> None:
    """Verify whenever it is due, until cancelled; a store that doesn't answer is asked again later."""
    while every_s:
        try:
            await verify_if_due(store, clock, every_s=every_s)
        except RemitError as error:
            _log.error("the audit log could not be verified: %s", error)
        await asyncio.sleep(min(every_s, LOOK_SECONDS))


def mask_key(settings: Settings) -> bytes:
    """The key of this install's masks."""
    return (settings.home / MASK_KEY).read_bytes()


def make_redactor(settings: Settings) -> Redactor:
    """This install's redactor, with what the settings say about personal data."""
    from remit.redact.redactor import Redactor

    regions = words(settings.phone_regions)
    return Redactor(mask_key(settings), regions=regions, personal="logs" in words(settings.personal_data))


def personal_terms(settings: Settings) -> PersonalTerms:
    """What the settings say about personal data on its way to models and tools."""
    from remit.guard.personal_terms import PersonalTerms

    asked = words(settings.personal_data)
    tools = frozenset(words(settings.personal_tools))
    also = None
    if settings.personal_analyzer:
        from remit.adapters.personal.presidio import Presidio

        also = Presidio(settings.personal_analyzer).find
    return PersonalTerms("models" in asked, tools, words(settings.phone_regions), also)


def payload_key(settings: Settings) -> bytes:
    """The key that wraps the audit payloads' keys: ``REMIT_PAYLOAD_KEY`` (base64), else a file in the home.

    A home of an older version gets its file here; a store whose keys were wrapped under another one refuses it.
    """
    given = os.environ.get("REMIT_PAYLOAD_KEY")
    return parse_payload_key(given) if given else create_payload_key(settings.home / PAYLOAD_KEY)


def check_home(settings: Settings) -> None:
    """Refuse a folder that is no home.

    Raises:
        NotFound: No home was made there.
    """
    if not (settings.home / KEY).is_file():
        message = f"There is no Remit home at {settings.home}."
        raise NotFound(message, code="home.missing", hint=f"remit init --home {settings.home}")


def open_entrance(settings: Settings, store: Store) -> Entrance:
    """Signing in, for commands that administer it without a runtime."""
    from remit.adapters.identity.wiring import make_entrance

    return make_entrance(settings, store, home_key=payload_key(settings), clock=SystemClock())


def secrets_order(settings: Settings, store: Store, redactor: Redactor, *, by: Principal) -> Order:
    """What an order about secrets is given with; every value that it reads is registered with ``redactor`` first."""
    from remit.adapters.secrets.wiring import make_order
    from remit.redact.redactor import Redactor

    mask = Redactor(mask_key(settings))
    key = payload_key(settings)
    return make_order(settings, store, redactor, key=key, by=by, mask=lambda text: mask.mask(redactor.mask(text)))


def where_kept(settings: Settings) -> dict[str, list[str]]:
    """Every secret that can be got now, with the backends that have it."""
    from remit.adapters.secrets.wiring import where_kept as _where_kept

    return _where_kept(settings, key=payload_key(settings))


def make_store(settings: Settings) -> Store:
    """The store that the settings name, not yet migrated.

    Raises:
        NotFound: No home was made there.
    """
    check_home(settings)
    key_file = KeyFile(settings.home / KEY)
    signers = key_file.read().signers
    heads = settings.home / HEADS
    keys = Keyring(payload_key(settings), shared=bool(settings.store_url))
    if settings.store_url:
        from remit.adapters.store.postgres import PostgresStore

        return PostgresStore(
            settings.store_url,
            signers,
            heads=heads,
            keys=keys,
            key_file=key_file,
            origin=process_origin,
            masking=MASKING,
        )
    from remit.adapters.store.sqlite import SqliteStore

    return SqliteStore(
        settings.home / DATABASE,
        signers,
        heads=heads,
        keys=keys,
        key_file=key_file,
        origin=process_origin,
        masking=MASKING,
    )


@contextmanager
def open_store(settings: Settings, *, migrate: bool = True) -> Generator[Store]:
    """The store, migrated and closed afterwards: for commands that read, verify or administer."""
    store = make_store(settings)
    try:
        if migrate:
            store.migrate()
        yield store
    finally:
        store.close()


def metrics_text(store: Store, settings: Settings) -> str:
    """The workspace's figures in Prometheus' exposition format."""
    from remit.adapters.telemetry.metrics import text

    return text(store, settings.workspace)


def metrics_samples(store: Store, settings: Settings) -> list[dict[str, object]]:
    """The same figures as data."""
    from remit.adapters.telemetry.metrics import samples

    return samples(store, settings.workspace)


def json_log_formatter() -> logging.Formatter:
    """Log lines as JSON, see docs/logs.md."""
    from remit.adapters.telemetry.logging import json_formatter

    return json_formatter()


@contextmanager
def traced(settings: Settings) -> Generator[None]:
    """Send spans where the settings say, while this lasts; nothing at all happens without that setting.

    Raises:
        InvalidInput: OpenTelemetry isn't installed, or the file can't be written.
    """
    if not settings.spans:
        yield
        return
    if abroad(settings.spans) and not settings.telemetry:
        message = "The setting 'spans' names another machine, and 'telemetry' is off: nothing is sent there."
        raise InvalidInput(message, code="settings.telemetry", hint="set telemetry = true, or spans to a file")
    from remit.adapters.telemetry.spans import make_spans

    spans = make_spans(settings.spans)
    tracing.install(spans)
    try:
        yield
    finally:
        tracing.install(None)
        spans.close()


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A drill: what fails on purpose, and how patiently that is met. Made by ``remit.testing`` and by tests."""

    scenario: Scenario
    terms: Terms | None = None
    numbers: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Runtime:
    """A wired Remit: the use cases, and what stands behind them for those who only look."""

    settings: Settings
    store: Store
    guard: Guard
    engine: DurableEngine
    missions: Missions
    redactor: Redactor
    clock: Clock
    locks: ExecutorLocks
    worker: Worker
    deployments: Deployments
    notices: Notices
    secrets: Secrets
    models: ModelRoom
    entrance: Entrance
    faults: Faults | None = None

    @property
    def sign_in(self) -> SignIn:
        """Recognises who asks by a session, an access token or an API key."""
        return self.entrance.sign_in

    @property
    def owner(self) -> Principal:
        """The local owner, in whose name the command line acts."""
        return Principal(ActorKind.USER, self.settings.owner)

    @property
    def acting(self) -> Principal:
        """Who gives the orders of the command line: the setting ``user``, or the owner."""
        return Principal(ActorKind.USER, self.settings.acting)

    async def start(self, *, worker: bool = False) -> None:
        """Start the engine; a worker also takes queued missions and those of dead workers."""
        await self.guard.restore(self.settings.workspace)
        await keep_ledger(self.store, self.settings, clock=self.clock, locks=self.locks)
        # A worker's runs are requests of their own; a command's belong to it.
        drive = correlation.request(self.missions.drive) if worker else self.missions.drive
        await self.engine.start(drive, worker=worker)
        if worker:
            threading.Thread(target=self.redactor.warm, name="remit-redact-warm", daemon=True).start()
            await self.worker.start()

    async def stop(self) -> None:
        """Take nothing more, stop the engine, put back what a worker had in hand."""
        await self.worker.halt()
        await self.engine.stop()
        await self.worker.close()

    async def tell_of_budgets(self) -> None:
        """Send people what thresholds of budgets were reached, on every channel that they have."""
        from remit.guard.budget_notices import tell_of_budgets

        names = [channel.name for channel in self.settings.notify]
        await tell_of_budgets(self.guard, self.settings.workspace, names)

    async def tell_of_secrets(self) -> None:
        """Send people what was out of the ordinary about secrets, on every channel that they have."""
        from remit.guard.secrets_notices import tell_of_secrets

        names = [channel.name for channel in self.settings.notify]
        await tell_of_secrets(self.guard, self.settings.workspace, names)

    async def tend(self, *, missions: bool = True) -> None:
        """What a worker does beside missions, for ever: end what expired, tell what was not told, wake who waited.

        Without ``missions`` (a gateway) nobody is woken: here is no worker that they could be queued for.
        """
        from remit.guard.approval_notices import sweep_expired
        from remit.missions.waking import wake

        workspace = self.settings.workspace
        for number in count():
            try:
                if number % LEDGER_ROUNDS == 0:
                    await keep_ledger(self.store, self.settings, clock=self.clock, locks=self.locks)
                    await self.tell_of_budgets()
                    await self.tell_of_secrets()
                    await self.models.health.flush(self.store)
                await sweep_expired(self.store, workspace, clock=self.clock)
                await self.notices.catch_up(workspace)
                if missions:
                    await wake(self.missions, workspace)
            except RemitError as error:  # the next round tries again; said, for nobody waits for an answer here
                _log.warning("a worker's round failed (%s): %s", error.code, error.message)
            await asyncio.sleep(TEND_S)


@asynccontextmanager
async def open_runtime(
    settings: Settings,
    *,
    pack: str = "",
    adapters: Mapping[str, Adapter] | None = None,
    rehearsal: Rehearsal | None = None,
) -> AsyncGenerator[Runtime]:
    """A runtime on an existing home, closed afterwards; the engine is started by whoever runs missions.

    Args:
        settings: The settings in force.
        pack: A pack to load beside the shipped ones, as ``module:attribute``.
        adapters: More adapters, by effect kind; they replace the shipped ones.
        rehearsal: Failures on purpose; drills only.

    Raises:
        NotFound: No home was made there, or the pack can't be found.
        InvalidInput: A rehearsal, and the environment is production.
        Unavailable: The store does not answer.
    """
    store = make_store(settings)
    try:
        store.migrate()
        runtime = _wire(settings, store, packs=Packs(pack), more=adapters or {}, rehearsal=rehearsal)
        runtime.locks.hold(runtime.engine.executor)  # what it opens is not taken for abandoned
        with sinks.joined(runtime.redactor), traced(settings):
            try:
                yield runtime
            finally:
                await runtime.stop()
                await runtime.models.asking.close()
                runtime.entrance.hasher.close()
                with suppress(RemitError):  # whoever opens a runtime next tells what could not be told
                    await runtime.tell_of_budgets()
                    await runtime.tell_of_secrets()
                await runtime.notices.settled()
                runtime.locks.release(runtime.engine.executor)
    finally:
        store.close()


def _wire(  # noqa: PLR0915 - everything is put together here; half of it is what it imports to do so
    settings: Settings,
    store: Store,
    *,
    packs: Mapping[str, Pack],
    more: Mapping[str, Adapter],
    rehearsal: Rehearsal | None = None,
) -> Runtime:
    from remit.accounts.signing import weakness
    from remit.adapters.agents.room import set_room
    from remit.adapters.agents.wiring import wire_agents
    from remit.adapters.classifier.http import HttpClassifier
    from remit.adapters.deploy.place import hold
    from remit.adapters.engine import DurableEngine, ExecutorLocks, Lease
    from remit.adapters.fetch import FetchAdapter
    from remit.adapters.fetch.wiring import put_behind
    from remit.adapters.files.writing import FilesAdapter
    from remit.adapters.git.mission import MissionRepository
    from remit.adapters.identity.wiring import make_entrance
    from remit.adapters.notify import NotifyAdapter
    from remit.adapters.providers.wiring import model_calls, model_room
    from remit.adapters.sandbox.leftover import kill_leftover
    from remit.adapters.secrets.wiring import known_from, learn_values, make_secrets, setting_value
    from remit.guard.approval_notices import Notices
    from remit.guard.budget_prices import Pricing
    from remit.guard.faults import arm
    from remit.guard.guard import Guard
    from remit.missions.deployments import Deployments
    from remit.missions.deps import Deps
    from remit.missions.queue_worker import Worker
    from remit.missions.service import Missions
    from remit.models.cache import StoredAnswers

    clock = SystemClock()
    redactor = make_redactor(settings)
    for signer in store.signers:
        redactor.register(signer.skey)
    if settings.signing_secret and not weakness(settings.signing_secret):  # nobody serves with a weak one
        redactor.register(settings.signing_secret)
    if settings.oidc_client_secret and parse(settings.oidc_client_secret) is None:
        redactor.register(settings.oidc_client_secret)
    locks = ExecutorLocks(settings.home / LOCKS)
    engine = DurableEngine(
        settings.store_url or f"sqlite:///{settings.home / ENGINE_DATABASE}",
        lease=Lease(settings.lease_s, min(2.0, settings.lease_s / 4)),
        locks=locks,
        serves_queue=False,
    )
    key = payload_key(settings)
    vault = make_secrets(settings, store, redactor, key=key, clock=clock)
    learn_values(vault, settings, store, key=key, clock=clock)
    commands = _Commands(store, clock, settings, vault)
    deploys = _Deploys(store, clock, settings, commands)
    fetcher = FetchAdapter()
    personal = personal_terms(settings)
    calls = model_calls(
        store, clock, process=engine.executor, secrets=vault, redactor=redactor, personal=personal.concern
    )
    adapters: dict[str, Adapter] = {
        "files": FilesAdapter(),
        "command": commands,
        "deploy": deploys,
        "fetch": fetcher,
        "model": calls,
        "notify": NotifyAdapter(
            settings.notify,
            allow=words(settings.notify_allow),
            home=settings.home,
            clock=clock,
            register=redactor.register,
            resolve=vault.resolve_setting,
        ),
        **more,
    }
    wire_agents(adapters, packs=lambda: [packs[name] for name in packs if ":" in name], resolve=vault.resolve_tree)
    faults = None
    if rehearsal is not None:
        adapters, faults = arm(rehearsal.scenario, adapters, environment=settings.environment.value)
    guard = Guard(
        store,
        adapters,
        redactor=redactor,
        clock=clock,
        rand=random.random,
        environment=settings.environment.value,
        approvals=approval_terms(settings),
        terms=None if rehearsal is None else rehearsal.terms,
        numbers=_numbers(settings) if rehearsal is None else rehearsal.numbers,
        pricing=Pricing(settings.unknown_price, usd(settings.unknown_price_usd)),
        personal=personal,
        owner=engine.executor,
        classifier=HttpClassifier(settings.classifier_url) if settings.classifier_url else None,
    )
    guard.answers = StoredAnswers(store, clock, clean=redactor.clean, most_bytes=settings.answers_mb << 20)
    guard.secrets = vault
    vault.known = known_from(
        lambda: standing.secrets if (standing := guard.register.known(settings.workspace)) else None
    )
    put_behind(fetcher, guard, settings, secret=vault.resolve, clean=partial(redactor.mask, personal=True))
    ledger = _Ledger(store, clock)
    notices = Notices(guard, [channel.name for channel in settings.notify if channel.approvals])
    guard.announce = notices.announce
    deps = Deps(
        journal=store,
        guard=guard,
        ledger=ledger,
        engine=engine,
        packs=packs,
        repository_for=lambda mission: MissionRepository(settings.missions, mission, keep_open=locks.descriptors),
        redactor=redactor,
        verify_log=lambda workspace, mission: _verify_log(store, workspace, mission),
        kill_leftover=kill_leftover,
        alive=lambda owner: _alive(locks, owner, elsewhere=bool(settings.store_url)),
        host=HOST,
        clock=clock,
        parallel=settings.parallel,
    )
    missions = Missions(deps)

    async def clean() -> None:
        if settings.retention_days:
            older_than = clock.now() - timedelta(days=settings.retention_days)
            await missions.clean(settings.workspace, older_than=older_than, actor=SYSTEM)

    worker = Worker(deps, engine, concurrency=settings.concurrency, lease_s=settings.lease_s, clean=clean)
    ledger.deployments = deployments = Deployments(deps, hold, deploys.preview)
    room = model_room(calls, guard.circuits, rand=random.random)
    set_room(room)
    return Runtime(
        *(settings, store, guard, engine, missions, redactor, clock, locks, worker, deployments, notices, vault),
        room,
        make_entrance(settings, store, home_key=key, clock=clock, resolve=partial(setting_value, vault)),
        faults,
    )


async def keep_ledger(
    store: Store, settings: Settings, *, clock: Clock, locks: ExecutorLocks | None = None
) -> Sequence[Past]:
    """Settle what processes that are gone left open, which is returned, and add up the hours that are over."""
    from remit.accounts.telemetry_events import prune
    from remit.adapters.engine import ExecutorLocks
    from remit.guard.budget_expiry import expire
    from remit.guard.budget_rollup import roll_up
    from remit.models.cache import tidy

    known = locks or ExecutorLocks(settings.home / LOCKS)
    now_us = micros_of(clock.now())
    settled = await expire(store, settings.workspace, alive=known.alive, alone=not settings.store_url, now_us=now_us)
    await roll_up(store, settings.workspace, now_us=now_us)
    await tidy(store, settings.workspace, now_us=now_us)
    await prune(store, settings.workspace, now_us=now_us, days=settings.telemetry_days)
    return settled


def approval_terms(settings: Settings) -> ApprovalTerms:
    """When a person must be asked, as the settings say."""
    from remit.guard.approval_terms import ApprovalTerms, Separation

    return ApprovalTerms(
        over=usd(settings.approval_over_usd),
        domains=frozenset(words(settings.approval_domains)),
        free_targets=frozenset(words(settings.approval_free_targets)),
        expires_s=round(settings.approval_hours * 3600),
        quorum=quorums(settings.approval_quorum),
        separation=Separation(settings.approval_separation),
    )


def _numbers(settings: Settings) -> Numbers:
    from remit.guard.breaker import Numbers

    return Numbers(
        failures=settings.breaker_failures,
        cooldown_s=settings.breaker_cooldown_s,
        longest_cooldown_s=max(Numbers().longest_cooldown_s, settings.breaker_cooldown_s),
        error_rate=settings.breaker_error_rate,
    )


class Packs(Mapping[str, "Pack"]):
    """The shipped packs, and any other by ``module:attribute``; each is imported when it is asked for."""

    SHIPPED: Final = MappingProxyType({"build": "remit.packs.build.pack:PACK"})

    def __init__(self, extra: str = "") -> None:
        self._extra = extra if ":" in extra else ""

    def __getitem__(self, name: str) -> Pack:
        place = self.SHIPPED.get(name) or (name if ":" in name else None)
        if place is None:
            raise KeyError(name)
        module, _, attribute = place.partition(":")
        try:
            found: Pack = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            message = f"The pack {name!r} can't be loaded: {error}."
            raise NotFound(message, code="pack.missing", hint="remit run --help") from error
        return found

    def __iter__(self) -> Iterator[str]:
        return iter([*self.SHIPPED, *([self._extra] if self._extra else [])])

    def __len__(self) -> int:
        return len(list(iter(self)))


def _alive(locks: ExecutorLocks, owner: str, *, elsewhere: bool) -> bool:
    """Whether an executor lives. One that is not of this host counts as alive where there can be other hosts."""
    state = locks.alive(owner)
    return elsewhere if state is None else state


class _Commands:
    """Commands in the sandbox, each on disk from before its first instruction until nothing of it is left."""

    def __init__(self, store: Store, clock: Clock, settings: Settings, vault: Secrets) -> None:
        from remit.adapters.sandbox.adapter import CommandAdapter
        from remit.adapters.sandbox.tiers import Tier

        self._store = store
        self._clock = clock
        self._running: dict[str, ChildRow] = {}
        self._sandbox = CommandAdapter(
            python=Path(sys.executable),
            record=self.record,
            resolve=vault.resolve,
            minimum_tier=Tier(settings.sandbox_tier),
        )

    async def perform(self, action: Action) -> Outcome:
        """Run it once, and forget its process group when it has ended."""
        try:
            return await self._sandbox.perform(action)
        finally:
            self.forget(action)

    def forget(self, action: Action) -> None:
        """Nothing of an action's process group is left."""
        from remit.missions.rows import forget_child

        child = self._running.pop(action.id, None)
        if child is not None:
            self._store.submit("command.end", lambda tx: forget_child(tx, child))

    async def record(self, action: Action, pgid: int, start: str) -> None:
        """Have an action's process group on disk, so that a resume can end it."""
        from remit.missions.rows import ChildRow, record_child

        child = ChildRow(
            workspace=action.workspace,
            mission=action.mission,
            step=action.step,
            host=HOST,
            pgid=pgid,
            start_time=start,
            recorded_us=micros_of(self._clock.now()),
        )
        await self._store.commit("command.start", lambda tx: record_child(tx, child))
        self._running[action.id] = child


class _Deploys:
    """Deployments, each on disk from before it touches anything; see ``remit.missions.deployments``."""

    def __init__(self, store: Store, clock: Clock, settings: Settings, commands: _Commands) -> None:
        from remit.adapters.deploy.adapter import DeployAdapter
        from remit.adapters.deploy.smoke import Smoker
        from remit.adapters.git.process import Git
        from remit.adapters.sandbox.tiers import Tier

        self._store = store
        self._clock = clock
        self._commands = commands
        smoker = Smoker(
            python=Path(sys.executable),
            record=commands.record,
            minimum_tier=Tier(settings.sandbox_tier),
            scratch=settings.home / DEPLOYS,
        )
        self._adapter = DeployAdapter(
            git_of=lambda mission: Git(
                settings.missions / mission / "repo.git", settings.missions / mission / "workspace"
            ),
            smoker=smoker,
            agreed=self._agreed,
        )
        self.preview = self._adapter.preview

    async def perform(self, action: Action) -> Outcome:
        """Deploy once."""
        try:
            return await self._adapter.perform(action)
        finally:
            self._commands.forget(action)

    async def _agreed(self, action: Action, effect: Deploy) -> None:
        from remit.missions.deployments import agreed

        now_us = micros_of(self._clock.now())
        await self._store.commit("deploy.record", lambda tx: agreed(tx, action, effect, now_us=now_us))


async def _verify_log(store: Store, workspace: str, mission: str) -> None:
    """Refuse to go on over a damaged audit log, or over rows of the mission that the log does not bear out.

    Raises:
        IntegrityError: Names the first places.
    """
    from remit.missions.evidence import check_rows

    # A crash between the head outside and its row leaves the head alone; signing takes it over. What is damaged can't
    # be signed, and is named by the check.
    with suppress(IntegrityError):
        await asyncio.to_thread(store.seal)
    report = await asyncio.to_thread(store.verify)
    if not report.ok:
        named = "; ".join(str(found) for found in report.discrepancies[:3])
        message = f"The audit log is damaged: {named}."
        raise IntegrityError(message, code="audit.damaged", hint="remit audit verify")
    await asyncio.to_thread(store.view, lambda tx: check_rows(tx, tx, workspace, mission))


class _Ledger:
    """What the guard knows of a mission's effects, for the missions."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.deployments: Deployments | None = None

    async def performed(self, workspace: str, mission: str) -> Sequence[Performed]:
        """Effects on the outside world that were done (or may have been), newest first."""
        from remit.guard.outside import performed
        from remit.missions.deps import Performed

        rows = await self._store.read(lambda tx: performed(tx, workspace, mission))
        return [Performed(row.action, row.step, row.kind, row.target, row.reversal) for row in rows]

    async def compensate(self, performed: Performed, *, workspace: str, actor: Principal) -> None:
        """Take a deployment back. No adapter of this version can undo another outside effect: rollback names it.

        Raises:
            Conflict: It can't be undone; says why.
        """
        if performed.kind == Deploy.trait.kind and self.deployments is not None:
            await self.deployments.compensate(performed, workspace=workspace, actor=actor)
            return
        message = f"The {performed.kind} of step {performed.step!r} to {performed.target} can't be undone here."
        raise Conflict(message, code="rollback.irreversible", hint=f"remit why {performed.action}")

    def settle_abandoned(self, tx: Tx, workspace: str, mission: str) -> None:
        """Close what dead runs left open."""
        from remit.guard.records import settle_abandoned

        settle_abandoned(tx, mission, workspace=workspace, now_us=micros_of(self._clock.now()))


def shipped_agents(workspace: str, owner: str) -> tuple[Agent, ...]:
    """The agents that the shipped packs act as, with no more than they need."""
    from remit.accounts.agents import Agent

    return (
        Agent(
            workspace=workspace,
            name="coder",
            owner=owner,
            kind="coder",
            effects=frozenset({"files", "command", "notify"}),
        ),
        Agent(workspace=workspace, name="apptester", owner=owner, kind="tester", effects=frozenset({"command"})),
    )


def governed[D, O](
    agent: AbstractAgent[D, O],
    *,
    home: str | Path | None = None,
    workspace: str | None = None,
    agent_name: str = "",
    own_clients: bool = False,
) -> Governed[D, O]:
    """A Pydantic AI agent that behaves as ``agent`` and asks Remit's guard before every model attempt and tool call.

    Every way to run it is governed: ``run``, ``run_sync``, ``run_stream``, ``run_stream_events``, ``iter``. The first
    run opens the home; it stays open until ``async with agent:`` ends, ``await agent.close()``, or the program does.

    Args:
        agent: The agent; it stays as it is, and is still ungoverned when it is run by itself.
        home: The home's folder; the settings' when left out.
        workspace: The workspace; the settings' when left out.
        agent_name: The registered agent that it acts as; the agent's own name when left out.
        own_clients: Whether models that speak neither OpenAI's nor Anthropic's interface may be asked by the client
            that they were made with. It then sends what the guard let through, under a permit, with a key of its own.

    Raises:
        InvalidInput: Pydantic AI isn't installed, or a setting is wrong.
    """
    from remit.adapters.agents.wiring import doors

    flags = {"home": None if home is None else str(home), "workspace": workspace}
    settings, _ = load_settings(flags=flags)

    @asynccontextmanager
    async def opener() -> AsyncGenerator[Opened]:
        async with open_runtime(settings) as runtime:
            yield doors().Opened(runtime.guard, settings.workspace, runtime.acting)

    return doors().govern(agent, opener=opener, agent_name=agent_name, own_clients=own_clients)


def __getattr__(name: str) -> object:
    """What is imported when it is asked for: those who ask pay for it, and no other command's start does."""
    if name == "agent_step":
        from remit.adapters.agents.wiring import steps

        return steps().agent_step
    if name in _ELSEWHERE:
        module, _, attribute = _ELSEWHERE[name].partition(":")
        found = importlib.import_module(module)
        return getattr(found, attribute) if attribute else found
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


async def prepare_home(settings: Settings) -> bool:
    """Make a home with everything a first mission needs; whether it is a new one. Harmless to repeat.

    Raises:
        Conflict, Unavailable: The folder or the store can't be made.
    """
    from remit.accounts.agents import read_agents, register_agent
    from remit.accounts.owner import create_local_owner
    from remit.adapters.store.genesis import begin_log
    from remit.guard.rules.revisions import install_shipped

    fresh = make_home(settings)
    clock = SystemClock()
    with open_store(settings) as store:
        await asyncio.to_thread(begin_log, store)
        owner = await create_local_owner(
            store, workspace=settings.workspace, user=settings.owner, name=settings.owner, clock=clock
        )
        await install_shipped(store, workspace=settings.workspace, clock=clock)
        known = await store.read(lambda tx: read_agents(tx, settings.workspace))
        for agent in shipped_agents(settings.workspace, owner.id):
            if agent.name not in known:
                await register_agent(store, agent, by=owner.principal, clock=clock)
        await asyncio.to_thread(store.seal)
    return fresh


@contextmanager
def hold_home(settings: Settings) -> Generator[bool]:
    """Be the process that serves this home, while this lasts; ``False``: another one is."""
    from remit.adapters.engine import ExecutorLocks

    locks = ExecutorLocks(settings.home / LOCKS)
    held = locks.take(SERVING)
    try:
        yield held
    finally:
        locks.release(SERVING)


def end_with_parent(parent: int) -> None:
    """Have this process stop when the process ``parent``, which started it, is gone."""
    from remit.adapters.sandbox import parent as parents

    parents.end_with_parent(parent)


def examine(settings: Settings, *, tools: Sequence[str], production: bool, network: bool) -> list[Check]:
    """Everything that ``remit doctor`` looks at; see ``operations.checkup`` and ``operations.deployment``.

    Args:
        settings: The settings in force.
        tools: Modules of the build environment.
        production: Whether the deployment checklist is gone through too.
        network: Whether providers are asked for their lists of models, under the guard.
    """
    from remit.adapters.checkup.wiring import look, look_at_deployment
    from remit.adapters.engine import ExecutorLocks

    there = (settings.home / KEY).is_file()
    clock = SystemClock()
    found = look(
        settings,
        lambda: make_store(settings),
        tools=tools,
        sandbox=sandbox_tier,
        git=git_version(),
        secrets=lambda: len(where_kept(settings)),
        providers=asyncio.run(_ask_providers(settings)) if network and there else {},
        served=ExecutorLocks(settings.home / LOCKS).alive(SERVING) is True,
        clock=clock,
    )
    if production:
        found += look_at_deployment(settings, lambda: make_store(settings), clock=clock)
    return found


async def _ask_providers(settings: Settings) -> dict[str, float | Trouble]:
    """Every provider, for its list of models."""
    from remit.adapters.providers.probe import probe as ask
    from remit.operations.checkup import Trouble

    found: dict[str, float | Trouble] = {}
    async with open_runtime(settings) as runtime:
        catalogue = await runtime.models.catalogues.catalogue(settings.workspace)
        for name in catalogue.providers:
            try:
                said = await ask(runtime.guard, workspace=settings.workspace, provider=name, by=runtime.acting)
            except RemitError as error:
                found[name] = Trouble(error.message, error.hint)
            else:
                found[name] = said.seconds
    return found


def take_backup(
    settings: Settings, place: Path, *, keys: bool, passphrase_file: Path | None, key_file: Path | None
) -> Taken:
    """Back up the home, see ``adapters.backup.taking``. It may be in use."""
    from remit.adapters.backup.wiring import back_up, lock_of

    lock = lock_of(passphrase_file, key_file)
    by = Principal(ActorKind.USER, settings.acting)
    with open_store(settings) as store:
        key = payload_key(settings)
        return back_up(settings, store, place, keys=keys, lock=lock, payload_key=key, clock=SystemClock(), by=by)


def restore_backup(
    settings: Settings, source: Path, *, keys: Path | None, passphrase_file: Path | None, key_file: Path | None
) -> Restored:
    """Restore a backup as this home, see ``adapters.backup.restoring``."""
    from remit.adapters.backup.wiring import lock_of, put_back

    lock = lock_of(passphrase_file, key_file)
    by = Principal(ActorKind.USER, settings.acting)
    return put_back(settings, source, make_store, keys=keys, lock=lock, clock=SystemClock(), by=by)


def upgrade_home(settings: Settings) -> Upgraded:
    """Copy the store, migrate it, verify it, see ``adapters.backup.upgrading``."""
    from remit.adapters.backup.wiring import bring_up_to_date

    check_home(settings)
    by = Principal(ActorKind.USER, settings.acting)
    return bring_up_to_date(settings, make_store, clock=SystemClock(), by=by)


def make_mcp_tools() -> McpTools:
    """The adapter that reaches outside tool servers; then set its ``resolve``."""
    from remit.adapters.mcp.tools import McpTools

    return McpTools()


def write_fetched(path: Path, text: str) -> None:
    """Write what was fetched into the file that a person named.

    Raises:
        Unavailable: It can't be written.
    """
    from remit.adapters.fetch.output import write_page

    write_page(path, text)


def sandbox_tier() -> tuple[int, str]:
    """The strongest sandbox tier of this machine, with its name.

    Raises:
        Denied: Commands can't be run here at all.
    """
    from remit.adapters.sandbox.tiers import probe

    best = probe().best
    return int(best), best.name.lower()


def give_memory_back() -> None:
    """Return to the system what heavy jobs at the start, such as compiling the scanner's rules, have left unused."""
    from remit.adapters.heap import give_back

    give_back()


def git_version() -> str:
    """What the ``git`` on the PATH says of itself; empty when there is none."""
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 - no input
    return done.stdout.strip()
