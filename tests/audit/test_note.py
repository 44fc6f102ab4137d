"""Signed notes, checkpoints, keys, and the portable proof."""

import random
from base64 import b64encode

import pytest

from remit.audit.merkle import leaf_hash
from remit.audit.note import (
    Checkpoint,
    new_signer,
    open_note,
    parse_checkpoint,
    parse_signer,
    parse_verifier,
    sign_note,
)
from remit.audit.proof import EntryProof, parse_proof
from remit.kernel.errors import IntegrityError

SEED = random.Random(7)
LOG = new_signer("example.com/log", SEED.randbytes)
WITNESS = new_signer("witness.example", SEED.randbytes)
TEXT = Checkpoint("example.com/log", 3, bytes(range(32))).text()
NOTE = sign_note(TEXT, [LOG, WITNESS])


# The example of Go's golang.org/x/mod/sumdb/note documentation.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_the_example_of_gos_documentation_opens() -> None:
    assert open_note(GO_NOTE, [parse_verifier(GO_VKEY)]).startswith("If you think cryptography")


def test_a_note_opens_with_any_trusted_key() -> None:
    for keys in ([LOG], [WITNESS], [LOG, WITNESS]):
        assert open_note(NOTE, [signer.verifier for signer in keys]) == TEXT
    assert parse_checkpoint(TEXT) == Checkpoint("example.com/log", 3, bytes(range(32)))
    assert open_note(NOTE, [LOG.verifier, WITNESS.verifier], exact=True) == TEXT


def test_exactly_means_no_line_of_an_unknown_key() -> None:
    with pytest.raises(IntegrityError, match="does not belong"):
        open_note(NOTE, [LOG.verifier], exact=True)
    twice = NOTE + LOG.sign(TEXT)
    with pytest.raises(IntegrityError, match="does not belong"):
        open_note(twice, [LOG.verifier, WITNESS.verifier], exact=True)
    assert open_note(twice, [LOG.verifier]) == TEXT


def test_every_changed_byte_of_a_note_is_seen() -> None:
    keys = [LOG.verifier, WITNESS.verifier]
    raw = NOTE.encode()
    for position in range(len(raw)):
        for flip in (0x01, 0x20, 0x80):
            changed = raw[:position] + bytes([raw[position] ^ flip]) + raw[position + 1 :]
            with pytest.raises((IntegrityError, UnicodeDecodeError)):
                open_note(changed.decode(), keys, exact=True)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        "text\n\n",
        TEXT + "\nno signature\n",
        NOTE[:-1],
        TEXT + "\n— name \n",
        TEXT + "\n— name !!!!\n",
        TEXT + "\n— name AAAA\n",
        NOTE.replace("example.com/log\n3", "example.com/log\r3"),
        TEXT + "\n" + LOG.sign(TEXT) * 101,
    ],
)
def test_a_malformed_note_is_refused(note: str) -> None:
    with pytest.raises(IntegrityError):
        open_note(note, [LOG.verifier])


def test_nobody_elses_signature_counts() -> None:
    other = new_signer("example.com/log", SEED.randbytes)
    with pytest.raises(IntegrityError, match="no trusted key"):
        open_note(sign_note(TEXT, [other]), [LOG.verifier])


@pytest.mark.parametrize(
    "text",
    [
        "o\n3\n",
        "o\n03\n" + b64encode(bytes(32)).decode() + "\n",
        "o\n-3\n" + b64encode(bytes(32)).decode() + "\n",
        "o\n٣\n" + b64encode(bytes(32)).decode() + "\n",
        "o\n3\n" + b64encode(bytes(31)).decode() + "\n",
        "o\n3\n" + b64encode(bytes(32)).decode().replace("A=", "B=") + "\n",
        "o\n3\n\n" + b64encode(bytes(32)).decode() + "\n",
        "\n3\n" + b64encode(bytes(32)).decode() + "\n",
    ],
)
def test_a_malformed_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        parse_checkpoint(text)


def test_keys_survive_their_text_form() -> None:
    signer = parse_signer(LOG.skey)
    assert signer.sign(TEXT) == LOG.sign(TEXT)
    assert parse_verifier(LOG.verifier.vkey) == parse_verifier(signer.verifier.vkey)
    assert signer.derive("a") != signer.derive("b")


def test_a_damaged_key_is_refused_without_telling_it() -> None:
    skey = LOG.skey
    renamed = skey.replace("example.com/log", "example.com/lag")
    for damaged in (skey[:-2], skey.replace("PRIVATE", "PUBLIC"), renamed, "", skey.replace("+A", "+B"), "a+b+c+d+e"):
        with pytest.raises(IntegrityError) as caught:
            parse_signer(damaged)
        assert skey.rpartition("+")[2][4:20] not in str(caught.value)


def test_a_key_name_has_no_space_and_no_plus() -> None:
    for name in ("", "a b", "a+b"):
        with pytest.raises(IntegrityError):
            new_signer(name, SEED.randbytes)


def test_a_proof_travels_as_text() -> None:
    header = b'{"seq":0}'
    note = sign_note(Checkpoint("example.com/log", 1, leaf_hash(header)).text(), [LOG])
    proof = EntryProof(0, header, (), note)
    text = proof.export()
    assert text.startswith("c2sp.org/tlog-proof@v1\nextra ")
    assert parse_proof(text) == proof
    assert parse_proof(text).verify([LOG.verifier]) == 1
    forged = EntryProof(0, b'{"seq":1}', (), note)
    with pytest.raises(IntegrityError):
        parse_proof(forged.export()).verify([LOG.verifier])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v1\nindex 0\n\nnote",
        "c2sp.org/tlog-proof@v1\nextra e30=\nindex x\n\nnote",
        "c2sp.org/tlog-proof@v1\nextra e30=\nindex 0\nAAAA\n\nnote",
        "c2sp.org/tlog-proof@v1\nextra *\nindex 0\n\nnote",
        "c2sp.org/tlog-proof@v2\nextra e30=\nindex 0\n\nnote",
    ],
)
def test_a_malformed_proof_is_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        parse_proof(text)
