"""What a request names that a provider keeps for a whole account; over sockets it is gateway/test_hostile.py's."""

from typing import Any

import orjson
import pytest

from remit.guard.account_things import named
from remit.kernel.canonical import Json
from remit.kernel.effects import Model, Wire


def request(**members: Json) -> dict[str, Json]:
    return {"model": "m", **members}


def asked(wire: Wire, body: dict[str, Json], *, written: bool = True) -> Model:
    return Model("openai", "m", body, wire=wire, body=orjson.dumps(body) if written else b"")


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("deep", [1, 60])
def test_it_is_found_wherever_it_stands(deep: int, *, written: bool) -> None:
    inner: Any = {"file_id": "file_1"}
    for _ in range(deep):
        inner = {"content": [inner]}
    assert named(asked(Wire.CHAT, request(messages=[inner]), written=written)) == "file_id"


def test_a_prompt_is_one_of_responses_alone() -> None:
    body = request(prompt={"id": "pmpt_1"})
    assert named(asked(Wire.RESPONSES, body)) == "prompt"
    assert not named(asked(Wire.CHAT, body))
    assert not named(asked(Wire.RESPONSES, request(prompt=None)))


def test_values_of_a_program_are_no_ids() -> None:
    call: Json = {"type": "tool_use", "input": {"file_id": "x"}}
    assert not named(asked(Wire.MESSAGES, request(messages=[{"content": [call]}])))
    assert not named(asked(Wire.CHAT, request(tools=[{"function": {"parameters": {"file_id": "x"}}}])))
    assert not named(asked(Wire.CHAT, request(x={"file_id": None}, y={"file_ids": []}, z={"audio": {"voice": "a"}})))


def test_agents_of_this_process_carry_values_of_their_tools() -> None:
    part: Json = {"part_kind": "tool-call", "args": {"file_id": "x"}}
    assert not named(asked(Wire.CHAT, request(messages=[{"parts": [part]}]), written=False))
    assert named(asked(Wire.CHAT, request(messages=[{"parts": [part]}]))) == "file_id"
