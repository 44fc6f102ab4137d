"""A secret or a card number never passes, in either direction, wherever a stream or a request cuts it."""

import os
from typing import Any

import orjson
import pytest

from remit.testing.model_server import Behaviour, Reply, ToolCall

from .running import Gateway, ask

PROVE = os.environ.get("REMIT_PROVE") == "1"
CARD = "4242 4242 4242 4242"
PATHS = {
    "/v1/chat/completions": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say it."}], "stream": True},
    "/v1/messages": {
        "model": "claude-sonnet-4-6",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Say it."}],
        "stream": True,
    },
    "/v1/responses": {"model": "gpt-4o", "input": "Say it.", "stream": True},
}


def secret() -> str:
    """A token that looks real, made here: none stands in the tree."""
    return "ghp_" + "x9K2" * 9


def texts(body: bytes) -> str:
    """Every text of a stream's events, one after the other."""
    found: list[str] = []

    def walk(value: Any) -> None:
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    for line in body.splitlines():
        if line.startswith(b"data: ") and line != b"data: [DONE]":
            walk(said(orjson.loads(line[6:])))
    return "".join(found)


def said(event: Any) -> Any:
    """What an event adds to the answer's text, of any of the three interfaces."""
    if "choices" in event:
        return [choice.get("delta", {}).get("content") for choice in event["choices"]]
    if event.get("type") == "content_block_delta":
        return event["delta"].get("text")
    return event.get("delta") if event.get("type") == "response.output_text.delta" else None


@pytest.mark.parametrize("path", PATHS)
def test_a_secret_in_an_answer_cut_between_any_two_deltas(gate: Gateway, path: str) -> None:
    token = secret()
    step = 1 if PROVE else 5
    for at in range(1, len(token), step):
        gate.provider.forget()
        gate.provider.say(Reply(deltas=("The token is ", token[:at], token[at:], " and no more.")))
        status, _, body = ask(gate.url, path, PATHS[path], token=gate.token)
        assert status == 200
        assert token not in body.decode()
        assert token not in texts(body)
        assert token[4:] not in texts(body).replace("[REDACTED", "")
        assert "The token is " in texts(body)
        assert "and no more." in texts(body)


@pytest.mark.parametrize("path", PATHS)
def test_a_secret_in_an_answer_cut_between_any_two_packets(gate: Gateway, path: str) -> None:
    token = secret()
    for piece in range(1, 40, 1 if PROVE else 6):
        gate.provider.forget()
        gate.provider.say(Reply(text=f"It is {token}."))
        gate.provider.behave(Behaviour(piece=piece))
        _, _, body = ask(gate.url, path, PATHS[path], token=gate.token)
        assert token not in body.decode()
        assert token not in texts(body)


@pytest.mark.parametrize("path", PATHS)
def test_a_secret_in_an_answer_in_one_piece(gate: Gateway, path: str) -> None:
    token = secret()
    gate.provider.say(Reply(text=f"It is {token}."))
    status, _, body = ask(gate.url, path, PATHS[path] | {"stream": False}, token=gate.token)
    assert status == 200
    assert token.encode() not in body
    assert b"It is " in body


@pytest.mark.parametrize("path", PATHS)
def test_a_secret_in_the_arguments_of_a_tool(gate: Gateway, path: str) -> None:
    token = secret()
    gate.provider.say(Reply(text="", calls=(ToolCall("weather", {"city": token}),)))
    for streamed in (True, False):
        _, _, body = ask(gate.url, path, PATHS[path] | {"stream": streamed}, token=gate.token)
        assert token.encode() not in body


@pytest.mark.parametrize("path", PATHS)
def test_a_secret_in_a_prompt(gate: Gateway, path: str) -> None:
    token = secret()
    asked = orjson.loads(orjson.dumps(PATHS[path]).replace(b"Say it.", f"My token is {token}.".encode()))
    for body in (
        orjson.dumps(asked),
        orjson.dumps(asked).replace(token.encode(), token.replace("x", "\\u0078").encode()),
    ):
        gate.provider.forget()
        assert ask(gate.url, path, body, token=gate.token)[0] == 200
        (seen,) = gate.provider.requests
        assert token not in orjson.dumps(seen.json).decode()
        assert b"My token is " in seen.body


def test_a_card_number_in_either_direction(gate: Gateway) -> None:
    """With personal data on: a card goes as a token, and comes back as itself to who sent it, and to nobody else."""
    path = "/v1/chat/completions"
    asked = PATHS[path] | {"messages": [{"role": "user", "content": f"My card is {CARD}, please."}]}
    for at in range(1, len(CARD), 1 if PROVE else 4):
        gate.provider.forget()
        gate.provider.say(Reply(deltas=("Card ", CARD[:at], CARD[at:], " it is.")))
        _, _, body = ask(gate.url, path, asked, token=gate.token)
        assert CARD.encode() not in gate.provider.requests[-1].body
        assert b"My card is " in gate.provider.requests[-1].body
        assert CARD not in texts(body), "the model said it by itself"
