"""Documents that take long to read are refused before they are read, whoever sends them."""

import json
import time
from typing import Any

import orjson
import pytest

from remit.kernel.errors import InvalidInput, TooLarge
from remit.serve.api.documents import DEEPEST, MOST_VALUES, weigh

from .serving import Api, serving

MANY = 800_000
BOMBS = {
    "names": b"{" + b",".join(b'"k%d":1' % number for number in range(MANY)) + b"}",
    "numbers": b'{"team":[' + b"1," * MANY + b"1]}",
    "texts": b'{"team":[' + b'"",' * MANY + b'""]}',
    "objects": b'{"team":[' + b"{}," * MANY + b"{}]}",
    "closing": b'{"team":' + b"]" * MANY + b"}",
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with serving(tmp_path_factory.mktemp("home") / "home", api_per_minute=10_000) as made:
        yield made


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_document_of_countless_values_is_refused_before_it_is_read(api: Api, bomb: str) -> None:
    reply = api.owner.ask("POST", "/api/v1/teams", body=BOMBS[bomb], content_type="application/json")
    assert (reply.status, reply.json["code"]) == (413, "api.values"), reply
    again = api.owner.ask(
        "POST", "/api/v1/teams", body=BOMBS[bomb], content_type="application/json", idempotency_key=f"k-{bomb}"
    )
    assert (again.status, again.json["code"]) == (413, "api.values"), again


@pytest.mark.parametrize("path", ["/api/v1/teams", "/mcp"])
@pytest.mark.parametrize("depth", [DEEPEST, 900, 200_000])
@pytest.mark.parametrize(("begin", "end"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_document_that_is_nested_too_deeply_is_refused(
    api: Api, path: str, depth: int, begin: bytes, end: bytes
) -> None:
    body = b'{"team":' + begin * depth + b"1" + end * depth + b"}"
    reply = api.owner.ask("POST", path, body=body, content_type="application/json")
    assert reply.status in {413, 422}, reply
    assert reply.json["code"] in {"api.json", "api.values"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_document_in_another_encoding_hides_nothing(api: Api, encoding: str) -> None:
    text = json.dumps({"team": "\u2201", "name": [1] * MOST_VALUES}, ensure_ascii=False)
    reply = api.owner.ask("POST", "/api/v1/teams", body=text.encode(encoding), content_type="application/json")
    assert (reply.status, reply.json["code"]) == (422, "api.json"), reply


def test_who_is_not_known_sends_little(api: Api) -> None:
    nobody = api.client("nobody")
    reply = nobody.ask("POST", "/api/v1/teams", body=b"x" * 65_537, content_type="application/json")
    assert (reply.status, reply.json["code"]) == (413, "api.body_large"), reply
    assert "sign in" in reply.json["hint"]
    reply = nobody.ask("POST", "/api/v1/teams", body=b"{}", content_type="application/json")
    assert reply.status in {401, 422}


def test_long_texts_are_read_whatever_is_in_them() -> None:
    text = 'a, [b], {c} "d" \\ "\\" \n' * 100_000
    for ascii_ in (True, False):
        weigh(json.dumps({"text": text, "more": ["\\", '"', ",", text]}, ensure_ascii=ascii_).encode())
    weigh(b"")
    weigh(orjson.dumps({f"k{number}": "x" for number in range(MOST_VALUES)}))
    weigh(b"[" * DEEPEST + b"]" * DEEPEST)


def test_no_escape_hides_a_value() -> None:
    for text in (b'"\\\\"', b'"\\\\\\\\"', b'"\\"\\\\"', b'"\\\\\\""'):
        assert isinstance(json.loads(text), str)
        with pytest.raises(TooLarge):
            weigh(b"[" + text + b",1" * MOST_VALUES + b"," + text + b"]")
        with pytest.raises(InvalidInput):
            weigh(b"[" + text + b"," + b"[" * DEEPEST + text + b"]" * DEEPEST + b"]")


@pytest.mark.parametrize("bomb", BOMBS)
def test_to_weigh_costs_less_than_to_read(bomb: str) -> None:
    body = BOMBS[bomb]
    begun = time.thread_time()
    with pytest.raises(TooLarge):
        weigh(body)
    weighing = time.thread_time() - begun
    begun = time.thread_time()
    orjson.loads(b"[" + b'{"a":[1]},' * MANY + b"1]")
    assert weighing < (time.thread_time() - begun) / 2
