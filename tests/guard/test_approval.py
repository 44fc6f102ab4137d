"""Approvals: what needs one, what it binds to, who decides, and that it is used exactly once."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy import insert

from remit.accounts.agents import Agent, register_agent
from remit.accounts.budgets import BudgetScope, set_limit
from remit.accounts.tables import BUDGET, USER
from remit.adapters.store.sqlite import SqliteStore
from remit.guard import approval_decisions as decisions
from remit.guard.approval_notices import sweep_expired
from remit.guard.approval_requests import withdraw
from remit.guard.approval_rows import Request, read_request, recent
from remit.guard.approval_tables import APPROVAL
from remit.guard.approval_terms import ApprovalTerms, Separation, needs, sensitive
from remit.guard.evidence import Evidence, record
from remit.guard.refusals import NEXT
from remit.guard.rules.revisions import save
from remit.guard.why import why
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import SystemClock, micros_of
from remit.kernel.effects import Command, Deploy, Effect, Fetch, Model, Notify, Order, Publish, Tool, WriteFiles
from remit.kernel.errors import ApprovalPending, Conflict, Denied, Failed, InvalidInput, NotFound, Unavailable
from remit.kernel.finding import Finding, Severity
from remit.kernel.mission import Outcome
from remit.kernel.money import Money, usd
from remit.kernel.ports import Preview

from .fakes import CODER, OWNER, WORKSPACE, HandClock, World, act, deploy, make_world

INES = Principal(ActorKind.USER, "ines")
TOM = Principal(ActorKind.USER, "tom")


@pytest.fixture
async def asked(store: SqliteStore) -> World:
    """A world in which APR-1's list is in force, with a registered agent."""
    return await make_asking(store)


async def make_asking(store: SqliteStore, **terms: Any) -> World:
    world = await make_world(store, clock=HandClock(), approvals=ApprovalTerms(**terms))
    agent = Agent(WORKSPACE, "coder", OWNER.id, effects=frozenset({"deploy", "fetch", "order", "publish", "tool"}))
    await register_agent(world.journal, agent, by=OWNER, clock=world.clock)
    return world


async def add_person(world: World, who: Principal) -> None:
    row = {"workspace": WORKSPACE, "id": who.id, "name": who.id, "role": "member", "created_us": 0}
    await world.store.commit("accounts.agent", lambda tx: tx.execute(insert(USER), row))


async def ask(world: World, action: Action | None = None) -> Request:
    """Ask for what needs a person; the request."""
    with pytest.raises(ApprovalPending) as pending:
        await world.guard.run(action or act(deploy(), principal=CODER, key="k"))
    return request_of(world, pending.value.approval_id)


def request_of(world: World, which: str) -> Request:
    return world.store.view(lambda tx: read_request(tx, WORKSPACE, which))


async def decide(world: World, request: Request, *, by: Principal = OWNER, **given: Any) -> Request:
    asked = {"approve": True, "subject_hash": request.subject_hash, "reason": "looks right", **given}
    return await decisions.decide(
        world.journal,
        request.id,
        workspace=WORKSPACE,
        by=by,
        clock=world.clock,
        redactor=world.redactor,
        **asked,
    )


async def change_rules(world: World) -> None:
    """Put another revision of the rules in force."""
    text = "use: []\n# another revision\n"
    await save(world.store, text, workspace=WORKSPACE, name="rules.yaml", reason="test", by=OWNER, clock=SystemClock())
    await world.guard.register.refresh(WORKSPACE)


# ------------------------------------------------------------------------------------------------- what needs one


