"""What the engine promises, on both databases: the contract suite of ``kernel.ports.Engine``."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from engine_workers import QUICK, Worker, until, witnessed

from remit.adapters.engine import DurableEngine, Lease
from remit.adapters.engine.records import STATUS
from remit.kernel.errors import Cancelled, Conflict, Failed, Fenced, InternalError, NotFound, Unavailable
from remit.kernel.ports import RunTicket

from ..pace import Pace  # noqa: TID252 - tests are loaded by path
from ..postgres import WHY_SKIPPED, cluster, find_binaries  # noqa: TID252 - as above

type MakeEngine = Callable[..., DurableEngine]
type Spawn = Callable[..., Worker]


class Driver:
    """Remembers its tickets and does what it was told for a run."""

    def __init__(self) -> None:
        self.tickets: list[RunTicket] = []
        self.acts: dict[str, Callable[[], Awaitable[None]]] = {}

    async def __call__(self, ticket: RunTicket) -> None:
        self.tickets.append(ticket)
        if ticket.run_id in self.acts:
            await self.acts[ticket.run_id]()

    @property
    def runs(self) -> list[str]:
        return [ticket.run_id for ticket in self.tickets]


def fails(error: BaseException) -> Callable[[], Awaitable[None]]:
    async def act() -> None:
        raise error

    return act


@pytest.fixture
def driver() -> Driver:
    return Driver()


class TestSubmit:
    async def test_runs_here_once_however_often_it_is_submitted(self, make_engine: MakeEngine, driver: Driver) -> None:
        engine = make_engine()
        await engine.start(driver, worker=False)
        for _ in range(3):
            await engine.submit("a")
        await engine.wait("a")
        await engine.submit("a")
        await engine.wait("a")
        assert driver.tickets == [RunTicket("a", 0, engine.executor)]
        assert await engine.unfinished() == []
        await engine.stop()

    async def test_submitted_at_once_from_many_tasks_runs_once(self, make_engine: MakeEngine, driver: Driver) -> None:
        engine = make_engine()
        await engine.start(driver, worker=True)
        await asyncio.gather(*(engine.submit("a", queued=bool(i % 2)) for i in range(8)))
        await engine.wait("a")
        assert driver.runs == ["a"]
        await engine.stop()

    async def test_a_worker_takes_a_queued_run(self, make_engine: MakeEngine, driver: Driver) -> None:
        engine = make_engine()
        await engine.start(driver, worker=True)
        await engine.submit("a", queued=True)
        await engine.wait("a")
        assert driver.tickets == [RunTicket("a", 0, engine.executor)]
        await engine.stop()

    async def test_who_is_no_worker_leaves_queued_runs_alone_until_asked(
        self, make_engine: MakeEngine, driver: Driver
    ) -> None:
        engine = make_engine()
        await engine.start(driver, worker=False)
        await engine.submit("a", queued=True)
        await asyncio.sleep(1.5)
        assert driver.runs == []
        assert await engine.unfinished() == ["a"]
        await engine.submit("a")
        await engine.wait("a")
        assert driver.runs == ["a"]
        await engine.stop()

    async def test_a_driver_may_submit_another_run(self, make_engine: MakeEngine, driver: Driver) -> None:
        engine = make_engine()
        driver.acts["parent"] = lambda: engine.submit("child")
        await engine.start(driver, worker=False)
        await engine.submit("parent")
        await engine.wait("parent")
        await engine.wait("child")
        assert driver.tickets == [RunTicket("parent", 0, engine.executor), RunTicket("child", 0, engine.executor)]
        await engine.stop()

    async def test_a_hundred_runs_at_once(self, make_engine: MakeEngine, driver: Driver) -> None:
        engine = make_engine(lease=Lease(60, 1))  # a slow machine is no dead executor
        await engine.start(driver, worker=True)
        runs = [f"run-{i:03}" for i in range(100)]
        await asyncio.gather(*(engine.submit(run) for run in runs))
        await asyncio.gather(*(engine.wait(run) for run in runs))
        assert sorted(driver.runs) == runs
        await engine.stop()


class TestWait:
    @pytest.mark.parametrize("error", [Failed("boom", code="step.failed"), Fenced("gone"), ValueError("a bug")])
    async def test_raises_the_driver_s_own_error(
        self, make_engine: MakeEngine, driver: Driver, error: Exception
    ) -> None:
        engine = make_engine()

        async def act() -> None:
            await asyncio.sleep(0.1)
            raise error

        driver.acts["a"] = act
        await engine.start(driver, worker=False)
        await engine.submit("a")
        waiters = await asyncio.gather(*(engine.wait("a") for _ in range(3)), return_exceptions=True)
        assert waiters == [error] * 3
        await engine.stop()

    @pytest.mark.parametrize(
        ("error", "seen"), [(Failed("secret text"), Failed), (ValueError("secret text"), InternalError)]
    )
    async def test_another_process_learns_the_class_and_never_the_text(
        self, make_engine: MakeEngine, driver: Driver, error: Exception, seen: type[Exception]
    ) -> None:
        first = make_engine()
        driver.acts["a"] = fails(error)
        await first.start(driver, worker=False)
        await first.submit("a")
        with pytest.raises(type(error)):
            await first.wait("a")
        await first.stop()
        second = make_engine()
        await second.start(driver, worker=False)
        with pytest.raises(seen) as caught:
            await second.wait("a")
        assert "secret text" not in str(caught.value)
        assert "a" in str(caught.value)
        await second.stop()
        assert driver.runs == ["a"]

    async def test_cancelled_by_the_driver(self, make_engine: MakeEngine, driver: Driver) -> None:
        engine = make_engine()
        driver.acts["a"] = fails(Cancelled())
        await engine.start(driver, worker=False)
        await engine.submit("a")
        with pytest.raises(Cancelled):
            await engine.wait("a")
        assert await engine.unfinished() == []
        await engine.stop()

    async def test_unknown_run(self, make_engine: MakeEngine, driver: Driver) -> None:
        engine = make_engine()
        await engine.start(driver, worker=False)
        with pytest.raises(NotFound):
            await engine.wait("nobody")
        await engine.stop()

    async def test_not_started(self, make_engine: MakeEngine) -> None:
        with pytest.raises(Conflict):
            await make_engine().wait("a")


class TestUnavailable:
    async def test_the_run_goes_on_when_the_store_is_back(self, make_engine: MakeEngine, driver: Driver) -> None:
        engine = make_engine()
        driver.acts["a"] = fails(Unavailable("the store is away"))
        await engine.start(driver, worker=True)
        await engine.submit("a")
        with pytest.raises(Unavailable):
            await engine.wait("a")
        assert await engine.unfinished() == ["a"]
        del driver.acts["a"]
        await engine.wait("a")
        assert [ticket.recovery for ticket in driver.tickets] == [0, 1]
        await engine.stop()

    async def test_and_at_once_when_it_is_submitted_again(self, make_engine: MakeEngine, driver: Driver) -> None:
        engine = make_engine()
        driver.acts["a"] = fails(Unavailable("the store is away"))
        await engine.start(driver, worker=False)
        await engine.submit("a")
        with pytest.raises(Unavailable):
            await engine.wait("a")
        del driver.acts["a"]
        await engine.submit("a")
        await engine.wait("a")
        assert [ticket.recovery for ticket in driver.tickets] == [0, 1]
        await engine.stop()

    async def test_a_run_that_never_ends_is_given_up(self, make_engine: MakeEngine, driver: Driver) -> None:
        """It may be what kills its workers."""
        from remit.adapters.engine import transact

        engine = make_engine()
        await engine.start(driver, worker=True)
        live = engine._live
        assert live is not None
        live.transact.enqueue("a", shared=False)
        with live.engine.begin() as connection:
            connection.execute(sa.update(STATUS).values(recovery_attempts=transact.MAX_CLAIMS))
        await engine.submit("a")
        with pytest.raises(Failed, match="given up"):
            await engine.wait("a")
        assert driver.runs == []
        assert await engine.unfinished() == []
        await engine.stop()


class TestCancel:
    async def test_is_final_and_the_driver_can_learn_it(self, make_engine: MakeEngine, driver: Driver) -> None:
        engine = make_engine()
        begun, go_on = asyncio.Event(), asyncio.Event()
        mine: list[bool] = []

        async def act() -> None:
            mine.append(await engine.still_mine("a"))
            begun.set()
            await go_on.wait()
            mine.append(await engine.still_mine("a"))

        driver.acts["a"] = act
        await engine.start(driver, worker=True)
        await engine.submit("a")
        await begun.wait()
        await engine.cancel("a")
        go_on.set()
        with pytest.raises(Cancelled):
            await engine.wait("a")
        assert mine == [True, False]
        await engine.submit("a")
        await asyncio.sleep(1)
        assert driver.runs == ["a"]
        assert await engine.unfinished() == []
        await engine.stop()

    async def test_a_queued_run_never_starts(self, make_engine: MakeEngine, driver: Driver) -> None:
        engine = make_engine()
        await engine.start(driver, worker=False)
        await engine.submit("a", queued=True)
        await engine.cancel("a")
        await engine.submit("a")
        with pytest.raises(Cancelled):
            await engine.wait("a")
        assert driver.runs == []
        await engine.stop()


class TestStop:
    async def test_what_was_in_hand_is_free_at_once(
        self, make_engine: MakeEngine, driver: Driver, witness: Path, spawn: Spawn
    ) -> None:
        engine = make_engine()
        driver.acts["a"] = lambda: asyncio.sleep(60)
        await engine.start(driver, worker=True)
        await engine.submit("a")
        waiting = asyncio.create_task(engine.wait("a"))
        await until(lambda: driver.runs == ["a"])
        pace = Pace()
        await engine.stop()
        assert pace.spent() < 2
        with pytest.raises(Unavailable, match="stopped"):
            await waiting
        worker = spawn(steps=1, pause=0.01)
        pace = Pace()
        await until(lambda: ["end", "a"] in [line[1:] for line in worker.lines()])
        assert pace.spent() < QUICK.lease
        assert [line[1:] for line in witnessed(witness)][1] == ["start", "a", "1"]

    async def test_twice_is_harmless_and_it_starts_again(self, make_engine: MakeEngine, driver: Driver) -> None:
        engine = make_engine()
        await engine.start(driver, worker=False)
        with pytest.raises(Conflict):
            await engine.start(driver, worker=False)
        with pytest.raises(Conflict):
            await make_engine().start(driver, worker=False)
        await engine.stop()
        await engine.stop()
        await engine.start(driver, worker=False)
        await engine.submit("a")
        await engine.wait("a")
        await engine.stop()


class TestTakeover:
    async def test_of_a_killed_worker_within_a_lease_and_two_beats(self, spawn: Spawn, witness: Path) -> None:
        first = spawn(submit="a", steps=100)
        second = spawn(steps=3, pause=0.01)
        await until(lambda: any(line[1] == "step" for line in first.lines()))
        first.kill()
        seconds = await until(lambda: any(line[1] == "start" for line in second.lines()))
        # The row must then be dequeued (a poll of 0.2 s), and this machine may be busy.
        assert seconds <= QUICK.lease + 2 * QUICK.beat + 2
        await until(lambda: any(line[1] == "end" for line in second.lines()))
        assert [line[1:] for line in second.lines()][1:] == [
            ["start", "a", "1"],
            *(["step", "a", str(i)] for i in range(3)),
            ["end", "a"],
        ]
        assert not any(line[1] == "end" for line in witnessed(witness, first.pid))

    async def test_of_a_run_that_was_written_and_never_claimed(self, make_engine: MakeEngine, driver: Driver) -> None:
        """Its process ended in between: nobody serves that queue, the watchdog moves it."""
        command = make_engine()
        await command.start(driver, worker=False)
        live = command._live
        assert live is not None
        live.transact.enqueue("a", shared=False)
        await command.stop()
        worker = make_engine()
        await worker.start(driver, worker=True)
        await worker.wait("a")
        assert driver.tickets == [RunTicket("a", 0, worker.executor)]
        await worker.stop()

    async def test_of_a_killed_command_line_run(self, spawn: Spawn) -> None:
        """A run that was never queued is recovered as well, by workers only."""
        cli = spawn(role="cli", submit="a", steps=100)
        other = spawn(role="cli")
        await until(lambda: any(line[1] == "step" for line in cli.lines()))
        cli.kill()
        worker = spawn(steps=1, pause=0.01)
        await until(lambda: any(line[1] == "end" for line in worker.lines()))
        assert [line[1] for line in other.lines()] == ["up"]

    async def test_is_at_once_where_the_kernel_tells(
        self, spawn: Spawn, make_engine: MakeEngine, driver: Driver
    ) -> None:
        cli = spawn(role="cli", submit="a", steps=100, locks=True)
        await until(lambda: any(line[1] == "step" for line in cli.lines()))
        engine = make_engine(locks=True)
        await engine.start(driver, worker=False)
        await engine.submit("a")
        await asyncio.sleep(0.3)
        assert driver.runs == []  # its process lives
        cli.kill()
        pace = Pace()
        await engine.submit("a")
        await engine.wait("a")
        assert pace.spent() < 1
        assert driver.tickets == [RunTicket("a", 1, engine.executor)]
        await engine.stop()

    async def test_of_a_frozen_worker_which_then_learns_that_it_lost(self, spawn: Spawn, engine_url: str) -> None:
        first = spawn(submit="a", steps=200, pause=0.1)
        second = spawn(steps=25, pause=0.1)
        await until(lambda: any(line[1] == "step" for line in first.lines()))
        first.freeze(engine_url)
        await until(lambda: any(line[1] == "start" for line in second.lines()))
        before = len(first.lines())
        first.signal(signal.SIGCONT)
        await until(lambda: any(line[1] == "end" for line in first.lines()))
        late = [line[1] for line in first.lines()[before:]]
        # One step may already have been past its question when the process froze.
        assert late in (["lost", "end"], ["step", "lost", "end"])
        await until(lambda: any(line[1] == "end" for line in second.lines()))
        assert ["step", "a", "24"] in [line[1:] for line in second.lines()]
        assert [line[1] for line in first.lines()].count("start") == 1

    async def test_a_zombie_cannot_end_the_run(self, spawn: Spawn, make_engine: MakeEngine, driver: Driver) -> None:
        """A driver that does not ask comes to its end after the thaw; the run is still the other's."""
        engine = make_engine()
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def act() -> None:
            begun.set()
            await go_on.wait()

        driver.acts["a"] = act
        await engine.start(driver, worker=False)
        await engine.submit("a")
        await begun.wait()
        engine._live.watchdog._stop.set()  # pyright: ignore - this process falls silent, and goes on
        other = spawn(steps=20, pause=0.1)
        await until(lambda: any(line[1] == "start" for line in other.lines()))
        assert not await engine.still_mine("a")
        go_on.set()
        await asyncio.sleep(0.3)
        assert await engine.unfinished() == ["a"]
        await engine.wait("a")
        assert ["end", "a"] in [line[1:] for line in other.lines()]
        await engine.stop()

    async def test_among_many_workers_each_run_ends_once(
        self, spawn: Spawn, make_engine: MakeEngine, driver: Driver, witness: Path
    ) -> None:
        doomed = spawn(steps=4, pause=1)
        engine = make_engine()
        await engine.start(driver, worker=False)
        runs = [f"run-{i:02}" for i in range(12)]
        for run in runs:
            await engine.submit(run, queued=True)
        await until(lambda: any(line[1] == "start" for line in doomed.lines()))
        for _ in range(2):
            spawn(steps=4, pause=0.1)
        doomed.kill()
        await asyncio.gather(*(engine.wait(run) for run in runs))
        ended = sorted(line[2] for line in witnessed(witness) if line[1] == "end")
        assert ended == runs
        assert driver.runs == []
        await engine.stop()


