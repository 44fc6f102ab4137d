"""What a call costs beside its tokens, and whose the conversation is that it goes on from."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import openai
import orjson
import pytest

from remit.accounts.agents import Agent, register_agent
from remit.accounts.budget_tables import USAGE
from remit.accounts.key_orders import create_key
from remit.accounts.keys import Key
from remit.audit import query
from remit.guard import continuing
from remit.models.orders import order
from remit.models.orders_listing import SetPrice
from remit.models.prices import fee_of, rate_of
from remit.models.true_up_order import order_true_up
from remit.testing.model_server import Reply

from .running import WORKSPACE, Gateway, ask

CHAT = {"model": "gpt-4o", "max_tokens": 100, "messages": [{"role": "user", "content": "How many?"}]}
MESSAGE = {"model": "claude-opus-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "How many?"}]}
ASKED = {"model": "gpt-5", "max_output_tokens": 100, "input": "How many?"}
THOUSAND = Reply("four", tokens_in=1000, tokens_out=1000)


def call(gate: Gateway, path: str, body: Mapping[str, Any], *, token: str = "") -> tuple[int, Any, Mapping[str, Any]]:
    """Status, what was answered, and the row of the call's usage (empty: it has none)."""
    status, headers, told = ask(gate.url, path, dict(body), token=token or gate.token)
    rows = {row["action"]: row for row in gate.rows(USAGE)} if status == 200 else {}
    return status, orjson.loads(told), rows.get(headers.get("x-remit-action", ""), {})


def reserves(gate: Gateway, path: str, body: Mapping[str, Any]) -> int:
    """What is reserved for a call, in micros."""
    status, told, row = call(gate, path, body)
    assert status == 200, told
    return int(row["estimate_micros"])


# ----------------------------------------------------------------------------------------------------- service tiers


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("asked", "answered", "cost"),
    [
        ("priority", "priority", 21_250),  # $4.25 and $17 for a million
        ("priority", "default", 12_500),  # taken back by the provider: $2.50 and $10
        (None, "priority", 21_250),  # the project's own setting
        ("priority", None, 21_250),
        ("flex", "flex", 12_500),  # no price of its own: that of everybody, which it never passes
        ("flex", None, 12_500),
    ],
)
def test_the_tier_that_served_a_chat_is_the_one_that_is_booked(
    gate: Gateway, asked: str | None, answered: str | None, cost: int, *, streamed: bool
) -> None:
    gate.provider.say(replace(THOUSAND, extra={} if answered is None else {"service_tier": answered}))
    wish = {} if asked is None else {"service_tier": asked}
    status, told, row = (
        call(gate, "/v1/chat/completions", CHAT | wish) if not streamed else streaming(gate, CHAT | wish)
    )
    assert status == 200, told
    assert row["cost_micros"] == row["tokens_micros"] == cost


def streaming(gate: Gateway, body: Mapping[str, Any]) -> tuple[int, Any, Mapping[str, Any]]:
    status, headers, told = ask(gate.url, "/v1/chat/completions", {**body, "stream": True}, token=gate.token)
    return status, told, next(row for row in gate.rows(USAGE) if row["action"] == headers["x-remit-action"])


def test_a_tier_that_costs_more_is_reserved_for(gate: Gateway) -> None:
    plain = reserves(gate, "/v1/chat/completions", CHAT)
    assert reserves(gate, "/v1/chat/completions", CHAT | {"service_tier": "auto"}) >= plain
    assert reserves(gate, "/v1/chat/completions", CHAT | {"service_tier": "priority"}) > 1.6 * plain
    fast = reserves(gate, "/v1/messages", MESSAGE | {"speed": "fast"})
    assert fast > 1.9 * reserves(gate, "/v1/messages", MESSAGE)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"service_tier": "standard"}, 24_000),
        ({"service_tier": "standard", "speed": "fast"}, 48_000),
        ({"service_tier": "priority"}, 24_000),  # capacity that was bought ahead
        ({"service_tier": "standard", "inference_geo": "us"}, 26_400),
    ],
)
def test_what_a_message_costs_is_what_its_usage_says(gate: Gateway, usage: dict[str, Any], cost: int) -> None:
    gate.provider.say(Reply("four", extra={"usage": {"input_tokens": 1000, "output_tokens": 1000, **usage}}))
    status, told, row = call(gate, "/v1/messages", MESSAGE | {"speed": "fast"} if "speed" in usage else MESSAGE)
    assert status == 200, told
    assert row["cost_micros"] == cost
    assert row["estimated"] == (usage["service_tier"] == "priority")


