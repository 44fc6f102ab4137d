"""The catalogue: what people order, what is refused and told, what every process knows within a second."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from remit.accounts.people import Person, add_user
from remit.accounts.roles import Role
from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import create_key
from remit.adapters.store.postgres import PostgresStore
from remit.adapters.store.shown import Masking
from remit.adapters.store.sqlite import SqliteStore
from remit.audit import query
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.kernel.errors import Conflict, Denied, InvalidInput, NotFound, RemitError, Unavailable
from remit.models.catalogue import Catalogue, Models, Provider, ProviderKind, ProviderStatus, read_catalogue
from remit.models.orders import Change, MoveProvider, RemoveProvider, SetProvider
from remit.models.orders_listing import RemoveDeployment, SetAlias, SetDeployment, SetFallbacks, SetPrice
from remit.models.prices import Rates, rate_of
from remit.redact.redactor import Redactor

from ..guard.fakes import FailingJournal, HandClock, make_store  # noqa: TID252 - tests are no package to name
from ..postgres import postgres_server, postgres_url  # noqa: TID252 - as above
from .fakes_catalogue import ANTHROPIC, LOCAL, OPENAI, OWNER, WORKSPACE, furnish, give, own

__all__ = ["postgres_server", "postgres_url"]

RATES = Rates(SystemClock())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = make_store(tmp_path)
    yield made
    made.close()


def entries(store: Store, action: str = "") -> list[query.Record]:
    store.seal()  # on Postgres entries get their place then
    wanted = query.Filter(workspace=WORKSPACE, action=action, limit=1000)
    return [each for each in store.view(lambda tx: query.find(tx, wanted)) if each.header["domain"] == "models"]


def shelf(store: Store) -> Catalogue:
    return store.view(lambda tx: read_catalogue(tx, WORKSPACE, rates=RATES))


async def check_everything(store: Store) -> None:
    """The whole life of a catalogue on one store."""
    await furnish(store)
    found = shelf(store)
    assert sorted(found.providers) == ["anthropic", "local", "openai"]
    assert found.providers["local"].base_url == "http://127.0.0.1:11434/v1"
    assert [each.target for each in found.deployments["smart"]] == ["openai/gpt-4o", "anthropic/claude-sonnet-4-5"]
    small, house = found.deployments["small"][0], found.deployments["house"][0]
    assert small.rate is not None
    assert (small.rate.tokens_in, small.context, "vision" in small.capabilities) == (150_000, 128_000, True)
    assert (house.rate, house.capabilities, house.quality) == (None, {"chat", "tools"}, 20)
    await give(
        store,
        SetPrice("local", "our-own-7b", rate_of("0", "0")),
        SetAlias("default", "auto"),
        SetAlias("nick", "smart"),
        SetFallbacks("smart", ("small", "local/our-own-7b")),
        SetDeployment("small", "openai", "gpt-4o-mini", weight=5, quality=99, context=1000),
        MoveProvider("anthropic", ProviderStatus.PAUSED, "an outage"),
    )
    found = shelf(store)
    assert found.deployments["house"][0].rate is not None
    assert found.deployments["house"][0].rate.free
    changed = found.deployments["small"][0]
    assert (changed.weight, changed.quality, changed.context) == (5, 99, 1000)
    assert found.providers["anthropic"].paused
    assert found.aliases == {"default": "auto", "nick": "smart"}
    assert found.fallbacks == {"smart": ("small", "local/our-own-7b")}
    await give(store, SetProvider(replace(ANTHROPIC, base_url="https://proxy.example.org/v1")))
    assert shelf(store).providers["anthropic"].paused, "a change of the address lets it be asked again"
    await give(
        store,
        MoveProvider("anthropic", ProviderStatus.ACTIVE, "over"),
        SetPrice("local", "our-own-7b", None),
        SetAlias("nick", ""),
        SetFallbacks("smart", ()),
        RemoveDeployment("house"),
        RemoveDeployment("smart", provider="anthropic"),
        RemoveProvider("local"),
        RemoveProvider("anthropic"),
    )
    found = shelf(store)
    assert sorted(found.providers) == ["openai"]
    assert [each.target for each in found.listed()] == ["openai/gpt-4o-mini", "openai/gpt-4o"]
    assert found.aliases == {"default": "auto"}
    verbs = {each.header["action"] for each in entries(store)}
    assert verbs >= {
        "models.provider.set",
        "models.provider.paused",
        "models.provider.resumed",
        "models.provider.removed",
        "models.listed",
        "models.unlisted",
        "models.alias.set",
        "models.alias.removed",
        "models.fallback.set",
        "models.price.set",
        "models.price.removed",
    }
    assert all(each.header["actor"] == "user:ada" for each in entries(store))


async def test_a_catalogue_lives_in_sqlite(store: SqliteStore) -> None:
    await check_everything(store)


async def test_a_catalogue_lives_in_postgres(postgres_url: str, tmp_path: Path) -> None:
    postgres = PostgresStore(postgres_url, [create_key(tmp_path / "audit.key")], heads=tmp_path / "heads.log")
    try:
        postgres.migrate()
        await check_everything(postgres)
    finally:
        postgres.close()


async def test_the_same_order_again_changes_nothing_and_leaves_no_entry(store: SqliteStore) -> None:
    await furnish(store)
    before = len(entries(store))
    same: tuple[Change, ...] = (
        SetProvider(OPENAI),
        SetDeployment("small", "openai", "gpt-4o-mini"),
        MoveProvider("openai", ProviderStatus.ACTIVE, "nothing"),
        SetFallbacks("small", ()),
    )
    assert await give(store, *same) == ()
    assert len(entries(store)) == before


async def test_several_changes_are_all_made_or_none(store: SqliteStore) -> None:
    await furnish(store)
    before, told = shelf(store), len(entries(store))
    with pytest.raises(NotFound):
        await give(store, SetAlias("nick", "smart"), SetDeployment("x", "nobody", "gpt-4o"))
    with pytest.raises(Conflict, match="would lead to 'nothing'"):
        await give(store, SetAlias("nick", "smart"), SetAlias("other", "nothing"))
    assert (shelf(store), len(entries(store))) == (before, told)


async def test_agents_and_members_order_nothing_and_it_is_on_record(store: SqliteStore) -> None:
    await furnish(store)
    clock = SystemClock()
    await add_user(store, Person(WORKSPACE, "mia", "Mia", "mia@example.com", Role.MEMBER), by=OWNER, clock=clock)
    agent, member = Principal(ActorKind.AGENT, "coder"), Principal(ActorKind.USER, "mia")
    changes: tuple[Change, ...] = (
        SetProvider(replace(OPENAI, base_url="https://evil.example/v1")),
        MoveProvider("openai", ProviderStatus.PAUSED, "x"),
        RemoveProvider("local"),
        SetDeployment("free", "local", "m"),
        RemoveDeployment("small"),
        SetAlias("small2", "small"),
        SetFallbacks("small", ("house",)),
        SetPrice("openai", "gpt-4o", rate_of("0", "0")),
    )
    before = shelf(store)
    for by in (agent, member):
        for change in changes:
            with pytest.raises(Denied):
                await give(store, change, by=by)
    assert shelf(store) == before
    refused = store.view(lambda tx: query.find(tx, query.Filter(workspace=WORKSPACE, action="accounts.refused")))
    assert len(refused) == 2 * len(changes)


BAD = [
    (replace(LOCAL, base_url="ftp://host/v1"), "models.base_url"),
    (replace(LOCAL, base_url="http://user:pass@host/v1"), "models.base_url"),
    (replace(LOCAL, base_url="http://host/v1?api-key=1"), "models.base_url"),
    (replace(LOCAL, base_url="http://host/v1#x"), "models.base_url"),
    (replace(LOCAL, base_url="http://169.254.169.254/latest"), "models.base_url"),
    (replace(LOCAL, base_url="http://0177.0.0.1/v1"), "models.base_url"),
    (replace(LOCAL, base_url="host/v1"), "models.base_url"),
    (replace(LOCAL, base_url=""), "models.base_url"),
    (replace(LOCAL, base_url="http://"), "models.base_url"),
    (replace(OPENAI, key="not-a-reference"), "models.key"),
    (replace(OPENAI, key="Bearer secret://x"), "models.key"),
    (replace(OPENAI, key="secret://a b"), "models.key"),
    (replace(OPENAI, base_url="http://models.example.org/v1"), "models.plain_key"),
    (replace(OPENAI, headers=(("Host", "x"),)), "models.header"),
    (replace(OPENAI, headers=(("X-Api-Key", "plain"),)), "models.header"),
    (replace(OPENAI, headers=(("X-Ok", "a\r\nb"),)), "models.header"),
    (replace(OPENAI, headers=(("X-A", "1"), ("x-a", "2"))), "models.header"),
    (replace(OPENAI, name="Open AI"), "models.name"),
    (replace(OPENAI, name="auto"), "models.name"),
    (replace(OPENAI, name="a/b"), "models.name"),
]


@pytest.mark.parametrize(("provider", "code"), BAD)
async def test_a_provider_that_can_not_be_is_refused_with_what_to_do(
    store: SqliteStore, provider: Provider, code: str
) -> None:
    await own(store)
    with pytest.raises(InvalidInput) as refused:
        await give(store, SetProvider(provider))
    assert refused.value.code == code
    assert "remit" in refused.value.hint or "--" in refused.value.hint
    assert not shelf(store).providers


async def test_a_literal_key_is_never_repeated_nor_kept(store: SqliteStore, tmp_path: Path) -> None:
    await own(store)
    literal = "sk-" + "live" + "-0123456789" * 4
    with pytest.raises(InvalidInput) as refused:
        await give(store, SetProvider(replace(OPENAI, key=literal)))
    assert "remit secrets set openai-key" in refused.value.hint
    with pytest.raises(InvalidInput) as in_url:
        await give(store, SetProvider(replace(OPENAI, base_url=f"https://{literal}@api.example.org/v1")))
    for error in (refused.value, in_url.value):
        assert literal not in f"{error.message} {error.hint} {error.problems}"
    store.seal()
    assert all(literal.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


async def test_an_address_has_one_spelling_and_makers_have_a_home(store: SqliteStore) -> None:
    await own(store)
    await give(
        store,
        SetProvider(Provider("", "openai", ProviderKind.OPENAI, "", "secret://k")),
        SetProvider(Provider("", "claude", ProviderKind.ANTHROPIC, "HTTPS://API.Anthropic.com:443/v1/", "secret://k")),
        SetProvider(
            Provider("", "lan", ProviderKind.COMPATIBLE, "http://vllm.lan:8000/v1", "secret://k"), plain_key=True
        ),
    )
    found = shelf(store).providers
    assert found["openai"].base_url == "https://api.openai.com/v1"
    assert found["claude"].base_url == "https://api.anthropic.com/v1"
    assert found["lan"].base_url == "http://vllm.lan:8000/v1"


@pytest.mark.parametrize(
    "change",
    [
        SetDeployment("auto", "openai", "gpt-4o"),
        SetDeployment("default", "openai", "gpt-4o"),
        SetDeployment("a b", "openai", "gpt-4o"),
        SetDeployment("x", "openai", "gpt 4"),
        SetDeployment("x", "openai", "gpt-4o", weight=-1),
        SetDeployment("x", "openai", "gpt-4o", quality=101),
        SetDeployment("x", "openai", "gpt-4o", capabilities=frozenset({"flying"})),
        SetDeployment("openai/gpt-4o", "local", "something-else"),
        SetAlias("openai/gpt-4o", "house"),
        SetAlias("small", "smart"),
        SetAlias("nick", "nick2"),
        SetFallbacks("small", ("small",)),
        SetFallbacks("small", ("auto",)),
        SetFallbacks("nobody", ("small",)),
        SetFallbacks("small", ("smart",) * 2),
        SetPrice("nobody", "m", rate_of("1", "1")),
        RemoveProvider("openai"),
        RemoveProvider("nobody"),
        RemoveDeployment("nobody"),
        MoveProvider("openai", ProviderStatus.PAUSED, "  "),
    ],
)
async def test_what_would_lead_nowhere_or_astray_is_refused(store: SqliteStore, change: Change) -> None:
    await furnish(store)
    before = shelf(store)
    with pytest.raises(RemitError) as refused:
        await give(store, change)
    assert isinstance(refused.value, InvalidInput | NotFound | Conflict)
    assert shelf(store) == before


async def test_every_process_knows_within_a_second_and_reads_once_at_a_time(store: SqliteStore) -> None:
    await furnish(store)
    clock = HandClock()
    journal = FailingJournal(store)
    models = Models(journal, clock, RATES)
    found = await asyncio.gather(*(models.catalogue(WORKSPACE) for _ in range(50)))
    assert all(each is found[0] for each in found)
    await give(store, SetAlias("nick", "smart"))
    assert models.fresh(WORKSPACE) is found[0]
    clock.advance(1.01)
    assert models.fresh(WORKSPACE) is None
    assert (await models.catalogue(WORKSPACE)).aliases == {"nick": "smart"}
    await give(store, SetAlias("nick", ""))
    models.forget(WORKSPACE)
    assert not (await models.catalogue(WORKSPACE)).aliases


async def test_while_one_reads_ahead_the_others_do_not_wait(store: SqliteStore) -> None:
    await furnish(store)
    clock = HandClock()
    models = Models(store, clock, RATES)
    first = await models.catalogue(WORKSPACE)
    clock.advance(0.8)
    assert models.fresh(WORKSPACE) is first
    for _ in range(200):
        await asyncio.sleep(0.005)
        if models.fresh(WORKSPACE) is not first:
            break
    assert models.fresh(WORKSPACE) is not first


async def test_what_was_being_read_while_it_changed_is_not_believed_afterwards(store: SqliteStore) -> None:
    """A read ahead of need that began before an order and ends after it."""
    await furnish(store)
    clock, journal = HandClock(), Held(store)
    models = Models(journal, clock, RATES)  # type: ignore[arg-type] - it is only read
    await models.catalogue(WORKSPACE)
    clock.advance(0.8)
    journal.go_on.clear()
    assert models.fresh(WORKSPACE) is not None
    ahead = models._reading[WORKSPACE]
    await journal.has_read.wait()
    await give(store, SetAlias("nick", "smart"))
    models.forget(WORKSPACE)
    journal.go_on.set()
    assert not (await ahead).aliases
    assert (await models.catalogue(WORKSPACE)).aliases == {"nick": "smart"}


class Held:
    """A journal whose answers to questions come when they are let go."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.has_read, self.go_on = asyncio.Event(), asyncio.Event()
        self.go_on.set()

    async def read(self, ask: Any) -> Any:
        found = await self.store.read(ask)
        if not self.go_on.is_set():
            self.has_read.set()
        await self.go_on.wait()
        return found


