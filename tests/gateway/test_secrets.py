"""A secret or a card number never passes, in either direction, wherever a stream or a request cuts it."""

import os
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from remit.testing.model_server import Behaviour, ModelServer, Reply, ToolCall

from .conftest import SETTINGS
from .running import Gateway, Wire, ask, gateway

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


# ------------------------------------------------------------------------------- cards, with nothing switched on


@pytest.fixture(scope="module")
def plainly(provider: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway as it is made: nothing was said about personal data."""
    with gateway(tmp_path_factory.mktemp("plain") / "home", provider, **(SETTINGS | {"personal_data": ""})) as made:
        yield made


@pytest.fixture
def plain(plainly: Gateway) -> Gateway:
    plainly.provider.forget()
    return plainly


SPELLED = (CARD, CARD.replace(" ", ""), CARD.replace(" ", "-"), CARD.replace(" ", "\u00a0"), "3782 822463 10005")


def digits(text: str) -> str:
    return "".join(each for each in text if each.isdigit())


@pytest.mark.parametrize("path", PATHS)
def test_a_card_in_an_answer_cut_between_any_two_deltas(plain: Gateway, path: str) -> None:
    for card in SPELLED if PROVE else SPELLED[:2]:
        for at in range(1, len(card), 1 if PROVE else 4):
            plain.provider.forget()
            plain.provider.say(
                Reply(deltas=("Your card ", card[:at], card[at:], " is fine, and mail ada@example.org."))
            )
            status, _, body = ask(plain.url, path, PATHS[path], token=plain.token)
            assert status == 200
            assert card not in texts(body)
            assert digits(card)[-6:] not in digits(texts(body))
            assert texts(body).startswith("Your card [REDACTED:card:")
            assert texts(body).endswith("] is fine, and mail ada@example.org."), "of personal data cards alone"


@pytest.mark.parametrize("path", PATHS)
def test_a_card_in_an_answer_in_single_characters(plain: Gateway, path: str) -> None:
    plain.provider.say(Reply(deltas=tuple(f"It is {CARD}, {CARD} and no more.")))
    _, _, body = ask(plain.url, path, PATHS[path], token=plain.token)
    assert CARD not in texts(body)
    assert texts(body).count("[REDACTED:card:") == 2
    assert texts(body).endswith(" and no more.")


@pytest.mark.parametrize("path", PATHS)
def test_a_card_in_an_answer_cut_between_any_two_packets(plain: Gateway, path: str) -> None:
    for piece in range(1, 40, 1 if PROVE else 13):
        plain.provider.forget()
        plain.provider.say(Reply(text=f"It is {CARD}."))
        plain.provider.behave(Behaviour(piece=piece))
        _, _, body = ask(plain.url, path, PATHS[path], token=plain.token)
        assert CARD not in body.decode()
        assert "[REDACTED:card:" in texts(body)


@pytest.mark.parametrize("path", PATHS)
def test_a_card_in_an_answer_in_one_piece(plain: Gateway, path: str) -> None:
    for card in SPELLED:
        plain.provider.say(Reply(text=f"It is {card}."))
        status, _, body = ask(plain.url, path, PATHS[path] | {"stream": False}, token=plain.token)
        assert status == 200
        assert card not in str(orjson.loads(body))
        assert b"It is [REDACTED:card:" in body


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("value", [CARD, int(CARD.replace(" ", ""))], ids=["text", "number"])
def test_a_card_in_the_arguments_of_a_tool(plain: Gateway, path: str, value: str | int) -> None:
    plain.provider.say(Reply(text="", calls=(ToolCall("weather", {"city": value, "n": 7}),)))
    for streamed in (True, False):
        _, _, body = ask(plain.url, path, PATHS[path] | {"stream": streamed}, token=plain.token)
        assert str(value).encode() not in body
        assert b"weather" in body


@pytest.mark.parametrize("path", PATHS)
def test_a_card_in_a_prompt_wherever_the_request_cuts_it(plain: Gateway, path: str) -> None:
    """In any spelling, in any packets, escaped or not: the provider reads a mask."""
    for card in SPELLED:
        asked = orjson.dumps(PATHS[path]).replace(b"Say it.", f"My card is {card}, please.".encode())
        for body in (asked, asked.replace(b"42", b"\\u0034\\u0032"), asked.replace(b"\xc2\xa0", b"\\u00a0")):
            plain.provider.forget()
            assert ask(plain.url, path, body, token=plain.token)[0] == 200
            (seen,) = plain.provider.requests
            assert card not in str(seen.json)
            assert b"My card is [REDACTED:card:" in seen.body
            assert b", please." in seen.body
    body = orjson.dumps(PATHS[path]).replace(b"Say it.", f"My card is {CARD}, please.".encode())
    begin = body.index(b"4242")
    for at in range(begin, begin + len(CARD), 1 if PROVE else 6):
        plain.provider.forget()
        wire = Wire(plain.url)
        wire.send(path, body[:at], token=plain.token, size=len(body))
        time.sleep(0.02)
        wire.socket.sendall(body[at:])
        assert wire.answer()[0] == 200
        wire.close()
        assert CARD.encode() not in plain.provider.requests[-1].body
        assert b"My card is [REDACTED:card:" in plain.provider.requests[-1].body


def test_a_card_parted_over_the_parts_of_a_prompt(plain: Gateway) -> None:
    """They are one text for the provider."""
    for at in range(1, len(CARD), 1 if PROVE else 5):
        halves = [
            {"type": "text", "text": f"My card is {CARD[:at]}"},
            {"type": "text", "text": f"{CARD[at:]}, please."},
        ]
        plain.provider.forget()
        asked = {"model": "claude-sonnet-4-6", "max_tokens": 50, "messages": [{"role": "user", "content": halves}]}
        assert ask(plain.url, "/v1/messages", asked, token=plain.token)[0] == 200
        (first, second) = plain.provider.requests[-1].json["messages"][0]["content"]
        assert first["text"].startswith("My card is [REDACTED:card:")
        assert second["text"] == ", please."


def test_a_card_as_a_number_in_a_prompt(plain: Gateway) -> None:
    """What a tool was called with earlier, told again; numbers that are none stay numbers."""
    number = int(CARD.replace(" ", ""))
    call = {"type": "tool_use", "id": "toolu_1", "name": "pay", "input": {"card": number, "amount": 1763769600123}}
    messages = [
        {"role": "user", "content": "Pay."},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}]},
    ]
    asked = PATHS["/v1/messages"] | {"messages": messages}
    assert ask(plain.url, "/v1/messages", asked, token=plain.token)[0] == 200
    seen = plain.provider.requests[-1].json["messages"][1]["content"][0]["input"]
    assert seen["card"].startswith("[REDACTED:card:")
    assert seen["amount"] == 1763769600123


def test_no_card_and_not_a_byte_changes(plain: Gateway) -> None:
    """Long numbers that are no cards leave a request and an answer as they were."""
    asked = b'{"model": "gpt-4o",  "messages": [{"role":"user","content":"order 4111111111111111 at 1763769600123"}]}'
    assert ask(plain.url, "/v1/chat/completions", asked, token=plain.token)[0] == 200
    assert plain.provider.requests[-1].body == asked


def test_the_policy_that_switches_redaction_off_lets_cards_pass(plain: Gateway) -> None:
    path = "/v1/chat/completions"
    asked = PATHS[path] | {"messages": [{"role": "user", "content": f"My card is {CARD}."}]}
    plain.provider.say(Reply(text=f"It is {CARD}."))
    plain.do(lambda: plain.policy(redaction="off"))
    try:
        _, _, body = ask(plain.url, path, asked, token=plain.token)
    finally:
        plain.do(lambda: plain.policy(redaction="on"))
    assert CARD in texts(body)
    assert CARD.encode() in plain.provider.requests[-1].body
    assert plain.audits("accounts.gateway.set"), "and it is on record"
