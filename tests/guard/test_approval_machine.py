"""Any order of asking, editing, deciding, delegating, waiting, changing the policy, dying: each leave is used once."""

import asyncio
import os
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import insert

from remit.accounts.agents import Agent, register_agent
from remit.accounts.tables import USER
from remit.adapters.store.sqlite import SqliteStore
from remit.guard import approval_decisions as decisions
from remit.guard.approval_notices import sweep_expired
from remit.guard.approval_requests import withdraw
from remit.guard.approval_rows import Request, recent, votes
from remit.guard.approval_terms import ApprovalTerms
from remit.guard.rules.revisions import save
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import SystemClock, micros_of
from remit.kernel.effects import Tool
from remit.kernel.errors import ApprovalPending, Cancelled, Conflict, Denied, InvalidInput, RemitError, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.money import usd

from .fakes import CODER, OWNER, WORKSPACE, HandClock, Move, World, act, make_store, make_world

PEOPLE = [Principal(ActorKind.USER, name) for name in ("ada", "ines", "tom", "bob")]  # ada, ines and tom may approve
HOUR = 3600.0
PROVE = os.environ.get("REMIT_PROVE") == "1"


async def _lost(_action: Action) -> Outcome:
    message = "the process died here"
    raise Cancelled(message)


MOVES: dict[str, Move] = {"ok": Outcome(ok=True), "gone": Unavailable("gone"), "dies": _lost}


