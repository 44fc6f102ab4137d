"""``remit.governed``: the agent behaves as before, and every model attempt and tool call passed the guard."""

# ruff: noqa: ARG001, ARG002, PT012 - scripts of models take what the library gives; one command is run

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, RunContext
from pydantic_ai.capabilities import AbstractCapability, ModelFallback
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models import Model
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults
from pydantic_ai.usage import UsageLimits

import remit
from remit.accounts.kills import KillScope, Target, kill
from remit.bootstrap import open_store
from remit.guard.approval_tables import APPROVAL
from remit.kernel.errors import ApprovalPending, Denied, InvalidInput, NotFound
from remit.sdk import effect_key

from ..warm import run as run_command  # noqa: TID252 - tests are loaded by path
from .conftest import ASK, CLOCK, Place

TOKEN = base64.b64decode("Z2hwX1J4N3E5WnYyTGtNNHRQYldjMXNKZDZGaDhZZzNOYTBVZVZi").decode()  # made up


def scripted(*calls: tuple[str, dict[str, Any]], name: str = "script", seen: list[Any] | None = None) -> FunctionModel:
    """Asks for the tools, one after the other, then says what came back."""

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if seen is not None:
            seen.append(ModelMessagesTypeAdapter.dump_json(messages).decode() + str(info.instructions))
        parts = [part for message in messages for part in message.parts]
        back = [part for part in parts if isinstance(part, ToolReturnPart)]
        if len(back) < len(calls):
            tool, arguments = calls[len(back)]
            return ModelResponse(parts=[ToolCallPart(tool, arguments, tool_call_id=f"{tool}-{len(back)}")])
        return ModelResponse(parts=[TextPart(" ".join(str(part.content) for part in back) or "hello")])

    return FunctionModel(answer, model_name=name)


def adder(model: Any, **given: Any) -> Agent[None, Any]:
    agent: Agent[None, Any] = Agent(model, name="helper", **given)

    @agent.tool_plain
    def add(x: int, y: int) -> int:
        return x + y

    return agent


async def test_a_run_answers_as_before_and_each_part_of_it_is_an_action(place: Place) -> None:
    plain = adder(scripted(("add", {"x": 2, "y": 3})))
    async with remit.governed(plain, home=place.home) as agent:
        done = await agent.run("add two and three")
    assert done.output == (await plain.run("add two and three")).output == "5"
    assert place.actions() == [
        ("model", "scripted/script", "ok"),
        ("tool", "add", "ok"),
        ("model", "scripted/script", "ok"),
    ]
    row = place.rows()[0]
    assert (row["principal"], row["on_behalf_of"]) == ("agent:helper", f"user:{place.settings.owner}")


def test_it_runs_without_a_loop_again_and_again(place: Place) -> None:
    agent = remit.governed(adder(TestModel()), home=place.home)
    assert agent.run_sync("hi").output == agent.run_sync("hi").output == '{"add":0}'
    agent.close_sync()
    assert len(place.actions("model")) == 4


async def test_structured_output_and_retries_are_the_librarys_own(place: Place) -> None:
    class Sum(BaseModel):
        total: int

    tries: list[int] = []
    agent = Agent(scripted(("add", {"x": 1, "y": 1}), ("add", {"x": 1, "y": 1})), name="helper", output_type=str)

    @agent.tool_plain(retries=2)
    def add(x: int, y: int) -> int:
        tries.append(x)
        if len(tries) == 1:
            raise ModelRetry("once more")
        return x + y

    async with remit.governed(agent, home=place.home) as governed:
        assert "2" in (await governed.run("go")).output
        typed = await governed.run(
            "go", model=TestModel(call_tools=[], custom_output_args={"total": 7}), output_type=Sum
        )
        assert typed.output == Sum(total=7)
    assert [state for _, _, state in place.actions("tool")][:1] == ["failed"]
    assert len(tries) >= 2


async def test_streams_come_piece_by_piece_and_are_masked(place: Place) -> None:
    async def words(messages: list[ModelMessage], info: AgentInfo) -> Any:
        for piece in ("The key ", "is ", TOKEN[:9], TOKEN[9:22], TOKEN[22:], " and ", "that ", "is ", "all."):
            yield piece

    agent = Agent(FunctionModel(stream_function=words, model_name="words"), name="helper")
    async with remit.governed(agent, home=place.home) as governed:
        async with governed.run_stream("say it") as stream:
            pieces = [piece async for piece in stream.stream_text(delta=True, debounce_by=None)]
            assert stream.usage.output_tokens > 0
        text = "".join(pieces)
        assert len(pieces) > 2
        assert TOKEN not in text
        assert text.startswith("The key is [REDACTED:")
        assert text.endswith("and that is all.")
        events = [event async for event in _events(governed)]
        assert {"part_start", "part_delta"} <= set(events)
    assert [state for _, _, state in place.actions()] == ["ok", "ok"]


