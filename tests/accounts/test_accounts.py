from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select, update

from remit.accounts.agents import Agent, AgentStatus, find_agent, list_agents, register_agent
from remit.accounts.budget_periods import Period
from remit.accounts.budgets import BudgetScope, set_limit
from remit.accounts.kills import KillScope, Target, kill, read_kills, unkill
from remit.accounts.owner import create_local_owner, read_owner
from remit.accounts.tables import AGENT, BUDGET, KILL
from remit.accounts.teams import Team, create_team
from remit.adapters.store.keyfile import create_key
from remit.adapters.store.sqlite import SqliteStore
from remit.audit import query
from remit.guard.records import running
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.kernel.errors import Conflict, Denied, InvalidInput, NotFound, RemitError
from remit.kernel.money import usd
from remit.kernel.ports import Tx
from remit.kernel.tables import METADATA

OWNER = Principal(ActorKind.USER, "ada")
ROBOT = Principal(ActorKind.AGENT, "coder")
CLOCK = SystemClock()


@pytest.fixture
async def store(bare: SqliteStore) -> SqliteStore:
    """A store in which Ada owns ``acme`` and its team ``red``."""
    await create_local_owner(bare, workspace="acme", user="ada", name="Ada", clock=CLOCK)
    await create_team(bare, Team("acme", "red", "Red"), by=OWNER, clock=CLOCK)
    return bare


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[SqliteStore]:
    path = tmp_path / "remit.db"
    with SqliteStore(path, [create_key(tmp_path / "audit.key")], heads=tmp_path / "heads.log") as made:
        made.migrate()
        engine = create_engine(f"sqlite:///{path}")
        METADATA.create_all(engine)
        engine.dispose()
        yield made


def coder(**of: object) -> Agent:
    return Agent(
        "acme",
        "coder",
        "ada",
        effects=frozenset({"tool", "files"}),
        tools=frozenset({"search"}),
        team="red",
        **of,  # type: ignore[arg-type]
    )


def told(store: SqliteStore) -> list[tuple[str, str, str]]:
    """What the log says since the store was made."""
    found = store.view(lambda tx: query.find(tx, query.Filter("acme", after=1)))
    return [(each.header["actor"], each.header["action"], each.header["subject"]) for each in found]


async def test_the_local_owner_is_made_once_and_audited(bare: SqliteStore) -> None:
    store = bare
    made = await create_local_owner(store, workspace="acme", user="ada", name="Ada", clock=CLOCK)
    again = await create_local_owner(store, workspace="acme", user="eve", name="Eve", clock=CLOCK)
    assert made == again == store.view(lambda tx: read_owner(tx, "acme"))
    assert made.principal == OWNER
    (entry,) = store.view(lambda tx: query.find(tx, query.Filter("acme")))
    assert (entry.header["actor"], entry.header["action"]) == ("user:ada", "accounts.owner.created")
    assert store.view(lambda tx: read_owner(tx, "other")) is None


async def test_the_five_questions_have_answers(store: SqliteStore) -> None:
    await register_agent(store, coder(), by=OWNER, clock=CLOCK, spend_limit=usd(5))
    await register_agent(store, Agent("acme", "writer", "ada", effects=frozenset({"model"})), by=OWNER, clock=CLOCK)
    bob = (await create_local_owner(store, workspace="other", user="bob", name="Bob", clock=CLOCK)).principal
    await register_agent(store, Agent("other", "stranger", "bob"), by=bob, clock=CLOCK)
    views = await list_agents(
        store, workspace="acme", activity=lambda _tx, _of: {"coder": ("m1: tool search",)}, clock=CLOCK
    )
    assert [view.agent.name for view in views] == ["coder", "writer"]
    first = views[0].as_json()
    assert first["running"] == ["m1: tool search"]
    assert first["owner"] == "ada"
    assert first["may_touch"] == {"effects": ["files", "tool"], "tools": ["search"], "models": [], "domains": []}
    assert views[1].as_json()["may_touch"] == {"effects": ["model"], "tools": [], "models": ["*"], "domains": []}
    assert (first["may_spend_usd"], first["spent_usd"]) == ("5", "0")
    assert first["stop"] == "remit kill coder"
    assert views[1].limit is None


