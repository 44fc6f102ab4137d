"""The hub: one reader of the store for all streams of a process.

However many watch, a change costs the same few statements: the new entries of each workspace that somebody watches, the
steps of each mission that somebody watches, and once a second who may still watch. Each event is written once and
handed to every stream as the same bytes.

A stream that comes back is told what it missed from the last events that the hub keeps, or from the log. The switch to
what comes is exact: it happens between two events, when nothing lies between what the stream was told and what the hub
has handed out.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import orjson

from remit.accounts.access import reading
from remit.bootstrap import Runtime
from remit.kernel.action import Principal
from remit.kernel.errors import RateLimited, RemitError, Unavailable
from remit.kernel.ports import ReadTx
from remit.missions.events import (
    MOST,
    Event,
    State,
    head,
    may_watch,
    read_events,
    read_states,
    require_watching,
)
from remit.serve.live.stream import Kind, Message, Stream, Watcher, message

_log = logging.getLogger(__name__)

#: Events that are kept of each workspace for those who come back soon.
KEPT = 2048
#: Seconds between two questions whether everybody may still watch.
AGAIN_S = 0.5
#: Streams that read what they missed from the log at the same time.
READING = 3

type Still = Callable[[], Awaitable[bool]]


@dataclass(slots=True)
class _Channel:
    """A workspace that somebody watches. ``position``: the newest entry that was handed out, its workspace's or not."""

    position: int
    floor: int  # every event after this one, up to the position, is kept
    kept: deque[tuple[Event, Message]] = field(default_factory=deque[tuple[Event, Message]])
    streams: set[Stream] = field(default_factory=set[Stream])

    def keep(self, event: Event, written: Message) -> None:
        self.kept.append((event, written))
        if len(self.kept) > KEPT:
            self.floor = self.kept.popleft()[0].seq