@pytest.mark.parametrize(
    ("effect", "estimate", "reason"),
    [
        (Order("broker", {"mode": "real", "quantity": 1}), "0", "real order"),
        (Order("broker", {"quantity": 1}), "0", "real order"),
        (Order("broker", {"mode": "PAPER "}), "0", "real order"),
        (Order("broker", {"mode": "paper"}), "0", ""),
        (Deploy("production", {}), "0", "production deployment"),
        (Deploy("anything", {"environment": "staging"}), "0", "production deployment"),
        (Deploy("staging", {}), "0", ""),
        (Publish("store", {"asset": "film"}), "0", "public"),
        (Fetch("https://www.irs.gov/forms"), "0", "irs.gov"),
        (Fetch("https://example.org/?next=irs.gov"), "0", ""),
        (Tool("render"), "10.000001", "$10"),
        (Tool("render"), "10", ""),
        (Model("openai", "m", {}), "11", "$10"),
        (Command(("ls",)), "12", "$10"),
        (WriteFiles({"a": b""}), "12", "$10"),
        (Notify("ops", "a", "b"), "12", "$10"),
        (Fetch("https://example.org/"), "12", "$10"),
        (Publish("store", {}), "12", "$10"),
        (Command(("ls",)), "0", ""),
        (WriteFiles({"a": b""}), "0", ""),
    ],
)
def test_every_kind_of_apr_1(effect: Effect, estimate: str, reason: str) -> None:
    terms = ApprovalTerms(free_targets=frozenset({"staging"}), domains=frozenset({"irs.gov"}))
    told = "; ".join(needs(act(effect, estimate=usd(estimate)), terms))
    assert reason in told
    assert bool(told) == bool(reason)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://irs.gov", "gov"),
        ("https://IRS.GOV./x", "gov"),
        ("https://irs.gov:8443/x", "gov"),
        ("https://user@irs.gov/", "unreadable"),
        ("https://irs\u3002gov/", "unreadable"),
        ("https://\uff49\uff52\uff53.\uff47\uff4f\uff56/", "unreadable"),
        ("https://gov.example.org/", ""),
        ("https://mygov/", ""),
        ("https://example.org/irs.gov", ""),
        ("https://example.org#@irs.gov", ""),
        ("https://example.org\\@irs.gov/", "unreadable"),
        ("https://irs.gov%2f.example.org/", "unreadable"),
        ("https://[::1", "unreadable"),
        ("no address", "unreadable"),
        ("https:///path", "unreadable"),
        ("https://" + "a." * 200 + "gov/", "unreadable"),
    ],
)
def test_a_sensitive_domain_is_found_however_it_is_written(url: str, found: str) -> None:
    assert sensitive(url, frozenset({"gov"})) == found


async def test_what_needs_nobody_goes_through(asked: World) -> None:
    assert (await asked.guard.run(act(Tool("echo")))).ok
    assert asked.rows(APPROVAL) == []


# ------------------------------------------------------------------------------------------------------ asking


async def test_asking_takes_nothing_and_writes_request_and_entry_with_the_refusal(asked: World) -> None:
    await set_limit(asked.journal, BudgetScope.WORKSPACE, workspace=WORKSPACE, name="", limit=usd(100), by=OWNER)
    action = act(deploy(), principal=CODER, key="k", estimate=usd(12))
    request = await ask(asked, action)
    assert asked.adapter.calls == []
    (purse,) = asked.rows(BUDGET)
    assert (purse["reserved"], purse["spent"]) == (0, 0)
    (row,) = asked.rows()
    assert (row["state"], row["reason"]) == ("refused", "approval.needed")
    assert row["reason"] in NEXT
    assert (request.subject_hash, request.policy_rev) == (action.subject_hash, asked.rows()[0]["policy_rev"])
    assert (request.principal, request.on_behalf_of, request.estimate_micros) == ("agent:coder", "user:ada", 12_000_000)
    assert (request.risk, request.quorum, request.domain) == ("medium", 1, "deployment")
    assert request.expires_us - request.requested_us == 24 * 3600 * 1_000_000
    assert request.details["payload"] == action.payload.decode()
    assert request.details["blast_radius"]["undo"].startswith("A rollback undoes it")  # type: ignore[index,call-overload,union-attr]
    (entry,) = asked.audit("approval.requested")
    assert (entry.header["subject"], entry.header["result"], entry.header["policy_rev"]) == (
        request.id,
        "pending",
        request.policy_rev,
    )
    (refused,) = asked.audit("guard.refused")
    assert refused.header["approval_id"] == request.id


async def test_asking_again_finds_the_pending_request(asked: World) -> None:
    first = await ask(asked)
    second = await ask(asked)
    assert first.id == second.id
    assert len(asked.audit("approval.requested")) == 1
    assert len(asked.audit("guard.refused")) == 2


async def test_many_who_ask_at_once_make_one_request(asked: World) -> None:
    got = await asyncio.gather(
        *(asked.guard.run(act(deploy(), principal=CODER, key="k")) for _ in range(50)), return_exceptions=True
    )
    assert {each.approval_id for each in got if isinstance(each, ApprovalPending)} == {asked.rows(APPROVAL)[0]["id"]}
    assert len(got) == 50
    assert len(asked.rows(APPROVAL)) == 1


