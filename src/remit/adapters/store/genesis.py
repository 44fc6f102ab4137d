"""The log's first entry: which key signs it."""

from __future__ import annotations

from remit.adapters.store.journal import Store
from remit.adapters.store.transaction import WriteTransaction
from remit.audit import query
from remit.audit.entry import Entry, Result
from remit.kernel.action import ActorKind, Principal

SYSTEM = Principal(ActorKind.SYSTEM, "remit")
SYSTEM_WORKSPACE = query.SYSTEM_WORKSPACE


def begin_log(store: Store) -> bool:
    """Write the first entry unless the log has one; whether it was written."""
    if store.view(query.begun):
        return False
    vkey = store.verifiers[0].vkey

    def begin(tx: WriteTransaction) -> bool:
        if query.begun(tx):
            return False
        entry = Entry(
            actor=SYSTEM,
            action="audit.genesis",
            domain="audit",
            result=Result.SUCCESS,
            workspace=SYSTEM_WORKSPACE,
            subject=vkey,
        )
        tx.append(entry, {"vkey": vkey})
        return True

    return store.write("audit.genesis", begin)
