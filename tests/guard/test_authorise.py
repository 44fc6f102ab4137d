"""Who may what at the guard: people by their role, agents by their registration, nobody what a policy forbids."""

import time

import pytest

from remit.accounts.agent_orders import AgentChange, retire_agent, transfer_agent, update_agent
from remit.accounts.agents import Agent, list_agents, register_agent
from remit.accounts.cedar_revisions import list_revisions
from remit.accounts.people import Person, add_user, remove_user, set_user_role
from remit.accounts.reach import domain_problem, host_of, model_problem, reaches_host, reaches_model
from remit.accounts.roles import BITS, Permission, Role
from remit.accounts.teams import Team, create_team, delete_team, set_member
from remit.audit.refusal import Refused
from remit.guard import cedar
from remit.guard.cedar import check_cedar, save_cedar
from remit.guard.records import running
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.kernel.effects import Command, Deploy, Effect, Fetch, Model, Notify, Order, Publish, Tool, WriteFiles
from remit.kernel.errors import Conflict, Denied, InvalidInput, NotFound
from remit.kernel.money import usd

from ..pace import Pace  # noqa: TID252 - tests are loaded by path
from .fakes import CODER, OWNER, WORKSPACE, World, act

CLOCK = SystemClock()
BOB, MIA, VERA = (Principal(ActorKind.USER, name) for name in ("bob", "mia", "vera"))
REMIT = Principal(ActorKind.SYSTEM, "remit")


async def people(world: World) -> None:
    """Bob (admin), Mia (no role, a member of the team red), Vera (viewer)."""
    for name, role in (("bob", Role.ADMIN), ("mia", None), ("vera", Role.VIEWER)):
        await add_user(world.store, Person(WORKSPACE, name, name, role=role), by=OWNER, clock=CLOCK)
    await create_team(world.store, Team(WORKSPACE, "red", "Red"), by=OWNER, clock=CLOCK)
    await set_member(world.store, "mia", team="red", workspace=WORKSPACE, by=OWNER, role=Role.MEMBER, clock=CLOCK)


async def coder(world: World, **of: object) -> None:
    fields = {"effects": frozenset({"tool", "files", "fetch", "model"}), "tools": frozenset({"*"}), **of}
    agent = Agent(WORKSPACE, "coder", **{"owner": OWNER.id, **fields})  # type: ignore[arg-type]
    await register_agent(world.store, agent, by=OWNER, clock=CLOCK)


async def answer(world: World, action: Action) -> str:
    """How the guard answers: ``ok``, or the reason of its refusal."""
    await world.guard.register.refresh(WORKSPACE)
    try:
        await world.guard.run(action)
    except Denied:
        (row,) = [row for row in world.rows() if row["id"] == action.id]
        return str(row["reason"])
    return "ok"


# -------------------------------------------------------------------------------------------------------------- people


async def test_people_act_as_their_role_allows(world: World) -> None:
    await people(world)
    for who, said in ((BOB, "ok"), (VERA, "authorise.role"), (MIA, "authorise.role")):
        assert await answer(world, act(principal=who, origin=who)) == said
    await set_user_role(world.store, "vera", workspace=WORKSPACE, by=OWNER, role=Role.MEMBER)
    assert await answer(world, act(principal=VERA, origin=VERA)) == "ok"
    await set_user_role(
        world.store, "vera", workspace=WORKSPACE, by=OWNER, role=Role.MEMBER, revoked=BITS[Permission.WRITE]
    )
    assert await answer(world, act(principal=VERA, origin=VERA)) == "authorise.role"
    await remove_user(world.store, "vera", workspace=WORKSPACE, by=OWNER)
    assert await answer(world, act(principal=VERA, origin=VERA)) == "identify.unknown_user"


async def test_an_agent_may_no_more_than_whoever_it_acts_for(world: World) -> None:
    await people(world)
    await coder(world)
    for origin, said in ((OWNER, "ok"), (BOB, "ok"), (VERA, "authorise.role"), (MIA, "authorise.role")):
        assert await answer(world, act(principal=CODER, origin=origin)) == said
        assert await answer(world, act(principal=REMIT, origin=origin)) == said


