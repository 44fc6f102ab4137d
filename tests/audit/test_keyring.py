"""Payloads are encrypted under their subject's key; what is on disk tells nothing without it, and changes are found."""

# ruff: noqa: S608 - table and column names are this file's own

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from remit.adapters.store import open_store
from remit.adapters.store.keyfile import create_key, create_payload_key, load_key
from remit.adapters.store.sqlite import SqliteStore
from remit.audit import Entry, Result, query
from remit.audit.keyring import Keyring
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import IntegrityError, NotFound, UserError

from ..postgres import postgres_server, postgres_url  # noqa: TID252 - tests are no package to name

__all__ = ["postgres_server", "postgres_url"]

OTHERS = "(SELECT {} FROM audit_payload WHERE seq = {})"
PLAIN = "the customer's own words"


def entry(n: int, workspace: str = "acme") -> Entry:
    return Entry(
        actor=Principal(ActorKind.AGENT, "coder"),
        action="test.entry",
        domain="test",
        result=Result.SUCCESS,
        workspace=workspace,
        step=f"s{n}",
    )


def fill(store, *subjects: str, first: int = 0) -> None:  # noqa: ANN001 - a store
    def op(tx) -> None:  # noqa: ANN001 - a write transaction
        for n, subject in enumerate(subjects, start=first):
            tx.append(entry(n), {"text": PLAIN, "n": n}, subject=subject)

    store.write("guard.intent", op)
    store.seal()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with open_store(tmp_path) as store:
        fill(store, "", "ada", "bob", "ada")
    return tmp_path


def everything(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


def texts(home: Path) -> list[object]:
    with open_store(home) as store:
        found = store.view(lambda tx: query.find(tx, query.Filter("acme")))
        return [record.payload and record.payload["text"] for record in found]


def test_what_is_on_disk_is_not_readable_and_what_is_asked_for_is(home: Path) -> None:
    assert PLAIN.encode() not in everything(home)
    assert texts(home) == [PLAIN] * 4
    with open_store(home) as store:
        assert store.verify().ok


def test_each_subject_and_each_month_has_a_key_of_its_own(home: Path) -> None:
    with closing(sqlite3.connect(home / "remit.db")) as db:
        keys = db.execute("SELECT workspace, subject FROM audit_dek ORDER BY 1, 2").fetchall()
        (rows,) = zip(*db.execute("SELECT dek FROM audit_payload WHERE seq > 0 ORDER BY seq").fetchall(), strict=True)
    assert keys == [("acme", ""), ("acme", "ada"), ("acme", "bob"), ("system", "")]
    assert len(set(rows)) == 3
    assert rows[1] == rows[3]


def test_payloads_of_a_version_without_encryption_stay_readable(tmp_path: Path) -> None:
    signer = create_key(tmp_path / "audit.key")
    with SqliteStore(tmp_path / "remit.db", [signer], heads=tmp_path / "heads.log") as store:
        store.migrate()
        fill(store, "")
    with open_store(tmp_path) as store:
        fill(store, "", first=1)
        assert store.verify().ok
    assert texts(tmp_path) == [PLAIN, PLAIN]


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("UPDATE audit_dek SET wrapped = x'00' || substr(wrapped, 2) WHERE subject = 'ada'", "audit_dek"),
        ("UPDATE audit_dek SET wrapped = CAST(x'00' || substr(wrapped, 2) AS BLOB) WHERE subject = 'ada'", "audit_dek"),
        ("UPDATE audit_dek SET subject = 'eve' WHERE subject = 'ada'", "audit_dek"),
        ("UPDATE audit_dek SET workspace = 'globex' WHERE subject = 'ada'", "audit_dek"),
        ("UPDATE audit_dek SET period = '2020-01' WHERE subject = 'ada'", "audit_dek"),
        ("UPDATE audit_dek SET kek = 'other' WHERE subject = 'ada'", "audit_dek"),
        ("UPDATE audit_dek SET wrapped = x'' WHERE subject = 'ada'", "audit_dek"),
        ("DELETE FROM audit_dek WHERE subject = 'ada'", "audit_payload 2"),
        ("UPDATE audit_payload SET body = x'00' || substr(body, 2) WHERE seq = 2", "audit_payload 2"),
        (f"UPDATE audit_payload SET body = {OTHERS.format('body', 4)} WHERE seq = 2", "audit_payload 2"),
        ("UPDATE audit_payload SET dek = '' WHERE seq = 2", "audit_payload 2"),
        (f"UPDATE audit_payload SET dek = {OTHERS.format('dek', 3)} WHERE seq = 2", "audit_payload 2"),
        ("UPDATE audit_payload SET salt = x'00' WHERE seq = 2", "audit_payload 2"),
        ("DELETE FROM audit_payload WHERE seq = 2", "audit_payload 2"),
    ],
)  # fmt: skip
def test_a_changed_key_or_ciphertext_is_named(home: Path, statement: str, place: str) -> None:
    with closing(sqlite3.connect(home / "remit.db")) as db:
        db.execute("DROP TRIGGER audit_payload_no_update")
        db.execute(statement)
        db.commit()
    with open_store(home) as store:
        report = store.verify()
    assert any(found.place.startswith(place) for found in report.discrepancies), report.discrepancies


