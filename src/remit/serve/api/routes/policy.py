"""Rules: in force, revisions, differences, trials on what was recorded, an action tried; and the gateway's switches."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from remit.accounts import gateway_policy
from remit.accounts.roles import Permission, Resource
from remit.guard.rules import revisions
from remit.guard.rules.differences import differences
from remit.guard.rules.explain import Told, explain
from remit.guard.rules.lint import remarks_on
from remit.guard.rules.rehearsal import LONGEST, Rehearsed, Saved, rehearse, revisions_page
from remit.guard.rules.resolving import prepare
from remit.guard.rules.revisions import LONGEST_REASON, Revision
from remit.guard.rules.shadow import DAY_US, MOST_ACTIONS, try_on_recorded
from remit.kernel.clock import iso, micros_of
from remit.kernel.ports import ReadTx
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, created, example, resource
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import MOST_INTEGER, AskedPage, Page, cut
from remit.serve.api.reads import read

POLICY = "/api/v1/policy"
ROUTES = APIRouter(prefix=POLICY, tags=["policy"])
_REVISION = f"{POLICY}/revisions/{{number}}"
_W = Resource.WORKSPACE
ACCESS = (
    Access("GET", POLICY, Permission.READ, _W),
    Access("GET", f"{POLICY}/revisions", Permission.READ, _W),
    Access("POST", f"{POLICY}/revisions", Permission.ADMIN, _W),
    Access("GET", _REVISION, Permission.READ, _W),
    Access("POST", f"{_REVISION}/restoration", Permission.ADMIN, _W),
    Access("GET", f"{POLICY}/differences", Permission.READ, _W),
    Access("POST", f"{POLICY}/checks", Permission.READ, _W),
    Access("POST", f"{POLICY}/shadow", Permission.READ, _W),
    Access("POST", f"{POLICY}/rehearsals", Permission.READ, _W),
    Access("GET", f"{POLICY}/explanations/{{action}}", Permission.READ, _W),
    Access("GET", f"{POLICY}/gateway", Permission.READ, _W),
    Access("PATCH", f"{POLICY}/gateway", Permission.ADMIN, _W),
)
MOST_TEXT = 1 << 20

#: A file's text as it is: its first indentation and its last line end belong to it.
type Kept = Annotated[str, StringConstraints(strip_whitespace=False)]
type Number = Annotated[int, Path(ge=1, le=MOST_INTEGER, examples=[2])]


class RevisionItem(Shown):
    """A revision in a list."""

    model_config = example(
        revision=2, sha256="00" * 32, origin="saved", saved_by="user:ann", saved_at="2026-11-22T00:00:00Z", reason="x"
    )

    revision: int
    sha256: str
    origin: str = Field(description="`shipped`, `saved` or `restored`.")
    saved_by: str
    saved_at: str | None
    reason: str


class RevisionShown(RevisionItem):
    """A revision with its rules."""

    model_config = example(
        revision=2, sha256="00" * 32, origin="saved", saved_by="user:ann", saved_at="2026-11-22T00:00:00Z", reason="x",
        text="use: []\n", rules=[], limits={}, lists={},
    )  # fmt: skip

    text: str = Field(description="The file as it was saved.")
    rules: list[dict[str, Any]] = Field(description="Every rule, those of shipped sets included.")
    limits: dict[str, float]
    lists: dict[str, list[str]]


class ChangeShown(Shown):
    """One thing that differs."""

    model_config = example(how="changed", what="limit", name="leverage", field="", before="2", after="1.5")

    how: str
    what: str
    name: str
    field: str
    before: str
    after: str


class Differences(Shown):
    """What changes from one revision to another."""

    model_config = example(before=1, after=2, changes=[])

    before: int
    after: int
    changes: list[ChangeShown]


class Text(Asked):
    """A rule file."""

    model_config = example(text="use: [safety]\n")

    text: Kept = Field(max_length=MOST_TEXT)


class NewRevision(Text):
    """A rule file to be put in force."""

    model_config = example(text="use: [safety]\n", reason="tighter limits")

    reason: str = Field(min_length=1, max_length=LONGEST_REASON)


class Because(Asked):
    """Why, for the audit log."""

    model_config = example(reason="the newer one was too strict")

    reason: str = Field(min_length=1, max_length=LONGEST_REASON)


class RemarkShown(Shown):
    """Something in a file that probably isn't meant."""

    model_config = example(kind="shadowed", rule="a.b", line=4, what="another rule covers it")

    kind: str
    rule: str
    line: int
    what: str


class Checked(Shown):
    """A rule file that can be used."""

    model_config = example(sha256="00" * 32, rules=12, own=2, remarks=[])

    sha256: str
    rules: int
    own: int = Field(description="Rules of the file itself.")
    remarks: list[RemarkShown]


class ShadowAsked(Text):
    """A rule file to be tried on recorded actions."""

    model_config = example(text="use: [safety]\n", days=7)

    days: int = Field(default=7, ge=1, le=36_500)
    limit: int = Field(default=MOST_ACTIONS, ge=1, le=MOST_ACTIONS, description="At most the newest so many actions.")