async def _events(agent: Any) -> Any:
    async with agent.run_stream_events("say it") as events:
        async for event in events:
            yield event.event_kind


async def test_a_stream_with_tools_can_be_iterated(place: Place) -> None:
    async with remit.governed(adder(TestModel()), home=place.home) as agent:
        nodes: list[str] = []
        async with agent.iter("go") as run:
            async for node in run:
                nodes.append(type(node).__name__)
                if Agent.is_model_request_node(node):
                    async with node.stream(run.ctx) as stream:
                        async for _ in stream:
                            pass
        assert run.result is not None
        assert run.result.output == '{"add":0}'
        assert nodes.count("ModelRequestNode") == 2
    assert [kind for kind, _, _ in place.actions()] == ["model", "tool", "model"]


async def test_who_leaves_a_stream_early_ends_and_settles_the_attempt(place: Place) -> None:
    left = asyncio.Event()

    async def endless(messages: list[ModelMessage], info: AgentInfo) -> Any:
        try:
            while True:
                yield "word and word "
                await asyncio.sleep(0.001)
        finally:
            left.set()

    agent = Agent(FunctionModel(stream_function=endless, model_name="endless"), name="helper")
    async with remit.governed(agent, home=place.home) as governed:
        with pytest.raises(ZeroDivisionError):
            async with governed.run_stream("go") as stream:
                async for _ in stream.stream_text(delta=True, debounce_by=None):
                    raise ZeroDivisionError
        await asyncio.wait_for(left.wait(), 60)
    assert place.actions() == [("model", "scripted/endless", "cancelled")]


async def test_secrets_are_masked_for_the_model_and_in_what_it_asks_for(place: Place) -> None:
    seen: list[Any] = []
    agent = adder(scripted(("send", {"text": f"it is {TOKEN}"}), seen=seen), instructions=f"Never say {TOKEN}.")
    sent: list[str] = []

    @agent.tool_plain
    def send(text: str) -> str:
        sent.append(text)
        return f"sent {text}"

    async with remit.governed(agent, home=place.home) as governed:
        done = await governed.run(f"my key is {TOKEN}")
    assert TOKEN not in "".join(seen)
    assert "[REDACTED:" in seen[0]
    assert "[REDACTED:" in sent[0], "a model's own words are masked before anybody acts on them"
    assert TOKEN not in sent[0] + done.output


