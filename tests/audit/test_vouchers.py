"""Witnesses and time stamps, against servers of ours on a socket that check what they sign."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from remit.adapters.store import open_store
from remit.adapters.store.journal import Store
from remit.adapters.witness.cosigning import read_cosigned, witness_head
from remit.adapters.witness.timestamps import check_token, stamp_head
from remit.audit import Entry, Result, query
from remit.audit.cosignature import cosign, cosigned_at, parse_witness
from remit.audit.note import open_note
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import Conflict, IntegrityError, InvalidInput, NotFound, Unavailable

from .vouchers import Authority, WitnessServer, serving


def fill(store: Store, count: int) -> None:
    entry = Entry(
        actor=Principal(ActorKind.AGENT, "coder"),
        action="test.entry",
        domain="test",
        result=Result.SUCCESS,
        workspace="acme",
    )
    store.write("guard.intent", lambda tx: [tx.append(entry, {"n": n}) for n in range(count)])
    store.seal()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    home = tmp_path / "home"
    home.mkdir()
    with open_store(home) as made:
        fill(made, 5)
        yield made


def test_a_witness_cosigns_each_head_with_a_proof_from_the_last(store: Store, tmp_path: Path) -> None:
    server, kept = WitnessServer(list(store.verifiers)), tmp_path / "witness.log"
    witness = parse_witness(server.witness.vkey)
    with serving(server) as url:
        for n in range(4):
            done = witness_head(store, kept, url=url, witness=witness)
            assert (done.size, server.size) == (store.view(query.size), store.view(query.size))
            text = open_note(done.note, store.verifiers)
            line = done.note.splitlines()[-1]
            assert cosigned_at(line, text, witness) == done.time_s
            fill(store, 3 * n + 1)
        kept.unlink()  # what was kept is lost: the witness's own word serves
        assert witness_head(store, kept, url=url, witness=witness).size == server.size
    assert len(read_cosigned(kept, store, witness)) == 1
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_log_that_was_brought_back_and_continued_is_found_by_the_witness(store: Store, tmp_path: Path) -> None:
    server, kept = WitnessServer(list(store.verifiers)), tmp_path / "witness.log"
    store.close()
    shutil.copytree(tmp_path / "home", tmp_path / "yesterday")
    with serving(server) as url:
        with open_store(tmp_path / "home") as today:
            fill(today, 9)
            size = witness_head(today, kept, url=url, witness=server.witness).size
        with open_store(tmp_path / "yesterday") as forked:
            with pytest.raises(Conflict) as told:  # shorter than what the witness knows
                witness_head(forked, tmp_path / "other.log", url=url, witness=server.witness)
            assert told.value.code == "audit.forked"
            fill(forked, 30)
            assert forked.verify().ok  # by itself it looks sound
            with pytest.raises(Conflict):  # longer, but another history
                witness_head(forked, tmp_path / "other.log", url=url, witness=server.witness)
            with pytest.raises(IntegrityError, match="another root"):
                read_cosigned(kept, forked, server.witness)
    assert server.size == size


def test_what_a_witness_answers_is_checked(store: Store, tmp_path: Path) -> None:
    server, kept = WitnessServer(list(store.verifiers)), tmp_path / "witness.log"
    text = open_note(store.view(query.latest_note) or "", store.verifiers)
    stranger = WitnessServer([])
    with serving(server) as url:
        for answer, error in (
            ((200, b""), IntegrityError),
            ((200, cosign("witness.invalid", stranger.key, text, time_s=1).encode()), IntegrityError),
            ((200, cosign("witness.invalid", server.key, "another\n1\nx\n", time_s=1).encode()), IntegrityError),
            ((403, b""), Unavailable),
            ((409, b"999999\n"), Conflict),
            ((409, b"what\n"), Conflict),
            ((422, b""), Conflict),
            ((500, b""), Unavailable),
        ):
            server.answer = answer
            with pytest.raises(error):
                witness_head(store, kept, url=url, witness=server.witness)
            assert not kept.exists()
    with pytest.raises(Unavailable):
        witness_head(store, kept, url=url, witness=server.witness)
    with pytest.raises(InvalidInput):
        witness_head(store, kept, url="ftp://127.0.0.1", witness=server.witness)
    line = cosign("witness.invalid", server.key, text, time_s=5)
    assert cosigned_at(line, text, server.witness) == 5
    for broken in (server.witness.vkey[:-4], server.witness.vkey.replace("+", "-"), store.verifiers[0].vkey):
        with pytest.raises(IntegrityError):
            parse_witness(broken)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make tokens with")
def test_a_time_stamp_is_over_this_head_and_under_this_certificate(store: Store, tmp_path: Path) -> None:
    folders = [tmp_path / "tsa", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    authority, stranger = (Authority(folder) for folder in folders)
    kept = tmp_path / "timestamps.log"
    with serving(authority) as url:
        done = stamp_head(store, kept, url=url, root_certificate=authority.root)
        note = store.view(query.latest_note) or ""
        assert done.size == store.view(query.size)
        assert check_token(note, done.token, root_certificate=authority.root) == done.at
        with pytest.raises(IntegrityError):
            check_token(note, done.token, root_certificate=stranger.root)
        with pytest.raises(IntegrityError):
            check_token(note + "x", done.token, root_certificate=authority.root)
        with pytest.raises(IntegrityError):
            check_token(note, done.token[:-40], root_certificate=authority.root)
        with pytest.raises(NotFound):
            check_token(note, done.token, root_certificate=tmp_path / "none.pem")
        authority.stale = authority.last
        with pytest.raises(IntegrityError):  # the nonce is another's
            stamp_head(store, kept, url=url, root_certificate=authority.root)
        authority.stale = b"junk"
        with pytest.raises(IntegrityError):
            stamp_head(store, kept, url=url, root_certificate=authority.root)
    assert len(kept.read_bytes().splitlines()) == 1
    with pytest.raises(Unavailable):
        stamp_head(store, kept, url=url, root_certificate=authority.root)
