"""Virtual keys: shown once, kept as a hash, found while they hold, and gone everywhere within 250 ms."""

import asyncio
import gc
import random
import secrets
import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.accounts import keys as known_keys
from remit.accounts.agent_orders import retire_agent, transfer_agent
from remit.accounts.agents import Agent, register_agent
from remit.accounts.key_orders import create_key, find_key, list_keys, revoke_key, rotate_key
from remit.accounts.key_tokens import LENGTH, PREFIX, Word, digest_of, new_token, prefix_of
from remit.accounts.keys import OLDEST_S, REFRESH_S, YOUNG_S, Key, Keys, KeyScope
from remit.accounts.roles import Role
from remit.accounts.teams import Team, create_team, set_member
from remit.adapters.store.journal import Store
from remit.audit.refusal import Refused
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import micros_of
from remit.kernel.errors import Conflict, InvalidInput, NotFound, RemitError, Unavailable
from remit.redact.redactor import Redactor

from .conftest import OWNER, Place, person

MINUTE_US = 60_000_000


class HandClock:
    """Time that only tests move."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Broken:
    """A store that gives no answer any more."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.broken = False

    def __getattr__(self, name: str) -> Any:
        if self.broken:
            raise OSError("the disk is gone")
        return getattr(self.store, name)


class Counting:
    """A store that counts what is read, and may keep everybody waiting."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.reads = 0
        self.held: asyncio.Event | None = None
        self.asked: asyncio.Queue[None] = asyncio.Queue()

    async def read(self, op: Any) -> Any:
        self.reads += 1
        self.asked.put_nowait(None)
        if self.held is not None:
            await self.held.wait()
        return await self.store.read(op)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


CLOCK = HandClock()


@pytest.fixture(autouse=True)
def at_noon() -> None:
    CLOCK.seconds = 0.0


async def agent(place: Place, name: str = "helper", **fields: Any) -> None:
    made = Agent("acme", name, "mia", **{"effects": frozenset({"model"}), **fields})
    await register_agent(place.store, made, by=OWNER, clock=CLOCK)


async def make(place: Place, name: str = "app", *, by: Principal = OWNER, word: Word = Word.LIVE, **fields: Any) -> str:
    key = Key(**{"workspace": "acme", "id": name, "agent": "helper", "owner": "", **fields})
    return await create_key(place.store, key, by=by, clock=CLOCK, rand=secrets.token_bytes, word=word)


def now_us() -> int:
    return micros_of(CLOCK.now())


# --------------------------------------------------------------------------------------------------------------- tokens


@settings(max_examples=50)
@given(st.binary(min_size=32, max_size=32), st.sampled_from(Word))
def test_a_token_is_known_by_its_form_and_by_nothing_that_only_looks_like_one(entropy: bytes, word: Word) -> None:
    token = new_token(lambda _: entropy, word=word)
    assert len(token) == LENGTH
    assert token.startswith(f"rk_{word.value}_")
    assert set(token.removeprefix(f"rk_{word.value}_")) <= set(string.ascii_letters + string.digits)
    assert prefix_of(token) == token[:PREFIX]
    rand = random.Random(entropy)
    place = rand.randrange(3, LENGTH)
    other = rand.choice([char for char in string.ascii_letters + string.digits if char != token[place]])
    assert prefix_of(token[:place] + other + token[place + 1 :]) == ""
    assert prefix_of(token + "0") == prefix_of(token[:-1]) == prefix_of("") == ""


def test_a_token_has_256_bits_and_no_two_are_alike() -> None:
    tokens = {new_token(secrets.token_bytes) for _ in range(200)}
    assert len({token[:PREFIX] for token in tokens}) == 200
    asked: list[int] = []

    def rand(number: int) -> bytes:
        asked.append(number)
        return bytes(number)

    new_token(rand)
    assert asked == [32]


def test_a_scanner_finds_a_token_wherever_it_stands() -> None:
    redactor = Redactor(b"tests only: 16 bytes or more")
    for word in Word:
        token = new_token(secrets.token_bytes, word=word)
        for text in (token, f"key={token}", f'{{"authorization": "Bearer {token}"}}', f"export K='{token}'\n"):
            assert token[PREFIX:] not in redactor.mask(text)
        assert [span.kind for span in redactor.scan(f"use {token} here")] == ["api-key"]


# ---------------------------------------------------------------------------------------------------------- being found


async def test_a_key_acts_as_its_agent_for_its_owner_on_every_worker(place: Place) -> None:
    await agent(place)
    token = await make(place, models=frozenset({"openai/*"}))
    for store in (place.store, *place.others):
        keys = Keys(store, CLOCK)
        found = await keys.find(token)
        assert found is not None
        assert (found.id, found.principal, found.on_behalf_of) == (
            "app",
            Principal(ActorKind.AGENT, "helper"),
            Principal(ActorKind.USER, "mia"),
        )
        assert found.models == {"openai/*"}
        assert keys.known(token) == found


async def test_a_token_stands_nowhere_but_in_the_answer(here: Place) -> None:
    await agent(here)
    first = await make(here)
    second = await rotate_key(here.store, "app", workspace="acme", by=OWNER, clock=CLOCK, rand=secrets.token_bytes)
    assert first != second
    here.store.seal()
    shown = here.store.view(lambda tx: list_keys(tx, "acme", now_us=now_us()))
    told = repr([view.as_json() for view in shown]) + repr(here.log("accounts.key.created"))
    for token in (first, second):
        assert token[PREFIX:] not in told
    folder = here.store.path.parent  # type: ignore[attr-defined]
    kept = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    assert first[:PREFIX].encode() in kept
    assert digest_of(first).encode() in kept
    assert first[PREFIX:].encode() not in kept
    assert second[PREFIX:].encode() not in kept


async def test_whatever_is_no_token_of_ours_finds_nothing(here: Place) -> None:
    await agent(here)
    token = await make(here)
    stranger = new_token(secrets.token_bytes)
    keys = Keys(here.store, CLOCK)
    forged = new_token(secrets.token_bytes)
    with_its_prefix = token[:PREFIX] + forged[PREFIX:]  # its checksum does not fit
    for wrong in ("", "x", "sk-" + token[3:], stranger, token[:-1], token.swapcase(), "rk_live_" + "é" * 49):
        assert await keys.find(wrong) is None
    assert await keys.find(token) is not None
    assert await keys.find(with_its_prefix) is None  # known by then, so compared
    assert keys.refused == {"malformed": 6, "unknown": 1, "wrong": 1}


async def test_a_revoked_key_is_gone_everywhere_within_250_ms(place: Place) -> None:
    await agent(place)
    token = await make(place)
    others = [Keys(store, CLOCK) for store in (place.store, *place.others)]
    for keys in others:
        assert await keys.find(token) is not None
    await revoke_key(place.store, "app", workspace="acme", by=OWNER, clock=CLOCK, reason="leaked")
    CLOCK.seconds += OLDEST_S + 0.001
    for keys in others:
        assert keys.known(token) is None
        assert await keys.find(token) is None
    with pytest.raises(Conflict):
        await revoke_key(place.store, "app", workspace="acme", by=OWNER, clock=CLOCK, reason="again")
    with pytest.raises(Conflict):
        await rotate_key(place.store, "app", workspace="acme", by=OWNER, clock=CLOCK, rand=secrets.token_bytes)


async def test_nobody_is_let_in_while_keys_cannot_be_read(here: Place) -> None:
    await agent(here)
    token = await make(here)
    journal = Broken(here.store)
    keys = Keys(journal, CLOCK)
    assert await keys.find(token) is not None
    journal.broken = True
    CLOCK.seconds += REFRESH_S
    assert keys.known(token) is not None  # as fresh as it need be
    CLOCK.seconds += OLDEST_S
    with pytest.raises(Unavailable):
        await keys.find(token)
    assert keys.known(token) is None


async def test_a_rotated_token_holds_as_long_as_it_was_given(here: Place) -> None:
    await agent(here)
    old = await make(here)
    new = await rotate_key(
        here.store,
        "app",
        workspace="acme",
        by=OWNER,
        clock=CLOCK,
        rand=secrets.token_bytes,
        overlap_us=5 * MINUTE_US,
    )
    keys = Keys(here.store, CLOCK)
    CLOCK.seconds = 299
    assert await keys.find(old) == await keys.find(new)
    CLOCK.seconds = 300
    assert await keys.find(old) is None
    assert await keys.find(new) is not None
    third = await rotate_key(here.store, "app", workspace="acme", by=OWNER, clock=CLOCK, rand=secrets.token_bytes)
    CLOCK.seconds += 1
    assert await keys.find(new) is None
    assert await keys.find(third) is not None


async def test_a_key_expires_at_its_moment_without_being_read_again(here: Place) -> None:
    await agent(here)
    token = await make(here, expires_us=now_us() + 100_000)
    keys = Keys(here.store, CLOCK)
    CLOCK.seconds = 0.099
    assert await keys.find(token) is not None
    CLOCK.seconds = 0.1
    assert keys.known(token) is None
    assert await keys.find(token) is None


async def test_a_key_bound_to_networks_is_known_from_there_alone(here: Place) -> None:
    await agent(here)
    token = await make(here, addresses=("192.0.2.0/24", "2001:db8::/32"))
    keys = Keys(here.store, CLOCK)
    for inside in ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"):
        assert await keys.find(token, address=inside) is not None
    for outside in ("", "198.51.100.7", "::ffff:198.51.100.7", "2001:db9::1", "unix", "192.0.2.7:80"):
        assert await keys.find(token, address=outside) is None


async def test_that_a_token_is_used_is_written_once_a_minute_and_nobody_waits_for_it(here: Place) -> None:
    await agent(here)
    token = await make(here)
    keys = Keys(here.store, CLOCK)
    written: list[float] = []

    async def used() -> int | None:
        await keys.find(token)
        await here.store.commit("accounts.key", lambda _tx: None)
        [view] = here.store.view(lambda tx: list_keys(tx, "acme", now_us=now_us()))
        return view.used_us

    for second in (1, 30, 60.9, 61, 100, 121):
        CLOCK.seconds = second
        written.append(((await used() or 0) - micros_of(datetime(2026, 1, 1, tzinfo=UTC))) / 1e6)
    assert written == [1, 1, 1, 61, 61, 121]


async def test_who_shows_a_token_that_does_not_hold_is_in_the_log_once_a_minute(here: Place) -> None:
    await agent(here)
    token = await make(here)
    await revoke_key(here.store, "app", workspace="acme", by=OWNER, clock=CLOCK, reason="leaked")
    keys = Keys(here.store, CLOCK)
    for second in (1, 2, 59, 61, 62):
        CLOCK.seconds = second
        assert await keys.find(token) is None
    await here.store.commit("accounts.key", lambda _tx: None)
    entries = here.log("accounts.key.refused")
    assert [entry.header["reason"] for entry in entries] == ["revoked", "revoked"]
    assert entries[0].header["subject"] == "app"
    assert keys.refused == {"revoked": 5}


# --------------------------------------------------------------------------------------------------------------- orders


async def test_only_people_who_administer_agents_order_keys(here: Place) -> None:
    await agent(here)
    helper = Principal(ActorKind.AGENT, "helper")
    for who in (helper, person("mia"), person("vera"), person("zoe"), person("nobody")):
        with pytest.raises(Refused):
            await make(here, by=who)
    await make(here, by=person("bob"))
    for who in (helper, person("mia")):
        with pytest.raises(Refused):
            await rotate_key(here.store, "app", workspace="acme", by=who, clock=CLOCK, rand=secrets.token_bytes)
        with pytest.raises(Refused):
            await revoke_key(here.store, "app", workspace="acme", by=who, clock=CLOCK, reason="no")
    assert len(here.log("accounts.refused")) >= 9
    [entry] = here.log("accounts.key.created")
    assert (entry.header["actor"], entry.header["subject"]) == (str(person("bob")), "app")


async def test_there_is_no_key_without_an_agent_and_none_beyond_it(here: Place) -> None:
    with pytest.raises(NotFound):
        await make(here)
    await agent(here, effects=frozenset({"files"}))
    with pytest.raises(InvalidInput) as caught:
        await make(here)
    assert caught.value.hint == "remit agents update helper --effect files --effect model", "it keeps what it had"
    await agent(here, "asker")
    with pytest.raises(InvalidInput):
        await make(here, agent="asker", scopes=frozenset({KeyScope.TOOLS}))
    with pytest.raises(NotFound):
        await make(here, agent="asker", owner="nobody")
    with pytest.raises(InvalidInput):
        await make(here, agent="asker", expires_us=now_us())
    await retire_agent(here.store, "asker", workspace="acme", by=OWNER, reason="over", mask=str)
    with pytest.raises(Conflict):
        await make(here, agent="asker")


async def test_a_name_is_given_once(here: Place) -> None:
    await agent(here)
    await make(here)
    await revoke_key(here.store, "app", workspace="acme", by=OWNER, clock=CLOCK, reason="over")
    with pytest.raises(Conflict):
        await make(here)
    with pytest.raises(NotFound, match="did you mean 'app'"):
        here.store.view(lambda tx: find_key(tx, "appp", workspace="acme"))


def test_what_cannot_be_a_key_says_everything_that_is_wrong() -> None:
    good = Key("acme", "app", "helper", "mia")
    with pytest.raises(RemitError) as caught:
        replace(good, id="App!", models=frozenset({"gpt"}), scopes=frozenset(), addresses=("10.0.0.1/8",))
    assert isinstance(caught.value, InvalidInput)
    assert len(caught.value.problems) == 4


async def test_nobody_lets_an_agent_act_for_somebody_who_may_more(here: Place) -> None:
    """Who administers one team would else have, by a key, what the owner has in all of the workspace."""
    vera, where = person("vera"), {"workspace": "acme"}
    await create_team(here.store, Team("acme", "red", "Red"), by=OWNER, clock=CLOCK)
    await set_member(here.store, "vera", team="red", by=OWNER, role=Role.ADMIN, clock=CLOCK, **where)
    tools = {"team": "red", "effects": frozenset({"tool"}), "tools": frozenset({"remit/*"})}
    await register_agent(here.store, Agent("acme", "hers", "vera", **tools), by=vera, clock=CLOCK)
    with pytest.raises(Refused):
        await register_agent(here.store, Agent("acme", "adas", "ada", **tools), by=vera, clock=CLOCK)
    with pytest.raises(Refused):
        await transfer_agent(here.store, "hers", owner="ada", by=vera, **where)
    scopes = frozenset({KeyScope.TOOLS})
    with pytest.raises(Refused):
        await make(here, "one", by=vera, agent="hers", owner="ada", scopes=scopes)
    await make(here, "two", by=OWNER, agent="hers", owner="ada", scopes=scopes)
    with pytest.raises(Refused):
        await rotate_key(here.store, "two", by=vera, clock=CLOCK, rand=secrets.token_bytes, **where)
    assert await make(here, "three", by=vera, agent="hers", scopes=scopes)
    assert await make(here, "four", by=person("bob"), agent="hers", owner="mia", scopes=scopes)
    assert len(here.log("accounts.refused")) == 4


async def test_one_read_answers_all_who_ask_at_once_good_keys_and_bad(here: Place) -> None:
    await agent(here)
    good, over = await make(here), await make(here, "over", expires_us=now_us() + 1)
    CLOCK.seconds = 1.0
    journal = Counting(here.store)
    keys = Keys(journal, CLOCK)
    for token in (good, over, new_token(secrets.token_bytes)):
        journal.reads = 0
        found = await asyncio.gather(*(keys.find(token) for _ in range(500)))
        assert journal.reads == 1
        assert {None if key is None else key.id for key in found} == {"app" if token == good else None}


async def test_who_asks_later_is_not_told_what_was_read_before_and_a_caller_who_leaves_takes_nobody_along(
    here: Place,
) -> None:
    await agent(here)
    token = await make(here)
    journal = Counting(here.store)
    journal.held = asyncio.Event()
    keys = Keys(journal, CLOCK)
    first, second = (asyncio.create_task(keys.find(token)) for _ in range(2))
    await asyncio.sleep(0)
    CLOCK.seconds += YOUNG_S + 0.01
    await asyncio.sleep(0)
    later = asyncio.create_task(keys.find(token))
    await asyncio.sleep(0.01)
    first.cancel()
    journal.held.set()
    assert await second is not None
    assert await later is not None
    assert journal.reads == 2
    assert first.cancelled()


async def test_a_key_is_read_ahead_of_need_while_what_is_known_serves(here: Place) -> None:
    await agent(here)
    token = await make(here)
    journal = Counting(here.store)
    keys = Keys(journal, CLOCK)
    assert await keys.find(token) is not None
    await revoke_key(here.store, "app", workspace="acme", by=OWNER, clock=CLOCK, reason="leaked")
    journal.held = asyncio.Event()
    CLOCK.seconds += REFRESH_S + 0.01
    for _ in range(50):  # nobody waits for the slow store, and it is asked once
        assert keys.known(token) is not None
        assert await keys.find(token) is not None
    for _ in range(2):
        await journal.asked.get()
    CLOCK.seconds += OLDEST_S  # what is known is too old now, and so is what was begun
    assert keys.known(token) is None
    late = asyncio.create_task(keys.find(token))
    await journal.asked.get()
    journal.held.set()
    assert await late is None


async def test_keys_that_nobody_made_are_forgotten_again(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_keys, "MOST_KNOWN", 50)
    await agent(here)
    token = await make(here)
    keys = Keys(here.store, CLOCK)
    await asyncio.gather(*(keys.find(new_token(secrets.token_bytes)) for _ in range(120)))
    assert await keys.find(token) is not None
    held = gc.get_referents(keys)
    assert max(len(each) for each in held if isinstance(each, dict)) == 50
    assert keys.refused == {"unknown": 120}
