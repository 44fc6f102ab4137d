"""The audit log: search, one entry with the story of its action and its proof, verification, export."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson

from remit.accounts.roles import Resource
from remit.audit import query
from remit.audit.entry import Result
from remit.audit.export import Selection
from remit.audit.proof import EntryProof
from remit.audit.schedule import VERIFIED
from remit.audit.search import Found, Line, Wanted, search
from remit.audit.state import LogState, log_state
from remit.bootstrap import prover, verify_now
from remit.guard.why import ActionStory
from remit.guard.why import why as story_of
from remit.kernel.clock import micros_of
from remit.kernel.errors import IntegrityError, InvalidInput, NotFound
from remit.kernel.ids import is_id
from remit.kernel.ports import ReadTx
from remit.serve.audit_reads import allow_audit, export_now, log_reader, one_entry
from remit.serve.console.asking import Ask
from remit.serve.console.page import form, page

SIZE = 50
MARKS = {
    Result.SUCCESS.value: ("done", "success"),
    Result.FAILURE.value: ("failed", "failure"),
    Result.BLOCKED.value: ("denied", "blocked"),
    Result.PENDING.value: ("running", "begun"),
}
_FILTERS = ("q", "actor", "action", "domain", "result", "mission", "from", "to", "about")


@dataclass(frozen=True, slots=True)
class Audit:
    """The explorer.

    Attributes:
        title: How many entries there are.
        state: Where the log stands.
        lines: Entries, newest first.
        filters: As they were asked for.
        filtered: Whether any was.
        next: The address of the page of older ones; empty: there are none.
        looked_to: The oldest entry that was looked at for this page.
        found: What the last verification found wrong.
        note: The newest signed checkpoint; empty: none yet.
        keys: The public keys that check it.
        exported: The folder of an export that was just made.
        verified: Whether a verification was just run.
    """

    title: str
    state: LogState
    lines: tuple[Line, ...]
    filters: dict[str, str]
    filtered: bool
    next: str
    looked_to: int
    found: tuple[str, ...]
    note: str
    keys: tuple[str, ...]
    exported: str = ""
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Proof:
    """What lets a browser check that an entry is in the log. Bytes are base64."""

    index: int
    header: str
    path: tuple[str, ...]
    note: str
    keys: tuple[str, ...]
    consistency: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """One mark on the rail of a story."""

    mark: str
    word: str
    what: str
    told: str
    at_us: int = 0
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, the story of the action that it is about, and its proof."""

    title: str
    seq: int
    at_us: int
    fields: tuple[tuple[str, str], ...]
    mark: str
    word: str
    action: str
    payload: str
    kept: bool
    leaf_hash: str
    proof: Proof | None
    unproved: str
    about: str
    story: tuple[Moment, ...]
    next_step: str


@page("/audit", template="audit.html", group="Proof", label="Audit")
async def audit(ask: Ask) -> Audit:
    """What happened, who did it, and whether it still stands as it was written."""
    filters = {name: ask.query.get(name, "").strip() for name in _FILTERS}
    before = ask.query.get("before", "")
    wanted = _wanted(ask, filters)
    verifiers = ask.runtime.store.verifiers

    def op(tx: ReadTx) -> Audit:
        reader = log_reader(tx)
        found: Found = search(reader, wanted, before=int(before) if _number(before) else None, limit=SIZE)
        state = log_state(reader)  # pyright: ignore[reportArgumentType] - every store's read transaction is a Reader
        given = {name: value for name, value in filters.items() if value}
        more = "" if found.next is None else "/audit?" + urlencode({**given, "before": found.next})
        return Audit(
            title=f"{state.size:,} entries" if state.alarm is None else "The log was changed",
            state=state,
            lines=found.lines,
            filters=filters,
            filtered=bool(given),
            next=more,
            looked_to=found.looked_to,
            found=_discrepancies(reader) if state.verified_us and not state.whole else (),
            note=query.latest_note(reader) or "",
            keys=tuple(each.vkey for each in verifiers),
            exported=ask.query.get("exported", "")[:36],
            verified="verified" in ask.query,
        )

    return await ask.read(op, resource=Resource.AUDIT)


@page("/audit/{seq}", template="audit_entry.html")
async def entry(ask: Ask) -> Entry:
    """One entry."""
    if not _number(ask.path["seq"]):
        message = "Entries of the log have numbers."
        raise NotFound(message, code="audit.entry", hint="go to /audit")
    seq = int(ask.path["seq"])
    since = ask.query.get("since", "")
    verifiers = ask.runtime.store.verifiers

    def op(tx: ReadTx) -> tuple[query.Record, EntryProof | None, str, tuple[str, ...]]:
        reader = log_reader(tx)
        try:
            record = one_entry(reader, ask.workspace, seq)
        except NotFound:
            record = one_entry(reader, query.SYSTEM_WORKSPACE, seq)  # about the log itself: codes, of no workspace
        proof, unproved, chain = None, "", ()
        try:
            proof = query.prove(reader, seq, verifiers=verifiers)
            size = query.parse_checkpoint(query.open_note(proof.note, verifiers)).size
            if _number(since) and 0 < int(since) <= size:
                chain = tuple(b64encode(each).decode() for each in query.prove_consistency(reader, int(since), size))
        except NotFound as error:
            unproved = error.message
        except IntegrityError as error:
            unproved = error.message
        return record, proof, unproved, chain

    record, proof, unproved, chain = await ask.read(op, resource=Resource.AUDIT)
    header = record.header
    about = str(header["subject"]) if str(header["action"]).startswith("guard.") else ""
    story = await _story(ask, about) if is_id(about) else None
    mark, word = MARKS.get(str(header["result"]), ("unknown", str(header["result"])))
    shown = {name: str(value) for name, value in header.items() if value != "" and name not in {"seq", "v"}}
    return Entry(
        title=f"Entry {seq:,}: {header['action']}",
        seq=seq,
        at_us=int(header["ts_us"]),
        fields=tuple((name, shown[name]) for name in sorted(shown)),
        mark=mark,
        word=word,
        action=str(header["action"]),
        payload="" if record.payload is None else orjson.dumps(record.payload, option=orjson.OPT_INDENT_2).decode(),
        kept=record.payload is not None,
        leaf_hash=record.leaf_hash.hex(),
        proof=None if proof is None else _proof(proof, tuple(each.vkey for each in verifiers), chain),
        unproved=unproved,
        about=about,
        story=() if story is None else tuple(_moments(story)),
        next_step="" if story is None else story.next,
    )


