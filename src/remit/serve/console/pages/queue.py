"""The queue: who waits for what, when each is about to start, and what would make it faster."""

from __future__ import annotations

from dataclasses import dataclass

from remit.kernel.errors import InvalidInput
from remit.missions.lines import Queued, read_line, wait_word
from remit.missions.queue_order import Priority
from remit.missions.queue_pause import pause as pause_queue
from remit.serve.console.asking import Ask
from remit.serve.console.numbers import told
from remit.serve.console.page import form, page
from remit.serve.console.pages.missions import Cell
from remit.serve.console.words import duration, plain

SAID = {
    "cancel": "It is cancelled, and those behind it move up.",
    "priority": "It has its new place.",
    "paused": "Nothing more is taken up. What runs goes on.",
    "resumed": "Missions are taken up again.",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A mission in the queue."""

    id: str
    title: str
    pack: str
    originator: str
    priority: str
    entered_us: int
    place: Cell
    reason: Cell
    starts: Cell
    worker: str


@dataclass(frozen=True, slots=True)
class Queue:
    """The page."""

    title: str
    said: str
    running: tuple[Row, ...]
    waiting: tuple[Row, ...]
    workers: int
    slots: int
    plan: str
    parallel: int
    most_waiting: int
    hint: str
    paused_us: int = 0
    paused_home: bool = False


@page("/queue", template="queue.html", group="Work", label="Queue")
async def queue(ask: Ask) -> Queue:
    """Who waits, and for what."""
    line = await read_line(ask.runtime.missions.deps, ask.workspace, by=ask.who)
    waiting = len(line.waiting)
    waits = told(waiting, "mission waits", "missions wait") if waiting else "Nothing waits"
    return Queue(
        title=f"{'The queue is paused: ' if line.paused_us else ''}{waits if not line.paused_us else waits.lower()}",
        said=SAID.get(ask.query.get("done", ""), ""),
        running=tuple(_row(one, ask.now_us) for one in line.running),
        waiting=tuple(_row(one, ask.now_us) for one in line.waiting),
        workers=line.workers,
        slots=line.slots,
        plan=line.plan.name.value,
        parallel=line.plan.parallel_missions,
        most_waiting=line.plan.queued_missions,
        hint=line.hint,
        paused_us=line.paused_us,
        paused_home=line.paused_home,
    )


@form("/queue/{id}/priority", again=queue)
async def move(ask: Ask) -> str:
    """Give a waiting mission another class."""
    word = ask.form.get("priority", "").upper()
    if word not in Priority.__members__:
        raise InvalidInput("Say which class.", code="queue.priority", hint="critical, high, normal or low")
    await ask.runtime.missions.move(ask.workspace, ask.path["id"], Priority[word], actor=ask.who)
    return "/queue?done=priority"


@form("/queue/pause", again=queue)
async def pause(ask: Ask) -> str:
    """Take up nothing more, or go on."""
    paused = ask.form.get("to") == "paused"
    await pause_queue(
        ask.runtime.missions.deps, ask.workspace, by=ask.who, reason=ask.form.get("reason", ""), paused=paused
    )
    return f"/queue?done={'paused' if paused else 'resumed'}"


def _row(one: Queued, now_us: int) -> Row:
    place = one.place
    return Row(
        id=place.mission,
        title=one.title,
        pack=one.pack,
        originator=place.originator,
        priority=place.priority.name.lower(),
        entered_us=place.entered_us,
        place=Cell(str(place.position) if place.position else ""),
        reason=Cell(one.reason),
        starts=Cell(wait_word(place) if place.position else plain(duration(max(now_us - place.entered_us, 0)))),
        worker=place.taker,
    )