class ShadowShown(Shown):
    """Which actions would have come out otherwise."""

    model_config = example(judged=120, unreached=3, unknown=0, more=False, moves=[], changed=[])

    judged: int
    unreached: int = Field(description="An earlier check refused them: rules change nothing.")
    unknown: int = Field(description="Can't be judged.")
    more: bool
    moves: list[dict[str, Any]]
    changed: list[dict[str, Any]]


class RehearsalAsked(Asked):
    """An action that nobody asked for, and the rules to judge it by."""

    model_config = example(action="kind: order\ntarget: broker\npayload: {mode: real}\n")

    action: Kept = Field(max_length=LONGEST, description="YAML, the fields of a test of a rule file.")
    text: Kept | None = Field(default=None, max_length=MOST_TEXT, description="A rule file; null: the rules in force.")


class ToldShown(Shown):
    """One rule: what it said, condition by condition."""

    model_config = example(
        rule="trade.leverage", set="trading", said="did not hold", message="too much", conditions=[], **{"else": "deny"}
    )

    rule: str
    set: str
    said: str
    otherwise: str = Field(alias="else")
    message: str
    conditions: list[dict[str, Any]]


class RehearsalShown(Shown):
    """What the rules make of it; nothing was done."""

    model_config = example(kind="order", target="broker", verdict="deny", rules=[])

    kind: str
    target: str
    verdict: str
    rules: list[ToldShown]


class ExplanationShown(RehearsalShown):
    """What the rules of that time said of a recorded action."""

    model_config = example(
        action="019d7a0e-7c00-7000-8000-000000000001", policy_rev="2-abcdefabcdef", kind="order", target="broker",
        verdict="deny", rules=[],
    )  # fmt: skip

    action: str
    policy_rev: str


class GatewayShown(Shown):
    """The gateway's switches, in words."""

    model_config = example(revision=1, switches={"redaction": "on"}, known={"redaction": ["on", "off"]})

    revision: int
    switches: dict[str, str]
    known: dict[str, list[str]] = Field(description="Every switch with its words, the default first.")


class GatewayChange(Asked):
    """Switches to set; what isn't named stays."""

    model_config = example(switches={"cache": "on"})

    switches: dict[str, str] = Field(min_length=1, max_length=20)


@ROUTES.get("", response_model=RevisionShown, summary="The rules in force")
async def in_force(request: Request, caller: Asking, runtime: Open) -> Response:
    """The newest revision with its rules."""
    found = await read(runtime, caller, lambda tx: revisions.newest_revision(tx, caller.workspace))
    return resource(request, _shown(found))


@ROUTES.get("/revisions", response_model=Page[RevisionItem], summary="List revisions")
async def list_(caller: Asking, runtime: Open, paging: AskedPage) -> Response:
    """Every revision of the rules, newest first."""
    before = None if paging.after is None else paging.number(0)

    def op(tx: ReadTx) -> list[Saved]:
        return revisions_page(tx, caller.workspace, before=before, limit=paging.limit + 1)

    shown, following = cut(await read(runtime, caller, op), paging, lambda row: (row.number,))
    return answer(Page[RevisionItem](items=[_item(row) for row in shown], next=following))


@ROUTES.post("/revisions", response_model=RevisionShown, status_code=201, summary="Save rules")
async def save(caller: Asking, runtime: Open, asked: NewRevision) -> Response:
    """Put a rule file in force. One that can't be used is refused with every fault, its place and a caret."""
    made = await revisions.save(
        runtime.store,
        asked.text,
        workspace=caller.workspace,
        name="rules",
        reason=runtime.redactor.mask(asked.reason),
        by=caller.principal,
        clock=runtime.clock,
    )
    return created(_shown(made), f"{POLICY}/revisions/{made.number}")


@ROUTES.get("/revisions/{number}", response_model=RevisionShown, summary="Show a revision")
async def show(request: Request, caller: Asking, runtime: Open, number: Number) -> Response:
    """One revision with its rules."""
    found = await read(runtime, caller, lambda tx: revisions.find_revision(tx, caller.workspace, number))
    return resource(request, _shown(found))


@ROUTES.post("/revisions/{number}/restoration", response_model=RevisionShown, summary="Restore a revision")
async def restore(caller: Asking, runtime: Open, number: Number, asked: Because) -> Response:
    """Put an earlier revision in force again, as a new one with exactly its rules."""
    made = await revisions.restore(
        runtime.store,
        number,
        workspace=caller.workspace,
        reason=runtime.redactor.mask(asked.reason),
        by=caller.principal,
        clock=runtime.clock,
    )
    return answer(_shown(made))


@ROUTES.get("/differences", response_model=Differences, summary="Compare revisions")
async def compare(
    caller: Asking,
    runtime: Open,
    before: Annotated[int, Query(ge=1, le=MOST_INTEGER)],
    after: Annotated[int | None, Query(ge=1, le=MOST_INTEGER, description="Left out: the one in force.")] = None,
) -> Response:
    """What changes from one revision to another, rule by rule."""

    def op(tx: ReadTx) -> tuple[Revision, Revision]:
        old = revisions.find_revision(tx, caller.workspace, before)
        if after is None:
            return old, revisions.newest_revision(tx, caller.workspace)
        return old, revisions.find_revision(tx, caller.workspace, after)

    old, new = await read(runtime, caller, op)
    changes = differences(old.book.resolved, new.book.resolved)
    shown = [ChangeShown.model_validate(each.as_json()) for each in changes]
    return answer(Differences(before=old.number, after=new.number, changes=shown))