async def test_the_error_says_what_who_until_and_the_command(asked: World) -> None:
    with pytest.raises(ApprovalPending) as pending:
        await asked.guard.run(act(deploy(), principal=CODER, key="k"))
    error = pending.value
    assert (error.row.exit, error.code) == (4, "guard.approval_pending")
    assert "deploy to production waits for a person" in error.message
    assert "production deployment" in error.message
    assert "2026-01-02T00:00:00Z" in error.message
    assert error.hint == f"remit approve {error.approval_id}"


async def test_a_preview_is_shown_masked_and_a_failing_one_hinders_nothing(asked: World) -> None:
    class Looking:
        seen: Preview | Exception = Preview(diff="-a\n+hunter2-hunter2", summary="two files", simulation={"p5": -3.5})

        async def perform(self, action: Action) -> Outcome:
            raise AssertionError(action.id)

        async def preview(self, action: Action) -> Preview:
            assert action.kind == "deploy"
            if isinstance(self.seen, Exception):
                raise self.seen
            return self.seen

    asked.redactor.register("hunter2-hunter2")
    looking = Looking()
    asked.guard.adapters = {**asked.guard.adapters, "deploy": looking}
    shown = (await ask(asked)).details["preview"]
    assert isinstance(shown, dict)
    assert shown["diff"].startswith("-a\n+[REDACTED:")
    assert (shown["summary"], shown["simulation"]) == ("two files", {"p5": -3.5})
    looking.seen = Failed("no such place hunter2-hunter2")
    shown = (await ask(asked, act(Deploy("other", {}), principal=CODER, key="k2"))).details["preview"]
    assert isinstance(shown, dict)
    assert "no such place [REDACTED" in str(shown["failed"])


@pytest.mark.parametrize(("passed", "wanted"), [(True, "medium"), (False, "high")])
async def test_critics_findings_are_shown_and_weigh(asked: World, passed: bool, wanted: str) -> None:  # noqa: FBT001
    finding = Finding("bandit.B602", Severity.WARNING, "a shell is started", place="app/run.py:3")
    verdict = Evidence(WORKSPACE, "m1", "security", "", passed, (finding,), "step:verify", 1)
    await asked.store.commit("guard.settle", lambda tx: record(tx, verdict))
    request = await ask(asked)
    (shown,) = cast("list[dict[str, Any]]", request.details["evidence"])
    assert (shown["critic"], shown["passed"], shown["source"]) == ("security", passed, "step:verify")
    assert shown["findings"][0]["message"] == "a shell is started"
    assert request.risk == wanted


# --------------------------------------------------------------------------------------------------- single use


async def test_approved_runs_once_exactly_as_approved(asked: World) -> None:
    request = await ask(asked)
    assert (await decide(asked, request)).status == "approved"
    assert (await asked.guard.run(act(deploy(), principal=CODER, key="k"))).ok
    used = request_of(asked, request.id)
    assert used.used_by == asked.adapter.calls[0].id
    intent = asked.audit("guard.intent")[-1]
    assert intent.header["approval_id"] == request.id
    assert {
        "check": "approval",
        "verdict": "allow",
        "reason": "approved",
        "detail": f"Approved: request {used.id}.",
    } in (intent.payload or {})["checks"]
    with pytest.raises(Conflict, match="done already"):
        await asked.guard.run(act(deploy(), principal=CODER, key="k"))
    again = await ask(asked, act(deploy(), principal=CODER, key="another"))
    assert again.id != request.id


async def test_the_story_of_a_refusal_says_what_became_of_the_request(asked: World) -> None:
    async def told() -> str:
        story = await why(asked.journal, "m1", workspace=WORKSPACE)
        return story.text().splitlines()[-1]

    request = await ask(asked)
    assert await told() == "Next: remit approvals, then remit approve ID or remit deny ID --reason WHY"
    await decide(asked, request)
    assert await told() == "Next: give the same order again: it was approved"
    assert (await asked.guard.run(act(deploy(), principal=CODER, key="k"))).ok
    done = asked.adapter.calls[0].id
    assert await told() == f"Next: nothing: it was approved, and done as remit why {done} tells"
    first = (await why(asked.journal, "m1", workspace=WORKSPACE)).text().splitlines()[0]
    assert first == "Done in mission m1: 1 action. Refused, failed or open, newest first:"
    assert isinstance(asked.clock, HandClock)
    asked.clock.advance(1)
    await decide(asked, await ask(asked, act(deploy(), principal=CODER, key="another")), approve=False)
    newest = (await why(asked.journal, "m1", workspace=WORKSPACE)).actions[0]
    assert newest.next == NEXT["approval.denied"].format(mission="m1")


