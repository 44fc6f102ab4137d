"""Running a mission under the reader's eyes: progress while it runs, its result at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, assert_never

from remit.cli.output import emit, hint, refer, say
from remit.cli.progress import Board, Line, Progress, progress
from remit.cli.views import exit_code, mission_lines, mission_view
from remit.kernel.money import Money
from remit.missions.progress import (
    Event,
    MissionEnded,
    Planned,
    StepFinished,
    StepLogged,
    StepRetrying,
    StepStarted,
    Watch,
)

if TYPE_CHECKING:
    from remit.bootstrap import Runtime
    from remit.missions.service import View


async def finish(runtime: Runtime, mission: str, work: Callable[[], Awaitable[View]], *, as_json: bool) -> int:
    """Do ``work`` on a mission, show its progress, print how it stands; the exit code."""
    view = await follow(runtime, mission, work)
    await asyncio.to_thread(runtime.store.seal)
    if as_json:
        emit(mission_view(runtime.store, view))
    else:
        say("\n".join(mission_lines(view)))
    if view.mission.error:
        hint(f"error: {view.mission.error}")
        refer()
    return exit_code(view.status.value, view.mission.error_code)


async def follow(runtime: Runtime, mission: str, work: Callable[[], Awaitable[View]]) -> View:
    """Start the engine, do ``work`` on a mission and show its progress; how it stands afterwards."""
    if not runtime.engine.started:
        await runtime.start()
    before = await runtime.missions.show(runtime.settings.workspace, mission)
    board = Board(mission)
    for spec in before.plan.steps:
        board.lines[spec.name] = Line(spec.name, spec.title, spec.weight)
    for row in before.steps:
        board.lines[row.name].status = str(row.status)
    with runtime.missions.deps.progress.watch(mission) as watch, progress(board) as shown:
        task = asyncio.ensure_future(work())
        follower = asyncio.create_task(_follow(watch, board, shown))
        try:
            return await task
        finally:
            follower.cancel()
            with suppress(asyncio.CancelledError):
                await follower
            for event in watch.drain():
                _take(event, board, shown)


async def _follow(watch: Watch, board: Board, shown: Progress) -> None:
    async for event in watch:
        _take(event, board, shown)


def _take(event: Event, board: Board, shown: Progress) -> None:
    match event:
        case Planned():
            for name in event.steps:
                board.lines.setdefault(name, Line(name, "", 1.0))
            for name in [name for name in board.lines if name not in event.steps]:
                del board.lines[name]
        case StepStarted():
            line = board.lines.setdefault(event.step, Line(event.step, event.title, 1.0))
            line.status, line.attempts, line.started = "running", event.attempt, time.monotonic()
            shown.update(line)
        case StepFinished():
            line = board.lines.setdefault(event.step, Line(event.step, "", 1.0))
            line.status, line.seconds, line.note = str(event.status), event.seconds, event.error[:60]
            board.spend(Money(event.cost_micros))
            shown.update(line)
        case StepRetrying():
            line = board.lines[event.step]
            wait = max(event.next_at_us / 1_000_000 - time.time(), 0)
            line.note = f"failed, next try in {wait:.0f} s: {event.error[:40]}"
            shown.update(line)
        case StepLogged() | MissionEnded():
            pass
        case _:
            assert_never(event)
