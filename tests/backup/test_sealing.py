"""Encrypted archives: what went in comes out, and nothing else ever does."""

from __future__ import annotations

import io
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.adapters.backup import sealing
from remit.adapters.backup.sealing import CHUNK, TAG, Lock, OpeningReader, SealingWriter
from remit.kernel.errors import IntegrityError, InvalidInput, RemitError

KEY = Lock(key=bytes(range(32)))


def sealed(data: bytes, lock: Lock = KEY, *, step: int = 70_000) -> bytes:
    into = io.BytesIO()
    writer = SealingWriter(into, lock)
    for at in range(0, len(data), step):
        writer.write(data[at : at + step])
    writer.close()
    return into.getvalue()


def opened(data: bytes, lock: Lock = KEY, *, step: int = -1) -> bytes:
    reader = OpeningReader(io.BytesIO(data), lock)
    parts: list[bytes] = []
    while part := reader.read(step):
        parts.append(part)
    return b"".join(parts)


@settings(max_examples=30 if os.environ.get("REMIT_PROVE") != "1" else 300, deadline=None)
@given(size=st.integers(0, 5000), step=st.integers(1, 5000), read=st.integers(1, 5000), small=st.integers(16, 900))
def test_what_went_in_comes_out(size: int, step: int, read: int, small: int) -> None:
    before, sealing.CHUNK = sealing.CHUNK, small
    try:
        data = os.urandom(size)
        assert opened(sealed(data, step=step), step=read) == data
    finally:
        sealing.CHUNK = before


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_sizes_around_a_chunk(size: int) -> None:
    data = os.urandom(size)
    assert opened(sealed(data)) == data


def test_a_cut_at_a_chunk_is_seen() -> None:
    whole = sealed(os.urandom(2 * CHUNK + 5))
    with pytest.raises(IntegrityError, match="cut"):
        opened(whole[: -(5 + TAG)])


def test_chunks_that_change_places_are_seen() -> None:
    data = os.urandom(2 * CHUNK + 5)
    whole = sealed(data)
    start = whole.index(b"\n", len(sealing.MAGIC)) + 1
    one, two, rest = (
        whole[start : start + CHUNK + TAG],
        whole[start + CHUNK + TAG : start + 2 * (CHUNK + TAG)],
        whole[start + 2 * (CHUNK + TAG) :],
    )
    with pytest.raises(IntegrityError):
        opened(whole[:start] + two + one + rest)


@settings(max_examples=40, deadline=None)
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_changed_bit_is_seen(at: int, bit: int) -> None:
    data = bytes(range(256)) * 4
    whole = bytearray(sealed(data))
    whole[at % len(whole)] ^= 1 << bit
    with pytest.raises(RemitError):
        opened(bytes(whole))


def test_another_key_opens_nothing() -> None:
    with pytest.raises(IntegrityError, match="another key"):
        opened(sealed(b"secret"), Lock(key=bytes(32)))


def test_a_passphrase_opens_what_it_closed_and_is_never_short() -> None:
    lock = Lock(passphrase=b"correct horse battery")
    whole = sealed(b"secret", lock)
    assert b"secret" not in whole
    assert opened(whole, lock) == b"secret"
    with pytest.raises(IntegrityError):
        opened(whole, Lock(passphrase=b"incorrect horse battery"))
    with pytest.raises(InvalidInput, match="passphrase-file"):
        opened(whole, KEY)
    with pytest.raises(InvalidInput, match="fewer than"):
        Lock(passphrase=b"short")
    assert "horse" not in repr(lock)