class Approvals(RuleBasedStateMachine):
    """The guard on the real store. A model of its own says how often each subject may have been performed."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.revision = 0
        self.rights: set[tuple[str, str]] = set()  # delegations in force: (giver, taker)
        self.ends: dict[tuple[str, str], float] = {}
        self.performed: Counter[str] = Counter()  # by subject hash
        self.approved: Counter[str] = Counter()
        self.attempt = 1
        self.world: World

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def store(self) -> SqliteStore:
        return make_store(Path(self.folder.name))

    @initialize(quorum=st.integers(1, 2))
    def begin(self, quorum: int) -> None:
        self.clock = HandClock()
        self.quorum = quorum
        self.terms = ApprovalTerms(quorum={"": quorum}, expires_s=4 * 3600)
        self.world = self.do(make_world(self.store(), clock=self.clock, approvals=self.terms))
        agent = Agent(WORKSPACE, "coder", OWNER.id, effects=frozenset({"tool"}), tools=frozenset({"*"}))
        self.do(register_agent(self.world.journal, agent, by=OWNER, clock=self.clock))
        for who, role in zip(PEOPLE[1:], ("admin", "admin", "member"), strict=True):
            row = {"workspace": WORKSPACE, "id": who.id, "name": who.id, "role": role, "created_us": 0}
            self.do(self.world.store.commit("accounts.agent", lambda tx, row=row: tx.execute(insert(USER), row)))

    # ------------------------------------------------------------------------- what happens

    def action(self, edit: int) -> Action:
        made = act(Tool("render", {"scene": edit}), principal=CODER, key="", estimate=usd(12))
        object.__setattr__(made, "attempt", self.attempt)
        return made

    @rule(edit=st.integers(0, 1), move=st.sampled_from(sorted(MOVES)), lose=st.sampled_from(["", "", "guard.intent"]))
    def ask(self, edit: int, move: str, lose: str) -> None:
        self.world.adapter.moves = [MOVES[move]]
        self.world.adapter.calls.clear()
        self.world.journal.failing = {lose} - {""}
        action = self.action(edit)
        before = {one.id: one for one in self.requests()}
        got = self.do(self._run(action))
        self.world.journal.failing = set()
        self.do(self.world.settled())
        if self.world.adapter.calls:
            self.performed[action.subject_hash] += 1
            used = [one for one in self.requests() if one.used_by == action.id]
            assert len(used) == 1
            (leave,) = used
            known = before[leave.id]
            now_us = micros_of(self.clock.now())
            assert (known.status, known.used_us, known.subject_hash) == ("approved", None, action.subject_hash)
            assert known.expires_us > now_us
            assert known.policy_rev == self.world.guard.register.fresh(WORKSPACE).rules.revision  # type: ignore[union-attr]
        elif isinstance(got, ApprovalPending):
            (request,) = [one for one in self.requests() if one.id == got.approval_id]
            assert (request.status, request.subject_hash) == ("pending", action.subject_hash)
        else:
            assert isinstance(got, Denied | Unavailable), got

    async def _run(self, action: Action) -> BaseException | Outcome:
        try:
            return await self.world.guard.run(action)
        except (RemitError, Cancelled) as error:
            return error

    @rule(edit=st.integers(0, 1), callers=st.integers(2, 6))
    def many_ask(self, edit: int, callers: int) -> None:
        self.world.adapter.moves = [MOVES["ok"]]
        self.world.adapter.calls.clear()
        actions = [self.action(edit) for _ in range(callers)]

        async def all_of_them() -> None:
            await asyncio.gather(*(self._run(action) for action in actions))

        self.do(all_of_them())
        assert len(self.world.adapter.calls) <= 1
        self.performed[actions[0].subject_hash] += len(self.world.adapter.calls)

    @rule(pick=st.integers(0, 5), who=st.integers(0, 3), approve=st.booleans(), honest=st.integers(0, 5))
    def decide(self, pick: int, who: int, approve: bool, honest: int) -> None:  # noqa: FBT001 - hypothesis passes it so
        found = self.requests()
        if not found:
            return
        request, by = found[pick % len(found)], PEOPLE[who]
        said = self.world.store.view(lambda tx: votes(tx, request))
        state = request.state(micros_of(self.clock.now()))
        wanted = request.subject_hash if honest else "f" * 64
        order = decisions.decide(
            self.world.journal,
            request.id,
            workspace=WORKSPACE,
            by=by,
            approve=approve,
            subject_hash=wanted,
            reason="",
            clock=self.clock,
            redactor=self.world.redactor,
        )
        try:
            decided = self.do(order)
        except (Denied, Conflict):
            return
        assert state == "pending"
        assert honest
        assert by.id not in {vote.voter for vote in said}
        assert by != OWNER, "who the agent acts for does not decide where there are several"
        rights = {by.id} if by.id != "bob" else {giver for giver, taker in self.rights if taker == "bob"}
        assert rights - {"ada"}
        if approve and decided.status == "approved":
            assert len({vote.right_of for vote in said if vote.verdict == "approved"}) + 1 >= self.quorum
            self.approved[request.subject_hash] += 1
        elif approve:
            assert (decided.status, self.quorum) == ("pending", 2)
        else:
            assert decided.status == "denied"

    @rule(giver=st.integers(0, 3), hours=st.sampled_from([1, 3]))
    def delegate(self, giver: int, hours: int) -> None:
        order = decisions.delegate(
            self.world.journal,
            "bob",
            workspace=WORKSPACE,
            by=PEOPLE[giver],
            until=self.clock.now() + timedelta(hours=hours),
            reason="",
            clock=self.clock,
            redactor=self.world.redactor,
        )
        try:
            self.do(order)
        except (Denied, InvalidInput):
            assert PEOPLE[giver].id == "bob", "and bob, who has none of his own, can't hand anything on"
            return
        key = (PEOPLE[giver].id, "bob")
        self.rights.add(key)
        self.ends[key] = max(self.ends.get(key, 0), self.clock.seconds + hours * HOUR)

    @rule(hours=st.sampled_from([0.5, 2, 4]))
    def wait(self, hours: float) -> None:
        self.clock.advance(hours * HOUR)
        self.rights = {key for key in self.rights if self.ends[key] > self.clock.seconds}

    @rule()
    def sweep(self) -> None:
        self.do(sweep_expired(self.world.journal, WORKSPACE, clock=self.clock))
        now_us = micros_of(self.clock.now())
        assert not [one for one in self.requests() if one.open and one.expires_us <= now_us]

    @rule()
    def person_orders_to_go_on(self) -> None:
        self.attempt += 1

    @rule()
    def mission_is_cancelled(self) -> None:
        now_us = micros_of(self.clock.now())
        self.do(self.world.store.commit("guard.settle", lambda tx: withdraw(tx, WORKSPACE, "m1", now_us=now_us)))
        assert not [one for one in self.requests() if one.open]

    @rule()
    def policy_changes(self) -> None:
        self.revision += 1
        text = f"use: []\n# revision {self.revision}\n"
        order = save(
            self.world.store, text, workspace=WORKSPACE, name="r.yaml", reason="x", by=OWNER, clock=SystemClock()
        )
        self.do(order)
        self.clock.advance(1)

    @rule()
    def process_is_replaced(self) -> None:
        """Nothing is kept in memory: another process goes on from what is on disk."""
        self.world.store.close()
        store = SqliteStore(
            Path(self.folder.name) / "remit.db", _signers(self.folder.name), heads=_heads(self.folder.name)
        )
        rules = f"use: []\n# revision {self.revision}\n" if self.revision else "use: []\n"
        self.world = self.do(make_world(store, clock=self.clock, approvals=self.terms, rules=rules))

    # ------------------------------------------------------------------- what always holds

    def requests(self) -> list[Request]:
        return self.world.store.view(lambda tx: recent(tx, WORKSPACE, most=1000))

    @invariant()
    def nothing_is_done_more_often_than_it_was_approved(self) -> None:
        for subject, times in self.performed.items():
            assert times <= self.approved[subject]

    @invariant()
    def at_most_one_is_open_for_each_subject(self) -> None:
        if hasattr(self, "world"):
            now_us = micros_of(self.clock.now())
            live = Counter(
                (one.subject_hash, one.policy_rev) for one in self.requests() if one.open and one.expires_us > now_us
            )
            assert all(count == 1 for count in live.values()), live

    @invariant()
    def each_leave_is_used_by_one_action(self) -> None:
        if hasattr(self, "world"):
            used = Counter(one.used_by for one in self.requests() if one.used_by)
            assert all(count == 1 for count in used.values())

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.do(self.world.settled())
            assert self.world.store.verify().ok
            self.world.store.close()
        self.do(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()


def _signers(folder: str) -> list[Any]:
    from remit.adapters.store.keyfile import load_key

    return [load_key(Path(folder) / "audit.key")]


def _heads(folder: str) -> Path:
    return Path(folder) / "heads.log"


TestApprovals = Approvals.TestCase
TestApprovals.settings = settings(
    max_examples=300 if PROVE else 12,
    stateful_step_count=40 if PROVE else 30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