@pytest.mark.parametrize(
    "changed",
    [
        act(Deploy("production", {"image": "app:2"}), principal=CODER, key="k"),
        act(Deploy("Production", {"image": "app:1"}), principal=CODER, key="k"),
        act(deploy(), key="k"),
    ],
    ids=["payload", "target", "principal"],
)
async def test_a_changed_action_needs_a_new_approval_and_voids_the_old(asked: World, changed: Action) -> None:
    first = await ask(asked)
    await decide(asked, first)
    second = await ask(asked, changed)
    assert second.id != first.id
    assert request_of(asked, first.id).status == "superseded"
    assert asked.adapter.calls == []
    with pytest.raises(Conflict, match="newer request"):
        await decide(asked, first)


async def test_another_missions_or_steps_leave_does_not_count(asked: World) -> None:
    await decide(asked, await ask(asked))
    other = await ask(asked, act(deploy(), principal=CODER, key="k2", mission="m2"))
    assert other.mission == "m2"
    assert asked.adapter.calls == []


async def test_a_changed_policy_is_asked_about_again(asked: World) -> None:
    first = await ask(asked)
    await decide(asked, first)
    await change_rules(asked)
    second = await ask(asked)
    assert second.id != first.id
    assert second.policy_rev != first.policy_rev
    assert request_of(asked, first.id).status == "superseded"


async def test_two_hundred_callers_on_one_approval_exactly_one_performs(asked: World) -> None:
    def one() -> Action:
        return act(Tool("render"), key="", estimate=usd(12))

    request = await ask(asked, one())
    await decide(asked, request)
    got = await asyncio.gather(*(asked.guard.run(one()) for _ in range(200)), return_exceptions=True)
    assert sum(isinstance(each, Outcome) for each in got) == 1
    assert sum(isinstance(each, ApprovalPending) for each in got) == 199, [e for e in got if isinstance(e, Exception)][
        :3
    ]
    assert len(asked.adapter.calls) == 1
    assert request_of(asked, request.id).used_by == asked.adapter.calls[0].id
    assert len({each.approval_id for each in got if isinstance(each, ApprovalPending)}) == 1


async def test_a_later_refusal_leaves_the_approval_unused(asked: World) -> None:
    await set_limit(asked.journal, BudgetScope.WORKSPACE, workspace=WORKSPACE, name="", limit=usd(5), by=OWNER)
    action = act(Tool("render"), estimate=usd(12))
    request = await ask(asked, action)
    await decide(asked, request)
    with pytest.raises(Denied, match="budget"):
        await asked.guard.run(act(Tool("render"), estimate=usd(12)))
    assert request_of(asked, request.id).used_us is None
    await set_limit(asked.journal, BudgetScope.WORKSPACE, workspace=WORKSPACE, name="", limit=usd(50), by=OWNER)
    assert (await asked.guard.run(act(Tool("render"), estimate=usd(12)))).ok


async def test_an_action_that_never_started_gives_its_leave_back(asked: World) -> None:
    request = await ask(asked)
    await decide(asked, request)
    async with asked.guard.admit(act(deploy(), principal=CODER, key="k")):
        assert request_of(asked, request.id).used_us is not None
    assert request_of(asked, request.id).used_us is None
    assert (await asked.guard.run(act(deploy(), principal=CODER, key="k"))).ok


async def test_a_lost_outcome_does_not_let_it_happen_again(asked: World) -> None:
    request = await ask(asked)
    await decide(asked, request)
    asked.journal.failing = {"guard.outcome"}
    with pytest.raises(Unavailable):
        await asked.guard.run(act(deploy(), principal=CODER, key="k"))
    asked.journal.failing = set()
    with pytest.raises(Conflict, match="Nobody knows"):
        await asked.guard.run(act(deploy(), principal=CODER, key="k"))
    assert len(asked.adapter.calls) == 1


