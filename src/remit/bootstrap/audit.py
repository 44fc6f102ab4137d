"""The audit log of an install: its key, the proofs of its entries, its verification, and who vouches for its head."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast
from weakref import WeakSet

from remit.adapters.store.keyfile import KeyFile
from remit.bootstrap.home import KEY, STAMPED, WITNESSED
from remit.kernel.action import Principal
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import Conflict, IntegrityError, InvalidInput, NotFound, RemitError
from remit.kernel.ports import ReadTx
from remit.settings import Settings

if TYPE_CHECKING:
    from remit.adapters.store.rotation import Rotated
    from remit.adapters.witness.cosigning import Cosigned
    from remit.adapters.witness.timestamps import Stamped
    from remit.audit.report import LogReader, Report
    from remit.bootstrap.store import Store
    from remit.guard.why_log import Prove, Standing

LOOK_SECONDS = 60.0  # between looks at whether a verification is due

_log = logging.getLogger(__name__)
_VERIFYING: WeakSet[Store] = WeakSet()  # those that are being verified because somebody asked


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


async def verify_on_schedule(store: Store, clock: Clock, *, every_s: int) -> None:
    """Verify whenever it is due, until cancelled; a store that doesn't answer is asked again later."""
    while every_s:
        try:
            await verify_if_due(store, clock, every_s=every_s)
        except RemitError as error:
            _log.error("the audit log could not be verified: %s", error)
        await asyncio.sleep(min(every_s, LOOK_SECONDS))


async def verify_for_mission(store: Store, workspace: str, mission: str) -> None:
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
