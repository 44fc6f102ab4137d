"""Evidence: the newest of the most particular scope counts, agents attest nothing, every piece is audited."""

from dataclasses import replace
from itertools import count

import pytest
from sqlalchemy import text

from remit.accounts.owner import create_local_owner
from remit.adapters.store.sqlite import SqliteStore
from remit.audit import query
from remit.guard.evidence import Evidence, attest, find_evidence, record, standing, subject_of
from remit.kernel.clock import SystemClock
from remit.kernel.effects import Command, Deploy, Order, Publish
from remit.kernel.errors import Denied, InvalidInput
from remit.kernel.finding import Finding, Severity

from .fakes import CODER, OWNER, WORKSPACE, World

TICK = count(1)


def judged(
    critic: str, *, mission: str = "m1", subject: str = "", passed: bool = True, findings: tuple[Finding, ...] = ()
) -> Evidence:
    return Evidence(WORKSPACE, mission, critic, subject, passed, findings, "step:check", next(TICK))


def keep(world: World, *pieces: Evidence) -> None:
    for piece in pieces:
        world.store.submit("guard.evidence", lambda tx, piece=piece: record(tx, piece)).result()


def stands(world: World, mission: str, subject: str, *, until_us: int | None = None) -> dict[str, bool]:
    bound = {} if until_us is None else {"until_us": until_us}
    found = world.store.view(lambda tx: standing(tx, WORKSPACE, mission, subject, **bound))
    return {critic: evidence.holds for critic, evidence in found.items()}


async def test_the_newest_verdict_of_a_critic_counts(world: World) -> None:
    keep(world, judged("tests", subject="t1", passed=False), judged("tests", subject="t1"))
    assert stands(world, "m1", "t1") == {"tests": True}
    keep(world, judged("tests", subject="t1", passed=False))
    assert stands(world, "m1", "t1") == {"tests": False}


async def test_what_is_about_this_very_subject_goes_before_what_is_about_the_mission(world: World) -> None:
    keep(world, judged("kyc", mission=""), judged("review"), judged("tests", subject="t1"))
    keep(world, judged("tests", passed=False), judged("tests", mission="", passed=False))
    assert stands(world, "m1", "t1") == {"kyc": True, "review": True, "tests": True}
    assert stands(world, "m1", "t2") == {"kyc": True, "review": True, "tests": False}
    assert stands(world, "m2", "t1") == {"kyc": True, "tests": False}
    assert stands(world, "", "") == {"kyc": True, "tests": False}


async def test_other_workspaces_are_not_read(world: World) -> None:
    other = replace(judged("tests"), workspace="other")
    keep(world, other)
    assert stands(world, "m1", "") == {}


async def test_what_was_known_at_a_time_can_be_asked(world: World) -> None:
    first, second = judged("tests", passed=False), judged("tests")
    keep(world, first, second)
    assert stands(world, "m1", "", until_us=first.at_us) == {"tests": False}


async def test_a_blocking_finding_outweighs_a_verdict_that_passed(world: World) -> None:
    bad = Finding("secret.aws", Severity.CRITICAL, "A secret stands in a.py.", "a.py:3", "use secret://NAME")
    keep(world, judged("security", findings=(bad,)), judged("style", findings=(Finding("x", Severity.WARNING, "w"),)))
    assert stands(world, "m1", "") == {"security": False, "style": True}
    [shown] = [each for each in world.store.view(lambda tx: find_evidence(tx, WORKSPACE)) if each.critic == "security"]
    assert shown.findings == (bad,)


async def test_only_the_worst_findings_are_kept_when_there_are_too_many(world: World) -> None:
    many = tuple(Finding("n", Severity.INFO, "note") for _ in range(300))
    keep(world, judged("security", findings=(*many, Finding("bad", Severity.CRITICAL, "bad"))))
    [found] = world.store.view(lambda tx: find_evidence(tx, WORKSPACE, mission="m1"))
    assert len(found.findings) == 200
    assert found.findings[0].severity is Severity.CRITICAL


async def test_a_person_attests_with_a_reason_and_it_is_audited(world: World) -> None:
    made = await attest(
        world.journal,
        "kyc",
        workspace=WORKSPACE,
        mission="",
        subject="",
        passed=True,
        reason="passport seen",
        by=OWNER,
        clock=SystemClock(),
    )
    assert made.source == "user:ada"
    assert stands(world, "m9", "") == {"kyc": True}
    [entry] = world.audit("guard.evidence")
    assert (entry.header["actor"], entry.header["subject"], entry.header["reason"]) == ("user:ada", "kyc", "attested")
    wanted = query.Filter(workspace=WORKSPACE, action="guard.evidence", limit=1)
    [record_] = world.store.view(lambda tx: query.find(tx, wanted))
    assert record_.payload is not None
    assert record_.payload["reason"] == "passport seen"


@pytest.mark.parametrize(("reason", "critic"), [("", "kyc"), ("   ", "kyc"), ("ok", "KYC!"), ("ok", "")])
async def test_an_attestation_needs_a_reason_and_a_word(world: World, reason: str, critic: str) -> None:
    with pytest.raises(InvalidInput):
        await attest(
            world.journal,
            critic,
            workspace=WORKSPACE,
            mission="",
            subject="",
            passed=True,
            reason=reason,
            by=OWNER,
            clock=SystemClock(),
        )
    assert stands(world, "", "") == {}


async def test_an_agent_attests_nothing(world: World) -> None:
    with pytest.raises(Denied) as refused:
        await attest(
            world.journal,
            "review",
            workspace=WORKSPACE,
            mission="m1",
            subject="",
            passed=True,
            reason="looks fine to me",
            by=CODER,
            clock=SystemClock(),
        )
    assert refused.value.code == "accounts.agent_administers"
    assert stands(world, "m1", "") == {}


async def test_evidence_is_neither_changed_nor_deleted(store: SqliteStore) -> None:
    await create_local_owner(store, workspace=WORKSPACE, user="ada", name="Ada", clock=SystemClock())
    await store.commit("guard.evidence", lambda tx: record(tx, judged("tests", passed=False)))
    for statement in ("UPDATE evidence SET passed = 1", "DELETE FROM evidence"):
        with pytest.raises(Exception, match="append-only"):
            await store.commit("guard.evidence", lambda tx, statement=statement: tx.execute(text(statement)))


def test_an_effect_names_what_it_is_about() -> None:
    assert subject_of(Deploy("production", {"tree": "ab12", "sha256": "cd"})) == "ab12"
    assert subject_of(Publish("site", {"sha256": "cd34"})) == "cd34"
    assert subject_of(Order("broker", {"subject": "strategy-1"})) == "strategy-1"
    assert subject_of(Deploy("production", {"tree": "no hash; at all"})) == ""
    assert subject_of(Command(("ls",))) == ""
