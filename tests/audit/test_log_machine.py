"""A state machine: whatever happens to a log between appends, it says what was appended, and verifies."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from remit.adapters.store.keyfile import create_key, load_key
from remit.adapters.store.sqlite import SqliteStore
from remit.adapters.store.transaction import ReadTransaction, WriteTransaction
from remit.audit import Entry, Result, query, verify_consistency
from remit.audit.merkle import EMPTY_ROOT, root_of
from remit.audit.prune import prune
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import IntegrityError

ACTOR = Principal(ActorKind.USER, "ada")


def entry(step: str) -> Entry:
    return Entry(actor=ACTOR, action="a.b", domain="test", result=Result.SUCCESS, workspace="w", step=step)


class LogMachine(RuleBasedStateMachine):
    """Appends, failures, other handles, reloads, prunes and seals in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp())
        create_key(self.home / "audit.key")
        self.store = self.open()
        self.store.migrate()
        self.steps: list[str] = []
        self.pruned: set[int] = set()
        self.roots: dict[int, bytes] = {}

    def open(self) -> SqliteStore:
        return SqliteStore(self.home / "remit.db", [load_key(self.home / "audit.key")], heads=self.home / "heads.log")

    def appended(self, store: SqliteStore, count: int) -> None:
        names = [f"s{len(self.steps) + n}" for n in range(count)]
        store.write("guard.intent", lambda tx: [tx.append(entry(name), {"name": name}) for name in names])
        self.steps += names

    @rule(count=st.integers(1, 9))
    def append(self, count: int) -> None:
        self.appended(self.store, count)

    @rule(count=st.integers(1, 5))
    def append_through_another_handle(self, count: int) -> None:
        with self.open() as other:
            self.appended(other, count)

    @rule(before=st.integers(0, 3), after=st.integers(0, 3))
    def an_operation_fails_between_two_that_do_not(self, before: int, after: int) -> None:
        def fail(tx: WriteTransaction) -> None:
            tx.append(entry("never"))
            raise KeyError

        first = [f"s{len(self.steps) + n}" for n in range(before)]
        second = [f"s{len(self.steps) + before + n}" for n in range(after)]
        futures = [
            self.store.submit("guard.intent", lambda tx: [tx.append(entry(n), {"name": n}) for n in first]),
            self.store.submit("guard.intent", fail),
            self.store.submit("guard.intent", lambda tx: [tx.append(entry(n), {"name": n}) for n in second]),
        ]
        futures[0].result()
        assert isinstance(futures[1].exception(), KeyError)
        futures[2].result()
        self.steps += first + second

    @rule()
    def reload(self) -> None:
        self.store.close()
        self.store = self.open()

    @rule()
    def seal(self) -> None:
        self.store.seal()
        if self.steps:
            note = self.store.view(query.latest_note)
            assert note is not None
            assert f"\n{len(self.steps)}\n" in note

    @precondition(lambda self: len(self.steps) > 2)
    @rule(data=st.data())
    def prune_payloads(self, data: st.DataObject) -> None:
        first = data.draw(st.integers(0, len(self.steps) - 1))
        last = data.draw(st.integers(first, len(self.steps) - 1))
        expected = set(range(first, last + 1)) - self.pruned
        deleted = self.store.write(
            "guard.outcome", lambda tx: prune(tx, ACTOR, workspace="w", first=first, last=last, reason="retention")
        )
        assert deleted == len(expected)
        self.pruned |= expected
        self.steps.append("")

    @invariant()
    def it_says_what_was_appended(self) -> None:
        records = self.store.view(lambda tx: query.find(tx, query.Filter("w", limit=10_000)))
        assert [record.header["step"] for record in records] == self.steps
        assert {record.seq for record in records if record.payload is None} == self.pruned

    @invariant()
    def it_verifies_and_continues_every_root_before(self) -> None:
        report = self.store.verify()
        assert (report.discrepancies, report.size, report.pruned) == ((), len(self.steps), len(self.pruned))
        self.roots[report.size] = report.root

        def check(tx: ReadTransaction) -> None:
            for size, root in self.roots.items():
                if size == 0:
                    assert root == EMPTY_ROOT
                    continue
                assert root_of(size, lambda level, at: query.read_node(tx, level, at)) == root
                proof = query.prove_consistency(tx, size, report.size)
                verify_consistency(size, report.size, proof, root, report.root)

        self.store.view(check)

    @invariant()
    def every_signed_entry_is_proved(self) -> None:
        signed = self.store.verify().signed
        for seq in {0, signed // 2, signed - 1} if signed else set():
            proof = self.store.view(lambda tx, at=seq: query.prove(tx, at, verifiers=self.store.verifiers))
            assert proof.index == seq
            forged = type(proof)(seq, proof.header + b" ", proof.path, proof.note)
            try:
                forged.verify(self.store.verifiers)
            except IntegrityError:
                continue
            raise AssertionError

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.home)


LogMachine.TestCase.settings = settings(max_examples=8, stateful_step_count=12, deadline=None)
TestLog = LogMachine.TestCase
