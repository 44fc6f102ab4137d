"""Personal data on its way to a model: tokens leave, values come back, and nobody else gets them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import cast

import pytest

from remit.adapters.personal.presidio import Presidio
from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import create_key
from remit.adapters.store.sqlite import SqliteStore
from remit.audit.keyring import KEY_SIZE, Keyring
from remit.guard.personal_tables import PERSONAL_VAULT
from remit.guard.personal_terms import PersonalTerms
from remit.guard.personal_vault import forget, read, subject_of
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.effects import Model, Tool
from remit.kernel.errors import IntegrityError, Unavailable
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.testing.presidio import analyzer

from .fakes import OWNER, WORKSPACE, World, act, make_world

MAIL, PHONE = "ada@example.org", "+49 89 1234567"
ASKED = Model("openai", "m", {"messages": [{"role": "user", "content": f"Write to {MAIL} or call {PHONE}."}]})
KEK = bytes(range(KEY_SIZE))


@contextmanager
def store_in(folder: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(
        folder / "remit.db", [create_key(folder / "audit.key")], heads=folder / "heads.log", keys=Keyring(KEK)
    )
    store.migrate()
    with closing(store):
        yield store


async def world_on(store: Store, terms: PersonalTerms | None = None) -> World:
    world = await make_world(store)
    world.guard.personal = terms or PersonalTerms(models=True)

    async def echo(action: Action) -> Outcome:
        text = json.dumps(action.effect.payload())
        call: dict[str, Json] = {"type": "tool_use", "name": "mail", "input": {"to": text}}
        return Outcome(ok=True, value={"content": [{"type": "text", "text": text}, call]}, text=text)

    world.adapter.moves = [echo]
    return world


def sent(world: World, index: int = -1) -> str:
    """What the adapter was given."""
    return json.dumps(world.adapter.calls[index].effect.payload())


async def test_a_prompt_leaves_with_tokens_and_the_answer_comes_back_with_values(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        world = await world_on(store)
        done = await world.guard.run(act(ASKED))
        assert MAIL not in sent(world)
        assert PHONE not in sent(world)
        assert "<EMAIL_1_" in sent(world)
        assert f"Write to {MAIL} or call {PHONE}." in done.text
        content = cast("list[dict[str, Json]]", done.value["content"])
        assert MAIL in str(content[0])
        assert MAIL not in str(content[1]), "a tool's arguments leave for somebody else"
        assert "<EMAIL_1_" in str(content[1])
        told = json.dumps([record.payload for record in world.audit()], default=str) + str(world.rows())
        assert MAIL not in told
        assert "as tokens: 1 EMAIL, 1 PHONE" in told


async def test_nothing_is_masked_where_the_policy_does_not_say_so(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        world = await world_on(store, PersonalTerms())
        done = await world.guard.run(act(ASKED))
        assert MAIL in sent(world)
        assert MAIL in done.text
        assert not world.rows(PERSONAL_VAULT)


async def test_one_mission_says_the_same_again_and_another_mission_does_not(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        world = await world_on(store)
        await world.guard.run(act(ASKED))
        again = await world_on(store)  # another process, so to say: it knows only what the store says
        await again.guard.run(act(ASKED))
        assert sent(again) == sent(world)
        await again.guard.run(act(ASKED, mission="m2"))
        assert sent(again) != sent(world)


async def test_a_token_of_another_mission_stays_a_token(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        world = await world_on(store)
        await world.guard.run(act(ASKED))
        stolen = sent(world)
        done = await world.guard.run(act(Model("openai", "m", {"said": stolen}), mission="m2"))
        assert MAIL not in done.text


async def test_what_is_kept_is_encrypted_and_bound_to_its_row(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        world = await world_on(store)
        await world.guard.run(act(ASKED))
        await world.settled()
        assert len(world.rows(PERSONAL_VAULT)) == 3, "two values and the nonce"
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert MAIL.encode() not in written
    assert PHONE.encode() not in written
    with store_in(tmp_path) as store:
        world = await world_on(store)
        mixed = PERSONAL_VAULT.update().values(mission="m2")
        await store.commit("guard.settle", lambda tx: tx.execute(mixed))
        with pytest.raises(IntegrityError, match="row"):
            store.view(lambda tx: read(tx, WORKSPACE, "m2"))
        with pytest.raises(Unavailable, match="vault"):
            await world.guard.run(act(ASKED, mission="m2"))


@pytest.mark.parametrize("about", ["", "customer:17"])
async def test_erasure_reaches_the_vault_also_in_a_running_process(tmp_path: Path, about: str) -> None:
    with store_in(tmp_path) as store:
        world = await world_on(store)
        action = Action(new_id(), ASKED, OWNER, OWNER, WORKSPACE, mission="m1", about=about)
        await world.guard.run(action)
        tokens = sent(world)
        store.erase(about or subject_of("m1"), workspace=WORKSPACE, by=OWNER, reason="asked", allow=lambda _tx: None)
        assert store.view(lambda tx: read(tx, WORKSPACE, "m1")) == (None, [])
        done = await world.guard.run(act(Model("openai", "m", {"said": tokens})))
        assert MAIL not in done.text
        await world.guard.run(act(ASKED))
        assert sent(world) != tokens, "a new nonce: the old tokens tell nothing"
        assert store.verify().ok


async def test_a_forgotten_mission_has_no_vault(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        world = await world_on(store)
        await world.guard.run(act(ASKED))
        assert await store.commit("guard.settle", lambda tx: forget(tx, WORKSPACE, "m1"))
        assert not await store.commit("guard.settle", lambda tx: forget(tx, WORKSPACE, "m1"))
        assert not world.rows(PERSONAL_VAULT)


async def test_a_tool_gets_tokens_unless_the_policy_names_it(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        world = await world_on(store, PersonalTerms(models=True, tools=frozenset({"mail"})))
        await world.guard.run(act(ASKED))
        tokens = json.loads(sent(world))["request"]["messages"][0]["content"]
        await world.guard.run(act(Tool("search", {"q": tokens})))
        assert MAIL not in sent(world)
        await world.guard.run(act(Tool("mail", {"to": tokens})))
        assert MAIL in sent(world)
        assert "may have personal data" in json.dumps([r.payload for r in world.audit()], default=str)


async def test_an_action_outside_any_mission_leaves_nothing_behind(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        world = await world_on(store)
        done = await world.guard.run(act(ASKED, mission=""))
        assert MAIL not in sent(world)
        assert MAIL in done.text
        assert not world.rows(PERSONAL_VAULT)


async def test_a_kept_answer_is_not_given_to_another_mission(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        world = await world_on(store)
        for mission in ("m1", "m2"):
            done = await world.guard.run(act(ASKED, mission=mission), keep_s=60)
            assert MAIL in done.text
        assert len(world.adapter.calls) == 2


async def test_steps_at_once_share_one_numbering(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        world = await world_on(store)
        asked = [Model("openai", "m", {"said": f"p{number % 4}@example.org"}) for number in range(12)]
        done = await asyncio.gather(*(world.guard.run(act(each)) for each in asked))
        for number, outcome in enumerate(done):
            assert f"p{number % 4}@example.org" in outcome.text
        rows = [row for row in world.rows(PERSONAL_VAULT) if row["label"] == "EMAIL"]
        assert sorted(row["number"] for row in rows) == [1, 2, 3, 4]


async def test_without_its_intent_nothing_leaves(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        world = await world_on(store)
        world.journal.failing.add("guard.intent")
        with pytest.raises(Unavailable):
            await world.guard.run(act(ASKED))
        assert not world.adapter.calls
        world.journal.failing.clear()
        done = await world.guard.run(act(ASKED))
        assert MAIL in done.text
        assert len(world.rows(PERSONAL_VAULT)) == 3


async def test_another_finder_reads_prompts_without_secrets_and_what_it_finds_goes_as_tokens(tmp_path: Path) -> None:
    secret = "ghp_" + "x9K2" * 9
    text = f"Ada Lovelace of Marylebone, {MAIL}, uses {secret}"
    with store_in(tmp_path) as store, analyzer({"Ada Lovelace": "PERSON", "Marylebone": "LOCATION"}) as server:
        world = await world_on(store, PersonalTerms(models=True, also=Presidio(server.address).find))
        done = await world.guard.run(act(Model("openai", "m", {"said": text})))
        assert not any(secret in str(asked) for asked in server.asked)
        assert "<PERSON_1_" in sent(world)
        assert "<LOCATION_1_" in sent(world)
        assert "Ada" not in sent(world)
        assert MAIL not in sent(world)
        assert "Ada Lovelace of Marylebone" in done.text
        server.answer = (500, b"{}")
        with pytest.raises(Unavailable, match="Personal data"):
            await world.guard.run(act(ASKED))
        assert len(world.adapter.calls) == 1