async def test_a_teams_member_may_have_its_agents_act_and_no_others(world: World) -> None:
    await people(world)
    await coder(world, team="red")
    await register_agent(
        world.store,
        Agent(WORKSPACE, "other", OWNER.id, effects=frozenset({"tool"}), tools=frozenset({"*"})),
        by=OWNER,
        clock=CLOCK,
    )
    assert await answer(world, act(principal=CODER, origin=MIA)) == "ok"
    assert await answer(world, act(principal=Principal(ActorKind.AGENT, "other"), origin=MIA)) == "authorise.role"


async def test_an_agent_that_acts_for_itself_has_its_owners_rights(world: World) -> None:
    await people(world)
    await coder(world)
    assert await answer(world, act(principal=CODER, origin=CODER)) == "ok"
    await transfer_agent(world.store, "coder", workspace=WORKSPACE, owner="vera", by=OWNER)
    assert await answer(world, act(principal=CODER, origin=CODER)) == "authorise.role"
    await remove_user(world.store, "vera", workspace=WORKSPACE, by=OWNER)
    assert await answer(world, act(principal=CODER, origin=CODER)) == "authorise.role"


# -------------------------------------------------------------------------------------------------------------- agents


async def test_an_agent_reaches_the_models_and_hosts_it_was_registered_with(world: World) -> None:
    await coder(world, models=frozenset({"openai/gpt-5", "anthropic/claude-*"}), domains=frozenset({"example.com"}))
    for effect, said in (
        (Model("openai", "gpt-5", {}), "ok"),
        (Model("anthropic", "claude-x", {}), "ok"),
        (Model("openai", "gpt-5-mini", {}), "authorise.model"),
        (Model("anthropic", "other", {}), "authorise.model"),
        (Fetch("https://example.com/a"), "ok"),
        (Fetch("https://www.EXAMPLE.com./a"), "ok"),
        (Fetch("https://example.com.evil.org/"), "authorise.domain"),
        (Fetch("https://notexample.com/"), "authorise.domain"),
        (Fetch("https://evil.org\\@example.com/"), "authorise.address"),
        (Fetch("https://example.com@evil.org/"), "authorise.address"),
    ):
        assert await answer(world, act(effect, principal=CODER)) == said, effect.target


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.com/x", "example.com"),
        ("http://example.com.:8080", "example.com"),
        ("http://user:" + "pw@example.com", None),
        ("http://[::1]/", "[::1]"),
        ("http://127.0.0.1/", "127.0.0.1"),
        ("http://ex\u00e4mple.com/", "xn--exmple-cua.com"),
        ("http://exa mple.com/", None),
        ("http://example.com\\.evil.org/", None),
        ("http://example.com\t/", None),
        ("http:///x", None),
        ("http://[::1/", None),
        ("no url", None),
    ],
)
def test_the_host_of_a_url_is_told_or_it_is_none(url: str, host: str | None) -> None:
    assert host_of(url) == host


def test_patterns_cover_what_they_say() -> None:
    assert reaches_model(frozenset({"*"}), "any/thing")
    assert not reaches_model(frozenset(), "any/thing")
    assert reaches_host(frozenset({"*"}), None)
    assert not reaches_host(frozenset({"0.0.1"}), "127.0.0.1")
    assert [bool(model_problem(text)) for text in ("*", "a/b", "a/b*", "a/*", "a", "a*", "*/b", "", "a/b c")] == [
        *[False] * 4,
        *[True] * 5,
    ]
    assert [bool(domain_problem(text)) for text in ("*", "a.b", "[::1]", "A.b", "a/b", "http://a", ".a", "a:80")] == [
        *[False] * 3,
        *[True] * 5,
    ]