async def test_when_approvals_cannot_be_read_nothing_happens(asked: World) -> None:
    await decide(asked, await ask(asked))
    await asked.guard.register.refresh(WORKSPACE)
    asked.journal.failing = {"read"}
    with pytest.raises(Unavailable, match="approved it could not be read"):
        await asked.guard.run(act(deploy(), principal=CODER, key="k"))
    assert asked.adapter.calls == []


# ------------------------------------------------------------------------------------------------------- deciding


async def test_denied_means_refused_and_says_who_and_why(asked: World) -> None:
    request = await ask(asked)
    await decide(asked, request, approve=False, reason="spread too wide")
    for _ in range(2):
        with pytest.raises(
            Denied, match=f"ada denied the deploy to production .*{request.id}.*spread too wide"
        ) as told:
            await asked.guard.run(act(deploy(), principal=CODER, key="k"))
        assert told.value.row.exit == 3
    (first, *_) = [row for row in asked.rows() if row["reason"] == "approval.denied"]
    assert first["reason"] in NEXT
    assert asked.adapter.calls == []


async def test_agents_never_decide(asked: World) -> None:
    request = await ask(asked)
    for who in (CODER, Principal(ActorKind.AGENT, "other"), Principal(ActorKind.SYSTEM, "approvals")):
        with pytest.raises(Denied, match=r"agents never|may not approve"):
            await decide(asked, request, by=who)
    assert request_of(asked, request.id).status == "pending"
    assert [entry.header["actor"] for entry in asked.audit("accounts.refused")] == [
        "agent:coder",
        "agent:other",
        "system:approvals",
    ]


async def test_without_the_right_nobody_decides(asked: World) -> None:
    request = await ask(asked)
    await add_person(asked, INES)
    with pytest.raises(Denied, match="may not approve"):
        await decide(asked, request, by=INES)
    with pytest.raises(Denied, match="may not approve"):
        await decide(asked, request, by=Principal(ActorKind.USER, "nobody"))


async def test_a_decision_binds_to_what_was_read(asked: World) -> None:
    request = await ask(asked)
    for wrong in ("", "0" * 64, request.subject_hash[:7], request.subject_hash + "0"):
        with pytest.raises(Conflict, match="what you read is not what was asked"):
            await decide(asked, request, subject_hash=wrong)
    assert (await decide(asked, request, subject_hash=request.subject_hash[:8].upper())).status == "approved"


async def test_a_decision_is_final(asked: World) -> None:
    request = await ask(asked)
    await decide(asked, request)
    for approve in (True, False):
        with pytest.raises(Conflict, match="approved already, by ada"):
            await decide(asked, request, approve=approve)
    await asked.guard.run(act(deploy(), principal=CODER, key="k"))
    with pytest.raises(Conflict, match="used by action"):
        await decide(asked, request)
    with pytest.raises(NotFound):
        await decide(asked, Request(**{**_row(request), "id": "nothing"}))


def _row(request: Request) -> dict[str, Any]:
    return {name: getattr(request, name) for name in Request.__slots__}


async def test_two_who_decide_at_once_one_is_told(asked: World) -> None:
    request = await ask(asked)
    got = await asyncio.gather(decide(asked, request), decide(asked, request, approve=False), return_exceptions=True)
    assert sum(isinstance(each, Conflict) for each in got) == 1
    assert len(asked.audit("approval.approved") + asked.audit("approval.denied")) == 1


async def test_a_reason_is_masked_and_bounded(asked: World) -> None:
    asked.redactor.register("hunter2-hunter2")
    request = await ask(asked)
    with pytest.raises(InvalidInput, match="2000 are kept"):
        await decide(asked, request, reason="x" * 2001)
    decided = await decide(asked, request, reason="because hunter2-hunter2")
    assert "hunter2" not in decided.reason
    assert "hunter2" not in str((asked.audit("approval.approved")[0].payload or {})["reason"])


async def test_expired_means_refused(asked: World) -> None:
    assert isinstance(asked.clock, HandClock)
    request = await ask(asked)
    asked.clock.advance(24 * 3600)
    with pytest.raises(Conflict, match="expired"):
        await decide(asked, request)
    with pytest.raises(Denied, match=r"Nobody approved .* in time"):
        await asked.guard.run(act(deploy(), principal=CODER, key="k"))
    assert request_of(asked, request.id).status == "expired"
    assert len(asked.audit("approval.expired")) == 1
    anew = await ask(asked)
    assert anew.id != request.id