def test_a_tier_whose_price_nobody_knows_is_refused_until_somebody_says_it(gate: Gateway) -> None:
    gate.do(lambda: gate.policy(unknown_price="refuse"))
    wish = {**CHAT, "service_tier": "ultrafast"}
    status, told, _ = call(gate, "/v1/chat/completions", wish)
    assert (status, "--service ultrafast" in told["error"]["message"]) == (402, True), told
    try:
        price(gate, "gpt-4o", rate_of("15", "60"), "service:ultrafast")
        gate.provider.say(replace(THOUSAND, extra={"service_tier": "ultrafast"}))
        status, told, row = call(gate, "/v1/chat/completions", wish)
        assert (status, row["cost_micros"]) == (200, 75_000)
        assert orjson.loads(row["terms"]) == {"service": "ultrafast"}
    finally:
        price(gate, "gpt-4o", None, "service:ultrafast")
        gate.do(lambda: gate.policy(unknown_price="install"))


def price(gate: Gateway, model: str, rate: Any, term: str) -> None:
    runtime = gate.runtime
    change = SetPrice("openai", model, rate, term)
    gate.do(lambda: order(runtime.store, [change], workspace=WORKSPACE, by=runtime.owner, clock=runtime.clock))
    runtime.models.catalogues.forget(WORKSPACE)


def test_a_tier_is_a_word(gate: Gateway) -> None:
    status, told, _ = call(gate, "/v1/chat/completions", CHAT | {"service_tier": {"a": 1}})
    assert (status, told["error"]["param"]) == (400, "service_tier")


# ------------------------------------------------------------------------------------------------------- tools' fees

SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 7}


def test_web_searches_of_a_message_are_reserved_for_and_booked(gate: Gateway) -> None:
    gate.do(lambda: gate.tools("weather", "web_search"))
    plain = reserves(gate, "/v1/messages", MESSAGE)
    usage = {"input_tokens": 1000, "output_tokens": 1000, "server_tool_use": {"web_search_requests": 3}}
    gate.provider.say(Reply("four", extra={"usage": usage}))
    status, told, row = call(gate, "/v1/messages", MESSAGE | {"tools": [SEARCH]})
    assert status == 200, told
    assert row["cost_micros"] == 24_000 + 3 * 10_000
    assert row["tokens_micros"] == 24_000
    assert 70_000 <= row["estimate_micros"] - plain < 71_000
    assert orjson.loads(row["terms"]) == {"tools": {"web_search": 3}}


def item(kind: str, number: int, **more: Any) -> dict[str, Any]:
    return {"type": f"{kind}_call", "id": f"{kind}_{number}", "status": "completed", **more}


def test_tools_of_a_response_are_booked_and_those_without_a_price_are_said(gate: Gateway) -> None:
    gate.do(lambda: gate.tools("weather", "web_search", "file_search", "code_interpreter"))
    output = [
        item("web_search", 1, action={"type": "search", "query": "x"}),
        item("web_search", 2, action={"type": "open_page", "url": "https://example.org"}),
        item("file_search", 3, queries=["x"]),
        item("code_interpreter", 4, code="1", container_id="cntr_1"),
    ]
    offered = [
        {"type": "web_search"},
        {"type": "file_search"},
        {"type": "code_interpreter", "container": {"type": "auto"}},
    ]
    gate.provider.say(replace(THOUSAND, extra={"output": output}))
    status, told, row = call(gate, "/v1/responses", ASKED | {"tools": offered, "max_tool_calls": 4})
    assert status == 200, told
    assert row["cost_micros"] == 11_250 + 10_000 + 2_500
    terms = orjson.loads(row["terms"])
    assert terms["tools"] == {"web_search": 1, "file_search": 1, "code_interpreter": 1}
    assert terms["unpriced"] == ["code_interpreter"]
    price(gate, "gpt-5", fee_of("0.03"), "tool:code_interpreter")
    try:
        gate.provider.say(replace(THOUSAND, extra={"output": output}))
        status, told, row = call(gate, "/v1/responses", ASKED | {"tools": offered})
        assert row["cost_micros"] == 11_250 + 10_000 + 2_500 + 30_000
        assert "unpriced" not in orjson.loads(row["terms"])
    finally:
        price(gate, "gpt-5", None, "tool:code_interpreter")


# ------------------------------------------------------------------------------------------------------ going on


KEPT = replace(THOUSAND, extra={"id": "resp_1", "store": True, "conversation": {"id": "conv_1"}})


async def other_agent(gate: Gateway, name: str) -> str:
    """The key of another agent of the same owner."""
    runtime = gate.runtime
    who, clock, store = runtime.owner, runtime.clock, runtime.store
    agent = Agent(WORKSPACE, name, who.id, kind="client", effects=frozenset({"model"}))
    await register_agent(store, agent, by=who, clock=clock)
    key = Key(WORKSPACE, name, name, who.id)
    return await create_key(store, key, by=who, clock=clock, rand=lambda n: name.encode().ljust(n, b"x")[:n])