async def test_changing_an_agent_is_a_revision_and_holds_at_the_next_check(world: World) -> None:
    await people(world)
    await coder(world, tools=frozenset({"echo"}))
    assert await answer(world, act(principal=CODER)) == "ok"
    change = AgentChange(tools=frozenset({"search"}), kind="research", spend_limit=usd(3))
    changed = await update_agent(world.store, "coder", workspace=WORKSPACE, by=BOB, change=change)
    assert (changed.revision, changed.kind, changed.tools) == (2, "research", frozenset({"search"}))
    assert await answer(world, act(principal=CODER)) == "authorise.tool"
    (entry,) = world.audit("accounts.agent.updated")
    assert entry.payload is not None
    assert (entry.payload["before"]["tools"], entry.payload["after"]["tools"]) == (["echo"], ["search"])
    assert entry.payload["spend_limit_micros"] == 3_000_000
    (view,) = await list_agents(world.store, workspace=WORKSPACE, activity=running, clock=world.clock)
    assert (view.limit, view.agent.revision) == (usd(3), 2)
    with pytest.raises(InvalidInput, match="Nothing"):
        await update_agent(world.store, "coder", workspace=WORKSPACE, by=BOB, change=AgentChange())
    with pytest.raises(NotFound):
        await update_agent(world.store, "codr", workspace=WORKSPACE, by=BOB, change=change)
    with pytest.raises(NotFound, match="team"):
        await update_agent(world.store, "coder", workspace=WORKSPACE, by=BOB, change=AgentChange(team="blue"))


async def test_whoever_does_not_administer_the_team_changes_none_of_its_agents(world: World) -> None:
    await people(world)
    await coder(world, team="red")
    change = AgentChange(tools=frozenset({"rm"}))
    for name in ("coder", "nobody-knows"):
        with pytest.raises(Refused):
            await update_agent(world.store, name, workspace=WORKSPACE, by=MIA, change=change)
    await set_member(world.store, "mia", team="red", workspace=WORKSPACE, by=OWNER, role=Role.ADMIN, clock=CLOCK)
    await update_agent(world.store, "coder", workspace=WORKSPACE, by=MIA, change=change)
    with pytest.raises(Refused):  # out of the team takes the right in both places
        await update_agent(world.store, "coder", workspace=WORKSPACE, by=MIA, change=AgentChange(team=""))
    assert len(world.audit("accounts.refused")) == 3


async def test_a_retired_agent_stays_retired(world: World) -> None:
    await coder(world)
    await retire_agent(world.store, "coder", workspace=WORKSPACE, reason="ghp_" + "x9K2" * 9, by=OWNER)
    assert await answer(world, act(principal=CODER)) == "identify.inactive"
    with pytest.raises(Conflict, match="retired"):
        await update_agent(world.store, "coder", workspace=WORKSPACE, by=OWNER, change=AgentChange(kind="tester"))
    with pytest.raises(Conflict):
        await coder(world)
    (entry,) = world.audit("accounts.agent.retired")
    assert entry.payload is not None
    assert "REDACTED" in entry.payload["reason"]
    (view,) = await list_agents(world.store, workspace=WORKSPACE, activity=running, clock=world.clock)
    assert (view.status.value, view.stop) == ("retired", "")


# --------------------------------------------------------------------------------------------------------------- Cedar

NO_SEARCH = """
// Nobody searches.
@id("no-search") forbid(principal, action == Action::"tool", resource == Tool::"search");
"""


async def save(world: World, text: str, *, team: str = "") -> int:
    saved = await save_cedar(world.store, text, workspace=WORKSPACE, by=OWNER, clock=CLOCK, team=team)
    await world.guard.register.refresh(WORKSPACE)
    return saved.revision


async def test_a_policy_forbids_what_roles_and_registration_allow_and_is_named(world: World) -> None:
    await save(world, NO_SEARCH)
    action = act(Tool("search"))
    with pytest.raises(Denied, match=r"policy 'no-search' \(workspace revision 1\) forbids this to user:ada") as told:
        await world.guard.run(action)
    assert told.value.code == "guard.policy"
    assert await answer(world, act(Tool("echo"))) == "ok"
    assert await save(world, "") == 2
    assert await answer(world, act(Tool("search"))) == "ok"
    kept = await list_revisions(world.store, workspace=WORKSPACE, team="", by=OWNER)
    assert [(one.revision, one.text) for one in kept] == [(2, ""), (1, NO_SEARCH)]
    assert [entry.header["policy_rev"] for entry in world.audit("accounts.policy.saved")] == [
        "cedar-workspace-1",
        "cedar-workspace-2",
    ]


