"""Custom policies (Cedar) of the workspace and its teams, and the evidence that rules rely on."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, StringConstraints
from starlette.responses import Response

from remit.accounts.access import reading, require
from remit.accounts.cedar_revisions import CedarRevision, list_revisions
from remit.accounts.roles import Permission, Resource
from remit.guard.cedar import save_cedar
from remit.guard.evidence import Evidence, find_evidence
from remit.kernel.clock import iso
from remit.kernel.ports import ReadTx
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, example
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import MOST_INTEGER, AskedPage, Page, cut

POLICY = "/api/v1/policy"
ROUTES = APIRouter(prefix=POLICY, tags=["policy"])
ACCESS = (
    Access("GET", f"{POLICY}/cedar", Permission.READ, Resource.POLICY),
    Access("POST", f"{POLICY}/cedar", Permission.ADMIN, Resource.POLICY),
    Access("GET", f"{POLICY}/evidence", Permission.READ, Resource.MISSION),
)
MOST_TEXT = 1 << 18

type Team = Annotated[str, Query(max_length=64, description="Empty: the workspace's own.")]


class CedarShown(Shown):
    """A text of policies as saved; the newest is in force."""

    model_config = example(
        team="", revision=2, sha256="00" * 32, saved_by="user:ann", saved_at="2026-11-22T00:00:00Z",
        text='@id("no-search") forbid(principal, action == Action::"tool", resource == Tool::"search");',
    )  # fmt: skip

    team: str
    revision: int
    sha256: str
    saved_by: str
    saved_at: str
    text: str = Field(description="Empty: no policy.")


class CedarAsked(Asked):
    """The text that is to hold instead of the one before."""

    model_config = example(text="", team="")

    text: Annotated[str, StringConstraints(strip_whitespace=False, max_length=MOST_TEXT)]
    team: str = Field(default="", max_length=64, description="Empty: the workspace's own.")


class FindingShown(Shown):
    """One thing that was found."""

    kind: str
    severity: str
    message: str
    place: str
    fix: str


class EvidenceShown(Shown):
    """What a critic or a person found."""

    critic: str
    passed: bool
    holds: bool = Field(description="Whether a rule may rely on it.")
    mission: str = Field(description="Empty: the workspace.")
    subject: str
    source: str
    at: str
    findings: list[FindingShown]


class EvidenceList(Shown):
    """The newest 200, or those that a mission can rely on."""

    items: list[EvidenceShown]


@ROUTES.get("/cedar", response_model=Page[CedarShown], summary="List custom policies")
async def custom(caller: Asking, runtime: Open, paging: AskedPage, team: Team = "") -> Response:
    """Every revision, newest first: the first is in force."""
    before = paging.number(MOST_INTEGER)
    every = await list_revisions(runtime.store, workspace=caller.workspace, team=team, by=caller.principal)
    shown, following = cut([each for each in every if each.revision < before], paging, lambda each: (each.revision,))
    return answer(Page[CedarShown](items=[_shown(each) for each in shown], next=following))


@ROUTES.post("/cedar", response_model=CedarShown, summary="Put custom policies in force")
async def save_custom(caller: Asking, runtime: Open, asked: CedarAsked) -> Response:
    """Checked first; in force at the next check, for the workspace or one team. An empty text clears them."""
    saved = await save_cedar(
        runtime.store,
        asked.text,
        workspace=caller.workspace,
        by=caller.principal,
        clock=runtime.clock,
        team=asked.team,
    )
    return answer(_shown(saved))


@ROUTES.get("/evidence", response_model=EvidenceList, summary="List evidence")
async def evidence(caller: Asking, runtime: Open, mission: Annotated[str, Query(max_length=36)] = "") -> Response:
    """What critics and persons found, newest first."""

    def op(tx: ReadTx) -> list[Evidence]:
        require(tx, caller.principal, workspace=caller.workspace, permission=Permission.READ, resource=Resource.MISSION)
        return find_evidence(tx, caller.workspace, mission=mission)

    found = await reading(runtime.store, op)
    return answer(EvidenceList(items=[EvidenceShown.model_validate(each.as_json()) for each in found]))


def _shown(each: CedarRevision) -> CedarShown:
    return CedarShown(
        team=each.team,
        revision=each.revision,
        sha256=each.sha256,
        saved_by=each.saved_by,
        saved_at=iso(each.saved_us),
        text=each.text,
    )