async def test_every_limit_of_an_agent_is_told_and_what_counts_now(store: SqliteStore) -> None:
    await register_agent(store, coder(), by=OWNER, clock=CLOCK)
    for period, most in ((Period.MONTH, 9), (Period.DAY, 2)):
        held = {"name": "coder", "limit": usd(most), "period": period}
        await set_limit(store, BudgetScope.AGENT, workspace="acme", by=OWNER, clock=CLOCK, **held)

    def spend(tx: Tx) -> None:
        old = BUDGET.c.period == Period.DAY.value  # counted on a day that is over
        tx.execute(update(BUDGET).where(BUDGET.c.name == "coder").values(spent=500_000), {})
        tx.execute(update(BUDGET).where(BUDGET.c.name == "coder", old).values(starts_us=0), {})

    await store.commit("guard.budget", spend)
    (view,) = await list_agents(store, workspace="acme", activity=running, clock=CLOCK)
    assert view.as_json()["limits"] == [
        {"period": "day", "limit_usd": "2", "spent_usd": "0", "reserved_usd": "0"},
        {"period": "month", "limit_usd": "9", "spent_usd": "0.5", "reserved_usd": "0"},
    ]
    assert view.limit is None


async def test_a_stopped_agent_says_why_and_how_to_let_it_go(store: SqliteStore) -> None:
    await register_agent(store, coder(), by=OWNER, clock=CLOCK)
    for target in (Target(KillScope.AGENT, "coder"), Target(KillScope.TEAM, "red"), Target(KillScope.INSTALL)):
        await kill(store, target, workspace="acme", reason="loops", by=OWNER, clock=CLOCK)
        (view,) = await list_agents(store, workspace="acme", activity=running, clock=CLOCK)
        assert view.status is AgentStatus.KILLED
        assert "loops" in view.stopped_because
        assert view.stop.startswith("remit unkill")
        await unkill(store, target, workspace="acme", reason="mended", by=OWNER, clock=CLOCK)
    (view,) = await list_agents(store, workspace="acme", activity=running, clock=CLOCK)
    assert view.status is AgentStatus.ACTIVE


async def test_a_kill_is_in_force_until_it_is_lifted_and_both_are_audited(store: SqliteStore) -> None:
    target = Target(KillScope.MISSION, "m1")
    await kill(store, target, workspace="acme", reason="it loops", by=OWNER, clock=CLOCK)
    assert store.view(lambda tx: read_kills(tx, "acme")) == {(KillScope.MISSION, "m1"): "it loops"}
    assert store.view(lambda tx: read_kills(tx, "other")) == {}
    with pytest.raises(Conflict):
        await kill(store, target, workspace="acme", reason="again", by=OWNER, clock=CLOCK)
    await unkill(store, target, workspace="acme", reason="mended", by=OWNER, clock=CLOCK)
    assert store.view(lambda tx: read_kills(tx, "acme")) == {}
    with pytest.raises(NotFound):
        await unkill(store, target, workspace="acme", reason="mended", by=OWNER, clock=CLOCK)
    assert [action for _, action, _ in told(store)] == ["accounts.kill.set", "accounts.kill.lifted"]
    (row,) = store.view(lambda tx: tx.rows(select(KILL)))
    assert (row["reason"], row["lifted_reason"], row["lifted_by"]) == ("it loops", "mended", "user:ada")


async def test_an_install_wide_kill_holds_in_every_workspace(store: SqliteStore) -> None:
    await kill(store, Target(KillScope.INSTALL), workspace="acme", reason="fire", by=OWNER, clock=CLOCK)
    assert store.view(lambda tx: read_kills(tx, "another")) == {(KillScope.INSTALL, ""): "fire"}