def test_only_the_agent_that_made_a_response_goes_on_from_it(gate: Gateway) -> None:
    gate.provider.say(KEPT)
    assert call(gate, "/v1/responses", ASKED)[0] == 200
    for more in (
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"input": [{"type": "item_reference", "id": "msg_test"}]},
    ):
        assert call(gate, "/v1/responses", ASKED | more)[0] == 200, more
    second = gate.do(lambda: gate.make_key("second"))
    assert call(gate, "/v1/responses", ASKED | {"previous_response_id": "resp_1"}, token=second)[0] == 200
    stranger = gate.do(lambda: other_agent(gate, "stranger"))
    theirs = gate.do(lambda: gate.furnish_other("elsewhere"))
    asked = len(gate.provider.requests)
    for token in (stranger, theirs):
        for more in (
            {"previous_response_id": "resp_1"},
            {"conversation": "conv_1"},
            {"input": [{"type": "item_reference", "id": "msg_test"}]},
        ):
            status, told, _ = call(gate, "/v1/responses", ASKED | more, token=token)
            assert (status, told["error"]["code"]) == (404, "gateway.continued"), more
    status, never, _ = call(gate, "/v1/responses", ASKED | {"previous_response_id": "resp_2"}, token=stranger)
    status, others, _ = call(gate, "/v1/responses", ASKED | {"previous_response_id": "resp_1"}, token=stranger)
    assert status == 404
    assert orjson.dumps(never).replace(b"resp_2", b"resp_1") == orjson.dumps(others), "it says whether there is one"
    assert len(gate.provider.requests) == asked, "somebody else's conversation was asked for"
    wanted = query.Filter(workspace=WORKSPACE, action="gateway.refused", limit=100)
    reasons = gate.runtime.store.view(lambda tx: [row.header.get("reason") for row in query.find(tx, wanted)])
    assert "gateway.continued" in reasons


def test_a_stream_can_be_gone_on_from_as_soon_as_it_ended(gate: Gateway) -> None:
    gate.provider.say(replace(KEPT, extra={"id": "resp_streamed", "store": True}))
    with openai.OpenAI(base_url=gate.openai, api_key=gate.token, max_retries=0) as client:
        with client.responses.create(model="gpt-5", input="How many?", stream=True) as events:
            last = next(event for event in events if event.type == "response.completed")
        gate.provider.say(replace(KEPT, extra={"id": "resp_next", "store": True}))
        done = client.responses.create(model="gpt-5", input="And?", previous_response_id=last.response.id)
        assert done.id == "resp_next"
        with pytest.raises(openai.NotFoundError):
            client.responses.create(model="gpt-5", input="And?", previous_response_id="resp_never")


def test_a_response_that_is_not_kept_leaves_no_row(gate: Gateway) -> None:
    gate.provider.say(replace(KEPT, extra={"id": "resp_gone", "store": False}))
    assert call(gate, "/v1/responses", ASKED | {"store": False})[0] == 200
    known = continuing.reference(f"{gate.provider.url}/v1", "resp_gone")
    assert known not in [row["ref"] for row in gate.rows(continuing.CONTINUED)]


def test_a_container_is_whose_it_first_was(gate: Gateway) -> None:
    gate.do(lambda: gate.tools("weather", "code_execution"))
    usage = {"usage": {"input_tokens": 10, "output_tokens": 10}}
    gate.provider.say(Reply("four", extra={"container": {"id": "container_1", "expires_at": "x"}, **usage}))
    assert call(gate, "/v1/messages", MESSAGE | {"container": "container_1"})[0] == 200
    assert call(gate, "/v1/messages", MESSAGE | {"container": "container_1"})[0] == 200
    stranger = gate.do(lambda: other_agent(gate, "passer-by"))
    status, told, _ = call(gate, "/v1/messages", MESSAGE | {"container": "container_1"}, token=stranger)
    assert (status, told["type"], told["error"]["type"]) == (404, "error", "not_found_error")


def test_a_true_up_finds_each_of_these_calls_booked_right(gate: Gateway) -> None:
    runtime = gate.runtime
    for more in ({"service_tier": "priority"}, {}):
        gate.provider.say(replace(THOUSAND, extra={"service_tier": "priority"}))
        assert call(gate, "/v1/chat/completions", CHAT | more)[0] == 200
    usage: dict[str, Any] = {"input_tokens": 1000, "output_tokens": 1000, "inference_geo": "us", "speed": "fast"}
    usage["server_tool_use"] = {"web_search_requests": 1}
    gate.provider.say(Reply("four", extra={"usage": usage}))
    status, _, row = call(gate, "/v1/messages", MESSAGE | {"inference_geo": "us", "speed": "fast"})
    assert (status, row["cost_micros"]) == (200, 52_800 + 10_000)

    done = gate.do(
        lambda: order_true_up(
            runtime.store, workspace=WORKSPACE, by=runtime.owner, clock=runtime.clock, since_us=0, dry_run=True
        )
    )
    assert done.looked >= 3
    assert done.corrected == 0, done.as_json()