async def test_without_the_store_nobody_is_routed(store: SqliteStore) -> None:
    await furnish(store)
    clock = HandClock()
    journal = FailingJournal(store)
    models = Models(journal, clock, RATES)
    await models.catalogue(WORKSPACE)
    journal.failing.add("read")
    clock.advance(1.01)
    with pytest.raises(Unavailable) as refused:
        await models.catalogue(WORKSPACE)
    assert refused.value.code == "models.unreadable"
    journal.failing.clear()
    assert (await models.catalogue(WORKSPACE)).providers


async def test_workspaces_know_nothing_of_each_other(store: SqliteStore) -> None:
    await furnish(store)
    models = Models(store, SystemClock(), RATES)
    assert not (await models.catalogue("other")).providers


async def test_a_secret_where_a_name_belongs_refuses_the_order_at_the_last_door(tmp_path: Path) -> None:
    redactor = Redactor(b"tests only: 16 bytes or more")
    registered = "a".join(secrets.token_hex(2) for _ in range(8))
    redactor.register(registered)
    masking = Masking(redactor.mask, partial(redactor.mask_tree, names=False))
    signer = create_key(tmp_path / "audit.key")
    store = SqliteStore(tmp_path / "remit.db", [signer], heads=tmp_path / "heads.log", masking=masking)
    try:
        store.migrate()
        await furnish(store)
        with pytest.raises(InvalidInput):
            await give(store, SetDeployment("x", "openai", registered))
        with pytest.raises(InvalidInput):
            await give(store, SetProvider(replace(LOCAL, base_url=f"http://127.0.0.1/{registered}")))
        assert len(shelf(store).listed()) == 4
    finally:
        store.close()