async def test_an_unknown_agent_is_told_with_the_nearest_name(store: SqliteStore) -> None:
    await register_agent(store, coder(), by=OWNER, clock=CLOCK)
    with pytest.raises(NotFound):
        await kill(store, Target(KillScope.AGENT, "codr"), workspace="acme", reason="x", by=OWNER, clock=CLOCK)
    with pytest.raises(NotFound, match="did you mean 'coder'"):
        store.view(lambda tx: find_agent(tx, workspace="acme", name="codr"))
    assert store.view(lambda tx: find_agent(tx, workspace="acme", name="coder")) == coder()


@pytest.mark.parametrize("reason", ["", "   ", "x" * 2001])
async def test_a_switch_is_moved_with_a_reason(store: SqliteStore, reason: str) -> None:
    for move in (kill, unkill):
        with pytest.raises(InvalidInput):
            await move(store, Target(KillScope.INSTALL), workspace="acme", reason=reason, by=OWNER, clock=CLOCK)
    assert told(store) == []


async def test_agents_administer_nothing(store: SqliteStore) -> None:
    target = Target(KillScope.INSTALL)
    for work in (
        register_agent(store, coder(), by=ROBOT, clock=CLOCK),
        kill(store, target, workspace="acme", reason="x", by=ROBOT, clock=CLOCK),
        unkill(store, target, workspace="acme", reason="x", by=ROBOT, clock=CLOCK),
        set_limit(store, BudgetScope.WORKSPACE, workspace="acme", name="", limit=usd(1), by=ROBOT),
    ):
        with pytest.raises(Denied):
            await work
    refused = [entry for entry in told(store) if entry[1] == "accounts.refused"]
    assert [actor for actor, _, _ in refused] == ["agent:coder"] * len(refused)
    assert {about for _, _, about in refused} >= {"admin agent", "admin install"}
    assert store.view(lambda tx: tx.rows(select(AGENT))) == []
    assert store.view(lambda tx: read_kills(tx, "acme")) == {}


async def test_a_name_is_registered_once_and_a_refused_one_leaves_nothing(store: SqliteStore) -> None:
    await register_agent(store, coder(), by=OWNER, clock=CLOCK)
    with pytest.raises(Conflict):
        await register_agent(store, coder(), by=OWNER, clock=CLOCK, spend_limit=usd(1))
    assert len(store.view(lambda tx: tx.rows(select(AGENT)))) == 1
    assert store.view(lambda tx: tx.rows(select(BUDGET))) == []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Agent("acme", "Coder", "ada"), "lower-case"),
        (lambda: Agent("acme", "", "ada"), "lower-case"),
        (lambda: Agent("acme", "coder", ""), "owner"),
        (lambda: Agent("acme", "coder", "ada", effects=frozenset({"comand"})), "did you mean 'command'"),
        (lambda: Agent("acme", "coder", "ada", tools=frozenset({"x"})), "tools"),
        (lambda: Target(KillScope.AGENT), "needs a name"),
        (lambda: Target(KillScope.INSTALL, "x"), "takes no name"),
    ],
    ids=["capital", "empty", "no owner", "kind", "tools", "kill without name", "install with name"],
)
def test_bad_input_is_told_in_words(make: Callable[[], object], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        make()


async def test_a_limit_is_changed_and_what_was_spent_stays(store: SqliteStore) -> None:
    await create_local_owner(store, workspace="acme", user=OWNER.id, name="Ada", clock=CLOCK)
    for limit in (1, 2):
        await set_limit(store, BudgetScope.MISSION, workspace="acme", name="m1", limit=usd(limit), by=OWNER)
    (row,) = store.view(lambda tx: tx.rows(select(BUDGET)))
    assert row["limit_micros"] == 2_000_000
    found = store.view(lambda tx: query.find(tx, query.Filter("acme", action="accounts.budget.set")))
    assert [each.payload and each.payload["before_micros"] for each in found] == [None, 1_000_000]


async def test_what_fails_leaves_no_trace(store: SqliteStore) -> None:
    """The row and its audit entry stand or fall together: a name that no log may hold undoes the row as well."""
    with pytest.raises(RemitError):
        await create_local_owner(store, workspace="new", user="a" * 300, name="A", clock=CLOCK)
    assert store.view(lambda tx: read_owner(tx, "new")) is None
