"""A request for approval as an approver sees it. Anything in it may be hostile; nothing reaches a terminal raw."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from remit.guard.approval_fit import Shortage
from remit.guard.approval_rows import Request, Vote, as_json
from remit.kernel.canonical import Json
from remit.kernel.clock import iso
from remit.kernel.money import Money
from remit.kernel.plain import plain, plain_lines

_MINUTE, _HOUR, _DAY = 60_000_000, 3_600_000_000, 86_400_000_000
_LINES = 200


def request_view(
    request: Request, said: list[Vote], *, now_us: int, short: Sequence[Shortage] = ()
) -> dict[str, object]:
    """For programs: the whole request; texts as they are, but for secrets."""
    return dict(as_json(request, said, now_us=now_us, short=[each.as_json() for each in short]))


def row_of(request: Request, *, now_us: int, over: bool = False) -> tuple[str, ...]:
    """One line of the list."""
    return (
        request.id,
        request.state(now_us),
        request.risk,
        plain(request.what, limit=50),
        plain(f"{request.principal} for {request.on_behalf_of}", limit=50),
        f"{Money(request.estimate_micros)}{' over budget' if over else ''}",
        left(request, now_us=now_us),
        plain(f"{request.mission} {request.step}".strip(), limit=60) or "-",
    )


def left(request: Request, *, now_us: int) -> str:
    """How long it may still be decided or used."""
    rest = request.expires_us - now_us
    if not request.open or rest <= 0:
        return "-"
    if rest >= _DAY:
        return f"{rest // _DAY} d {rest % _DAY // _HOUR} h"
    return f"{rest // _HOUR} h {rest % _HOUR // _MINUTE} min"


def request_lines(
    request: Request, said: Sequence[Vote], *, now_us: int, wanting: Sequence[Shortage] = ()
) -> list[str]:
    """For people: who, what exactly, what critics found, what it would do, cost, reach, deadline, hash, commands."""
    details = request.details
    step = f"step {plain(request.step, limit=80)} of " if request.step else ""
    where = f", {step}mission {request.mission}" if request.mission else ""
    agreed = sum(vote.verdict == "approved" for vote in said)
    separated = ", neither who asked nor for whom" if request.separated else ""
    lines = [
        f"request   {request.id}: {request.state(now_us)}",
        f"who       {plain(request.principal, limit=80)} for {plain(request.on_behalf_of, limit=80)}{where}",
        f"what      {plain(request.what, limit=300)}",
        *_block("exactly", _pretty(str(details.get("payload", "")))),
        f"why       {plain(str(details.get('why', '')), limit=1000)}",
        *_critics(_list(details.get("evidence"))),
        *_checks(_list(details.get("checks"))),
        *_preview(_map(details.get("preview"))),
        f"cost      {Money(request.estimate_micros)} estimated; risk {request.risk}",
        *(f"fits      not now: {plain(each.detail, limit=400)}" for each in wanting),
        *_reach(_map(details.get("blast_radius"))),
        f"asked     {iso(request.requested_us)}; refused by itself {iso(request.expires_us)}"
        + (f", {left(request, now_us=now_us)} left" if request.open else ""),
        f"persons   {agreed} of {request.quorum} needed{separated}",
        *(_vote(vote) for vote in said),
        f"hash      {request.subject_hash} (policy {plain(request.policy_rev, limit=60)})",
    ]
    if request.used_by:
        lines.append(f"used      by action {request.used_by}: remit why {request.used_by}")
    elif request.state(now_us) == "pending":
        short = request.subject_hash[:12]
        lines.append(f"decide    remit approve {request.id} --hash {short}")
        lines.append(f"          remit deny {request.id} --reason WHY")
    return lines


def _critics(evidence: Sequence[Json]) -> list[str]:
    if not evidence:
        return ["critics   none has judged this"]
    lines: list[str] = []
    for each in evidence:
        said = _map(each)
        verdict = "passed" if said.get("holds") else "FAILED"
        found = _list(said.get("findings"))
        about = plain(str(said.get("source", "")), limit=60)
        lines.append(
            f"critics   {plain(str(said.get('critic', '')), limit=60)}: {verdict}, {len(found)} findings, {about}"
        )
        for one in found[:20]:
            finding = _map(one)
            place = plain(str(finding.get("place") or ""), limit=100)
            told = plain(str(finding.get("message", "")), limit=300)
            lines.append(f"          - {plain(str(finding.get('severity', '')), limit=20)}: {told} {place}".rstrip())
    return lines


def _checks(checks: Sequence[Json]) -> list[str]:
    told = [_map(each) for each in checks]
    lines = [f"checks    {', '.join(plain(str(one.get('check')), limit=30) for one in told)}: passed before you"]
    return lines + [
        f"          {plain(str(one.get('check')), limit=30)}: {plain(str(one.get('detail')), limit=300)}"
        for one in told
        if one.get("detail")
    ]


def _reach(touched: Mapping[str, Json]) -> list[str]:
    files = [plain(str(path), limit=120) for path in _list(touched.get("files"))]
    more = int(cast("int", touched.get("files_in_all") or 0)) - len(files[:20])
    listed = ", ".join(files[:20]) + (f" and {more} more" if more > 0 else "")
    target = plain(str(touched.get("target", "")), limit=300)
    return [
        f"touches   {target}" + (f": {listed}" if listed else ""),
        f"undo      {plain(str(touched.get('undo', '')), limit=200)}",
    ]


def _preview(seen: Mapping[str, Json]) -> list[str]:
    lines: list[str] = []
    if seen.get("failed"):
        lines.append(f"preview   {plain(str(seen['failed']), limit=500)}")
    if seen.get("summary"):
        lines += _block("preview", str(seen["summary"]))
    if seen.get("simulation"):
        lines += _block("simulated", json.dumps(seen["simulation"], indent=1, ensure_ascii=False))
    if seen.get("diff"):
        lines += _block("diff", str(seen["diff"]))
    return lines + [f"look at   {plain(str(link), limit=300)}" for link in _list(seen.get("links"))]


def _vote(vote: Vote) -> str:
    right = f" with the right of {plain(vote.right_of, limit=60)}" if vote.right_of != vote.voter else ""
    reason = f": {plain(vote.reason, limit=400)}" if vote.reason else ""
    return f"          {plain(vote.voter, limit=60)}{right} {vote.verdict} {iso(vote.voted_us)}{reason}"


def _block(name: str, text: str) -> list[str]:
    """Text of several lines behind a bar, so that none of them passes for one of ours."""
    lines = plain_lines(text, lines=_LINES, width=300)
    return [f"{name if number == 0 else '':<9} | {line}" for number, line in enumerate(lines)]


def _pretty(payload: str) -> str:
    try:
        return json.dumps(json.loads(payload), indent=1, ensure_ascii=False)
    except ValueError:
        return payload  # cut, or masked where it was no longer JSON


def _list(value: Any) -> Sequence[Json]:  # noqa: ANN401 - JSON as it was stored
    return cast("list[Json]", value) if isinstance(value, list) else []


def _map(value: Any) -> Mapping[str, Json]:  # noqa: ANN401 - JSON as it was stored
    return cast("dict[str, Json]", value) if isinstance(value, dict) else {}