async def test_a_teams_policy_holds_for_its_agents_and_people_and_ends_with_it(world: World) -> None:
    await people(world)
    await coder(world, team="red")
    await save(world, NO_SEARCH, team="red")
    assert await answer(world, act(Tool("search"), principal=CODER)) == "authorise.policy"
    assert await answer(world, act(Tool("search"), principal=OWNER)) == "authorise.policy"  # Ada owns the team
    assert await answer(world, act(Tool("search"), principal=BOB, origin=BOB)) == "ok"
    await retire_agent(world.store, "coder", workspace=WORKSPACE, reason="over", by=OWNER)
    await delete_team(world.store, "red", workspace=WORKSPACE, by=OWNER, clock=CLOCK)
    await create_team(world.store, Team(WORKSPACE, "red", "Another"), by=OWNER, clock=CLOCK)
    assert await answer(world, act(Tool("search"))) == "ok"


EVERY_KIND: tuple[tuple[Effect, str], ...] = (
    (WriteFiles({"a": b""}), 'action == Action::"files", resource is Folder'),
    (Command(("rm", "-rf")), 'action == Action::"command", resource == Program::"rm"'),
    (Fetch("https://a.example.com/x"), 'action == Action::"fetch", resource in Host::"example.com"'),
    (Model("openai", "m", {}), 'action == Action::"model", resource in Provider::"openai"'),
    (Tool("echo"), 'action == Action::"tool", resource == Tool::"echo"'),
    (Deploy("prod", {}), 'action == Action::"deploy", resource == Place::"prod"'),
    (Order("broker", {}), 'action == Action::"order", resource == Broker::"broker"'),
    (Publish("shop", {}), 'action == Action::"publish", resource == Place::"shop"'),
    (Notify("ops", "s", "b"), 'action == Action::"notify", resource == Channel::"ops"'),
)


@pytest.mark.parametrize(("effect", "scope"), EVERY_KIND, ids=[effect.trait.kind for effect, _ in EVERY_KIND])
async def test_every_kind_of_effect_can_be_forbidden(world: World, effect: Effect, scope: str) -> None:
    await save(world, f'@id("no") forbid(principal, {scope});')
    assert await answer(world, act(effect, key="k")) == "authorise.policy"
    await save(world, f'@id("no") forbid(principal == User::"nobody", {scope});')
    assert await answer(world, act(effect, key="k")) == "ok"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('principal is Agent, action, resource) when { principal.kind == "coder" };', "policy"),
        ('principal in Team::"red", action, resource);', "policy"),
        ('principal is Agent, action, resource) when { principal.owner == "bob" };', "ok"),
        ("principal, action, resource) when { context.estimate_micros > 5 };", "ok"),
        ('principal, action, resource) when { context.on_behalf_of == "user:ada" };', "policy"),
        ('principal in Role::"viewer", action, resource);', "policy"),  # Ada, on whose behalf, is more than a viewer
        ('principal == User::"ada", action, resource);', "policy"),
    ],
)
async def test_policies_speak_of_who_acts_and_for_whom(world: World, text: str, said: str) -> None:
    await people(world)
    await coder(world, team="red")
    await save(world, f'@id("p") forbid({text}')
    assert (await answer(world, act(principal=CODER))).removeprefix("authorise.") == said


async def test_a_forbid_that_errors_does_not_vanish(world: World) -> None:
    """Cedar skips a policy that errors and allows: with the schema passed, and errors read, nothing is allowed."""
    text = '@id("over") forbid(principal, action, resource) when { context.attempt * 9223372036854775807 + 1 > 0 };'
    await save(world, text)
    action = act()
    with pytest.raises(Denied, match="overflow"):
        await world.guard.run(action)
    (row,) = [row for row in world.rows() if row["id"] == action.id]
    assert row["reason"] == "authorise.policy_error"
    assert world.adapter.calls == []


