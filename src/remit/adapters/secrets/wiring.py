"""Putting the provider together from the settings: for ``bootstrap``, which alone calls this."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from remit.accounts.reasons import Mask
from remit.adapters.secrets import make_backends
from remit.adapters.secrets.cache import CachedSecrets
from remit.adapters.secrets.places import files_below
from remit.adapters.secrets.several import Several
from remit.adapters.store.journal import Store
from remit.adapters.store.mentions import mentions
from remit.guard.secrets_leaks import KnownValue, Leak, Search
from remit.guard.secrets_orders import Order, read_retired
from remit.guard.secrets_provider import Secrets
from remit.guard.secrets_rules import NOTHING, SecretsInForce, read_in_force
from remit.guard.secrets_sealing import Sealer
from remit.kernel.action import Principal
from remit.kernel.clock import Clock, SystemClock, micros_of
from remit.kernel.errors import InvalidInput, RemitError
from remit.kernel.ports import SecretBackend
from remit.kernel.references import parse
from remit.redact.redactor import Redactor
from remit.settings import Settings

#: Backends that are read without asking anybody outside.
LOCAL = frozenset({"env", "file"})

_log = logging.getLogger(__name__)


def make_secrets(
    settings: Settings,
    store: Store,
    redactor: Redactor,
    *,
    key: bytes,
    clock: Clock,
    known: Callable[[], SecretsInForce] | None = None,
) -> Secrets:
    """The provider of the settings' workspace; nothing is asked yet.

    Args:
        settings: Sources, cache, workspace.
        store: Where uses are written, and rules stand.
        redactor: Told each value first.
        key: The home's key.
        clock: When.
        known: The rules as they were read last; read from the store each time when left out.

    Raises:
        InvalidInput: A backend's driver is not installed.
    """
    workspace = settings.workspace
    backends = make_backends(settings.secrets, workspace=workspace, home=settings.home, key=key, clock=clock)
    cache = CachedSecrets(backends, monotonic=clock.monotonic, keep_s=settings.secrets_cache_s)
    rules = known or (lambda: store.view(lambda tx: read_in_force(tx, workspace)))
    return Secrets(cache, workspace=workspace, redactor=redactor, journal=store, clock=clock, known=rules)


def learn_values(secrets: Secrets, settings: Settings, store: Store, *, key: bytes, clock: Clock) -> None:
    """Have masked, from the start, what was retired, and what the home's file and the environment hold.

    Values of AWS and Vault are learnt when they are first read: nothing of Remit has seen them before.
    """
    workspace, now_us = settings.workspace, micros_of(clock.now())
    retired = store.view(lambda tx: read_retired(tx, workspace, now_us=now_us))
    if retired:
        sealer = Sealer(key)
        for each in retired:
            _learn(secrets, partial(sealer.open, workspace, each.name, each.sealed), each.name)
    for backend in _local(settings, key, clock):
        try:
            names = backend.names()
        except RemitError as error:  # nobody has asked for a secret yet; who does is told
            _log.warning("the secrets in %s can't be read (%s): %s", backend.name, error.code, error.message)
            continue
        for name in names:
            _learn(secrets, lambda name=name, backend=backend: backend.get(name).text, name)


def _learn(secrets: Secrets, value: Callable[[], str], name: str) -> None:
    try:
        secrets.learn(value())
    except InvalidInput:
        return  # too short to be masked: it is refused when it is used
    except RemitError as error:
        _log.warning("the secret %s can't be read (%s): %s", name, error.code, error.message)


def setting_value(secrets: Secrets, text: str) -> str:
    """What a setting of the install itself refers to (``secret://NAME``), masked from now on; another text as it is.

    For what no action asks for, such as the client secret at an OpenID provider; read anew each time. Blocks.

    Raises:
        InvalidInput: It is no reference, or too short a secret to be masked.
        NotFound, Failed, Unavailable, IntegrityError: As the backend raises it.
    """
    placed = parse(text)
    if placed is None:
        return text
    secrets.backend.invalidate(placed.reference.name)  # another process may have rotated it, and this is asked seldom
    value = secrets.backend.get(placed.reference.name, version=placed.reference.version)
    secrets.learn(value.text)
    return placed.filled(value.text)


def _local(settings: Settings, key: bytes, clock: Clock) -> Iterator[SecretBackend]:
    sources = tuple(each for each in settings.secrets if each.kind.value in LOCAL)
    if sources or not settings.secrets:
        made = make_backends(sources, workspace=settings.workspace, home=settings.home, key=key, clock=clock)
        yield from (route.backend for route in made.routes)


def make_order(
    settings: Settings,
    store: Store,
    redactor: Redactor,
    *,
    key: bytes,
    by: Principal,
    mask: Mask | None = None,
) -> Order:
    """What an order of the command line is given with."""
    clock = SystemClock()
    secrets = make_secrets(settings, store, redactor, key=key, clock=clock)
    keep = settings.secrets_retention_days
    return Order(store, secrets, Sealer(key), by, clock, keep, mask)


def where_kept(settings: Settings, *, key: bytes) -> dict[str, list[str]]:
    """Every secret that can be got now, with the backends that have it, the one that gives it first.

    Raises:
        Failed, Unavailable: A backend refuses or doesn't answer.
    """
    made = make_backends(
        settings.secrets, workspace=settings.workspace, home=settings.home, key=key, clock=SystemClock()
    )
    found: dict[str, list[str]] = {}
    for route in made.routes:
        for name in Several([route]).names():
            found.setdefault(name, []).append(route.backend.name)
    return dict(sorted(found.items()))


def known_values(order: Order, names: list[str]) -> list[KnownValue]:
    """The current values of ``names``, and every retired one of the workspace.

    Raises:
        NotFound, Failed, Unavailable, IntegrityError: One can't be read: then nobody can say that it leaked nowhere.
    """
    found = [
        KnownValue(value.name, value.version, retired=False, text=value.text)
        for value in (order.secrets.backend.get(name) for name in names)
    ]
    store, workspace = order.journal, order.workspace
    retired = asyncio.run(store.read(lambda tx: read_retired(tx, workspace, now_us=order.now_us())))
    current = {(value.name, value.text) for value in found}
    for each in retired:
        text = order.sealer.open(workspace, each.name, each.sealed)
        if (each.name, text) not in current:  # a rotation that a crash cut short left both
            found.append(KnownValue(each.name, each.version, retired=True, text=text))
            current.add((each.name, text))
    return found


def find_leaks(settings: Settings, store: Store, search: Search, values: list[KnownValue], *, place: str) -> list[Leak]:
    """Where any of the values stands: in a mission, below a path, or (place empty) in the home and its store.

    Raises:
        NotFound: There is no such mission or path.
    """
    found: list[Leak] = []
    mission = settings.missions / place if place and "/" not in place else None
    if not place:
        found += search.leaks(files_below(settings.home))
    elif mission is not None and mission.is_dir():
        found += search.leaks(files_below(mission))
    else:
        found += search.leaks(files_below(Path(place)))
        return found
    for value in values:
        held = store.view(lambda tx, value=value: mentions(tx, settings.workspace, [value.text]))
        for each in held:
            if not place or any(place in key for key in each.keys):
                path = f"store: {each.table}.{each.column}: {', '.join(each.keys)}"
                found.append(Leak(value.name, value.version, value.retired, path, each.rows))
    return found


def known_from(standing: Callable[[], SecretsInForce | None]) -> Callable[[], SecretsInForce]:
    """The rules that were read last; none when none were."""
    return lambda: standing() or NOTHING
