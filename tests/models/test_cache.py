"""Kept answers of models: the same bytes again, from every process, to nobody else, until too old or gone."""

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from remit.accounts.access import Permission
from remit.accounts.agents import Agent, register_agent
from remit.accounts.budget_tables import USAGE
from remit.accounts.budgets import BudgetScope, set_limit
from remit.accounts.tables import BUDGET
from remit.adapters.store.journal import Store
from remit.adapters.store.sqlite import SqliteStore
from remit.audit.refusal import Refused
from remit.guard.cache import replayed
from remit.guard.personal_terms import PersonalTerms
from remit.kernel import permits
from remit.kernel.action import Action
from remit.kernel.clock import micros_of
from remit.kernel.effects import Effect, Model
from remit.kernel.errors import IntegrityError, InvalidInput, NotFound, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO, usd
from remit.kernel.permits import Head
from remit.kernel.usage import Usage
from remit.models import cache as cache_module
from remit.models.cache import FRESH_S, ModelKey, StoredAnswers, tidy
from remit.models.cache_orders import clear, list_answers, show, stats
from remit.models.cache_rows import NOBODY
from remit.models.cache_tables import ANSWER, ANSWER_SUM

from ..guard.fakes import (  # noqa: TID252 - tests are loaded by path
    CODER,
    OWNER,
    WORKSPACE,
    HandClock,
    Move,
    World,
    act,
    make_world,
)
from ..warm import run as run_command  # noqa: TID252 - tests are loaded by path
from .fakes_usage import Opener, chat, chat_stream, opener, postgres_server, postgres_url

__all__ = ["opener", "postgres_server", "postgres_url"]

ASKED = Model("acme", "large", {"model": "m", "messages": [{"role": "user", "content": "2+2?"}]})
STREAMED = replace(ASKED, request={**ASKED.request, "stream": True})
EVENTS = Head(200, (("content-type", "text/event-stream; charset=utf-8"), ("request-id", "r1")))
PLAIN = Head(200, (("content-type", "application/json"),))
USED = Usage("acme", "large-2026", tokens_in=10, tokens_out=5)


@dataclass
class Client:
    """Who an answer goes to."""

    head: Head | None = None
    got: bytes = b""
    pieces: list[bytes] = field(default_factory=list)

    async def begin(self, head: Head) -> None:
        self.head = head

    async def write(self, data: bytes) -> None:
        self.pieces.append(data)
        self.got += data