async def test_a_saved_text_that_is_no_cedar_refuses_everything(world: World) -> None:
    """Somebody wrote into the table past the check: nothing is allowed under it."""
    from remit.accounts.cedar_revisions import save_revision

    await save_revision(world.store, "forbid(", workspace=WORKSPACE, team="", by=OWNER, clock=CLOCK)
    assert await answer(world, act()) == "authorise.policy_error"


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ('@id("a") forbid(principal action, resource);', "1:27", "unexpected token"),
        ('\n\n  @id("a") forbid(principal, action == Action::"toool", resource);', "3:40", "unrecognized action"),
        (
            """@id("a") forbid(principal, action, resource);
@id("b") forbid(principal is Agent, action, resource)
  when { principal.kindd == 3 };""",
            "3:20",
            "kindd",
        ),
        ('@id("a") forbid(principal, action, resource) when { context.url == "x" };', "1:61", "url"),
        ('@id("a") forbid(principal, action, resource) when { context.attempt == "x" };', "1:1", "Long"),
        ("forbid(principal, action, resource);", "1:1", "needs a name"),
        ('@id("a") permit(principal, action, resource);', "1:1", "adds nothing"),
        (
            '@id("a") forbid(principal, action, resource);\n@id("a") forbid(principal, action, resource);',
            "2:1",
            "taken",
        ),
        ('@id("remit.admitted") forbid(principal, action, resource);', "1:1", "taken"),
        ('@id("a") forbid(principal == ?principal, action, resource);', "1:1", "template"),
        ('@id("a") forbid(principal, action, resource)', "1:1", "does not end"),
        ("// nothing\n", "1:1", "no policy"),
        ('@id("a") forbid(principal, action, resource) when { "' + "x" * 2000 + '" == "" };', "1:1", "2000"),
        ("\n" * 64_001, "1:1", "64000"),
    ],
)
def test_a_text_that_can_not_be_put_in_force_is_told_with_its_place(text: str, place: str, says: str) -> None:
    with pytest.raises(InvalidInput) as told:
        check_cedar(text)
    assert told.value.place == place, told.value.problems
    assert says in " ".join(told.value.problems)


@pytest.mark.parametrize(
    "condition",
    [
        "(" * 5000 + "true" + ")" * 5000,
        "[" * 3000 + "]" * 3000 + ".containsAll([])",
        "!" * 300 + "true",
        "&&".join(["true"] * 10_000),
        "1" + "*1" * 900 + " == 1",
        "if true then " * 100 + "true" + " else false" * 100,
        "context" + ".a" * 900 + " == 1",
        '"' + "\\u{1F600}" * 5000 + '" == ""',
    ],
    ids=["parentheses", "sets", "nots", "ands", "products", "ifs", "attributes", "string"],
)
def test_a_hostile_policy_is_refused_at_once_and_the_process_lives(condition: str) -> None:
    """Past Cedar's own parser, 2,000 nested parentheses end the process."""
    start = time.thread_time()
    with pytest.raises(InvalidInput):
        check_cedar(f'@id("x") forbid(principal, action, resource) when {{ {condition} }};')
    assert time.thread_time() - start < 0.5


def test_what_lies_within_the_bounds_is_checked_quickly() -> None:
    deep = "(" * 28 + "true" + ")" * 28
    check_cedar("\n".join(f'@id("p{n}") forbid(principal, action, resource) when {{ {deep} }};' for n in range(20)))


async def test_a_command_that_would_take_seconds_to_judge_is_refused(world: World) -> None:
    await save(world, '@id("x") forbid(principal, action == Action::"command", resource == Program::"rm");')
    pace = Pace()
    assert await answer(world, act(Command(("echo", *map(str, range(50_000)))))) == "authorise.policy_error"
    assert await answer(world, act(Command(("echo", *map(str, range(900)))))) == "ok"
    assert pace.spent() < 1.0


async def test_policies_are_parsed_once_for_each_revision(world: World) -> None:
    await save(world, NO_SEARCH)
    cedar.compiled.cache_clear()
    for _ in range(5):
        assert await answer(world, act(Tool("echo"))) == "ok"
    assert (cedar.compiled.cache_info().misses, cedar.compiled.cache_info().hits) == (1, 4)


async def test_whoever_does_not_administer_saves_no_policy(world: World) -> None:
    await people(world)
    for who in (VERA, CODER):
        with pytest.raises(Refused):
            await save_cedar(world.store, NO_SEARCH, workspace=WORKSPACE, by=who, clock=CLOCK)
    with pytest.raises(NotFound):
        await save_cedar(world.store, NO_SEARCH, workspace=WORKSPACE, by=OWNER, clock=CLOCK, team="blue")
    assert await answer(world, act(Tool("search"))) == "ok"