class TestStranded:
    async def test_a_run_of_a_version_that_nobody_runs_is_named(
        self, spawn: Spawn, make_engine: MakeEngine, driver: Driver, caplog: pytest.LogCaptureFixture
    ) -> None:
        old = spawn(submit="a", steps=100, version="wf-0")
        old.kill()
        engine = make_engine()
        await engine.start(driver, worker=True)
        await until(lambda: "needs a worker of version wf-0" in caplog.text)
        (run,) = await engine.stranded()
        assert (run.run_id, run.version, run.status) == ("a", "wf-0", "PENDING")
        assert driver.runs == []
        await engine.stop()

    async def test_a_queued_run_is_stranded_while_no_worker_lives(
        self, make_engine: MakeEngine, driver: Driver
    ) -> None:
        engine = make_engine()
        await engine.start(driver, worker=False)
        await engine.submit("a", queued=True)
        assert [run.run_id for run in await engine.stranded()] == ["a"]
        await engine.stop()


class TestRetention:
    async def test_deletes_what_ended_before_and_nothing_else(self, make_engine: MakeEngine, driver: Driver) -> None:
        engine = make_engine()
        driver.acts["failed"] = fails(Failed("boom"))
        await engine.start(driver, worker=False)
        for run in ("done", "failed"):
            await engine.submit(run)
        await engine.wait("done")
        with pytest.raises(Failed):
            await engine.wait("failed")
        await engine.submit("waiting", queued=True)
        assert await engine.retain(older_than=datetime.now(UTC) - timedelta(minutes=1)) == 0
        assert await engine.retain(older_than=datetime.now(UTC) + timedelta(minutes=1)) == 2
        with pytest.raises(NotFound):
            await engine.wait("done")
        assert await engine.unfinished() == ["waiting"]
        # No row of a deleted run is left to be taken for a result (payload tables have no foreign keys).
        await engine.submit("done")
        await engine.wait("done")
        assert driver.runs == ["done", "failed", "done"]
        await engine.stop()