async def test_a_leave_that_is_not_used_in_time_is_over(asked: World) -> None:
    assert isinstance(asked.clock, HandClock)
    request = await ask(asked)
    await decide(asked, request)
    asked.clock.advance(24 * 3600)
    with pytest.raises(Denied, match="in time"):
        await asked.guard.run(act(deploy(), principal=CODER, key="k"))
    assert asked.adapter.calls == []


async def test_a_sweep_marks_what_expired_once(asked: World) -> None:
    assert isinstance(asked.clock, HandClock)
    request = await ask(asked)
    assert await sweep_expired(asked.journal, WORKSPACE, clock=asked.clock) == []
    asked.clock.advance(24 * 3600)
    swept = await sweep_expired(asked.journal, WORKSPACE, clock=asked.clock)
    assert [one.id for one in swept] == [request.id]
    assert await sweep_expired(asked.journal, WORKSPACE, clock=asked.clock) == []
    assert len(asked.audit("approval.expired")) == 1


async def test_a_mission_that_is_over_asks_for_nothing(asked: World) -> None:
    request = await ask(asked)
    now_us = micros_of(asked.clock.now())
    await asked.store.commit("guard.settle", lambda tx: withdraw(tx, WORKSPACE, "m1", now_us=now_us))
    assert request_of(asked, request.id).status == "withdrawn"
    with pytest.raises(Conflict, match="mission is over"):
        await decide(asked, request)


# ------------------------------------------------------------------- several persons, separated duties, delegation


async def test_the_only_person_may_approve_what_an_agent_asked_for_them(asked: World) -> None:
    request = await ask(asked)
    assert request.separated == 0
    assert (await decide(asked, request)).status == "approved"


@pytest.mark.parametrize(
    ("terms", "people", "separated"),
    [
        ({}, 1, False),
        ({}, 2, True),
        ({"quorum": {"": 2}}, 1, True),
        ({"separation": Separation.OFF}, 2, False),
        ({"separation": Separation.ON}, 1, True),
    ],
)
async def test_when_duties_are_separated(store: SqliteStore, terms: Any, people: int, separated: bool) -> None:  # noqa: FBT001
    world = await make_asking(store, **terms)
    if people > 1:
        await add_person(world, INES)
    request = await ask(world)
    assert bool(request.separated) is separated
    if separated:
        with pytest.raises(Denied, match="nobody decides about their own request"):
            await decide(world, request)
    else:
        await decide(world, request)


async def test_a_quorum_is_of_distinct_persons_and_one_denial_refuses(store: SqliteStore) -> None:
    world = await make_asking(store, quorum={"": 2}, separation=Separation.OFF)
    for who in (INES, TOM):
        await add_person(world, who)
        await hand_on(world, who)
    request = await ask(world)
    assert (await decide(world, request)).status == "pending"
    with pytest.raises(Conflict, match="another person must decide"):
        await decide(world, request)
    # Both hold the right of the same person, who has used it.
    for who in (INES, TOM):
        with pytest.raises(Conflict, match="with the right of ada"):
            await decide(world, request, by=who)
    with pytest.raises(ApprovalPending):
        await world.guard.run(act(deploy(), principal=CODER, key="k"))
    other = await ask(world, act(deploy(), principal=CODER, key="k", mission="m2"))
    assert (await decide(world, other, by=INES, approve=False)).status == "denied"


async def hand_on(world: World, to: Principal, *, by: Principal = OWNER, days: float = 7) -> None:
    await decisions.delegate(
        world.journal,
        to.id,
        workspace=WORKSPACE,
        by=by,
        until=world.clock.now() + timedelta(days=days),
        reason="on holiday",
        clock=world.clock,
        redactor=world.redactor,
    )


