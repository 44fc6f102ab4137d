"""A runtime, open for as long as somebody needs it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from remit.bootstrap.packs import Packs
from remit.bootstrap.store import make_store, records_use
from remit.bootstrap.telemetry import traced
from remit.kernel import commanded
from remit.kernel.errors import RemitError
from remit.kernel.ports import Adapter
from remit.redact import sinks
from remit.settings import Settings

if TYPE_CHECKING:
    from remit.bootstrap.guard import Rehearsal
    from remit.bootstrap.runtime import Runtime


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
        commanded.look(partial(records_use, store, settings))
        from remit.bootstrap.wiring import wire  # heavy, and of no use to those who are refused above

        runtime = wire(settings, store, packs=Packs(pack), more=adapters or {}, rehearsal=rehearsal)
        runtime.locks.hold(runtime.engine.executor)  # what it opens is not taken for abandoned
        with sinks.joined(runtime.redactor), traced(settings):
            try:
                yield runtime
            finally:
                await runtime.stop()
                await runtime.models.asking.close()
                runtime.entrance.hasher.close()
                if runtime.entrance.resets is not None:
                    await runtime.entrance.resets.settled()
                with suppress(RemitError):  # whoever opens a runtime next tells what could not be told
                    await runtime.tell_of_budgets()
                    await runtime.tell_of_secrets()
                await runtime.notices.settled()
                runtime.locks.release(runtime.engine.executor)
    finally:
        store.close()
