"""The runtime, put together: one guard, one engine, and what stands on both sides of each port."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from remit.accounts.signing import weakness
from remit.adapters.agents.room import set_room
from remit.adapters.deploy.place import hold
from remit.adapters.engine import DurableEngine, ExecutorLocks, Lease
from remit.adapters.fetch.wiring import put_behind
from remit.adapters.git.mission import MissionRepository
from remit.adapters.identity.wiring import make_entrance
from remit.adapters.providers.wiring import model_room
from remit.adapters.sandbox.leftover import kill_leftover
from remit.adapters.secrets.wiring import learn_values, make_secrets, setting_value
from remit.bootstrap.audit import verify_for_mission
from remit.bootstrap.commands import HOST
from remit.bootstrap.guard import Rehearsal, make_guard
from remit.bootstrap.home import ENGINE_DATABASE, LOCKS, payload_key
from remit.bootstrap.ledger import Ledger
from remit.bootstrap.outside import Outside, make_outside
from remit.bootstrap.runtime import Runtime
from remit.bootstrap.secrets import make_redactor
from remit.bootstrap.store import Store
from remit.bootstrap.terms import personal_terms
from remit.guard.approval_notices import Notices
from remit.guard.faults import Faults
from remit.guard.guard import Guard
from remit.guard.secrets_provider import Secrets
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import Clock, SystemClock
from remit.kernel.ports import Adapter
from remit.kernel.references import parse
from remit.missions.deployments import Deployments
from remit.missions.deps import Deps
from remit.missions.pack import Pack
from remit.missions.queue_worker import Worker
from remit.missions.service import Missions
from remit.redact.redactor import Redactor
from remit.settings import Settings

SYSTEM = Principal(ActorKind.SYSTEM, "worker")


def wire(
    settings: Settings,
    store: Store,
    *,
    packs: Mapping[str, Pack],
    more: Mapping[str, Adapter],
    rehearsal: Rehearsal | None = None,
) -> Runtime:
    """A runtime on a store that is migrated, with nothing started yet.

    Args:
        settings: The settings in force.
        store: Theirs.
        packs: The packs, by name.
        more: More adapters, by effect kind; they replace the shipped ones.
        rehearsal: Failures on purpose; drills only.
    """
    clock = SystemClock()
    redactor = _redactor(settings, store)
    locks = ExecutorLocks(settings.home / LOCKS)
    engine = _engine(settings, locks)
    key = payload_key(settings)
    vault = make_secrets(settings, store, redactor, key=key, clock=clock)
    learn_values(vault, settings, store, key=key, clock=clock)
    outside, guard, faults = _guarded(
        settings,
        store,
        vault=vault,
        redactor=redactor,
        clock=clock,
        process=engine.executor,
        packs=packs,
        more=more,
        rehearsal=rehearsal,
    )
    ledger = Ledger(store, clock)
    notices = Notices(guard, [channel.name for channel in settings.notify if channel.approvals])
    guard.announce = notices.announce
    deps = _deps(settings, store, guard=guard, engine=engine, ledger=ledger, packs=packs, locks=locks)
    missions = Missions(deps)
    clean = partial(_clean, missions, settings, clock)
    worker = Worker(deps, engine, concurrency=settings.concurrency, lease_s=settings.lease_s, clean=clean)
    ledger.deployments = deployments = Deployments(deps, hold, outside.deploys.preview)
    room = model_room(outside.calls, guard.circuits, rand=random.random, catch_up=guard.register.catch_up)
    set_room(room)
    return Runtime(
        *(settings, store, guard, engine, missions, redactor, clock, locks, worker, deployments, notices, vault),
        room,
        make_entrance(
            settings,
            store,
            home_key=key,
            clock=clock,
            resolve=partial(setting_value, vault),
            register=redactor.register,
        ),
        faults,
    )


def _guarded(
    settings: Settings,
    store: Store,
    *,
    vault: Secrets,
    redactor: Redactor,
    clock: Clock,
    process: str,
    packs: Mapping[str, Pack],
    more: Mapping[str, Adapter],
    rehearsal: Rehearsal | None,
) -> tuple[Outside, Guard, Faults | None]:
    """The adapters, and the guard before them; the fetcher asks that guard about each hop."""
    personal = personal_terms(settings)
    outside = make_outside(
        settings,
        store,
        vault=vault,
        redactor=redactor,
        personal=personal,
        clock=clock,
        process=process,
        packs=packs,
        more=more,
    )
    guard, faults = make_guard(
        settings,
        store,
        adapters=outside.adapters,
        vault=vault,
        redactor=redactor,
        personal=personal,
        clock=clock,
        owner=process,
        rehearsal=rehearsal,
    )
    put_behind(outside.fetcher, guard, settings, secret=vault.resolve, clean=partial(redactor.mask, personal=True))
    return outside, guard, faults


def _redactor(settings: Settings, store: Store) -> Redactor:
    """This install's redactor, which knows the keys and the secrets that stand in settings."""
    redactor = make_redactor(settings)
    for signer in store.signers:
        redactor.register(signer.skey)
    if settings.signing_secret and not weakness(settings.signing_secret):  # nobody serves with a weak one
        redactor.register(settings.signing_secret)
    if settings.oidc_client_secret and parse(settings.oidc_client_secret) is None:
        redactor.register(settings.oidc_client_secret)
    return redactor


def _engine(settings: Settings, locks: ExecutorLocks) -> DurableEngine:
    return DurableEngine(
        settings.store_url or f"sqlite:///{settings.home / ENGINE_DATABASE}",
        lease=Lease(settings.lease_s, min(2.0, settings.lease_s / 4)),
        locks=locks,
        serves_queue=False,
    )


def _deps(
    settings: Settings,
    store: Store,
    *,
    guard: Guard,
    engine: DurableEngine,
    ledger: Ledger,
    packs: Mapping[str, Pack],
    locks: ExecutorLocks,
) -> Deps:
    return Deps(
        journal=store,
        guard=guard,
        ledger=ledger,
        engine=engine,
        packs=packs,
        repository_for=lambda mission: MissionRepository(settings.missions, mission, keep_open=locks.descriptors),
        redactor=guard.redactor,
        verify_log=partial(verify_for_mission, store),
        kill_leftover=kill_leftover,
        alive=lambda owner: _alive(locks, owner, elsewhere=bool(settings.store_url)),
        host=HOST,
        clock=guard.clock,
        parallel=settings.parallel,
    )


def _alive(locks: ExecutorLocks, owner: str, *, elsewhere: bool) -> bool:
    """Whether an executor lives. One that is not of this host counts as alive where there can be other hosts."""
    state = locks.alive(owner)
    return elsewhere if state is None else state


async def _clean(missions: Missions, settings: Settings, clock: Clock) -> None:
    """Remove the workspaces of missions that are older than the settings want them kept."""
    if settings.retention_days:
        older_than = clock.now() - timedelta(days=settings.retention_days)
        await missions.clean(settings.workspace, older_than=older_than, actor=SYSTEM)
