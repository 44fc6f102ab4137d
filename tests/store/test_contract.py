"""The journal's contract, on SQLite and on Postgres."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from remit.adapters.store.journal import Store
from remit.adapters.store.transaction import WriteTransaction
from remit.audit import Entry, Result, query
from remit.kernel import crash
from remit.kernel.action import ActorKind, Principal
from remit.kernel.effects import Durability
from remit.kernel.errors import Conflict, IntegrityError, InternalError, InvalidInput, Unavailable

THING = Table(
    "thing",
    MetaData(),
    Column("id", Text, primary_key=True),
    Column("count", BigInteger),
    Column("data", JSON),
    Column("on", Boolean),
)
ADD = insert(THING)
BY_ID = select(THING).where(THING.c.id == bindparam("wanted"))
COUNT = select(func.count()).select_from(THING)


def entry(n: int = 0, *, workspace: str = "acme", mission: str = "m1") -> Entry:
    return Entry(
        actor=Principal(ActorKind.AGENT, "coder"),
        action="guard.intent" if n % 2 == 0 else "guard.outcome",
        domain="command",
        result=Result.PENDING,
        workspace=workspace,
        mission=mission,
        step=f"s{n}",
    )


def thing(name: str, count: int = 1) -> dict[str, object]:
    return {"id": name, "count": count, "data": {"deep": [1, None]}, "on": True}


@pytest.fixture
def things(store: Store) -> Store:
    store.write(
        "mission.create",
        lambda tx: tx.execute(text('CREATE TABLE thing (id text PRIMARY KEY, count bigint, data json, "on" boolean)')),
    )
    return store


async def test_rows_and_entries_commit_together(things: Store) -> None:
    def op(tx: WriteTransaction) -> object:
        tx.execute(ADD, thing("a"))
        tx.append(entry(), {"argv": ["ls"]})
        return "told"

    assert await things.commit("guard.intent", op, durable=Durability.SEALED) == "told"
    row = await things.read(lambda tx: tx.row(BY_ID, {"wanted": "a"}))
    assert row == {"id": "a", "count": 1, "data": {"deep": [1, None]}, "on": True}
    found = await things.read(lambda tx: query.find(tx, query.Filter("acme")))
    assert [(r.seq, r.header["step"], r.payload) for r in found] == [(0, "s0", {"argv": ["ls"]})]


async def test_an_operation_that_raises_undoes_only_itself(things: Store) -> None:
    def good(name: str) -> Callable:
        def op(tx: WriteTransaction) -> object:
            tx.execute(ADD, thing(name))
            tx.append(entry())
            return name

        return op

    def bad(tx: WriteTransaction) -> object:
        tx.execute(ADD, thing("bad"))
        tx.append(entry(), {"bad": True})
        raise ValueError("no")

    gate = threading.Event()
    blocker = things.submit("mission.create", lambda _tx: gate.wait(60))
    futures = [things.submit("guard.intent", op) for op in (good("a"), bad, good("b"))]
    gate.set()
    blocker.result()
    assert futures[0].result() == "a"
    with pytest.raises(ValueError, match="no"):
        futures[1].result()
    assert futures[2].result() == "b"
    with pytest.raises(ValueError, match="no"):
        await things.commit("guard.intent", bad)
    things.seal()
    assert {row["id"] for row in things.view(lambda tx: tx.rows(select(THING)))} == {"a", "b"}
    assert [r.payload for r in things.view(lambda tx: query.find(tx, query.Filter("acme")))] == [{}, {}]
    assert things.verify().ok


async def test_a_base_exception_reaches_the_waiter_and_the_store_lives_on(things: Store) -> None:
    from remit.kernel.errors import Cancelled

    def stop(_tx: WriteTransaction) -> object:
        raise Cancelled

    with pytest.raises(Cancelled):
        await things.commit("guard.intent", stop)
    assert await things.commit("guard.intent", lambda _tx: 1) == 1


def test_writes_run_in_the_order_in_which_they_were_queued(things: Store) -> None:
    seen: list[int] = []
    futures = [things.submit("guard.intent", lambda _tx, n=n: seen.append(n)) for n in range(600)]
    for future in futures:
        future.result()
    assert seen == list(range(600))


def test_many_threads_and_loops_may_write_at_once(things: Store) -> None:
    def worker(name: int) -> None:
        async def main() -> None:
            await asyncio.gather(
                *(
                    things.commit("guard.intent", lambda tx, i=i: tx.execute(ADD, thing(f"{name}-{i}")))
                    for i in range(20)
                )
            )

        asyncio.run(main())

    threads = [threading.Thread(target=worker, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert things.view(lambda tx: tx.tuples(COUNT)) == [(80,)]


def test_a_name_that_is_no_crash_point_is_refused(store: Store) -> None:
    with pytest.raises(InternalError, match=r"mission\.nameless"):
        store.submit("mission.nameless", lambda _tx: None)


def test_the_crash_points_are_reached_round_the_commit(things: Store) -> None:
    moments: list[tuple[str, int]] = []

    def hook(moment: str) -> None:
        if moment.startswith("guard."):
            moments.append((moment, things.view(lambda tx: tx.tuples(COUNT))[0][0]))

    crash.install(hook)
    try:
        things.write("guard.intent", lambda tx: tx.execute(ADD, thing("a")))
    finally:
        crash.install(None)
    assert moments == [("guard.intent:before", 0), ("guard.intent:after", 1)]


def test_sealed_means_a_signed_checkpoint_covers_the_entries(store: Store) -> None:
    for n in range(3):
        store.write("guard.intent", lambda tx, n=n: tx.append(entry(n)), durable=Durability.SEALED)
        proof = store.view(lambda tx, n=n: query.prove(tx, n, verifiers=store.verifiers))
        assert proof.verify(store.verifiers) == n + 1
        report = store.verify()
        assert (report.ok, report.signed, report.size, report.heads) == (True, n + 1, n + 1, n + 1)


def test_closing_drains_and_signs(reopen: Callable[[], Store]) -> None:
    store = reopen()
    futures = [store.submit("guard.intent", lambda tx, n=n: tx.append(entry(n))) for n in range(300)]
    store.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(Unavailable, match="closed"):
        store.submit("guard.intent", lambda _tx: None)
    report = reopen().verify()
    assert (report.ok, report.size, report.signed, report.pending) == (True, 300, 300, 0)


def test_unsigned_entries_are_signed_within_a_second(store: Store) -> None:
    import time

    store.write("guard.intent", lambda tx: tx.append(entry()))
    end = time.monotonic() + 60
    while store.verify().signed < 1 and time.monotonic() < end:
        time.sleep(0.1)
    assert store.verify().signed == 1


def test_two_handles_on_one_log_take_turns(reopen: Callable[[], Store]) -> None:
    one, two = reopen(), reopen()
    for n in range(20):
        (one if n % 3 else two).write("guard.intent", lambda tx, n=n: tx.append(entry(n)))
    one.seal()
    two.seal()
    report = one.verify()
    assert (report.ok, report.size, report.discrepancies) == (True, 20, ())
    steps = [r.header["step"] for r in two.view(lambda tx: query.find(tx, query.Filter("acme")))]
    assert sorted(steps) == sorted(f"s{n}" for n in range(20))


def test_a_refused_row_is_a_conflict(things: Store) -> None:
    things.write("mission.create", lambda tx: tx.execute(ADD, thing("a")))
    with pytest.raises(Conflict):
        things.write("mission.create", lambda tx: tx.execute(ADD, thing("a")))
    assert things.view(lambda tx: tx.tuples(COUNT)) == [(1,)]


def test_what_core_statements_can_do(things: Store) -> None:
    rising = upsert(THING).values(id="u", count=1)
    rising = rising.on_conflict_do_update(index_elements=["id"], set_={"count": THING.c.count + 1})

    def op(tx: WriteTransaction) -> object:
        assert tx.execute(ADD, [thing("a"), thing("b", 2), thing("c", 3)]) in (3, -1)
        assert tx.execute(ADD, []) == 0
        assert tx.execute(rising) == 1
        assert tx.execute(rising) == 1
        assert tx.execute(update(THING).where(THING.c.id == "a").values(count=5)) == 1
        assert tx.execute(update(THING).where(THING.c.id == "zz").values(count=5)) == 0
        returned = tx.rows(update(THING).where(THING.c.id == "b").values(count=9).returning(THING.c.id, THING.c.data))
        assert returned == [{"id": "b", "data": {"deep": [1, None]}}]
        assert tx.execute(delete(THING).where(THING.c.id == "c")) == 1
        return tx.rows(select(THING.c.id, THING.c.count).order_by(THING.c.id))

    assert things.write("mission.create", op) == [
        {"id": "a", "count": 5},
        {"id": "b", "count": 9},
        {"id": "u", "count": 2},
    ]
    for wanted in (["a"], ["a", "b"], []):
        found = things.view(lambda tx, w=wanted: tx.tuples(select(THING.c.id).where(THING.c.id.in_(w)).order_by("id")))
        assert [name for (name,) in found] == wanted
    named = select(THING.c.id).where(THING.c.id.in_(bindparam("names", expanding=True))).order_by(THING.c.id)
    assert things.view(lambda tx: tx.tuples(named, {"names": ["b", "u"]})) == [("b",), ("u",)]
    for name, count in (("a", 5), ("b", 9)):  # one shape, several values: the cached text must take each one's own
        assert things.view(lambda tx, n=name: tx.tuples(select(THING.c.count).where(THING.c.id == n))) == [(count,)]
    assert things.view(lambda tx: tx.row(BY_ID, {"wanted": "nobody"})) is None


def test_readers_cannot_write(things: Store) -> None:
    with pytest.raises((Unavailable, InternalError)):
        things.view(lambda tx: tx.tuples(text("INSERT INTO thing (id) VALUES ('x') RETURNING id")))


def test_the_log_resists_an_accident(store: Store) -> None:
    store.write("guard.intent", lambda tx: tx.append(entry()), durable=Durability.SEALED)
    for statement in (
        "UPDATE audit_entry SET seq = 7",
        "DELETE FROM audit_entry",
        "DELETE FROM audit_node",
        "UPDATE audit_checkpoint SET size = 3",
        "UPDATE audit_payload SET body = salt",
    ):
        if statement == "DELETE FROM audit_node" and store.statistics().database == "sqlite":
            continue  # a row trigger, and a log of one entry has no nodes
        with pytest.raises((Conflict, InternalError), match="append-only"):
            store.write("guard.outcome", lambda tx, s=statement: tx.execute(text(s)))


def test_an_entry_that_does_not_fit_is_refused_and_nothing_is_written(store: Store) -> None:
    for payload in ({"a": {1, 2}}, {"big": "x" * (1 << 20)}):
        with pytest.raises(InvalidInput):
            store.write("guard.intent", lambda tx, p=payload: tx.append(entry(), p))
    for field in ({"reason": "x" * 257}, {"step": "a\nb"}, {"workspace": ""}, {"subject": "\ud800"}):
        with pytest.raises(InvalidInput):
            Entry(
                **{
                    "actor": Principal(ActorKind.USER, "u"),
                    "action": "a",
                    "domain": "d",
                    "result": Result.SUCCESS,
                    "workspace": "w",
                    **field,
                }
            )
    store.seal()
    assert store.verify().size == 0


async def test_a_cancelled_waiter_does_not_take_its_write_back(things: Store) -> None:
    gate = threading.Event()
    blocked = things.submit("mission.create", lambda _tx: gate.wait(60))
    task = asyncio.create_task(things.commit("mission.create", lambda tx: tx.execute(ADD, thing("a"))))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    blocked.result()
    things.write("guard.intent", lambda _tx: None)
    assert things.view(lambda tx: tx.tuples(COUNT)) == [(1,)]


def test_statistics_count_every_table(store: Store) -> None:
    store.write("guard.intent", lambda tx: tx.append(entry()), durable=Durability.SEALED)
    told = store.statistics().as_json()
    rows = told["rows"]
    assert isinstance(rows, dict)
    assert (rows["audit_entry"], rows["audit_payload"], rows["audit_checkpoint"], told["signed"]) == (1, 1, 1, 1)
    store.check()


def test_entries_are_found_by_filter_and_page(store: Store) -> None:
    def op(tx: WriteTransaction) -> object:
        for n in range(10):
            tx.append(entry(n, mission=f"m{n % 3}"))
        tx.append(entry(0, workspace="other"))

    store.write("guard.intent", op, durable=Durability.SEALED)

    def steps(**wanted: object) -> list[str]:
        return [r.header["step"] for r in store.view(lambda tx: query.find(tx, query.Filter("acme", **wanted)))]

    assert steps(mission="m1") == ["s1", "s4", "s7"]
    assert steps(action="guard.outcome", limit=2) == ["s1", "s3"]
    assert steps(action="guard.outcome", after=3) == ["s5", "s7", "s9"]
    assert steps(actor="agent:coder", mission="m0", action="guard.intent") == ["s0", "s6"]
    assert steps(actor="agent:nobody") == []
    assert len(steps(since_us=1)) == 10
    assert steps(since_us=1 << 52) == []


def test_nothing_is_signed_over_a_log_that_was_cut(reopen: Callable[[], Store], tmp_path: Path) -> None:
    store = reopen()
    store.write("guard.intent", lambda tx: [tx.append(entry(n)) for n in range(4)], durable=Durability.SEALED)
    store.close()
    heads = (tmp_path / "heads.log").read_bytes()
    other = reopen()

    def cut(tx: WriteTransaction) -> object:
        for trigger in ("no_delete", "fixed"):
            name = f"audit_entry_{trigger}"
            sqlite = other.statistics().database == "sqlite"
            if sqlite == (trigger == "no_delete"):
                tx.execute(text(f"DROP TRIGGER {name}" + ("" if sqlite else " ON audit_entry")))
        tx.execute(text("DELETE FROM audit_entry WHERE seq = 3"))

    other.write("mission.create", cut)
    with pytest.raises(IntegrityError, match="cut"):
        other.seal()
    assert "4 entries" in str(other.verify().discrepancies[0])
    assert (tmp_path / "heads.log").read_bytes() == heads


def test_verifying_beside_a_busy_writer_raises_no_false_alarm(reopen: Callable[[], Store]) -> None:
    writer, reader = reopen(), reopen()
    stop = threading.Event()

    def work() -> None:
        n = 0
        while not stop.is_set():
            durable = Durability.SEALED if n % 3 == 0 else Durability.COMMIT
            writer.write("guard.intent", lambda tx, n=n: [tx.append(entry(n + i)) for i in range(5)], durable=durable)
            n += 5

    thread = threading.Thread(target=work)
    thread.start()
    try:
        while not reader.verify().signed:
            pass
        reports = [reader.verify() for _ in range(25)]
    finally:
        stop.set()
        thread.join()
    assert [report.discrepancies for report in reports if not report.ok] == []
    assert reports[-1].size > reports[0].size
