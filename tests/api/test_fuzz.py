"""Schemathesis over the whole API, as it listens: whatever is sent, no fault of ours, and only what the schema says.

Asks as the owner, so that everything is reached. `REMIT_PROVE=1`: many more examples of each endpoint.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
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
#: Streams stay open for as long as somebody listens, so there is no whole answer to judge.
STREAMS = "text/event-stream"

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("home") / "home", request_log=False) as made:
        yield made


def _endless(operation: dict[str, Any]) -> bool:
    return any(STREAMS in response.get("content", {}) for response in operation["responses"].values())


@pytest.fixture(scope="module")
def schema(fuzzed: Api) -> Any:
    found = orjson.loads(fuzzed.client("nobody").get("/openapi.json").body)
    for methods in found["paths"].values():
        for method in [method for method, operation in methods.items() if _endless(operation)]:
            del methods[method]
    made = schemathesis.openapi.from_dict(found)
    made.config.update(base_url=fuzzed.url)
    return made


def test_whatever_is_sent_the_answer_is_one_of_those_that_are_described(fuzzed: Api, schema: Any) -> None:
    """Every endpoint, with what fits its schema and with what does not."""
    headers = {"authorization": f"Bearer {fuzzed.key('owner')}"}
    wrong: list[str] = []
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 18
    for operation in random.Random(SEED).sample(operations, min(MOST, len(operations))):
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            wrong += _tried(operation, mode, headers)
    assert not wrong, "\n\n".join(wrong[:5])


def _tried(operation: Any, mode: Any, headers: dict[str, str]) -> list[str]:
    wrong: list[str] = []

    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=not PROVE,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        case.call_and_validate(headers=headers, checks=CHECKS)

    try:
        ask()
    except hypothesis.errors.Unsatisfiable:
        pass  # nothing can be wrong with an endpoint that takes nothing
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - told together with the others
        wrong.append(f"{operation.label} ({mode.value}): {error}")
    return wrong
