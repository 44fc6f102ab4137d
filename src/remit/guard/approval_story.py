"""A request as an approver should see it whole: what binds, what was found, who may decide. Typed, for pages.

What stands in ``Request.shown`` was masked when the request was made. Nothing here is made harmless to look at: that is
for whoever shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from remit.guard.approval_fit import Shortage, shortages
from remit.guard.approval_listing import Place, counted_alike, place_of
from remit.guard.approval_rows import Request, Status, Vote, of_mission, read_request, votes
from remit.guard.approval_seats import Seat, seat_of
from remit.kernel.action import Principal
from remit.kernel.canonical import Json, canonical, sha256_hex
from remit.kernel.ports import ReadTx

ALIKE_US = 90 * 86_400_000_000
MOST_FIELDS = 60
_DEEPEST = 3


@dataclass(frozen=True, slots=True)
class CheckShown:
    """What one of the guard's checks said before a person was asked."""

    check: str
    verdict: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class FindingShown:
    """One finding of a critic."""

    kind: str
    severity: str
    message: str
    place: str
    fix: str


@dataclass(frozen=True, slots=True)
class EvidenceShown:
    """A critic's or a person's verdict about what is to be done."""

    critic: str
    holds: bool
    source: str
    at: str
    findings: tuple[FindingShown, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """What it touches, and what a rollback can do about it."""

    target: str
    files: tuple[str, ...]
    files_in_all: int
    reversal: str
    undo: str
    network: str


@dataclass(frozen=True, slots=True)
class PreviewShown:
    """What the adapter could tell beforehand. ``simulation`` is its figures, flat."""

    failed: str
    summary: str
    diff: str
    simulation: tuple[tuple[str, str], ...]
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """A request whole.

    Attributes:
        request: Its row.
        said: Who decided what, in order.
        why: Why a person is asked.
        payload: The canonical payload, masked.
        fields: The payload's fields, flat, ``order.side`` → ``buy``.
        exact: Whether the subject hash comes out again from what is shown: nothing of it was masked or cut.
        checks: What the guard's checks said.
        evidence: What critics and people found.
        reach: What it touches.
        preview: What it would do.
        seat: The place of whoever looks.
        why_not: Why they may not decide; empty: they may.
        place: Where it stands among those that wait; ``None``: it doesn't wait.
        alike: How the same asker's requests of this kind ended in the last 90 days, by state.
        newer: The request that stands in its place now; empty: none.
        short: What would refuse it now, though approved: budgets and rates that it does not fit.
    """

    request: Request
    said: tuple[Vote, ...]
    why: str
    payload: str
    fields: tuple[tuple[str, str], ...]
    exact: bool
    checks: tuple[CheckShown, ...]
    evidence: tuple[EvidenceShown, ...]
    reach: Reach
    preview: PreviewShown
    seat: Seat
    why_not: str
    place: Place | None
    alike: Mapping[str, int]
    newer: str
    short: tuple[Shortage, ...]


def read_story(tx: ReadTx, workspace: str, which: str, *, who: Principal, now_us: int) -> Story:
    """A request with everything that an approver weighs.

    Raises:
        NotFound: There is none. InvalidInput: Several fit.
    """
    request = read_request(tx, workspace, which)
    said = tuple(votes(tx, request))
    seat = seat_of(tx, workspace, who, now_us=now_us)
    waits = request.state(now_us) == Status.PENDING
    place = place_of(tx, workspace, request.id, expires_us=request.expires_us, now_us=now_us) if waits else None
    alike = counted_alike(
        *(tx, workspace),
        principal=request.principal,
        kind=request.kind,
        since_us=now_us - ALIKE_US,
        but=request.id,
    )
    details = request.details
    payload = _text(details, "payload")
    return Story(
        request=request,
        said=said,
        why=_text(details, "why"),
        payload=payload,
        fields=tuple(_fields(payload)),
        exact=subject_of_shown(request, payload) == request.subject_hash,
        checks=tuple(_check(each) for each in _maps(details.get("checks"))),
        evidence=tuple(_evidence(each) for each in _maps(details.get("evidence"))),
        reach=_reach(_map(details.get("blast_radius"))),
        preview=_preview(_map(details.get("preview"))),
        seat=seat,
        why_not=seat.why_not(request, said, now_us=now_us),
        place=place,
        alike=alike,
        newer=_newer(tx, request),
        short=shortages(tx, request, now_us=now_us),
    )


def subject_of_shown(request: Request, payload: str) -> str:
    """The subject hash of what is shown, as ``kernel.action.Action`` makes it."""
    parts = [request.kind, request.principal, request.on_behalf_of, request.workspace, request.target]
    return sha256_hex(canonical([*parts, sha256_hex(payload.encode())]))


def _newer(tx: ReadTx, request: Request) -> str:
    """What replaced a superseded request."""
    if request.status != Status.SUPERSEDED:
        return ""
    there = of_mission(tx, request.workspace, request.mission)
    return next((one.id for one in there if one.step == request.step and one.id > request.id), "")


def _fields(payload: str) -> Iterator[tuple[str, str]]:
    try:
        found: Json = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return  # cut, or masked where it was no longer JSON: the text itself is shown
    for number, field in enumerate(_flat(found, "", 0)):
        if number == MOST_FIELDS:
            return
        yield field


def _flat(value: Json, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and depth < _DEEPEST and value:
        for key, each in value.items():
            yield from _flat(each, f"{path}.{key}" if path else str(key), depth + 1)
    else:
        yield path, value if isinstance(value, str) else orjson.dumps(value).decode()


def _check(told: Mapping[str, Json]) -> CheckShown:
    return CheckShown(_text(told, "check"), _text(told, "verdict"), _text(told, "reason"), _text(told, "detail"))


def _evidence(told: Mapping[str, Json]) -> EvidenceShown:
    findings = tuple(
        FindingShown(*(_text(each, name) for name in ("kind", "severity", "message", "place", "fix")))
        for each in _maps(told.get("findings"))
    )
    return EvidenceShown(
        _text(told, "critic"), bool(told.get("holds")), _text(told, "source"), _text(told, "at"), findings
    )


def _reach(told: Mapping[str, Json]) -> Reach:
    files = tuple(str(each) for each in _list(told.get("files")))
    in_all = told.get("files_in_all")
    return Reach(
        target=_text(told, "target"),
        files=files,
        files_in_all=in_all if isinstance(in_all, int) else len(files),
        reversal=_text(told, "reversal"),
        undo=_text(told, "undo"),
        network=_text(told, "network"),
    )


def _preview(told: Mapping[str, Json]) -> PreviewShown:
    figures = told.get("simulation")
    return PreviewShown(
        failed=_text(told, "failed"),
        summary=_text(told, "summary"),
        diff=_text(told, "diff"),
        simulation=tuple(_flat(figures, "", 0))[:MOST_FIELDS] if figures else (),
        links=tuple(str(each) for each in _list(told.get("links"))),
    )


def _text(told: Mapping[str, Json], name: str) -> str:
    value = told.get(name)
    return "" if value is None else str(value)


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else []


def _map(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _maps(value: Json) -> list[Mapping[str, Json]]:
    return [_map(each) for each in _list(value)]