@form("/audit/verify", again=audit)
async def verify(ask: Ask) -> str:
    """Check every row of the log now."""
    await verify_now(ask.runtime.store, by=ask.who, allow=allow_audit(ask.caller))
    return "/audit?verified=now"


@form("/audit/export", again=audit)
async def export(ask: Ask) -> str:
    """Write entries with payloads and proofs into a folder of the home."""
    given = ask.form
    wanted = Selection(
        ask.workspace,
        since_us=_time(given.get("from", ""), "from"),
        until_us=_time(given.get("to", ""), "to", end=True),
        user=given.get("actor", "").strip(),
        action=given.get("action", "").strip(),
        domain=given.get("domain", "").strip(),
        mission=given.get("mission", "").strip(),
    )
    form_of = given.get("format", "jsonl")
    if form_of not in {"jsonl", "csv", "parquet"}:
        message = "An export is jsonl, csv or parquet."
        raise InvalidInput(message, code="audit.format")
    name, _, _ = await export_now(ask.runtime, ask.caller, wanted, form=form_of)
    return f"/audit?exported={name}"


def _wanted(ask: Ask, filters: dict[str, str]) -> Wanted:
    result = filters["result"]
    return Wanted(
        query.SYSTEM_WORKSPACE if filters["about"] == "log" else ask.workspace,
        actor=filters["actor"][:256],
        action=filters["action"][:256],
        mission=filters["mission"][:256],
        domain=filters["domain"][:256],
        result=result if result in MARKS else "",
        text=filters["q"][:200],
        since_us=_time(filters["from"], "from"),
        until_us=_time(filters["to"], "to", end=True),
    )


def _time(text: str, name: str, *, end: bool = False) -> int:
    """A day, or a moment of one, in microseconds; a day's end with ``end``."""
    if not text:
        return 0
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{text[:40]!r} is no day: write 2026-11-19, or 2026-11-19T14:30."
        raise InvalidInput(message, code=f"audit.{name}") from error
    whole_day = end and len(text) == len("2026-11-19")
    return max(0, micros_of(at if at.tzinfo else at.replace(tzinfo=UTC)) + (86_400_000_000 - 1 if whole_day else 0))


async def _story(ask: Ask, which: str) -> ActionStory | None:
    try:
        found = await story_of(ask.runtime.store, which, workspace=ask.workspace, prove=prover(ask.runtime.store))
    except NotFound:
        return None
    return found.actions[0] if found.kind == "action" else None


def _moments(story: ActionStory) -> list[Moment]:
    row = story.row
    whom = "" if row["on_behalf_of"] == row["principal"] else f" for {row['on_behalf_of']}"
    asked = f"{row['principal']}{whom} asked for {row['kind']} {row['target']}".rstrip()
    found = [Moment("queued", "asked", asked, f"subject {row['subject_hash']}", row["opened_us"])]
    for check in story.checks:
        verdict = str(check["verdict"])
        mark = "done" if verdict == "allow" else "denied" if verdict == "deny" else "waiting"
        found.append(Moment(mark, verdict, f"Check {check['check']}", str(check["detail"] or check["reason"] or "")))
    for said in (*story.decisions, *story.said):
        header = said.header
        mark, word = MARKS.get(str(header["result"]), ("unknown", str(header["result"])))
        told = " ".join(part for part in (str(header["reason"]), said.standing.value) if part)
        what = f"{header['action']} by {header['actor']}"
        found.append(Moment(mark, word, what, told, int(header["ts_us"]), said.seq))
    return found


def _proof(proof: EntryProof, keys: tuple[str, ...], chain: tuple[str, ...]) -> Proof:
    path = tuple(b64encode(each).decode() for each in proof.path)
    return Proof(proof.index, b64encode(proof.header).decode(), path, proof.note, keys, chain)


def _discrepancies(reader: Any) -> tuple[str, ...]:  # noqa: ANN401 - any store's read transaction
    found = search(reader, Wanted(query.SYSTEM_WORKSPACE, action=VERIFIED), limit=1)
    records = query.pick(reader, query.SYSTEM_WORKSPACE, [line.seq for line in found.lines])
    payload = (records[0].payload if records else None) or {}
    return tuple(str(each) for each in payload.get("discrepancies", ()))


def _number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 15  # noqa: PLR2004 - within what JSON holds exactly


PAGES = (audit, entry)
FORMS = (verify, export)