def test_another_key_encryption_key_opens_nothing_and_wraps_nothing(home: Path) -> None:
    (home / "payload.key").unlink()
    with open_store(home) as store:
        with pytest.raises(IntegrityError, match="another key-encryption key") as told:
            fill(store, "", first=9)
        assert told.value.hint.startswith("restore payload.key")
        with pytest.raises(IntegrityError):
            store.view(lambda tx: query.find(tx, query.Filter("acme")))
        assert not store.verify().ok


def test_without_any_key_encrypted_payloads_are_refused_not_shown_as_absent(home: Path) -> None:
    store = SqliteStore(home / "remit.db", [load_key(home / "audit.key")], heads=home / "heads.log")
    with store, pytest.raises(NotFound, match="not here"):
        store.view(lambda tx: query.find(tx, query.Filter("acme")))


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    create_payload_key(tmp_path / "payload.key")
    (tmp_path / "payload.key").chmod(0o644)
    with pytest.raises(UserError, match="can be read by others"):
        create_payload_key(tmp_path / "payload.key")


def test_a_write_that_fails_leaves_no_key_behind_and_the_next_one_works(home: Path) -> None:
    def broken(tx) -> None:  # noqa: ANN001 - a write transaction
        tx.append(entry(7), {"text": PLAIN}, subject="new")
        message = "no"
        raise ValueError(message)

    with open_store(home) as store:
        with pytest.raises(ValueError, match="no"):
            store.write("guard.intent", broken)
        fill(store, "new", first=8)
        assert store.verify().ok
    assert texts(home)[-1] == PLAIN


def test_two_writers_of_one_file_share_keys(home: Path) -> None:
    with open_store(home) as one, open_store(home) as two:
        for n in range(6):
            fill((one, two)[n % 2], "ada", "carol", "", first=10 * n)
        assert one.verify().ok
        assert two.verify().ok
    assert texts(home) == [PLAIN] * 22


def test_two_workers_on_postgres_share_keys(postgres_url: str, tmp_path: Path) -> None:
    homes = [tmp_path / "one", tmp_path / "two"]
    homes[0].mkdir()
    create_key(homes[0] / "audit.key")
    create_payload_key(homes[0] / "payload.key")
    shutil.copytree(homes[0], homes[1])
    stores = [open_store(each, url=postgres_url) for each in homes]
    for n in range(6):
        fill(stores[n % 2], "ada", "carol", "", first=10 * n)
    for store in stores:
        report = store.verify()
        assert (report.ok, report.size) == (True, 19)
        found = store.view(lambda tx: query.find(tx, query.Filter("acme")))
        assert [record.payload["text"] for record in found if record.payload] == [PLAIN] * 18
        store.close()


def test_a_key_must_be_32_bytes() -> None:
    with pytest.raises(IntegrityError):
        Keyring(b"short")
