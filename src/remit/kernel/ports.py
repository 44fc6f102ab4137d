"""What rooms ask of the outside world. Each port has several implementations that pass one contract suite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol, runtime_checkable

from sqlalchemy.sql.base import Executable

from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.effects import Durability
from remit.kernel.mission import Outcome

type Params = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
type Row = Mapping[str, Any]


class ReadTx(Protocol):
    """One read transaction."""

    def rows(self, stmt: Executable, params: Params = None) -> list[Row]:
        """Every row of a SELECT, as mappings by column name."""
        ...

    def row(self, stmt: Executable, params: Params = None) -> Row | None:
        """The first row, or ``None``."""
        ...


class Kept(Protocol):
    """Rows that operations of one transaction move one after another: read once, moved in memory, written back once.

    Attributes:
        tables: Whose rows. Before any statement on one of them runs, what moved is written back and all is forgotten.
    """

    tables: ClassVar[frozenset[str]]

    def write(self, tx: Tx) -> None:
        """Write back what moved."""
        ...


class Tx(ReadTx, Protocol):
    """One write transaction: business rows and audit entries stand or fall together."""

    def execute(self, stmt: Executable, params: Params = None) -> int:
        """Run a statement (many times for a sequence of parameters); the number of rows it touched."""
        ...

    def put(self, stmt: Executable, params: Mapping[str, Any]) -> None:
        """As ``execute``, at the end of the transaction, once for all operations in it that ask for the same."""
        ...

    def later(self, stmt: Executable, params: Mapping[str, Any], *, exact: bool = False) -> bool:
        """As ``put``, if that can wait: else nothing is done, and false. ``exact``: it must touch one row.

        Who gets true may take it for done. When it was not, everything is undone and run again, and nothing waits.
        """
        ...

    def kept[K: Kept](self, kind: type[K]) -> K | None:
        """What this transaction keeps of a kind, made when it is first asked for; to be asked for anew each time.

        ``None``: nothing is kept, because the operation is alone in its transaction or must be undone by itself: the
        caller runs its statements.
        """
        ...

    def stored(self, stmt: Executable, params: Params = None) -> list[Row]:
        """As ``rows``, as they stand in the database: for a ``Kept`` that reads rows it does not keep yet."""
        ...

    def append(self, entry: Any, payload: Mapping[str, Any] | None = None, *, subject: str = "") -> None:  # noqa: ANN401 - audit stands above the kernel
        """Add an ``audit.Entry`` (with its payload) to the log in this transaction.

        ``subject`` names the person whom the payload is about (a user's id, a customer's reference), so that erasing
        that person erases it; empty: about nobody.
        """
        ...


class Journal(Protocol):
    """The only way to Remit's own store."""

    def submit[T](
        self, name: str, op: Callable[[Tx], T], *, durable: Durability = Durability.COMMIT, patient: bool = False
    ) -> Future[T]:
        """Queue a write, first in first out, from any thread; the future is done once it is committed.

        ``name`` must be in ``kernel.crash.POINTS``. An ``op`` that raises undoes only itself, and its exception is the
        future's. With ``patient``, nobody waits for it: it may be held for some milliseconds, and goes with the next.
        """
        ...

    async def commit[T](self, name: str, op: Callable[[Tx], T], *, durable: Durability = Durability.COMMIT) -> T:
        """``submit`` and wait until committed; ``Durability.SEALED`` waits for a signed checkpoint over its entries."""
        ...

    async def ahead[T](self, name: str, op: Callable[[Tx], T]) -> asyncio.Future[T]:
        """Queue a write and go on once it has run: what it gives back is done once it is committed.

        Where the database may still undo what has run (Postgres may, to end a deadlock), not before the commit. What
        ``op`` raises is raised here. What fails afterwards, with the commit, is the future's: then nothing stands.
        """
        ...

    async def read[T](self, op: Callable[[ReadTx], T]) -> T:
        """Run reads in one snapshot."""
        ...


class Adapter(Protocol):
    """Performs one kind of effect. Called by the guard, inside a permit, and by nobody else."""

    async def perform(self, action: Action) -> Outcome:
        """Do it once.

        Raises:
            Unavailable: A transient failure; may be tried again when the effect is repeatable.
            RemitError: Anything else that ends the attempt.
        """
        ...


