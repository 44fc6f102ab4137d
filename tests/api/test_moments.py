"""Moments at both ends of the calendar, which an offset moves out of it: wherever the API takes one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from .samples import every_sample
from .serving import Api

MOMENTS = (
    "0001-01-01T00:00:00",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59",
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59-14:00",
)
READ = frozenset({200, 404, 405})


def _is_moment(schema: Any) -> bool:
    return schema.get("format") == "date-time" or any(_is_moment(each) for each in schema.get("anyOf", ()))


def _taken(document: dict[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    """Method, path and name of each moment that is asked for, and whether it stands in the body."""
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            for parameter in told.get("parameters", ()):
                if _is_moment(parameter["schema"]):
                    yield method.upper(), path, parameter["name"], False
            body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            if "$ref" in body:
                properties = document["components"]["schemas"][body["$ref"].rpartition("/")[2]]["properties"]
                for name, schema in properties.items():
                    if _is_moment(schema):
                        yield method.upper(), path, name, True


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_moment_at_the_end_of_the_calendar_is_taken_or_refused(api: Api, moment: str) -> None:
    taken = list(_taken(api.client("nobody").get("/openapi.json").json))
    assert {("POST", "/api/v1/delegations"), ("GET", "/api/v1/missions")} <= {row[:2] for row in taken}
    samples = every_sample()
    for method, path, name, in_body in taken:
        sample = samples[method, path]
        made = api.do(lambda sample=sample: sample.make(api))
        body: Any = None if sample.body is None else sample.body(made)
        asked = path.format(**made) + sample.query.format(**made)
        if in_body:
            body = {**body, name: moment}
        else:
            asked += f"{'&' if '?' in asked else '?'}{name}={quote(moment)}"
        reply = api.owner.ask(method, asked, body)
        assert reply.status in sample.ok or reply.status == 422, f"{method} {path} {name}: {reply}"
        there = api.owner.get(path.format(**made))
        assert there.status in READ, f"after {method} {path} {name}={moment}: {there}"
