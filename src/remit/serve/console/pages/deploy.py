"""Bringing a mission to where its users are: what would change, who must allow it, what is live, and the way back."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass
from urllib.parse import quote

from remit.accounts.roles import Permission, Resource
from remit.guard.evidence import attest
from remit.guard.records import State
from remit.kernel.errors import ApprovalPending, Conflict, InvalidInput, RemitError
from remit.kernel.finding import Finding
from remit.kernel.ids import check_id
from remit.kernel.mission import MissionStatus
from remit.kernel.ports import ReadTx
from remit.missions.deploy_outlook import Outlook, read_outlook
from remit.missions.deployments import KEEP, SMOKE, Live
from remit.serve.api.held import held
from remit.serve.api.targets import held_to, offered, place_of, roots_of
from remit.serve.console.asking import Ask
from remit.serve.console.page import form, page
from remit.serve.console.pages.diffs import DiffLine, diff_lines

LOOK_S = 5.0  # another deployment may hold the place; a page does not wait for its end
MOST_KEPT = 100
DONE = {
    "deployed": "It is live: its smoke test passed before and after the switch.",
    "already": "This very release was live already; nothing was changed.",
    "switched_back": "It did not answer when it was live, so the release before is live again.",
    "smoke_failed": "It failed its smoke test before anybody was asked. Nothing was changed.",
    "running": "It is under way and goes on by itself. Load this page again to see what came of it.",
    "waits": "It is tested. Now a person must allow exactly this; then deploy it once more.",
    "back": "What was live before is live again.",
    "attested": "Your word is kept for this very tree.",
}
REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Said:
    """What a critic, or a person, says of the tree."""

    critic: str
    holds: bool
    source: str
    text: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Release:
    """A release that was, or is, at the place. ``mission`` empty: it was not deployed from here."""

    tree: str
    live: bool
    mission: str
    at_us: int
    ordered_by: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done, or tried, at the place."""

    action: str
    mission: str
    tree: str
    back: bool
    state: str
    ordered_by: str
    at_us: int


@dataclass(frozen=True, slots=True)
class Deploy:
    """The page.

    Attributes:
        targets: What can be chosen.
        target: What is chosen; empty: nothing yet.
        why_not: Why nothing can be deployed now; empty when it can.
        trouble: Why the place could not be looked at.
        request: The id of the request for exactly this, and ``request_state`` where it stands.
        back: Whether this mission's release is the live one and was deployed from here, so that it can go back.
    """

    title: str
    id: str
    mission: str
    said: str
    targets: tuple[str, ...]
    target: str
    why_not: str
    trouble: str = ""
    tree: str = ""
    live: str = ""
    live_mission: str = ""
    live_since_us: int = 0
    previous: str = ""
    summary: str = ""
    diff: tuple[DiffLine, ...] = ()
    evidence: tuple[Said, ...] = ()
    missing: tuple[str, ...] = ()
    request: str = ""
    request_state: str = ""
    request_until_us: int = 0
    releases: tuple[Release, ...] = ()
    history: tuple[Event, ...] = ()
    refused: str = ""
    smoke: str = ""
    keep: int = KEEP
    back: bool = False


@page("/missions/{id}/deploy", template="deploy.html")
async def deploy(ask: Ask) -> Deploy:
    """Where a mission could go, and what would change there."""
    which, runtime = check_id(ask.path["id"], "mission"), ask.runtime
    roots = roots_of(runtime.settings, ask.workspace)
    chosen = _chosen(ask)
    place = place_of(chosen) if chosen else ""
    if place:
        await held_to(runtime, place, by=ask.who, workspace=ask.workspace, permission=Permission.READ)

    def op(tx: ReadTx) -> Outlook:
        return read_outlook(tx, ask.workspace, which, place, now_us=ask.now_us)

    found = await ask.read(op, resource=Resource.MISSION)
    row = found.mission
    name = row.title or row.input_name
    done = MissionStatus(row.status) is MissionStatus.SUCCEEDED and bool(row.head_commit)
    targets = tuple(await asyncio.to_thread(offered, roots))
    why_not = "" if done else f"It is {row.status}: only a mission that succeeded can be deployed."
    if not roots.folders:
        why_not = (
            "No folder of this machine is open to this workspace. Its owner names them in the setting deploy_roots; "
            "on the machine itself any will do: remit deploy MISSION --to FOLDER."
        )
    seen = _Seen() if why_not or not place else await _look(ask, which, place)
    request = found.request
    return Deploy(
        title=_title(name, place, seen, row.tree),
        id=which,
        mission=name,
        said=DONE.get(ask.query.get("done", ""), ""),
        targets=tuple(dict.fromkeys((*targets, *([place] if place and roots.hold(place) else ())))),
        target=place,
        why_not=why_not,
        trouble=seen.trouble,
        tree=row.tree,
        live=seen.live.tree if seen.live is not None else "",
        live_mission=seen.live.mission if seen.live is not None else "",
        live_since_us=seen.live.by.closed_us if seen.live is not None and seen.live.by is not None else 0,
        previous=_previous(seen.live),
        summary=seen.summary,
        diff=diff_lines(seen.diff),
        evidence=tuple(
            Said(each.critic, each.holds, each.source, _first(each.findings), each.at_us) for each in found.evidence
        ),
        missing=found.missing,
        request=request.id if request is not None else "",
        request_state=found.request_state,
        request_until_us=request.expires_us if request is not None else 0,
        releases=_releases(seen.live),
        history=_history(found),
        refused=next(
            (each.reason for each in found.asked[:1] if each.target == place and each.state is State.REFUSED), ""
        ),
        smoke=ask.form.get("smoke", shlex.join(SMOKE)),
        keep=KEEP,
        back=_goes_back(seen.live, which),
    )