async def test_cards_are_masked_both_ways_though_nothing_was_said_about_personal_data(place: Place) -> None:
    card, seen = "4242 4242 4242 4242", list[Any]()

    async def words(messages: list[ModelMessage], info: AgentInfo) -> Any:
        seen.append(str(messages))
        for piece in ("It is 4242 ", "4242 42", "42 424", "2, and mail ", "ada@example.org ", "is yours."):
            yield piece

    def whole(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        seen.append(str(messages))
        return ModelResponse(parts=[TextPart(f"It is {card}, and mail ada@example.org is yours.")])

    model = FunctionModel(whole, stream_function=words, model_name="words")
    async with remit.governed(Agent(model, name="helper"), home=place.home) as governed:
        done = (await governed.run(f"my card is {card}")).output
        async with governed.run_stream(f"my card is {card}") as stream:
            streamed = "".join([piece async for piece in stream.stream_text(delta=True, debounce_by=None)])
    assert done == streamed
    assert done.startswith("It is [REDACTED:card:")
    assert done.endswith("], and mail ada@example.org is yours.")
    assert len(seen) == 2
    for prompt in seen:
        assert card not in prompt
        assert "my card is [REDACTED:card:" in prompt


async def test_what_is_parted_over_a_prompt_or_an_answer_is_masked(place: Place) -> None:
    """Models and programs put parts together; what is in none of them alone is whole again then."""
    card, seen = "4242 4242 4242 4242", list[str]()

    def whole(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        seen.append("".join(str(text) for part in messages[-1].parts for text in getattr(part, "content", "")))
        return ModelResponse(parts=[TextPart("It is 4242 42"), TextPart("42 4242 42"), TextPart("42, yes.")])

    async def thoughts(messages: list[ModelMessage], info: AgentInfo) -> Any:
        for at, piece in enumerate(("Plain words.", "It is 4242 42", "42 4242 42", "42, yes.")):
            yield {at: DeltaThinkingPart(content=piece)}
        yield "Done."

    model = FunctionModel(whole, stream_function=thoughts, model_name="parts")
    async with remit.governed(Agent(model, name="helper"), home=place.home) as governed:
        done = (await governed.run(["my card is ", card[:7], card[7:12], card[12:]])).output
        async with governed.run_stream("think") as stream:
            assert await stream.get_output() == "Done."
            thought = [part.content for part in stream.all_messages()[-1].parts if isinstance(part, ThinkingPart)]
    assert thought[0] == "Plain words.", "a part that ends in words stays one"
    assert "".join(thought[1:]).startswith("It is [REDACTED:card:")
    assert card not in "".join(thought)
    assert card not in seen[0]
    assert seen[0].startswith("my card is [REDACTED:card:")
    assert card not in done
    assert done.startswith("It is [REDACTED:card:")
    assert done.endswith("], yes.")


@pytest.mark.parametrize(
    ("first", "last"),
    [("It is 4242 42", "42 4242 4242, yes."), ("It is 4242 42", "."), ("Some words. ", "And others.")],
)
async def test_a_secret_that_a_tool_call_parts_is_masked_while_it_streams(place: Place, first: str, last: str) -> None:
    """Texts on both sides of a call are one to whoever puts an answer's texts together."""

    async def model(messages: list[ModelMessage], info: AgentInfo) -> Any:
        if len(messages) > 1:
            yield "Done."
            return
        yield first
        yield {1: DeltaToolCall(name="look", json_args="{}", tool_call_id="c1")}
        yield last

    agent = Agent(FunctionModel(stream_function=model, model_name="parts"), name="helper")
    looked: list[int] = []

    @agent.tool_plain
    def look() -> str:
        looked.append(1)
        return "seen"

    shown: list[str] = []

    async def events(_context: Any, stream: Any) -> None:
        async for event in stream:
            part = getattr(event, "part", None) if event.event_kind == "part_start" else getattr(event, "delta", None)
            text = getattr(part, "content", None) or getattr(part, "content_delta", None)
            shown.extend([text] if isinstance(text, str) else [])

    async with remit.governed(agent, home=place.home) as governed:
        done = await governed.run("go", event_stream_handler=events)
    told = "".join(shown)
    answer = next(message for message in done.all_messages() if isinstance(message, ModelResponse))
    assert looked == [1]
    assert [part.part_kind for part in answer.parts][:2] == ["text", "tool-call"]
    kept = "".join(part.content for part in answer.parts if isinstance(part, TextPart))
    assert told == f"{kept}Done."
    if len(first + last) > 25:
        assert "4242 4242" not in told
        assert told.startswith("It is [REDACTED:card:")
    else:
        assert kept == first + last


async def test_a_secret_that_another_capability_puts_into_an_argument_is_refused(place: Place) -> None:
    class Meddler(AbstractCapability[Any]):
        async def before_tool_execute(self, ctx: Any, *, call: Any, tool_def: Any, args: Any) -> Any:
            return {"text": f"it is {TOKEN}"}

    agent = Agent(scripted(("send", {"text": "hi"})), name="helper", capabilities=[Meddler()])
    sent: list[str] = []

    @agent.tool_plain
    def send(text: str) -> str:
        sent.append(text)
        return "sent"

    async with remit.governed(agent, home=place.home) as governed:
        done = await governed.run("go")
    assert sent == []
    assert "Refused: The tool carries a secret" in done.output
    assert place.actions("tool") == [("tool", "send", "refused")]


async def test_what_a_tool_gives_back_is_masked(place: Place) -> None:
    agent = Agent(scripted(("read", {})), name="helper")

    @agent.tool_plain
    def read() -> dict[str, str]:
        return {"file": f"token = {TOKEN}", "name": "x"}

    async with remit.governed(agent, home=place.home) as governed:
        done = await governed.run("go")
    assert TOKEN not in done.output
    assert "[REDACTED:" in done.output
    assert TOKEN not in done.all_messages_json().decode()


async def test_a_reference_reaches_the_tool_as_its_value_and_nobody_else(place: Place) -> None:
    for words in ("set mail --generate", "allow mail --agent helper"):
        order = ["secrets", *words.split(), "--home", str(place.home)]
        run_command([sys.executable, "-m", "remit.cli", *order], check=True, capture_output=True)
    seen: list[Any] = []
    got: list[Any] = []
    agent = Agent(scripted(("mail", {"to": ["a"], "key": "secret://mail"}), seen=seen), name="helper")

    @agent.tool_plain
    def mail(to: list[str], key: str) -> str:
        got.append((to, key, effect_key()))
        return f"mailed with {key}"

    async with remit.governed(agent, home=place.home) as governed:
        done = await governed.run("go")
    assert got, done.output
    to, value, key = got[0]
    assert to == ["a"]
    assert key.startswith("agent/helper/")
    assert len(value) > 20
    assert "secret://" not in value
    assert value not in done.output + "".join(seen) + done.all_messages_json().decode()
    assert "mailed with [REDACTED:" in done.output


async def test_a_rule_denies_a_tool_and_the_model_hears_why(place: Place) -> None:
    await place.rules(ASK)
    dropped: list[str] = []
    agent = Agent(scripted(("drop", {"table": "users"})), name="helper")

    @agent.tool_plain
    def drop(table: str) -> str:
        dropped.append(table)
        return "gone"

    async with remit.governed(agent, home=place.home) as governed:
        done = await governed.run("go")
    assert dropped == []
    assert "nothing is dropped here" in done.output


def payer(paid: list[int], **given: Any) -> Agent[None, Any]:
    agent: Agent[None, Any] = Agent(scripted(("pay", {"usd": 5})), name="helper", **given)

    @agent.tool_plain
    def pay(usd: int) -> str:
        paid.append(usd)
        return f"paid {usd}"

    return agent


async def test_a_run_ends_durably_and_resumes_after_the_approval_which_is_used_once(place: Place) -> None:
    await place.rules(ASK)
    paid: list[int] = []
    async with remit.governed(payer(paid, output_type=[str, DeferredToolRequests]), home=place.home) as agent:
        first = await agent.run("pay")
        assert isinstance(first.output, DeferredToolRequests)
        (call,) = first.output.approvals
        request = first.output.metadata[call.tool_call_id]["approval"]
        kept = first.all_messages_json()
        assert isinstance((await agent.resume(kept)).output, DeferredToolRequests), "nobody has decided"
    await place.decide(request)
    async with remit.governed(payer(paid, output_type=[str, DeferredToolRequests]), home=place.home) as agent:
        done = await agent.resume(kept)
        assert (done.output, paid) == ("paid 5", [5])
        again = await agent.resume(kept)
        assert isinstance(again.output, DeferredToolRequests), "an approval is used once"
    assert paid == [5]
    approvals = {row["id"]: row["used_us"] for row in place.rows(APPROVAL)}
    assert approvals[request]
    assert sum(bool(used) for used in approvals.values()) == 1


async def test_saying_yes_in_the_program_does_not_stand_in_for_a_person(place: Place) -> None:
    await place.rules(ASK)
    paid: list[int] = []
    async with remit.governed(payer(paid, output_type=[str, DeferredToolRequests]), home=place.home) as agent:
        first = await agent.run("pay")
        results = DeferredToolResults(approvals={"pay-0": True})
        second = await agent.run(message_history=first.all_messages(), deferred_tool_results=results)
    assert isinstance(second.output, DeferredToolRequests)
    assert paid == []


async def test_a_denied_approval_is_told_to_the_model(place: Place) -> None:
    await place.rules(ASK)
    paid: list[int] = []
    async with remit.governed(payer(paid, output_type=[str, DeferredToolRequests]), home=place.home) as agent:
        first = await agent.run("pay")
        await place.decide(first.output.metadata["pay-0"]["approval"], approve=False)
        done = await agent.resume(first.all_messages_json())
    assert "looked at" in done.output
    assert paid == []


async def test_an_agent_that_cannot_wait_raises_whom_to_ask(place: Place) -> None:
    await place.rules(ASK)
    paid: list[int] = []
    async with remit.governed(payer(paid), home=place.home) as agent:
        with pytest.raises(ApprovalPending) as waiting:
            await agent.run("pay")
    assert waiting.value.hint == f"remit approve {waiting.value.approval_id}"
    assert paid == []


def broken(name: str, calls: list[str]) -> FunctionModel:
    def fail(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        calls.append(name)
        raise ModelHTTPError(503, name, body="down")

    async def cut(messages: list[ModelMessage], info: AgentInfo) -> Any:
        fail(messages, info)
        yield ""

    return FunctionModel(fail, stream_function=cut, model_name=name)


@pytest.mark.parametrize("way", ["model", "capability"])
async def test_each_attempt_of_a_fallback_is_governed_and_a_dead_one_is_passed_over(place: Place, way: str) -> None:
    calls: list[str] = []
    primary, backup = broken("primary", calls), scripted(name="backup")
    if way == "model":
        agent = Agent(FallbackModel(primary, backup), name="helper")
    else:
        agent = Agent(primary, name="helper", capabilities=[ModelFallback(backup)])
    async with remit.governed(agent, home=place.home) as governed:
        for _ in range(12):
            assert (await governed.run("hi")).output == "hello"
        states = place.actions("model")
        assert ("model", "scripted/primary", "failed") in states
        assert ("model", "scripted/backup", "ok") in states
        assert not any("," in target for _, target, _ in states), "nothing went as one call"
        assert len(calls) < 12, "the open circuit keeps the dead one from being asked"
        assert ("model", "scripted/primary", "refused") in states


async def test_a_streamed_fallback_is_governed_too(place: Place) -> None:
    calls: list[str] = []
    agent = Agent(FallbackModel(broken("primary", calls), TestModel(call_tools=[])), name="helper")
    async with remit.governed(agent, home=place.home) as governed, governed.run_stream("hi") as stream:
        assert "".join([piece async for piece in stream.stream_text(delta=True)]) == "success (no tool calls)"
    assert [(target, state) for _, target, state in place.actions()] == [
        ("scripted/primary", "failed"),
        ("scripted/test", "ok"),
    ]


async def test_a_kill_switch_ends_the_run(place: Place) -> None:
    agent = Agent(scripted(("work", {}), ("work", {})), name="helper")
    worked: list[int] = []

    @agent.tool_plain
    async def work() -> str:
        worked.append(1)
        with open_store(place.settings, migrate=False) as store:
            await kill(
                store,
                Target(KillScope.AGENT, "helper"),
                workspace=place.settings.workspace,
                reason="enough",
                by=place.owner,
                clock=CLOCK,
            )
        await asyncio.sleep(30)
        return "done"

    async with remit.governed(agent, home=place.home) as governed:
        with pytest.raises(Denied) as refused:
            await governed.run("go")
    assert refused.value.code == "guard.killed"
    assert len(worked) == 1


async def test_who_is_not_registered_may_nothing(place: Place) -> None:
    async with remit.governed(adder(TestModel()), home=place.home, agent_name="stranger") as agent:
        with pytest.raises(Denied, match="no agent 'stranger'"):
            await agent.run("hi")


async def test_a_model_of_neither_interface_needs_leave(place: Place) -> None:
    class Foreign(Model):
        async def request(self, messages: Any, model_settings: Any, model_request_parameters: Any) -> ModelResponse:
            return ModelResponse(parts=[TextPart("from afar")])

        @property
        def model_name(self) -> str:
            return "far"

        @property
        def system(self) -> str:
            return "elsewhere"

    async with remit.governed(Agent(Foreign(), name="helper"), home=place.home) as agent:
        with pytest.raises(InvalidInput, match="neither OpenAI's nor Anthropic's"):
            await agent.run("hi")
    assert place.actions() == []
    leave = remit.governed(Agent(Foreign(), name="helper"), home=place.home, own_clients=True)
    async with leave as agent:
        with pytest.raises(Denied, match="price"):
            await agent.run("hi")


async def test_a_failing_tool_fails_as_it_did(place: Place) -> None:
    agent = Agent(scripted(("work", {})), name="helper")

    @agent.tool
    def work(ctx: RunContext[None]) -> str:
        raise KeyError("gone")

    async with remit.governed(agent, home=place.home) as governed:
        with pytest.raises(KeyError):
            await governed.run("go")
    assert [state for _, _, state in place.actions("tool")] == ["failed"]


async def test_limits_of_the_library_still_hold(place: Place) -> None:
    async with remit.governed(adder(TestModel()), home=place.home) as agent:
        with pytest.raises(Exception, match="request_limit"):
            await agent.run("hi", usage_limits=UsageLimits(request_limit=1))


async def test_a_home_that_is_missing_is_said(place: Place) -> None:
    agent = remit.governed(adder(TestModel()), home=place.home / "nowhere")
    with pytest.raises(NotFound, match="no Remit home"):
        await agent.run("hi")


def test_without_the_extra_it_says_what_to_install() -> None:
    code = """
import sys
sys.modules["pydantic_ai"] = None
import remit
for door in ("governed", "agent_step"):
    try:
        getattr(remit, door)(object()) if door == "governed" else getattr(remit, door)
    except Exception as error:
        print(type(error).__name__, error.hint)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["InvalidInput pip install 'remit[agents]'"] * 2


def test_importing_remit_imports_none_of_it() -> None:
    code = (
        "import sys, remit, remit.bootstrap; print([m for m in ('pydantic_ai', 'openai', 'mcp') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
