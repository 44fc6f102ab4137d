"""The chain of the log's keys: each change is an entry, under a checkpoint that the old and the new key signed."""

from __future__ import annotations

from collections.abc import Sequence

from remit.audit.entry import Result, read_header
from remit.audit.note import Verifier, open_note, parse_verifier
from remit.audit.proof import parse_proof
from remit.audit.told import ROTATE_ACTION
from remit.kernel.errors import IntegrityError


def follow(verifiers: Sequence[Verifier], proofs: Sequence[str]) -> list[Verifier]:
    """The trusted keys and those that they handed over to.

    Args:
        verifiers: What is trusted to begin with.
        proofs: ``tlog-proof`` texts of the entries ``audit.key``, oldest first; each must be signed by a key that is
            trusted by then and by the key that it brings.

    Raises:
        IntegrityError: A proof does not hold. One about a key that is trusted already is only read.
    """
    known = list(verifiers)
    for text in proofs:
        proof = parse_proof(text)
        header = read_header(proof.header)
        if header.get("action") != ROTATE_ACTION or header.get("result") != Result.SUCCESS:
            message = "A proof in the chain of keys is not about a change of key."
            raise IntegrityError(message, code="audit.chain")
        fresh = parse_verifier(str(header.get("subject")))
        if any(each.vkey == fresh.vkey for each in known):
            continue
        try:
            proof.verify(known)
        except IntegrityError:
            continue  # a change before the keys that are trusted
        open_note(proof.note, [fresh])
        if fresh.name not in {each.name for each in known}:
            message = f"The key {fresh.vkey} speaks for another log."
            raise IntegrityError(message, code="audit.chain")
        known.append(fresh)
    return known