def says(body: str, head: Head = PLAIN, *, pieces: int = 3) -> Move:
    """An adapter's move: deliver a body in pieces."""

    async def move(_: Action) -> Outcome:
        delivery = permits.delivery()
        assert delivery is not None
        await delivery.begin(head)
        data = body.encode()
        step = max(len(data) // pieces, 1)
        for start in range(0, len(data), step):
            await delivery.write(data[start : start + step])
        return Outcome(ok=True, cost=usd("0.02"), usage=USED)

    return move


async def world_on(store: Store, clock: HandClock, **more: Any) -> World:
    """A guard that keeps answers in ``store``: another process when the store is another handle."""
    world = await make_world(store, clock=clock)
    world.guard.answers = StoredAnswers(store, clock, clean=world.redactor.clean, **more)
    return world


async def ask(world: World, effect: Effect = ASKED, *, keep_s: float = 3600.0, **more: Any) -> tuple[Client, Outcome]:
    """Ask through a tap, as the gateway does."""
    client = Client()
    how = {name: more.pop(name) for name in ("refresh",) if name in more}
    action = replace(act(effect, mission=more.pop("mission", ""), estimate=usd("0.10")), **more)
    done = await world.guard.run(action, keep_s=keep_s, tap=client, **how)
    await world.settled()  # an answer is written behind
    return client, done


def again(done: Outcome) -> bytes:
    """The bytes of a hit."""
    kept = replayed(done)
    assert kept is not None, "it was no hit"
    return kept[1]


def missed(done: Outcome) -> bool:
    return replayed(done) is None


def adds_up(world: World) -> None:
    rows, sums = world.rows(ANSWER), world.rows(ANSWER_SUM)
    assert (sum(row["entries"] for row in sums), sum(row["bytes"] for row in sums)) == (
        len(rows),
        sum(row["size"] for row in rows),
    )


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def world(opener: Opener, clock: HandClock) -> World:
    return await world_on(opener(), clock)


@pytest.mark.parametrize(("effect", "head"), [(ASKED, PLAIN), (STREAMED, EVENTS)])
async def test_a_hit_is_the_same_bytes_costs_nothing_and_says_what_it_spared(
    world: World, effect: Model, head: Head
) -> None:
    body = chat("vier ☃") if effect is ASKED else chat_stream("vi", "er ☃")
    await set_limit(world.journal, BudgetScope.WORKSPACE, workspace=WORKSPACE, name="", limit=usd("1"), by=OWNER)
    world.adapter.moves = [says(body, head, pieces=7)]
    client, first = await ask(world, effect)
    assert (client.got.decode(), missed(first), first.cost) == (body, True, usd("0.02"))
    for _ in range(2):
        idle, done = await ask(world, effect)
        assert replayed(done) == (head, body.encode())
        assert (idle.head, idle.got, done.cost, done.usage.saved) == (None, b"", ZERO, usd("0.02"))
    assert len(world.adapter.calls) == 1
    await world.settled()
    actions = sorted(world.rows(), key=lambda row: row["id"])
    assert [(row["reason"], row["cost_micros"], row["tries"]) for row in actions] == [
        ("", 20_000, 1),
        ("cached", 0, 0),
        ("cached", 0, 0),
    ]
    (paid, *free) = sorted(world.rows(USAGE), key=lambda row: row["action"])
    assert (paid["kept"], paid["saved_micros"], paid["cost_micros"], paid["tokens_in"]) == (0, 0, 20_000, 10)
    for row in free:
        assert (row["kept"], row["saved_micros"], row["cost_micros"], row["tokens_in"]) == (1, 20_000, 0, 0)
        assert (row["provider"], row["model"], row["estimate_micros"]) == ("acme", "large-2026", 0)
    (budget,) = world.rows(BUDGET)
    assert (budget["spent"], budget["reserved"]) == (20_000, 0)
    adds_up(world)


async def test_a_spent_budget_does_not_keep_anybody_from_what_is_free(world: World) -> None:
    await set_limit(world.journal, BudgetScope.WORKSPACE, workspace=WORKSPACE, name="", limit=usd("0.11"), by=OWNER)
    world.adapter.moves = [says(chat())]
    await ask(world)
    assert again((await ask(world))[1]) == chat().encode()


async def test_another_process_gives_it_too_and_a_restarted_one(opener: Opener, clock: HandClock) -> None:
    first, second = await world_on(opener(), clock), await world_on(opener(), clock)
    first.adapter.moves = [says(chat())]
    second.adapter.moves = [Unavailable("never asked")]
    await ask(first)
    await first.settled()
    assert again((await ask(second))[1]) == chat().encode()
    assert second.adapter.calls == []


async def test_other_workspaces_persons_models_and_ways_of_asking_get_nothing(world: World) -> None:
    world.adapter.moves = [says(chat())]
    await ask(world)
    answers = world.guard.answers
    key = answers.key(act(ASKED, mission=""), tapped=True)
    assert isinstance(key, ModelKey)
    assert await answers.get(key)
    assert await answers.get(replace(key, workspace="other")) is None
    for other in (replace(ASKED, model="small"), replace(ASKED, provider="other"), STREAMED):
        assert missed((await ask(world, other))[1])
    assert missed((await ask(world, about="customer-1"))[1])
    assert await answers.get(answers.key(act(ASKED, mission=""), tapped=False) or key) is None


async def test_a_colleague_gets_it_and_somebody_without_rights_does_not(world: World) -> None:
    agent = Agent(WORKSPACE, "coder", OWNER.id, effects=frozenset({"model"}))
    await register_agent(world.journal, agent, by=OWNER, clock=world.clock)
    await world.guard.register.refresh(WORKSPACE)
    world.adapter.moves = [says(chat())]
    await ask(world)
    assert again((await ask(world, principal=CODER))[1])


async def test_it_grows_old(world: World, clock: HandClock) -> None:
    world.adapter.moves = [says(chat("one")), says(chat("two"))]
    await ask(world, keep_s=60.0)
    clock.advance(59)
    assert again((await ask(world, keep_s=60.0))[1]) == chat("one").encode()
    clock.advance(1)
    assert (await ask(world, keep_s=60.0))[0].got == chat("two").encode()


async def test_who_wants_a_new_one_asks_anew_and_the_next_gets_that(world: World) -> None:
    world.adapter.moves = [says(chat("old")), says(chat("new"))]
    await ask(world)
    assert (await ask(world, refresh=True))[0].got == chat("new").encode()
    assert again((await ask(world))[1]) == chat("new").encode()
    assert missed((await ask(world, keep_s=0.0))[1])


@pytest.mark.parametrize(
    ("effect", "body", "head"),
    [
        (ASKED, chat(finish="length"), PLAIN),
        (ASKED, chat(tool_calls=[{"id": "1"}]), PLAIN),
        (ASKED, chat(refusal="no"), PLAIN),
        (ASKED, '{"error": {"message": "x"}}', Head(400, PLAIN.headers)),
        (ASKED, chat(), Head(203, PLAIN.headers)),
        (STREAMED, chat_stream("fo", "ur", done=False), EVENTS),
        (STREAMED, chat_stream("fo", "ur", finish="content_filter"), EVENTS),
    ],
)
async def test_what_is_not_a_whole_good_answer_is_not_kept(world: World, effect: Model, body: str, head: Head) -> None:
    world.adapter.moves = [says(body, head)]
    await ask(world, effect)
    assert missed((await ask(world, effect))[1])
    assert world.rows(ANSWER) == []


async def test_a_cut_stream_is_not_kept(world: World) -> None:
    async def cut(action: Action) -> Outcome:
        await says(chat_stream("a"), EVENTS)(action)  # type: ignore[operator]
        raise Unavailable("cut")

    world.adapter.moves = [cut]
    with pytest.raises(Unavailable):
        await ask(world, STREAMED)
    assert world.rows(ANSWER) == []


async def test_nothing_is_kept_where_personal_data_went_as_tokens(world: World) -> None:
    world.guard.personal = PersonalTerms(models=True)
    mail = replace(ASKED, request={"messages": [{"role": "user", "content": "write to eve@example.com"}]})
    world.adapter.moves = [says(chat())]
    await ask(world, mail)
    assert missed((await ask(world, mail))[1])
    await ask(world)
    assert again((await ask(world))[1])  # nothing personal in it
    await ask(world, STREAMED, mission="m1")
    assert len(world.rows(ANSWER)) == 1


async def test_what_would_be_masked_today_is_not_given(world: World) -> None:
    world.adapter.moves = [says(chat("the word is swordfish-42-swordfish"))]
    await ask(world)
    assert again((await ask(world))[1])
    known = world.redactor
    world.guard.answers = StoredAnswers(
        world.store, world.clock, clean=lambda text: known.clean(text) and "swordfish" not in text
    )
    await world.settled()
    assert missed((await ask(world))[1])


async def test_content_lies_encrypted(world: World) -> None:
    world.adapter.moves = [says(chat("confidential words"))]
    await ask(world)
    await world.settled()
    (row,) = world.rows(ANSWER)
    assert b"confidential" not in bytes(row["body"])
    assert "confidential" not in str({name: value for name, value in row.items() if name != "body"})


@pytest.mark.parametrize(
    ("more", "subject"),
    [({}, NOBODY), ({"about": "customer-1"}, "customer-1"), ({"mission": "m7"}, "mission:m7")],
)
async def test_erasing_whom_it_is_about_erases_it_in_every_process(
    opener: Opener, clock: HandClock, more: dict[str, str], subject: str
) -> None:
    first, second = await world_on(opener(), clock), await world_on(opener(), clock)
    first.adapter.moves = second.adapter.moves = [says(chat())]
    await ask(first, **more)
    await first.settled()
    assert again((await ask(second, **more))[1])
    first.store.erase(subject, workspace=WORKSPACE, by=OWNER, reason="asked", allow=lambda _tx: None)
    clock.advance(FRESH_S)
    for world in (first, second):
        key = world.guard.answers.key(replace(act(ASKED, mission=more.get("mission", "")), **_about(more)), tapped=True)
        assert key is not None
        assert await world.guard.answers.get(key) is None
    assert await tidy(first.journal, WORKSPACE, now_us=micros_of(clock.now())) == 1
    assert await tidy(first.journal, WORKSPACE, now_us=micros_of(clock.now())) == 0
    assert first.rows(ANSWER) == []
    adds_up(first)
    assert missed((await ask(second, **more))[1])


def _about(more: dict[str, str]) -> dict[str, Any]:
    return {"about": more["about"]} if "about" in more else {}


async def test_clearing_is_obeyed_by_every_process(opener: Opener, clock: HandClock) -> None:
    first, second = await world_on(opener(), clock), await world_on(opener(), clock)
    first.adapter.moves = second.adapter.moves = [says(chat())]
    await ask(first)
    await first.settled()
    assert again((await ask(second))[1])
    assert await clear(second.journal, WORKSPACE, by=OWNER, reason="wrong answers", target="acme/small") == 0
    assert await clear(second.journal, WORKSPACE, by=OWNER, reason="wrong answers") == 1
    clock.advance(FRESH_S)
    assert missed((await ask(first))[1])
    second.store.seal()
    told = second.audit("models.cache_cleared")
    assert [(each.payload or {})["answers"] for each in told] == [0, 1]
    adds_up(first)


async def test_room_is_made_by_the_least_recently_given(opener: Opener, clock: HandClock) -> None:
    store = opener()
    size = len(chat("x" * 100)) + 220  # sealed, with its head
    world = await world_on(store, clock, most_bytes=3 * size)
    world.adapter.moves = [says(chat("x" * 100))]

    def numbered(number: int) -> Model:
        return replace(ASKED, request={"messages": [{"role": "user", "content": str(number)}]})

    for number in range(3):
        await ask(world, numbered(number))
        clock.advance(10)
    assert again((await ask(world, numbered(0)))[1])
    await world.settled()
    for number in range(3, 5):
        await ask(world, numbered(number))
        clock.advance(10)
    await world.settled()
    assert sum(row["size"] for row in world.rows(ANSWER)) <= 3 * size
    adds_up(world)
    restarted = await world_on(store, clock)
    hits = [number for number in range(5) if await _kept(restarted, numbered(number))]
    assert hits == [0, 3, 4]


async def _kept(world: World, effect: Model) -> bool:
    key = world.guard.answers.key(act(effect, mission=""), tapped=True)
    assert key is not None
    return await world.guard.answers.get(key) is not None


async def test_what_is_larger_than_all_the_room_is_not_kept(opener: Opener, clock: HandClock) -> None:
    world = await world_on(opener(), clock, most_bytes=1000)
    world.adapter.moves = [says(chat("small")), says(chat("x" * 5000))]
    await ask(world)
    await ask(world, STREAMED)
    await world.settled()
    assert len(world.rows(ANSWER)) == 1
    adds_up(world)


async def test_memory_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "MOST_MEMORY", 1000)
    world.adapter.moves = [says(chat("x" * 300))]
    for number in range(6):
        await ask(world, replace(ASKED, request={"messages": [], "n": number}))
    answers = world.guard.answers
    assert isinstance(answers, StoredAnswers)
    assert 0 < answers._size <= 1000
    assert answers._size == sum(known.size for known in answers._front.values())


