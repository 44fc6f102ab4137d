"""A home's store: its key, its first entry, what is asked of the file system."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from remit.adapters.store import open_store
from remit.adapters.store.keyfile import create_key, load_key
from remit.adapters.store.sqlite import SqliteStore, connect
from remit.audit import query
from remit.kernel.errors import NotFound, UserError


def test_a_new_home_gets_a_key_and_a_first_entry_that_names_it(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        (record,) = store.view(lambda tx: query.find(tx, query.Filter("system")))
        assert record.header["action"] == "audit.genesis"
        assert record.payload == {"vkey": store.verifiers[0].vkey}
    with open_store(tmp_path) as store:
        assert store.verify().size == 1
    for name in ("audit.key", "remit.db", "heads.log"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600, name


def test_a_lost_key_is_never_replaced_in_silence(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    (tmp_path / "audit.key").unlink()
    with pytest.raises(NotFound, match="key is missing"):
        open_store(tmp_path)
    assert not (tmp_path / "audit.key").exists()


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    create_key(tmp_path / "audit.key")
    (tmp_path / "audit.key").chmod(0o640)
    with pytest.raises(UserError, match="read by others") as caught:
        load_key(tmp_path / "audit.key")
    assert caught.value.hint.startswith("chmod 600")


def test_a_key_once_made_is_kept(tmp_path: Path) -> None:
    one = create_key(tmp_path / "audit.key", origin="example.com/log")
    assert create_key(tmp_path / "audit.key").skey == one.skey
    assert load_key(tmp_path / "audit.key").verifier.name == "example.com/log"


def test_commits_are_on_disk_when_they_return(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with closing(connect(tmp_path / "remit.db")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert db.execute("PRAGMA busy_timeout").fetchone()[0] >= 1000


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    def descriptors() -> set[str]:
        return {str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("another platform: open descriptors are listed under /proc on Linux only")
    with open_store(tmp_path) as store:
        store.write("guard.intent", lambda _tx: None)
        store.check()
    assert not [path for path in descriptors() if str(tmp_path) in path]


def test_a_file_that_is_no_database_is_reported_as_damaged(tmp_path: Path) -> None:
    from remit.kernel.errors import IntegrityError

    store = SqliteStore(tmp_path / "remit.db", [create_key(tmp_path / "k")], heads=tmp_path / "heads.log")
    (tmp_path / "remit.db").write_bytes(b"nothing like it" * 1000)
    with pytest.raises(IntegrityError, match="damaged"):
        store.migrate()
    store.close()
    assert sqlite3.sqlite_version_info > (3, 35)