@form("/missions/{id}/deploy", again=deploy)
async def order(ask: Ask) -> str:
    """Test it, ask, switch, test again; waits for the approver, and is then given once more."""
    which, place = check_id(ask.path["id"], "mission"), _wanted(ask)
    await held_to(ask.runtime, place, by=ask.who, workspace=ask.workspace)
    work = ask.runtime.deployments.deploy(
        ask.workspace, which, place, actor=ask.who, smoke=_smoke(ask), keep=_keep(ask)
    )
    try:
        found = await held(work, what=f"deploy {which}")
    except ApprovalPending:
        return _address(which, place, "waits")
    return _address(which, place, found.ended.value if found is not None else "running")


@form("/missions/{id}/deploy/back", again=deploy)
async def switch_back(ask: Ask) -> str:
    """Make live again what was before."""
    which, place = check_id(ask.path["id"], "mission"), _wanted(ask)
    await held_to(ask.runtime, place, by=ask.who, workspace=ask.workspace)
    work = ask.runtime.deployments.switch_back(ask.workspace, which, place, actor=ask.who)
    done = await held(work, what=f"switch back {which}")
    return _address(which, place, "running" if done is None else "back")


@form("/missions/{id}/deploy/review", again=deploy)
async def review(ask: Ask) -> str:
    """A person's word that they have read this very tree."""
    which, place = check_id(ask.path["id"], "mission"), ask.form.get("target", "")
    tree = ask.form.get("tree", "")
    row = (await ask.read(lambda tx: read_outlook(tx, ask.workspace, which, "", now_us=ask.now_us))).mission
    if not tree or tree != row.tree:
        message = "The mission has another tree now than the one that this page showed: read that one."
        raise Conflict(message, code="deploy.tree", hint="load the page again")
    await attest(
        ask.runtime.store,
        REVIEW,
        workspace=ask.workspace,
        mission=which,
        subject=tree,
        passed=True,
        reason=ask.runtime.redactor.mask(ask.form.get("reason", "")),
        by=ask.who,
        clock=ask.runtime.clock,
    )
    return _address(which, place, "attested")


FORMS = (order, switch_back, review)


# ------------------------------------------------------------------------------------------------------ what is there


@dataclass(frozen=True, slots=True)
class _Seen:
    live: Live | None = None
    summary: str = ""
    diff: str = ""
    trouble: str = ""


async def _look(ask: Ask, which: str, place: str) -> _Seen:
    """What is live there and what would change; or why that could not be seen."""
    deployments = ask.runtime.deployments
    try:
        async with asyncio.timeout(LOOK_S):
            live = await deployments.look(ask.workspace, place)
            preview = await deployments.preview(ask.workspace, which, place)
    except TimeoutError:
        return _Seen(trouble="Another deployment to it is under way. Load this page again in a while.")
    except RemitError as error:
        return _Seen(trouble=f"{error.message} {error.hint}".strip())
    return _Seen(live, preview.summary, preview.diff)


def _title(name: str, place: str, seen: _Seen, tree: str) -> str:
    if not place:
        return f"Deploy {name}"
    if seen.live is not None and tree and seen.live.tree == tree:
        return f"{name} is live at {place}"
    return f"Deploy {name} to {place}"


def _previous(live: Live | None) -> str:
    return live.by.row.previous if live is not None and live.by is not None else ""


def _goes_back(live: Live | None, mission: str) -> bool:
    by = live.by if live is not None else None
    return by is not None and not by.row.compensates and by.row.mission == mission


def _releases(live: Live | None) -> tuple[Release, ...]:
    if live is None:
        return ()
    made = {each.row.tree: each for each in reversed(live.history) if each.state is State.OK and each.row.tree}
    found: list[Release] = []
    for tree in live.releases:
        stood = made.get(tree)
        row = stood.row if stood is not None else None
        found.append(
            Release(
                tree,
                tree == live.tree,
                row.mission if row is not None else "",
                stood.closed_us if stood is not None else 0,
                row.ordered_by if row is not None else "",
            )
        )
    return tuple(found)


def _history(found: Outlook) -> tuple[Event, ...]:
    return tuple(
        Event(
            each.row.action,
            each.row.mission,
            each.row.tree,
            bool(each.row.compensates),
            each.state.value,
            each.row.ordered_by,
            each.row.at_us,
        )
        for each in found.there[:20]
    )


def _first(findings: tuple[Finding, ...]) -> str:
    return findings[0].message if findings else ""


# ----------------------------------------------------------------------------------------------------- what was typed


def _chosen(ask: Ask) -> str:
    return (ask.form.get("target") or ask.query.get("target", ""))[:1000]


def _wanted(ask: Ask) -> str:
    chosen = ask.form.get("target", "")
    if not chosen:
        raise InvalidInput("Say where to.", code="deploy.target", hint="choose one of the folders")
    return place_of(chosen[:1000])


def _smoke(ask: Ask) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(ask.form.get("smoke", "")))
    except ValueError as error:
        message = f"The smoke test can't be read: {error}."
        raise InvalidInput(message, code="deploy.smoke", hint="quote it as a shell would") from error
    return words or SMOKE


def _keep(ask: Ask) -> int:
    told = ask.form.get("keep", "") or str(KEEP)
    if not told.isdecimal() or len(told) > len(str(MOST_KEPT)) or not 1 <= int(told) <= MOST_KEPT:
        raise InvalidInput("Keep between 1 and 100 releases.", code="deploy.keep", hint="5 is usual")
    return int(told)


def _address(which: str, place: str, done: str) -> str:
    return f"/missions/{which}/deploy?target={quote(place, safe='/')}&done={done}"
