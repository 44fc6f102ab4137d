"""What lets a client hold the audit log to its word: its keys, its newest signed head, and proofs between heads."""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from remit.accounts.roles import Permission, Resource
from remit.audit import query
from remit.audit.report import LogReader
from remit.kernel.errors import NotFound
from remit.serve.api.access import Access, Elsewhere, Who
from remit.serve.api.answers import Shown, answer, example
from remit.serve.api.caller import Asking, Open

WELL_KNOWN = "/.well-known/remit-audit"
CONSISTENCY = "/api/v1/audit/consistency"
MOST = (1 << 53) - 1

ROUTES = APIRouter(tags=["audit"])
ACCESS = (
    Access("GET", WELL_KNOWN, elsewhere=Elsewhere.SAME, who=Who.ANYBODY),
    Access("GET", CONSISTENCY, Permission.READ, Resource.AUDIT, Elsewhere.SAME, who=Who.KNOWN),
)


class LogKeys(Shown):
    """Who signs the log."""

    model_config = example(
        keys=["remit.example+a1b2c3d4+AT0..."],
        checkpoint="remit.example\n3\nq83v...\n\n— remit.example obLD...\n",
        handovers=[],
        consistency=CONSISTENCY,
    )

    keys: list[str] = Field(description="Public keys (C2SP vkey), the one that signs first.")
    checkpoint: str | None = Field(description="The newest head, a signed note (C2SP tlog-checkpoint).")
    handovers: list[str] = Field(description="A proof (C2SP tlog-proof) of each change of key, oldest first.")
    consistency: str = Field(description="Where the proof between two heads is asked for.")


class Consistency(Shown):
    """That the log of `new` entries only appended to the one of `old` (RFC 9162, 2.1.4)."""

    model_config = example(old=3, new=7, proof=["q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k="])

    old: int
    new: int
    proof: list[str] = Field(description="Hashes, base64.")


@ROUTES.get(WELL_KNOWN, response_model=LogKeys, summary="The keys of the audit log")
async def keys(runtime: Open) -> Response:
    """The log's public keys, its newest signed head, and how its keys were handed over."""
    store = runtime.store
    verifiers = store.verifiers

    def op(tx: LogReader) -> tuple[str | None, list[str]]:
        return query.latest_note(tx), [proof.export() for proof in query.rotations(tx, verifiers)]

    note, handovers = await store.read(op)
    made = LogKeys(
        keys=[verifier.vkey for verifier in verifiers], checkpoint=note, handovers=handovers, consistency=CONSISTENCY
    )
    return answer(made, headers={"cache-control": "no-cache"})


@ROUTES.get(CONSISTENCY, response_model=Consistency, summary="Prove that the log was only added to")
async def consistency(
    caller: Asking,
    runtime: Open,
    old: Annotated[int, Query(ge=1, le=MOST, description="Entries of the older head.")],
    new: Annotated[int, Query(ge=1, le=MOST, description="Entries of the newer head.")],
) -> Response:
    """The hashes that prove it. Hashes only, and of use to whoever has a head: anybody who signed in may ask."""
    del caller

    def op(tx: LogReader) -> list[bytes]:
        if not old <= new <= query.size(tx):
            message = f"The log has no {old} and, after them, {new} entries."
            raise NotFound(message, code="audit.size", hint=f"GET {WELL_KNOWN}")
        return query.prove_consistency(tx, old, new)

    proof = await runtime.store.read(op)
    return answer(Consistency(old=old, new=new, proof=[b64encode(each).decode() for each in proof]))