async def test_too_old_ones_are_given_up(world: World, clock: HandClock) -> None:
    world.adapter.moves = [says(chat())]
    for number in range(3):
        await ask(world, replace(ASKED, request={"messages": [], "n": number}), keep_s=10.0 * (number + 1))
    await world.settled()
    clock.advance(21)
    assert await tidy(world.journal, WORKSPACE, now_us=micros_of(clock.now())) == 2
    adds_up(world)


async def test_a_changed_row_is_no_answer(world: World, clock: HandClock) -> None:
    world.adapter.moves = [says(chat("true"))]
    await ask(world)
    await world.settled()

    def forge(tx: Any) -> None:
        (row,) = tx.rows(select(ANSWER.c.body))
        body = bytearray(row["body"])
        body[-1] ^= 1
        tx.execute(ANSWER.update().values(body=bytes(body)))

    await world.store.commit("models.cache", forge)
    clock.advance(FRESH_S)
    key = world.guard.answers.key(act(ASKED, mission=""), tapped=True)
    assert key is not None
    with pytest.raises(IntegrityError, match="damaged"):
        await world.guard.answers.get(key)
    assert missed((await ask(world))[1])  # the guard asks the model instead


async def test_callers_inside_get_the_document(world: World) -> None:
    value = json.loads(chat())
    world.adapter.moves = [Outcome(ok=True, value=value, cost=usd("0.01"))]
    first = await world.guard.run(act(ASKED, mission=""), keep_s=60.0)
    second = await world.guard.run(act(ASKED, mission=""), keep_s=60.0)
    assert (first.value, second.value, second.cost, len(world.adapter.calls)) == (value, value, ZERO, 1)
    world.adapter.moves = [Outcome(ok=True, value=json.loads(chat(finish="length")))]
    await world.guard.run(act(STREAMED), keep_s=60.0)
    assert len(world.rows(ANSWER)) == 1


