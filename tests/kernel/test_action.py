"""The subject hash binds exactly what will happen."""

from dataclasses import replace

import pytest

from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.decision import Check, Decision, Verdict
from remit.kernel.effects import Command, Limits, Tool, WriteFiles
from remit.kernel.errors import InvalidInput
from remit.kernel.mission import Backoff, FileExists, RetryPolicy, StepSpec

CODER = Principal(ActorKind.AGENT, "coder")
OWNER = Principal(ActorKind.USER, "owner")
BASE = Action("a1", Command(("python", "-V")), CODER, OWNER, "default", mission="m", step="s")


def test_the_same_request_has_the_same_hash_whatever_its_id() -> None:
    assert replace(BASE, id="a2", attempt=3).subject_hash == BASE.subject_hash


@pytest.mark.parametrize(
    "changed",
    [
        replace(BASE, effect=Command(("python", "-c"))),
        replace(BASE, effect=Command(("python", "-V"), limits=Limits(wall_s=1))),
        replace(BASE, effect=Command(("python", "-V"), env={"A": "1"})),
        replace(BASE, effect=Command(("python", "-V"), stdin=b"x")),
        replace(BASE, effect=Tool("python")),
        replace(BASE, principal=OWNER),
        replace(BASE, on_behalf_of=CODER),
        replace(BASE, workspace="other"),
    ],
)
def test_a_changed_request_has_another_hash(changed: Action) -> None:
    assert changed.subject_hash != BASE.subject_hash


def test_files_bind_their_content_and_mode() -> None:
    one = replace(BASE, effect=WriteFiles({"a": b"1"}))
    assert one.subject_hash != replace(BASE, effect=WriteFiles({"a": b"2"})).subject_hash
    assert one.subject_hash != replace(BASE, effect=WriteFiles({"a": b"1"}, executable=frozenset({"a"}))).subject_hash
    assert b"1" not in one.payload.replace(b'"size":1', b"")[:10]


def test_an_empty_list_of_checks_denies() -> None:
    assert Decision("a", "h", (), "r").verdict is Verdict.DENY


def test_the_first_check_that_does_not_allow_decides() -> None:
    checks = (
        Check("x", Verdict.ALLOW, "ok"),
        Check("y", Verdict.NEEDS_APPROVAL, "ask"),
        Check("z", Verdict.DENY, "no"),
    )
    assert Decision("a", "h", checks, "r").verdict is Verdict.NEEDS_APPROVAL


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        (Backoff.FIXED, [1, 1, 1, 1]),
        (Backoff.LINEAR, [1, 2, 3, 4]),
        (Backoff.EXPONENTIAL, [1, 2, 4, 5]),
    ],
)
def test_delays_grow_as_the_policy_says(backoff: Backoff, delays: list[float]) -> None:
    policy = RetryPolicy(5, backoff, initial_delay=1, max_delay=5)
    assert [policy.delay(attempt, rand=lambda: 0.0) for attempt in range(1, 5)] == delays


@pytest.mark.parametrize(
    "bounds", [{"max_attempts": 0}, {"initial_delay": 0}, {"initial_delay": 2, "max_delay": 1}, {"jitter": 2}]
)
def test_a_retry_policy_that_cannot_work_is_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        RetryPolicy(**bounds)  # type: ignore[arg-type]


@pytest.mark.parametrize("bounds", [{"post": ()}, {"timeout_s": 0}, {"weight": -1}, {"name": ""}])
def test_a_step_that_cannot_work_is_refused(bounds: dict[str, object]) -> None:
    spec = StepSpec("s", "x", post=(FileExists("a"),))
    with pytest.raises(InvalidInput):
        replace(spec, **bounds)


def test_the_skip_key_covers_inputs_versions_and_upstream_outputs() -> None:
    spec = StepSpec("s", "x", params={"a": 1}, version="1", post=(FileExists("a"),))
    keys = {
        spec.skip_key({"up": "1"}),
        spec.skip_key({"up": "2"}),
        replace(spec, params={"a": 2}).skip_key({"up": "1"}),
        replace(spec, version="2").skip_key({"up": "1"}),
        replace(spec, uses="y").skip_key({"up": "1"}),
    }
    assert len(keys) == 5