class Hub:
    """All streams of a process. Starts with the first one; ``close`` ends them all.

    Args:
        runtime: The open Remit.
        most: Streams of this process.
        most_each: Streams of one person or agent in this process.
    """

    def __init__(self, runtime: Runtime, *, most: int, most_each: int) -> None:
        self._runtime = runtime
        self._most = most
        self._most_each = most_each
        self._channels: dict[str, _Channel] = {}
        self._held: Counter[tuple[str, Principal]] = Counter()
        self._still: dict[Stream, Still | None] = {}
        self._marks: dict[str, int] = {}  # of each watched mission: up to which change its steps were told
        self._changed = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._checking: asyncio.Task[None] | None = None
        self._turns = asyncio.Semaphore(READING)
        self._starting = asyncio.Lock()
        self._closed = False

    @property
    def open(self) -> int:
        """How many streams there are."""
        return self._held.total()

    @asynccontextmanager
    async def watch(self, watcher: Watcher, *, still: Still | None = None) -> AsyncGenerator[Stream]:
        """A stream, for as long as this lasts.

        Args:
            watcher: Who watches what.
            still: Whether what they showed (a session, a key) counts still; asked each half second.

        Raises:
            Refused: They may not; it is on record.
            NotFound: This workspace has no such mission.
            RateLimited: They have, or this process has, as many streams as it may.
            Unavailable: The store does not answer, or the server stops.
        """
        if self._closed:
            message = "The server is stopping and takes no new streams."
            raise Unavailable(message, code="live.stopping")
        store, workspace = self._runtime.store, watcher.workspace
        who = (workspace, watcher.principal)
        self._refuse_many(who)
        self._held[who] += 1
        stream = Stream(self, watcher)
        try:
            await reading(store, lambda tx: require_watching(tx, watcher.principal, workspace, mission=watcher.mission))
            channel = await self._channel(workspace)
            self._begin(stream, channel)
            self._still[stream] = still
            yield stream
        finally:
            self._leave(stream, who)

    def stop(self) -> None:
        """End every stream with a last word, for its reader to come back elsewhere or later; no new one begins."""
        self._closed = True
        for stream in list(self._still):
            stream.finish(Kind.END, why="stopping")

    async def close(self) -> None:
        """``stop``, and what reads for the streams ends too."""
        self.stop()
        tasks = [task for task in (self._running, self._checking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------------------------------------------- streams

    async def missed(self, stream: Stream) -> AsyncIterator[list[Message]]:
        """What a stream has to be told before what comes; then it is attached."""
        channel = self._channels[stream.watcher.workspace]
        yield [message(Kind.READY, stream.after, after=stream.after)]
        if stream.watcher.after is not None and stream.watcher.after > channel.position:
            yield [message(Kind.RESET, after=stream.after)]
        if not stream.watcher.follow:
            end = await self._runtime.store.read(head)  # the hub may not have heard yet of what is committed
            while stream.after < end and not stream.over:
                yield await self._logged(stream, upto=end)
            stream.finish(Kind.END, why="asked")
            return
        while stream.after < channel.position and not stream.over:
            if batch := await self._older(stream, channel):
                yield batch
        # Nothing is awaited from here to the end: no event can come between what was told and what will be.
        stream.attached = True
        if stream.watcher.mission:
            states = await self._states_now(stream)
            if states:
                yield states

    async def _older(self, stream: Stream, channel: _Channel) -> list[Message]:
        """The next of what it missed, up to what the hub has handed out."""
        if stream.after < channel.floor:
            return await self._logged(stream, upto=channel.position)
        found = [written for event, written in channel.kept if event.seq > stream.after and stream.wants(event)]
        stream.after = channel.position
        return found

    async def _logged(self, stream: Stream, *, upto: int) -> list[Message]:
        """The next of what it missed, from the log."""
        watcher, after, most = stream.watcher, stream.after, MOST

        def op(tx: ReadTx) -> list[Event]:
            return read_events(tx, watcher.workspace, after=after, upto=upto, mission=watcher.mission, most=most)

        async with self._turns:
            events = await self._runtime.store.read(op)
        stream.after = events[-1].seq if len(events) == most else upto
        return [self._written(event) for event in events if stream.wants(event)]

    async def _states_now(self, stream: Stream) -> list[Message]:
        watcher = stream.watcher
        states = await self._runtime.store.read(
            lambda tx: read_states(tx, watcher.workspace, [watcher.mission], since_us=-1)
        )
        if states:
            self._marks.setdefault(watcher.mission, states[-1].changed_us)
        return [_state(each) for each in states]

    def _begin(self, stream: Stream, channel: _Channel) -> None:
        asked = stream.watcher.after
        stream.after = channel.position if asked is None else max(-1, min(asked, channel.position))
        channel.streams.add(stream)

    def _leave(self, stream: Stream, who: tuple[str, Principal]) -> None:
        stream.over = True
        self._still.pop(stream, None)
        self._held[who] -= 1
        if not self._held[who]:
            del self._held[who]
        channel = self._channels.get(stream.watcher.workspace)
        if channel is not None:
            channel.streams.discard(stream)

    def _refuse_many(self, who: tuple[str, Principal]) -> None:
        for many, most, whose in (
            (self._held[who], self._most_each, f"open streams for {who[1]}"),
            (self.open, self._most, "open streams in this process"),
        ):
            if many >= most:
                told = f"There are {many} of {most} {whose}: close one first."
                raise RateLimited(
                    told,
                    code="live.streams",
                    hint="close a page or a client that watches",
                    limit=f"{most} {whose}",
                    retry_after=5.0,
                )

    # -------------------------------------------------------------------------------------------------------- reading

    async def _channel(self, workspace: str) -> _Channel:
        async with self._starting:
            if workspace not in self._channels:
                position = await self._runtime.store.read(head)
                self._channels[workspace] = _Channel(position, position)
            if self._running is None:
                self._running = asyncio.create_task(self._run(), name="live-hub")
                self._running.add_done_callback(self._ended)
            if self._checking is None:
                self._checking = asyncio.create_task(self._check(), name="live-check")
                self._checking.add_done_callback(self._ended)
            return self._channels[workspace]

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A fault of ours ends every stream: none goes on as if nothing happened."""
        if task.cancelled() or task.exception() is None:
            return
        _log.error("streams end, for their reader failed", exc_info=task.exception())
        self._running = None if task is self._running else self._running
        self._checking = None if task is self._checking else self._checking
        for stream in list(self._still):
            stream.finish(Kind.END, why="fault")

    async def _run(self) -> None:
        """Read whenever the store may have changed, until nobody watches any more."""
        loop = asyncio.get_running_loop()
        pulse = self._runtime.store.pulse()

        def tell() -> None:
            loop.call_soon_threadsafe(self._changed.set)

        pulse.start(tell)
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._read()
                if not self._channels:
                    self._running = None
                    return
        finally:
            await asyncio.shield(asyncio.to_thread(pulse.close))

    async def _read(self) -> None:
        """Hand out what is new, in every workspace that somebody watches."""
        self._forget()
        while self._channels:
            asked = {workspace: channel.position for workspace, channel in self._channels.items()}
            missions = self._watched()
            try:
                new = partial(self._new, asked=asked, missions=missions)
                upto, events, states = await self._runtime.store.read(new)
            except RemitError as error:  # nothing is lost: the next pulse asks for the same
                _log.warning("streams are told nothing new now (%s): %s", error.code, error.message)
                return
            more = False
            for workspace, found in events.items():
                more |= len(found) == MOST
                self._hand_out(workspace, found, upto=found[-1].seq if len(found) == MOST else upto)
            for workspace, changed in states.items():
                self._hand_out_states(workspace, changed)
            if not more:
                return

    def _new(
        self, tx: ReadTx, asked: dict[str, int], missions: dict[str, set[str]]
    ) -> tuple[int, dict[str, list[Event]], dict[str, list[State]]]:
        upto = head(tx)
        events = {each: read_events(tx, each, after=after, upto=upto) for each, after in asked.items() if after < upto}
        states: dict[str, list[State]] = {}
        for workspace, watched in missions.items():
            since = min(self._marks.get(each, -1) for each in watched)
            found = read_states(tx, workspace, watched, since_us=since)
            states[workspace] = [each for each in found if each.changed_us > self._marks.get(each.mission, -1)]
        return upto, events, states

    def _hand_out(self, workspace: str, events: list[Event], *, upto: int) -> None:
        channel = self._channels.get(workspace)
        if channel is None:
            return
        for event in events:
            written = self._written(event)
            channel.keep(event, written)
            for stream in channel.streams:
                if stream.attached and stream.wants(event):
                    stream.push(written)
        channel.position = max(channel.position, upto)
        for stream in channel.streams:
            if stream.attached:
                stream.after = channel.position

    def _hand_out_states(self, workspace: str, states: list[State]) -> None:
        channel = self._channels.get(workspace)
        for state in states if channel is not None else ():
            self._marks[state.mission] = max(self._marks.get(state.mission, -1), state.changed_us)
            written = _state(state)
            for stream in channel.streams if channel is not None else ():
                if stream.attached and stream.watcher.mission == state.mission:
                    stream.push(written)

    def _watched(self) -> dict[str, set[str]]:
        found: defaultdict[str, set[str]] = defaultdict(set)
        for workspace, channel in self._channels.items():
            for stream in channel.streams:
                if stream.watcher.mission:
                    found[workspace].add(stream.watcher.mission)
        return found

    def _forget(self) -> None:
        """A workspace that nobody watches is read no more; whoever comes next begins with the log."""
        for workspace in [name for name, channel in self._channels.items() if not channel.streams]:
            if not any(name == workspace for name, _ in self._held):
                del self._channels[workspace]
        watched = set[str]().union(*self._watched().values())
        for mission in self._marks.keys() - watched:
            del self._marks[mission]

    def _written(self, event: Event) -> Message:
        text = orjson.dumps(dict(event.data)).decode()
        return Message(Kind.ENTRY, self._runtime.redactor.mask(text).encode(), event.seq)

    # ----------------------------------------------------------------------------------------------- who may still

    async def _check(self) -> None:
        """Ask again and again who may still watch; whoever may not is let go, and so is everybody when nobody knows."""
        while True:
            await asyncio.sleep(AGAIN_S)
            streams = dict(self._still)
            if not streams:
                self._checking = None
                return
            lost = await self._lost_rights(streams)
            shown: dict[tuple[Principal, str], bool] = {}
            for stream, still in streams.items():
                key = (stream.watcher.principal, stream.watcher.session)
                if still is not None and key not in shown:
                    shown[key] = await _holds(still)
                if stream in lost or not shown.get(key, True):
                    stream.finish(Kind.GONE, why="not permitted")

    async def _lost_rights(self, streams: dict[Stream, Still | None]) -> set[Stream]:
        asked = {(each.watcher.principal, each.watcher.workspace) for each in streams}
        try:
            allowed = await self._runtime.store.read(
                lambda tx: {(who, where) for who, where in asked if may_watch(tx, who, where)}
            )
        except RemitError:
            allowed = set[tuple[Principal, str]]()
        return {each for each in streams if (each.watcher.principal, each.watcher.workspace) not in allowed}


async def _holds(still: Still) -> bool:
    try:
        return await still()
    except RemitError:
        return False


def _state(state: State) -> Message:
    return Message(Kind.STATE, orjson.dumps(state.as_json()))
