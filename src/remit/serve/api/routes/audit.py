"""The audit log: entries by filter, one with its proof, checkpoint, verification and export."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path as Folder
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from remit.accounts.roles import Permission, Resource
from remit.audit import query
from remit.audit.entry import Result
from remit.audit.export import Selection
from remit.audit.note import open_note, parse_checkpoint
from remit.audit.proof import EntryProof
from remit.audit.search import LONGEST_TEXT, Found, Line, Wanted, search
from remit.bootstrap import verify_now
from remit.kernel.clock import iso, micros_of
from remit.kernel.errors import NotFound
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, created, example, resource
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import MOST_INTEGER, AskedPage, Page, write_cursor
from remit.serve.api.reads import read
from remit.serve.audit_reads import allow_audit, export_now, exports_of, log_reader, one_entry

AUDIT = "/api/v1/audit"
ROUTES = APIRouter(prefix=AUDIT, tags=["audit"])
_ENTRY = f"{AUDIT}/entries/{{seq}}"
ACCESS = (
    Access("GET", f"{AUDIT}/entries", Permission.READ, Resource.AUDIT),
    Access("GET", _ENTRY, Permission.READ, Resource.AUDIT),
    Access("GET", f"{_ENTRY}/proof", Permission.READ, Resource.AUDIT),
    Access("GET", f"{AUDIT}/checkpoint", Permission.READ, Resource.AUDIT),
    Access("POST", f"{AUDIT}/verifications", Permission.READ, Resource.AUDIT),
    Access("POST", f"{AUDIT}/exports", Permission.READ, Resource.AUDIT),
    Access("GET", f"{AUDIT}/exports/{{export}}/{{file}}", Permission.READ, Resource.AUDIT),
)

type Seq = Annotated[int, Path(ge=0, le=(1 << 53) - 1, examples=[17])]
type Word = Annotated[str, Query(max_length=256)]


class EntryItem(Shown):
    """An entry in a list: its header, without its payload."""

    model_config = example(
        seq=17,
        at="2026-11-22T00:00:00Z",
        actor="agent:coder",
        on_behalf_of="user:ann",
        action="guard.refused",
        domain="fetch",
        result="blocked",
        reason="domain",
        subject="019d7a0e-7c00-7000-8000-000000000001",
        mission="",
        step="",
        approval_id="",
        policy_rev="1-abcdefabcdef",
        leaf_hash="00" * 32,
    )

    seq: int
    at: str
    actor: str
    on_behalf_of: str
    action: str
    domain: str
    result: str
    reason: str
    subject: str
    mission: str
    step: str
    approval_id: str
    policy_rev: str
    leaf_hash: str = Field(description="SHA-256 over a zero byte and the header, hexadecimal.")


class EntryShown(Shown):
    """An entry, whole."""

    model_config = example(
        seq=17, header={"action": "guard.refused", "seq": 17}, payload={"reason": "domain"}, leaf_hash="00" * 32
    )

    seq: int
    header: dict[str, Any] = Field(description="What is hashed: ids and codes.")
    payload: dict[str, Any] | None = Field(description="null: it was pruned or erased, as entries of the log say.")
    leaf_hash: str


class ProofShown(Shown):
    """What shows that an entry is in the log, checkable without this server."""

    model_config = example(
        index=17, header="eyJhY3Rpb24iOiJ4In0=", path=["q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k="], checkpoint="…",
        keys=["remit+a1b2c3d4+AT0…"], tlog_proof="c2sp.org/tlog-proof@v1\n…",
    )  # fmt: skip

    index: int
    header: str = Field(description="The exact bytes that are hashed, base64.")
    path: list[str] = Field(description="The inclusion proof's hashes from the leaf up (RFC 9162, 2.1.3), base64.")
    checkpoint: str = Field(description="The signed head (C2SP tlog-checkpoint).")
    keys: list[str] = Field(description="The log's public keys (C2SP vkey).")
    tlog_proof: str = Field(description="All of it as a C2SP tlog-proof.")


class CheckpointShown(Shown):
    """The newest signed head."""

    model_config = example(size=120, root="00" * 32, note="remit\n120\n…")

    size: int
    root: str = Field(description="Hexadecimal.")
    note: str


class DiscrepancyShown(Shown):
    """Something that is not as it was written."""

    model_config = example(place="audit_entry 17", problem="the header does not hash to its leaf", kind="changed")

    place: str
    problem: str
    kind: str


class VerificationShown(Shown):
    """What a verification of the whole log found."""

    model_config = example(
        ok=True, size=120, root="00" * 32, signed=118, heads=9, pruned=0, erased=0, pending=0, discrepancies=[]
    )

    ok: bool
    size: int
    root: str
    signed: int = Field(description="Entries under a signed checkpoint that holds.")
    heads: int = Field(description="Heads that are kept outside the database.")
    pruned: int
    erased: int
    pending: int
    discrepancies: list[DiscrepancyShown]


class ExportAsked(Asked):
    """Which entries to export; empty means any."""

    model_config = example(format="jsonl", action="guard.refused")

    format: str = Field(default="jsonl", pattern="^(jsonl|csv|parquet)$")
    since: datetime | None = Field(default=None, description="From then on.")
    until: datetime | None = Field(default=None, description="Up to then.")
    user: str = Field(default="", max_length=256, description="Who acted, or on whose behalf.")
    action: str = Field(default="", max_length=256)
    domain: str = Field(default="", max_length=256)
    mission: str = Field(default="", max_length=256)


class ExportShown(Shown):
    """An export: a folder with the rows, a signed manifest and digests, to be checked offline."""

    model_config = example(
        export="019d7a0e-7c00-7000-8000-000000000001", folder="/srv/remit/exports/default/019d…",
        files=["entries.jsonl", "manifest.json"], key="remit+a1b2c3d4+AT0…", manifest={"rows": 12},
    )  # fmt: skip

    export: str
    folder: str = Field(description="Where it is, on the server.")
    files: list[str]
    key: str = Field(description="The public key that checks it: `remit audit verify DIR --key KEY`.")
    manifest: dict[str, Any]


@ROUTES.get("/entries", response_model=Page[EntryItem], summary="Search the audit log")
async def list_(
    caller: Asking,
    runtime: Open,
    paging: AskedPage,
    *,
    actor: Word = "",
    action: Word = "",
    mission: Word = "",
    domain: Word = "",
    result: Result | None = None,
    text: Annotated[str, Query(max_length=LONGEST_TEXT, description="In a code or id; case counts.")] = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> Response:
    """Entries of the workspace, newest first.

    A page looks through a stretch of the log. It may hold less than `limit`, or nothing, and still have a `next`: then
    there is more of the log to look through.
    """
    wanted = Wanted(
        caller.workspace,
        actor=actor,
        action=action,
        mission=mission,
        domain=domain,
        result="" if result is None else result.value,
        text=text,
        since_us=_micros(since),
        until_us=_micros(until),
    )
    before = paging.number(MOST_INTEGER)

    def op(tx: Any) -> Found:  # noqa: ANN401 - narrowed by log_reader
        return search(log_reader(tx), wanted, before=before, limit=paging.limit)

    found = await read(runtime, caller, op, resource=Resource.AUDIT)
    following = None if found.next is None else write_cursor((found.next,))
    return answer(Page[EntryItem](items=[_item(line) for line in found.lines], next=following))


@ROUTES.get("/entries/{seq}", response_model=EntryShown, summary="Show an entry")
async def show(request: Request, caller: Asking, runtime: Open, seq: Seq) -> Response:
    """One entry with its payload."""
    found = await read(
        runtime, caller, lambda tx: one_entry(log_reader(tx), caller.workspace, seq), resource=Resource.AUDIT
    )
    return resource(
        request,
        EntryShown(seq=found.seq, header=found.header, payload=found.payload, leaf_hash=found.leaf_hash.hex()),
    )


@ROUTES.get("/entries/{seq}/proof", response_model=ProofShown, summary="Prove an entry")
async def prove(caller: Asking, runtime: Open, seq: Seq) -> Response:
    """That the entry is under the newest signed checkpoint; 404 until one covers it (a second or so)."""
    verifiers = runtime.store.verifiers

    def op(tx: Any) -> EntryProof:  # noqa: ANN401 - narrowed by log_reader
        one_entry(log_reader(tx), caller.workspace, seq)
        return query.prove(log_reader(tx), seq, verifiers=verifiers)

    proof = await read(runtime, caller, op, resource=Resource.AUDIT)
    return answer(
        ProofShown(
            index=proof.index,
            header=b64encode(proof.header).decode(),
            path=[b64encode(each).decode() for each in proof.path],
            checkpoint=proof.note,
            keys=[each.vkey for each in verifiers],
            tlog_proof=proof.export(),
        )
    )


@ROUTES.get("/checkpoint", response_model=CheckpointShown, summary="The newest checkpoint")
async def checkpoint(request: Request, caller: Asking, runtime: Open) -> Response:
    """The newest signed head of the log."""
    note = await read(runtime, caller, lambda tx: query.latest_note(log_reader(tx)), resource=Resource.AUDIT)
    if note is None:
        message = "No checkpoint was signed yet."
        raise NotFound(message, code="audit.unsigned", hint="remit audit verify")
    head = parse_checkpoint(open_note(note, runtime.store.verifiers))
    return resource(request, CheckpointShown(size=head.size, root=head.root.hex(), note=note))


@ROUTES.post("/verifications", response_model=VerificationShown, summary="Verify the log")
async def verify(caller: Asking, runtime: Open) -> Response:
    """Check every row against its hashes, its signatures and the heads kept outside; what is found is an entry, too."""
    report = await verify_now(runtime.store, by=caller.principal, allow=allow_audit(caller))
    return answer(VerificationShown.model_validate(report.as_json()))


@ROUTES.post("/exports", response_model=ExportShown, status_code=201, summary="Export entries")
async def export(caller: Asking, runtime: Open, asked: ExportAsked) -> Response:
    """Write entries with their payloads and proofs into a folder of the home; that it was done is an entry.

    One at a time; of each workspace the newest 20 are kept.
    """
    wanted = Selection(
        caller.workspace,
        since_us=_micros(asked.since),
        until_us=_micros(asked.until),
        user=asked.user,
        action=asked.action,
        domain=asked.domain,
        mission=asked.mission,
    )
    name, folder, manifest = await export_now(runtime, caller, wanted, form=asked.format)
    shown = ExportShown(
        export=name,
        folder=str(folder),
        files=_files(folder),
        key=runtime.store.verifiers[0].vkey,
        manifest=dict(manifest),
    )
    return created(shown, f"{AUDIT}/exports/{name}/manifest.json")


@ROUTES.get("/exports/{export}/{file}", summary="Fetch a file of an export", response_class=FileResponse)
async def fetch(
    caller: Asking,
    runtime: Open,
    export: Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")],
    file: Annotated[str, Path(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}$")],
) -> Response:
    """One of its files."""
    await read(runtime, caller, lambda _tx: None, resource=Resource.AUDIT)
    folder = exports_of(runtime.settings, caller.workspace) / export
    if file not in await asyncio.to_thread(_files, folder):
        message = "There is no such file of an export."
        raise NotFound(message, code="audit.export", hint="remit audit export DIR")
    return FileResponse(folder / file, filename=file)


def _files(folder: Folder) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if each.is_file()) if folder.is_dir() else []


def _micros(at: datetime | None) -> int:
    return 0 if at is None else max(0, micros_of(at if at.tzinfo else at.replace(tzinfo=UTC)))


def _item(line: Line) -> EntryItem:
    return EntryItem(
        seq=line.seq,
        at=iso(line.ts_us),
        actor=line.actor,
        on_behalf_of=line.on_behalf_of,
        action=line.action,
        domain=line.domain,
        result=line.result,
        reason=line.reason,
        subject=line.subject,
        mission=line.mission,
        step=line.step,
        approval_id=line.approval_id,
        policy_rev=line.policy_rev,
        leaf_hash=line.leaf_hash,
    )
