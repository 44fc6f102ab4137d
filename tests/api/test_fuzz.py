"""Schemathesis over the whole API, as it listens: whatever is sent, no fault of ours, and only what the schema says.

Asks as the owner, so that everything is reached. Endpoints are dealt out to groups, so that processes can share them.
`REMIT_PROVE=1`: every endpoint, many more examples of each.
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import hypothesis
import orjson
import pytest
import schemathesis
from schemathesis import checks

from .serving import Api, serving

PROVE = os.environ.get("REMIT_PROVE") == "1"
EXAMPLES = 150 if PROVE else 2
#: Endpoints that a plain run asks: the same all day, others tomorrow. All of them under REMIT_PROVE=1.
MOST = 10_000 if PROVE else 30
SEED = os.environ.get("DRILL_SEED", "remit")
GROUPS = 8
#: Streams stay open for as long as somebody listens, so there is no whole answer to judge.
STREAMS = "text/event-stream"
STREAMED = ["GET /api/v1/events"]
#: What hypothesis draws; told with what it finds, to find it again (DRILL_SEED).
DRAWN = os.environ.get("DRILL_SEED") or (secrets.token_hex(4) if PROVE else SEED)
#: Far beyond what any answer takes on a machine that has other work to do: an end of waiting, and no limit to keep.
PATIENCE_S = 300.0


def no_fault_of_ours(ctx: Any, response: Any, case: Any) -> bool | None:
    """No status of 500 and above; health may say, in its own words, that the machine was too busy to answer in time."""
    if case.path.startswith("/health") and response.status_code == 503:
        told = response.json()
        wrong = [each["detail"] for each in told["components"].values() if each["state"] != "ok"]
        if told["status"] == "failed" and wrong and all(detail.startswith("no answer within") for detail in wrong):
            return None
    return checks.not_a_server_error(ctx, response, case)


CHECKS = [
    no_fault_of_ours,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("home") / "home", request_log=False, api_time_s=PATIENCE_S) as made:
        yield made


def _endless(operation: dict[str, Any]) -> bool:
    return any(STREAMS in response.get("content", {}) for response in operation["responses"].values())


@pytest.fixture(scope="module")
def document(fuzzed: Api) -> dict[str, Any]:
    """The OpenAPI document as it is served."""
    return dict(orjson.loads(fuzzed.client("nobody").get("/openapi.json").body))


@pytest.fixture(scope="module")
def operations(fuzzed: Api, document: dict[str, Any]) -> dict[str, Any]:
    """Every operation that ends, by its label."""
    paths = {
        path: {method: told for method, told in methods.items() if not _endless(told)}
        for path, methods in document["paths"].items()
    }
    made = schemathesis.openapi.from_dict({**document, "paths": paths})
    made.config.update(base_url=fuzzed.url, request_timeout=PATIENCE_S)
    return {operation.label: operation for operation in (found.ok() for found in made.get_all_operations())}


def dealt(labels: Sequence[str], group: int, *, most: int = MOST) -> list[str]:
    """The labels that a group tries: every `GROUPS`-th of `most`, in an order that only the seed decides."""
    return random.Random(SEED).sample(sorted(labels), min(most, len(labels)))[group::GROUPS]


def test_the_groups_hold_every_operation_once(document: dict[str, Any], operations: dict[str, Any]) -> None:
    described = [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]
    assert len(described) >= 150
    tried = [label for group in range(GROUPS) for label in dealt(list(operations), group, most=10_000)]
    assert sorted([*tried, *STREAMED]) == sorted(described)
    chosen = [label for group in range(GROUPS) for label in dealt(list(operations), group)]
    assert len(set(chosen)) == len(chosen) == min(MOST, len(operations))


@pytest.mark.timeout(4 * 3600)  # hypothesis would take its alarm for an answer of the endpoint
@pytest.mark.parametrize("group", range(GROUPS))
def test_whatever_is_sent_the_answer_is_one_of_those_that_are_described(
    fuzzed: Api, operations: dict[str, Any], record_property: Callable[[str, int], None], group: int
) -> None:
    """Every endpoint, with what fits its schema and with what does not."""
    headers = {"authorization": f"Bearer {fuzzed.key('owner')}"}
    wrong: list[str] = []
    labels = dealt(list(operations), group)
    record_property("endpoints", len(labels))
    for label in labels:
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            wrong += _tried(operations[label], mode, headers)
        # Else every endpoint after it would be asked by nobody. A kept connection may have been closed meanwhile.
        still = fuzzed.open(fuzzed.key("owner")).get("/api/v1/me")
        if still.status != 200 or "admin" not in still.json["may"]:
            wrong.append(f"{label}: after it the owner is no owner: {still}")
    assert not wrong, "\n\n".join(wrong[:5])


def _tried(operation: Any, mode: Any, headers: dict[str, str]) -> list[str]:
    wrong: list[str] = []

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.seed(f"{DRAWN} {operation.label} {mode.value}")
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        case.call_and_validate(headers=headers, checks=CHECKS)

    try:
        ask()
    except hypothesis.errors.Unsatisfiable:
        pass  # nothing can be wrong with an endpoint that takes nothing
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - told together with the others
        wrong.append(f"{operation.label} ({mode.value}, DRILL_SEED={DRAWN}): {_said(error)}")
    return wrong


def _said(error: BaseException) -> str:
    """Everything in a group, and the example with which it was found."""
    if isinstance(error, BaseExceptionGroup):
        return "\n".join([error.message, *map(_said, error.exceptions)])
    return "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])