async def test_many_at_once_keep_one_answer_and_true_sums(opener: Opener, clock: HandClock) -> None:
    worlds = [await world_on(opener(), clock, most_bytes=4000) for _ in range(2)]
    for world in worlds:
        world.adapter.moves = [says(chat("x" * 200))]

    async def one(number: int) -> None:
        effect = replace(ASKED, request={"messages": [], "n": number % 10})
        client, done = await ask(worlds[number % 2], effect)
        assert (client.got or again(done)) == chat("x" * 200).encode()

    await asyncio.gather(*(one(number) for number in range(60)))
    for world in worlds:
        await world.settled()
    assert sum(row["size"] for row in worlds[0].rows(ANSWER)) <= 4000
    adds_up(worlds[0])
    assert worlds[0].store.verify().ok


# --------------------------------------------------------------------------------------------------------------- orders


async def test_an_admin_sees_what_is_kept_and_each_look_inside_is_logged(world: World, clock: HandClock) -> None:
    world.adapter.moves = [says(chat("four"))]
    await ask(world)
    for _ in range(3):
        await ask(world)
    clock.advance(6)
    await ask(world)  # the others are noted by now
    await world.settled()
    (view,) = await list_answers(world.journal, WORKSPACE, by=OWNER, clock=clock)
    assert (view.target, view.wire, view.saves) == ("acme/large", "chat", usd("0.02"))
    assert view.hits >= 3
    shown, text = await show(world.journal, WORKSPACE, view.hash[:12], by=OWNER, mask=world.redactor.mask)
    assert (shown, text) == (view, chat("four"))
    world.store.seal()
    assert len(world.audit("models.cache_shown")) == 1
    told = await stats(world.journal, WORKSPACE, by=OWNER)
    assert (told.entries, told.given, told.calls, told.saved) == (1, 4, 5, usd("0.08"))
    assert await clear(world.journal, WORKSPACE, by=OWNER, reason="over", hashed=view.hash[:8]) == 1
    with pytest.raises(NotFound):
        await show(world.journal, WORKSPACE, view.hash, by=OWNER, mask=world.redactor.mask)
    for wrong in ("abc", "not a hash"):
        with pytest.raises(InvalidInput):
            await show(world.journal, WORKSPACE, wrong, by=OWNER, mask=world.redactor.mask)
    with pytest.raises(InvalidInput, match="reason"):
        await clear(world.journal, WORKSPACE, by=OWNER, reason=" ")


