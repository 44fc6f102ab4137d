"""How a route reads: in one snapshot, after asking whether the caller may; a refusal is on record."""

from __future__ import annotations

from collections.abc import Callable

from remit.accounts.access import reading, require
from remit.accounts.roles import Permission, Resource
from remit.bootstrap import Runtime
from remit.kernel.ports import ReadTx
from remit.serve.edge.identity import Caller


async def read[T](
    runtime: Runtime,
    caller: Caller,
    op: Callable[[ReadTx], T],
    *,
    permission: Permission = Permission.READ,
    resource: Resource = Resource.WORKSPACE,
) -> T:
    """What ``op`` finds.

    Raises:
        Refused: The caller may not look at this.
    """

    def asked(tx: ReadTx) -> T:
        require(tx, caller.principal, workspace=caller.workspace, permission=permission, resource=resource)
        return op(tx)

    return await reading(runtime.store, asked)
