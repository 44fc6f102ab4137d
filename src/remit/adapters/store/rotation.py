"""Changing the log's signing key: an entry names the new one, and the checkpoint over it is signed by both.

Each stage leaves the file of keys whole, so a crash in between is taken up by ordering the change again: both keys
sign, the entry is written, the old key is retired. What is left of the old one is its public half.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from remit.adapters.store.genesis import SYSTEM_WORKSPACE
from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import KeyFile, LogKeys
from remit.adapters.store.transaction import WriteTransaction
from remit.audit import query
from remit.audit.entry import Entry, Result
from remit.audit.note import Verifier, new_signer
from remit.audit.told import ROTATE_ACTION
from remit.kernel.action import Principal
from remit.kernel.effects import Durability
from remit.kernel.ports import ReadTx


@dataclass(frozen=True, slots=True)
class Rotated:
    """The key before, the key from now on, and the entry that says so as a proof under both signatures."""

    old: Verifier
    new: Verifier
    proof: str


def rotate_key(
    store: Store,
    key_file: KeyFile,
    *,
    by: Principal,
    reason: str,
    allow: Callable[[ReadTx], None],
    rand: Callable[[int], bytes] = secrets.token_bytes,
) -> Rotated:
    """Change the key of the log; old checkpoints and proofs stay valid, and remembered heads are continued.

    On Postgres every host needs the new file before it signs again: until then it refuses to.

    Raises:
        Denied: ``by`` may not.
        IntegrityError: The log can't be signed: nothing was changed, or both keys sign until the order is repeated.
    """
    store.write("audit.key", allow, durable=Durability.SEALED)
    keys = key_file.read()
    if len(keys.signers) == 1:
        fresh = new_signer(keys.signers[0].name, rand)
        keys = LogKeys((*keys.signers, fresh), keys.retired, keys.pending)
        key_file.replace(keys)
    old, fresh = keys.signers

    def op(tx: WriteTransaction) -> None:
        allow(tx)
        if fresh.verifier.vkey in query.announced(tx):
            return
        entry = Entry(
            actor=by,
            action=ROTATE_ACTION,
            domain="audit",
            result=Result.SUCCESS,
            workspace=SYSTEM_WORKSPACE,
            subject=fresh.verifier.vkey,
        )
        tx.append(entry, {"reason": reason, "old": old.verifier.vkey})

    store.write("audit.key", op, durable=Durability.SEALED)
    proof = store.view(lambda tx: query.rotations(tx, keys.verifiers))[-1]
    proof.verify([old.verifier])
    proof.verify([fresh.verifier])
    key_file.replace(LogKeys((fresh,), (old.verifier, *keys.retired), keys.pending))
    return Rotated(old.verifier, fresh.verifier, proof.export())