@ROUTES.post("/checks", response_model=Checked, summary="Check a rule file")
async def check(caller: Asking, runtime: Open, asked: Text) -> Response:
    """Compile a rule file and tell what in it probably isn't meant. Nothing is saved."""
    await read(runtime, caller, lambda _tx: None)
    ready = prepare(asked.text, name="rules")
    remarks = [RemarkShown.model_validate(each.as_json()) for each in remarks_on(ready.document, ready.book)]
    return answer(
        Checked(
            sha256=ready.book.sha256,
            rules=len(ready.book.resolved.rules),
            own=len(ready.document.rules),
            remarks=remarks,
        )
    )


@ROUTES.post("/shadow", response_model=ShadowShown, summary="Try rules on what was recorded")
async def shadow(caller: Asking, runtime: Open, asked: ShadowAsked) -> Response:
    """Which of the recorded actions would have come out otherwise by this rule file. Nothing is saved."""
    await read(runtime, caller, lambda _tx: None)
    book = prepare(asked.text, name="rules").book
    since = micros_of(runtime.clock.now()) - asked.days * DAY_US
    trial = await read(
        runtime,
        caller,
        lambda tx: try_on_recorded(tx, book, workspace=caller.workspace, since_us=since, most=asked.limit),
    )
    return answer(ShadowShown.model_validate(trial.as_json()))


@ROUTES.post("/rehearsals", response_model=RehearsalShown, summary="Try an action")
async def try_action(caller: Asking, runtime: Open, asked: RehearsalAsked) -> Response:
    """What the rules would make of an action, condition by condition. Nothing is done or recorded."""
    newest = await read(runtime, caller, lambda tx: revisions.newest_revision(tx, caller.workspace))
    book = newest.book if asked.text is None else prepare(asked.text, name="rules").book
    found: Rehearsed = rehearse(asked.action, book)
    return answer(RehearsalShown(kind=found.kind, target=found.target, verdict=found.verdict, rules=_told(found.rules)))


@ROUTES.get("/explanations/{action}", response_model=ExplanationShown, summary="Explain a decision")
async def explained(
    caller: Asking, runtime: Open, action: Annotated[str, Path(min_length=1, max_length=64)]
) -> Response:
    """What the rules of that time said of a recorded action, condition by condition."""
    found = await read(runtime, caller, lambda tx: explain(tx, action, workspace=caller.workspace))
    return answer(
        ExplanationShown(
            action=found.action,
            policy_rev=found.policy_rev,
            kind=found.kind,
            target=found.target,
            verdict=found.verdict,
            rules=_told(found.rules),
        )
    )


@ROUTES.get("/gateway", response_model=GatewayShown, summary="The gateway's switches")
async def gateway(request: Request, caller: Asking, runtime: Open) -> Response:
    """What the gateway masks, blocks, caches and waits for."""
    found = await read(runtime, caller, lambda tx: gateway_policy.read_policy(tx, caller.workspace))
    return resource(request, _gateway(found))


@ROUTES.patch("/gateway", response_model=GatewayShown, summary="Set switches of the gateway")
async def set_gateway(request: Request, caller: Asking, runtime: Open, asked: GatewayChange) -> Response:
    """Change switches; in force within a quarter of a second."""
    made = await gateway_policy.set_policy(
        runtime.store, asked.switches, workspace=caller.workspace, by=caller.principal, clock=runtime.clock
    )
    return resource(request, _gateway(made))


def _gateway(found: gateway_policy.GatewayPolicy) -> GatewayShown:
    words = {name: str(word) for name, word in found.as_json().items() if name != "revision"}
    known = {name: list(each) for name, each in gateway_policy.switches().items()}
    return GatewayShown(revision=found.revision, switches=words, known=known)


def _told(rules: tuple[Told, ...]) -> list[ToldShown]:
    return [ToldShown.model_validate(each.as_json()) for each in rules]


def _item(row: Saved) -> RevisionItem:
    return RevisionItem(
        revision=row.number,
        sha256=row.sha256,
        origin=row.origin,
        saved_by=row.saved_by,
        saved_at=iso(row.saved_us) if row.saved_us else None,
        reason=row.reason,
    )


def _shown(found: Revision) -> RevisionShown:
    resolved = found.book.resolved
    return RevisionShown(
        revision=found.number,
        sha256=found.sha256,
        origin=found.origin.value,
        saved_by=found.saved_by,
        saved_at=iso(found.saved_us) if found.saved_us else None,
        reason=found.reason,
        text=found.written,
        rules=[dict(rule.as_json()) for rule in resolved.rules],
        limits=dict(resolved.limits),
        lists={name: sorted(each) for name, each in resolved.lists.items()},
    )