async def test_nobody_else_may_and_the_refusal_is_on_record(world: World, clock: HandClock) -> None:
    orders = [
        list_answers(world.journal, WORKSPACE, by=CODER, clock=clock),
        show(world.journal, WORKSPACE, "0" * 64, by=CODER, mask=str),
        clear(world.journal, WORKSPACE, by=CODER, reason="x"),
        stats(world.journal, WORKSPACE, by=CODER),
    ]
    for order in orders:
        with pytest.raises(Refused):
            await order
    world.store.seal()
    refusals = world.audit("accounts.refused")
    assert len(refusals) == 4
    assert {each.header["subject"] for each in refusals} == {f"{Permission.ADMIN.value} workspace"}


async def test_the_command_clears_what_a_running_process_gives(tmp_path: Path) -> None:
    from remit.bootstrap import open_runtime
    from remit.settings import load

    home = tmp_path / "home"

    def remit(*words: str) -> str:
        command = [sys.executable, "-m", "remit.cli", *words, "--home", str(home)]
        return run_command(command, check=True, capture_output=True, text=True).stdout

    remit("init")
    settings, _ = load(flags={"home": home})
    async with open_runtime(settings) as runtime:
        answers = runtime.guard.answers
        action = replace(act(ASKED, mission=""), workspace=settings.workspace)
        key = answers.key(action, tapped=False)
        assert key is not None
        kept = Outcome(ok=True, value=json.loads(chat()), usage=Usage("acme", "large", kept=True, saved=usd("0.5")))
        await answers.put(key, kept, keep_s=600.0)
        assert await answers.get(key) == kept
        await asyncio.to_thread(time.sleep, FRESH_S)
        assert await answers.get(key) == kept
        assert isinstance(runtime.store, SqliteStore)
        listed = json.loads(await asyncio.to_thread(remit, "cache", "show", "--json"))["answers"]
        assert [each["target"] for each in listed] == ["acme/large"]
        told = await asyncio.to_thread(remit, "cache", "show", listed[0]["hash"])
        assert "four" in told
        cleared = await asyncio.to_thread(remit, "cache", "clear", "--reason", "test", "--json")
        assert json.loads(cleared) == {"cleared": 1}
        await asyncio.sleep(FRESH_S)
        assert await answers.get(key) is None