@dataclass(frozen=True, slots=True)
class UpstreamCall:
    """One HTTP request to a provider of models.

    Attributes:
        method: ``POST``, or ``GET`` for lists.
        url: The whole address.
        headers: As they are sent, the key included; ``repr`` shows none.
        body: As it is sent.
        connect_s: Seconds until the connection stands.
        silence_s: Seconds without a byte after which the answer is given up.
    """

    url: str
    body: bytes = field(default=b"", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    method: str = "POST"
    connect_s: float = 10.0
    silence_s: float = 60.0


class UpstreamAnswer(Protocol):
    """An answer whose head is there. Closing it early ends the connection."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers by lower-case name."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body's bytes as they come, decompressed.

        Raises:
            Unavailable: The connection was cut before the body's end, or nothing came for too long (``Timeout``).
        """
        ...

    async def close(self) -> None:
        """Let go of it; what has not been read ends the connection."""
        ...


class ModelUpstream(Protocol):
    """The way to providers of models: connections are kept and shared."""

    async def send(self, call: UpstreamCall) -> UpstreamAnswer:
        """Send a request; returns with the answer's head, whatever its status.

        Raises:
            Unavailable: No connection, or no answer in time (``Timeout``).
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


@dataclass(frozen=True, slots=True)
class Preview:
    """What an action would do, for the person who decides about it. Texts are masked and made harmless by the guard.

    Attributes:
        diff: Unified diff of code or configuration against what stands there now.
        summary: What will happen, in a few lines.
        simulation: Figures of a rehearsal (trades, for instance), JSON.
        links: Addresses or paths where more can be looked at (assets, reports).
    """

    diff: str = ""
    summary: str = ""
    simulation: Mapping[str, Json] = field(default_factory=dict[str, Json])
    links: tuple[str, ...] = ()


@runtime_checkable
class Previewer(Protocol):
    """What an adapter may also offer: a look ahead."""

    async def preview(self, action: Action) -> Preview:
        """What ``action`` would do. Reads only; called outside a permit, before anybody was asked.

        Raises:
            RemitError: It can't be told; the request is made all the same and says so.
        """
        ...


@dataclass(frozen=True, slots=True)
class SecretValue:
    """A secret as a backend gave it. ``repr`` shows no value."""

    name: str
    version: str
    backend: str
    text: str = field(repr=False)


class SecretBackend(Protocol):
    """Where secrets are kept. Calls block (bounded by the backend's own timeouts); any thread may make them.

    Nothing it raises, logs or shows holds a value.
    """

    @property
    def name(self) -> str:
        """``env``, ``file``, ``aws`` or ``vault``."""
        ...

    @property
    def writable(self) -> bool:
        """Whether ``set`` and ``delete`` work."""
        ...

    def get(self, name: str, *, version: str = "") -> SecretValue:
        """The newest value, or that of a version.

        Raises:
            NotFound: It has no such secret or version (``secrets.unknown``).
            Failed: It refuses (``secrets.backend_refused``), or what it holds is no text (``secrets.binary``).
            Unavailable: It doesn't answer; nothing is known then.
        """
        ...

    def set(self, name: str, text: str) -> str:
        """Keep a value as the newest version; its version.

        Raises:
            Conflict: It is read only (``secrets.read_only``), or the secret is being deleted.
            Failed, Unavailable: As ``get``.
        """
        ...

    def delete(self, name: str) -> None:
        """Forget the secret with all its versions.

        Raises:
            NotFound, Conflict, Failed, Unavailable: As ``get`` and ``set``.
        """
        ...

    def names(self) -> list[str]:
        """Every secret it has, sorted.

        Raises:
            Failed, Unavailable: As ``get``.
        """
        ...

    def versions(self, name: str) -> list[str]:
        """The versions that ``get`` can give, newest first.

        Raises:
            NotFound, Failed, Unavailable: As ``get``.
        """
        ...


@dataclass(frozen=True, slots=True)
class RunTicket:
    """What the engine hands to the driver: which run, for the how-manieth time, by which executor."""

    run_id: str
    recovery: int
    executor: str


class Engine(Protocol):
    """Schedules mission runs durably. It knows ids only; what a step did stands in Remit's store."""

    @property
    def executor(self) -> str:
        """This process's name among those that run missions."""
        ...

    async def start(self, drive: Callable[[RunTicket], Awaitable[None]], *, worker: bool) -> None:
        """Launch. A worker also takes queued runs and those of dead workers."""
        ...

    async def submit(self, run_id: str, *, queued: bool = False) -> None:
        """Schedule a run, once for each id: here and now, or (``queued``) on whichever worker takes it."""
        ...

    async def wait(self, run_id: str) -> None:
        """Wait until the run has ended; raises what ``drive`` raised."""
        ...

    async def cancel(self, run_id: str) -> None:
        """Never recover this run again."""
        ...

    async def still_mine(self, run_id: str) -> bool:
        """Whether this executor still owns the run."""
        ...

    async def unfinished(self) -> list[str]:
        """Runs that have not ended, oldest first."""
        ...

    async def retain(self, *, older_than: datetime) -> int:
        """Delete the records of runs that ended before ``older_than``; how many."""
        ...

    async def stop(self) -> None:
        """Stop taking work and close."""
        ...
