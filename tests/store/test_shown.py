"""What the store writes: text that people read is masked, what is executed refuses a secret, ids stay ids."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import orjson
import pytest
from sqlalchemy import LargeBinary, Text, bindparam, insert, select, update

from remit.accounts.tables import KILL
from remit.adapters.store.schema import METADATA
from remit.adapters.store.shown import EXACT, EXECUTED, READ, READ_IN, Masking, read_column
from remit.adapters.store.sqlite import SqliteStore
from remit.audit.entry import Entry, Result
from remit.audit.note import new_signer
from remit.audit.tables import ENTRY, PAYLOAD
from remit.guard.tables import ACTION
from remit.kernel import correlation
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import InvalidInput
from remit.redact.redactor import Redactor

SECRET = "hunter2_" + "f00dfeed"
WHO = Principal(ActorKind.USER, "u")


@pytest.fixture
def redactor() -> Redactor:
    found = Redactor(os.urandom(16))
    found.register(SECRET)
    return found


@pytest.fixture
def store(tmp_path: Path, redactor: Redactor) -> Iterator[SqliteStore]:
    found = SqliteStore(
        tmp_path / "remit.db",
        (new_signer("remit.invalid/log", os.urandom),),
        heads=tmp_path / "heads.log",
        keys=None,
        masking=Masking(redactor.mask, partial(redactor.mask_tree, names=False)),
    )
    found.migrate()
    yield found
    found.close()


def kill(name: str, reason: str) -> dict[str, object]:
    return {
        **{column.name: 0 if not isinstance(column.type, Text) else "" for column in KILL.columns},
        "id": name,
        "workspace": "w",
        "reason": reason,
        "lifted_us": None,
    }


def bytes_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_a_reason_is_masked_on_insert_and_update_and_in_every_row(store: SqliteStore, tmp_path: Path) -> None:
    stmt = insert(KILL)
    await store.commit("accounts.kill", lambda tx: tx.execute(stmt, [kill("a", f"x {SECRET}"), kill("b", "plain")]))
    change = (update(KILL).where(KILL.c.id == bindparam("which")).values(lifted_reason=bindparam("because"))).returning(
        KILL.c.id
    )
    await store.commit("accounts.kill", lambda tx: tx.row(change, {"which": "b", "because": SECRET}))
    rows = {row["id"]: row for row in await store.read(lambda tx: tx.rows(select(KILL)))}
    assert rows["a"]["reason"].startswith("x [REDACTED:registered:")
    assert rows["b"]["reason"] == "plain"
    assert rows["b"]["lifted_reason"].startswith("[REDACTED:registered:")
    assert SECRET.encode() not in bytes_below(tmp_path)


async def test_json_stays_json(store: SqliteStore) -> None:
    values = {column.name: 0 if not isinstance(column.type, Text) else "" for column in ACTION.columns}
    checks = orjson.dumps([{"name": "scan", "detail": f'a "{SECRET}"'}]).decode()
    row = {**values, "id": "a", "workspace": "w", "checks": checks, "effect_key": SECRET, "closed_us": None}
    stmt = insert(ACTION)
    await store.commit("guard.intent", lambda tx: tx.execute(stmt, row))
    [found] = await store.read(lambda tx: tx.rows(select(ACTION)))
    assert orjson.loads(found["checks"])[0]["detail"].startswith('a "[REDACTED:registered:')
    assert found["effect_key"] == SECRET  # a key is compared with: whoever makes one makes it of ids and hashes


async def test_what_is_executed_is_refused_and_nothing_of_the_write_stands(store: SqliteStore) -> None:
    from remit.missions.tables import MISSION

    empty: dict[type, object] = {Text: "", LargeBinary: b""}
    row = {column.name: empty.get(type(column.type), 0) for column in MISSION.columns} | {"plan": SECRET.encode()}
    stmt = insert(MISSION)
    with pytest.raises(InvalidInput) as refused:
        await store.commit("mission.create", lambda tx: tx.execute(stmt, row))
    assert refused.value.code == "store.secret"
    assert SECRET not in str(refused.value)
    assert await store.read(lambda tx: tx.rows(select(MISSION.c.id))) == []


def entry(**more: str) -> Entry:
    return Entry(actor=WHO, action="accounts.kill", domain="accounts", result=Result.SUCCESS, workspace="w", **more)


async def test_an_entry_of_the_log_is_masked_before_it_is_hashed(store: SqliteStore, tmp_path: Path) -> None:
    payload = {"why": SECRET, SECRET: [SECRET], "n": 1}
    await store.commit("accounts.kill", lambda tx: tx.append(entry(subject=SECRET), payload))
    store.seal()
    assert store.verify().ok
    [body] = [row["body"] for row in await store.read(lambda tx: tx.rows(select(PAYLOAD.c.body)))]
    assert orjson.loads(body)["why"].startswith("[REDACTED:registered:")
    [header] = [row["header"] for row in await store.read(lambda tx: tx.rows(select(ENTRY.c.header)))]
    assert orjson.loads(header)["subject"].startswith("[REDACTED:registered:")
    assert SECRET.encode() not in bytes_below(tmp_path)


async def test_an_entry_names_the_request_it_belongs_to(store: SqliteStore) -> None:
    asked = correlation.begin()
    try:
        with correlation.bound(mission="m"):
            await store.commit("accounts.kill", lambda tx: tx.append(entry(), {"n": 1}))
        other = correlation.begin()
        await store.commit("accounts.kill", lambda tx: tx.append(entry(), {"n": 2}))
    finally:
        correlation.end()
    rows = await store.read(lambda tx: tx.rows(select(PAYLOAD.c.body).order_by(PAYLOAD.c.seq)))
    assert [orjson.loads(row["body"])["request_id"] for row in rows] == [asked, other]


async def test_a_scan_that_fails_blocks_the_write(tmp_path: Path) -> None:
    def broken(_text: str) -> str:
        raise RuntimeError("no scanner")

    store = SqliteStore(
        tmp_path / "remit.db",
        (new_signer("remit.invalid/log", os.urandom),),
        heads=tmp_path / "heads.log",
        masking=Masking(broken, lambda value: value),
    )
    store.migrate()
    try:
        stmt = insert(KILL)
        with pytest.raises(RuntimeError):
            await store.commit("accounts.kill", lambda tx: tx.execute(stmt, kill("a", "a reason")))
        assert await store.read(lambda tx: tx.rows(select(KILL.c.id))) == []
    finally:
        store.close()


def test_the_columns_that_are_named_exist() -> None:
    every = {(table.name, column.name) for table in METADATA.sorted_tables for column in table.columns}
    assert every >= EXECUTED | READ_IN | EXACT


#: Text that holds no sentence: ids, names that are keys, codes, hashes, lists of codes.
KEYS = frozenset(
    [
        *("id", "workspace", "mission", "step", "action", "approval", "parent", "parent_step", "kind", "code", "key"),
        *("status", "state", "phase", "mode", "scope", "role", "verdict", "outcome", "risk", "domain", "measure"),
    ]
)


def test_whatever_is_named_like_a_sentence_is_masked() -> None:
    """A new column of such a name is covered at once; one of another name is a key, a code, or stands in a table."""
    like = {"reason", "error", "log", "why", "note", "detail", "message", "title", "comment", "description"}
    for table in METADATA.sorted_tables:
        for column in table.columns:
            if column.name in like and (table.name, column.name) not in EXACT:
                assert read_column(table.name, column.name), f"{table.name}.{column.name}"
    assert not READ & KEYS
