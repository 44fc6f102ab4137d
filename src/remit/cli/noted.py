"""Telemetry of commands: which one was given, how it ended, how long it took; by nobody, and only while that is on."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from remit.kernel import commanded
from remit.kernel.errors import RemitError

if TYPE_CHECKING:
    from remit.kernel.commanded import Command
    from remit.settings import Settings

#: Exit codes that are no error: done, and waiting for a person.
_WELL = frozenset({0, 4})
_settings: list[Settings] = []  # of the command under way


def named(settings: Settings) -> None:
    """The command under way has read its settings, so it is known which one it is: by its words alone."""
    command, context = commanded.current(), click.get_current_context(silent=True)
    if command is not None and context is not None:
        command.name = context.command_path.partition(" ")[2]
        _settings[:] = [settings]


def note(command: Command, code: int) -> None:
    """Write what came of a command whose use is recorded. Nothing fails for it.

    The store is opened once more for that, which only an install pays that has the switch on.
    """
    if not command.on or not _settings:
        return
    from remit.accounts.telemetry_events import Event, Kind, record
    from remit.bootstrap import open_store
    from remit.kernel.clock import SystemClock, micros_of

    (settings,) = _settings
    took_us = round((time.monotonic() - command.began) * 1_000_000)
    kind = Kind.FEATURE if code in _WELL else Kind.ERROR
    event = Event(kind, "cli", command.name, str(code), took_us, at_us=micros_of(SystemClock().now()))
    with suppress(RemitError, OSError), open_store(settings, migrate=False) as store:
        store.write("telemetry.event", lambda tx: record(tx, settings.workspace, event, settings))