class TestRestartOfPostgres:
    async def test_during_runs_and_takeovers_strands_nothing(self, driver: Driver) -> None:
        """DBOS issue 716: a restart in the middle of a recovery left workflows that nobody took again."""
        binaries = find_binaries()
        if binaries is None:
            pytest.skip(WHY_SKIPPED)
        with cluster(binaries) as url:
            folder = Path(parse_qs(urlsplit(url).query)["host"][0])
            restart = [str(binaries / "pg_ctl"), "-D", str(folder / "data"), "-l", str(folder / "log"), "-w"]
            owner = ["runuser", "-u", folder.owner(), "--"] if os.geteuid() == 0 else []
            engine = DurableEngine(url, lease=QUICK)
            driver.acts["held"] = lambda: asyncio.sleep(4)
            await engine.start(driver, worker=True)
            for index in range(6):
                await engine.submit(f"queued-{index}", queued=True)
            await engine.submit("held")
            # Rows as a dead worker left them, taken over while the server goes away.
            live = engine._live
            assert live is not None
            for index in range(6):
                live.transact.enqueue(f"orphan-{index}", shared=False)
                row = live.records.run(f"orphan-{index}")
                assert row is not None
                assert live.records.claim(row, "dead", "token")
            await asyncio.to_thread(
                subprocess.run, [*owner, *restart, "-m", "immediate", "restart"], check=True, stdout=subprocess.DEVNULL
            )
            async with asyncio.timeout(60):
                left = ["any"]
                while left:
                    await asyncio.sleep(0.2)
                    with suppress(Unavailable):
                        left = await engine.unfinished()
            assert set(driver.runs) == {"held", *(f"{k}-{i}" for k in ("queued", "orphan") for i in range(6))}
            await engine.stop()