async def test_a_right_is_handed_on_for_a_while_and_no_further(store: SqliteStore) -> None:
    world = await make_asking(store, separation=Separation.OFF, expires_s=30 * 86_400)
    assert isinstance(world.clock, HandClock)
    for who in (INES, TOM):
        await add_person(world, who)
    await hand_on(world, INES)
    with pytest.raises(Denied, match="may not approve"):
        await hand_on(world, TOM, by=INES)
    request = await ask(world)
    with pytest.raises(Denied, match="may not approve"):
        await decide(world, request, by=TOM)
    world.clock.advance(7 * 86_400)
    with pytest.raises(Denied, match="may not approve"):
        await decide(world, request, by=INES)
    await hand_on(world, INES)
    assert await decisions.take_back(world.journal, "ines", workspace=WORKSPACE, by=OWNER, clock=world.clock) == 1
    with pytest.raises(Denied, match="may not approve"):
        await decide(world, request, by=INES)
    await hand_on(world, INES)
    decided = await decide(world, request, by=INES)
    assert decided.status == "approved"
    assert len(world.audit("approval.delegated")) == 3
    assert len(world.audit("accounts.refused")) == 4
    assert (world.audit("approval.approved")[0].payload or {})["right_of"] == "ada"


@pytest.mark.parametrize(
    ("to", "days", "error"), [("ada", 7, InvalidInput), ("ines", -1, InvalidInput), ("nobody", 7, NotFound)]
)
async def test_a_right_goes_to_another_person_until_a_moment_to_come(
    asked: World, to: str, days: float, error: type[Exception]
) -> None:
    await add_person(asked, INES)
    with pytest.raises(error):
        await hand_on(asked, Principal(ActorKind.USER, to), days=days)


async def test_who_asked_cannot_decide_through_somebody_else(asked: World) -> None:
    await add_person(asked, INES)
    await hand_on(asked, INES)
    request = await ask(asked)
    with pytest.raises(Denied, match="holds the right of ada, who asked"):
        await decide(asked, request, by=INES)


async def test_every_state_is_listed_newest_first(asked: World) -> None:
    first = await ask(asked)
    await decide(asked, first)
    second = await ask(asked, act(Publish("store", {}), principal=CODER, key="p"))
    found = asked.store.view(lambda tx: recent(tx, WORKSPACE))
    assert {one.id for one in found} == {first.id, second.id}
    assert second.risk == "high"


async def test_a_costly_model_call_waits_like_any_other(asked: World) -> None:
    request = await ask(asked, act(Model("openai", "m", {"prompt": "x"}), estimate=usd(20)))
    assert (request.kind, Money(request.estimate_micros)) == ("model", usd(20))
    await decide(asked, request)
    assert (await asked.guard.run(act(Model("openai", "m", {"prompt": "x"}), estimate=usd(20)))).ok


# ------------------------------------------------------------------------------------------------------------- a flood


async def flood(worlds: list[World], count: int) -> list[Any]:
    """So many questions of one agent at once, each about something else; what each of them heard."""
    actions = [act(Deploy(f"place-{at}", {}), principal=CODER, key=f"k{at}") for at in range(count)]
    asked = (worlds[at % len(worlds)].guard.run(action) for at, action in enumerate(actions))
    return await asyncio.gather(*asked, return_exceptions=True)


def too_many(heard: list[Any]) -> list[Denied]:
    return [each for each in heard if isinstance(each, Denied) and each.code == "guard.approvals_open"]


async def test_an_agent_has_so_many_requests_open_and_no_more(store: SqliteStore) -> None:
    world = await make_asking(store, most_open=5, expires_s=60)
    heard = await flood([world], 12)
    refused = too_many(heard)
    assert (len(refused), sum(isinstance(each, ApprovalPending) for each in heard)) == (7, 5)
    assert {each.hint for each in refused} == {"remit approvals"}
    waiting = world.store.view(lambda tx: recent(tx, WORKSPACE))
    assert len(waiting) == 5
    again = act(Deploy(waiting[0].target, {}), principal=CODER, key=str(waiting[0].effect_key))
    assert (await ask(world, again)).id == waiting[0].id, "what is asked already may be asked again"
    await ask(world, act(deploy(), key="mine"))  # a person's own order is no agent's
    await decide(world, waiting[0], approve=False)
    await ask(world, act(Deploy("next", {}), principal=CODER, key="next"))
    with pytest.raises(Denied, match="5 decisions"):
        await world.guard.run(act(Deploy("one more", {}), principal=CODER, key="more"))
    cast("HandClock", world.clock).seconds += 61  # nobody decides, and they are over
    await world.guard.register.refresh(WORKSPACE)
    await ask(world, act(Deploy("later", {}), principal=CODER, key="later"))
