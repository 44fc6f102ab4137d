"""What tools an agent may call and with which arguments: in listings, in models' answers, by rules of arguments."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from remit.accounts.agents import Agent, register_agent
from remit.adapters.store.sqlite import SqliteStore
from remit.guard.rules.cases import cases_of, run_case
from remit.guard.rules.resolving import SHIPPED, prepare, shipped, shipped_set
from remit.guard.rules.tool_facts import depth, named_in, seen, words
from remit.guard.scene import Scene
from remit.guard.tool_rules import canonical_name, inspector, may_list
from remit.kernel.action import ActorKind, Principal
from remit.kernel.effects import Model, Tool
from remit.kernel.errors import ApprovalPending, Denied

from .fakes import OWNER, WORKSPACE, World, act, make_world

HELPER = Principal(ActorKind.AGENT, "helper")
ASKED = Model("acme", "large", {"messages": []})


async def registered(world: World, *tools: str, effects: frozenset[str] = frozenset({"tool", "model"})) -> World:
    agent = Agent(
        WORKSPACE,
        "helper",
        OWNER.id,
        "helper",
        effects=effects,
        tools=frozenset(tools),
        models=frozenset({"*"}) if "model" in effects else frozenset(),
    )
    await register_agent(world.journal, agent, by=OWNER, clock=world.clock)
    return world


async def judge(world: World) -> Callable[[str, str], str]:
    """The inspector of a model call of the agent."""
    action = act(ASKED, principal=HELPER)
    guard = world.guard
    standing = await guard.register.refresh(WORKSPACE)
    return inspector(Scene(standing, world.redactor, guard.circuits, frozenset({"model"}), action), action)


@pytest.fixture
async def world(store: SqliteStore) -> World:
    return await make_world(store, rules=SHIPPED)


async def allowed(world: World, name: str) -> bool:
    """Whether the guard lets the agent call it."""
    with suppress(Denied):
        await world.guard.run(act(Tool(name), principal=HELPER))
        return True
    return False


@pytest.mark.parametrize(
    ("patterns", "may", "may_not"),
    [
        (("files/read",), ("files/read",), ("files/write", "files/readme", "other/read", "read")),
        (("files/*",), ("files/read", "files/a/b"), ("filesystem/read", "files", "Files/read")),
        (("files/read_*",), ("files/read_file",), ("files/reader", "files/write")),
        (("read",), ("read",), ("files/read", "reader")),
        (("read*",), ("read*",), ("reader", "files/read")),
        (("*",), ("anything", "files/read"), ()),
        ((), (), ("read", "files/read")),
    ],
)
async def test_an_allow_list_names_tools_whole_servers_and_beginnings(
    world: World, patterns: tuple[str, ...], may: tuple[str, ...], may_not: tuple[str, ...]
) -> None:
    await registered(world, *patterns)
    standing = await world.guard.register.refresh(WORKSPACE)
    asked = act(ASKED, principal=HELPER)
    for name in may:
        assert await allowed(world, name), name
        assert may_list(standing, asked, name), name
    for name in may_not:
        assert not await allowed(world, name), name
        assert not may_list(standing, asked, name), name


async def test_a_listing_shows_an_agent_nothing_without_the_effect_and_a_person_everything(world: World) -> None:
    await registered(world, effects=frozenset({"model"}))
    standing = await world.guard.register.refresh(WORKSPACE)
    assert not may_list(standing, act(ASKED, principal=HELPER), "files/read")
    assert not may_list(standing, act(ASKED, principal=Principal(ActorKind.AGENT, "nobody")), "files/read")
    assert not may_list(standing, act(ASKED, origin=HELPER), "files/read"), "for the agent it acts for, too"
    assert may_list(standing, act(ASKED), "files/read")


async def test_a_tool_call_in_an_answer_is_judged_by_list_secrets_rules_and_approval(world: World) -> None:
    inspect = await judge(await registered(world, "files/*", "shell"))
    assert inspect("files/read", '{"path": "notes.txt"}') == ""
    assert inspect("mcp__files__read", '{"path": "notes.txt"}') == "", "as clients name an MCP server's tool"
    assert inspect("shell", "") == "", "no arguments are none"
    assert inspect("shell", "{}") == ""
    assert inspect("mail/send", "{}").startswith("authorise.tool:")
    assert inspect("mcp__mail__send", "{}").startswith("authorise.tool:")
    assert inspect("files/read", '{"path": "../../letters"}').startswith("rules.denied:")
    assert inspect("files/delete", "{}").startswith("approval.needed:"), "nobody can be asked about what a client does"
    secret = "ghp_" + "A1b2C3d4E5" * 3 + "Zz9Yx8"
    told = inspect("files/read", f'{{"path": "{secret}"}}')
    assert told.startswith("scan.secret:")
    assert secret not in told


@pytest.mark.parametrize("arguments", ["[]", "nonsense", '"text"', "{", '{"a": NaN}', "null", "7"])
async def test_arguments_that_are_no_object_refuse(world: World, arguments: str) -> None:
    inspect = await judge(await registered(world, "*"))
    assert "no JSON object" in inspect("shell", arguments)


async def test_what_an_inspection_can_not_read_refuses(store: SqliteStore) -> None:
    rules = """
use: []
rules:
  - {id: a.proved, on: tool, assert: evidence.tests, else: deny, message: Untested.}
"""
    inspect = await judge(await registered(await make_world(store, rules=rules), "*"))
    assert inspect("shell", "{}").startswith("rules.evidence:")


async def test_an_inspection_performs_and_records_nothing(world: World) -> None:
    inspect = await judge(await registered(world, "*"))
    await world.settled()
    before = len(world.rows()), len(world.audit())
    inspect("files/delete", "{}")
    inspect("files/read", "{}")
    await world.settled()
    assert (len(world.rows()), len(world.audit())) == before
    assert world.adapter.calls == []


ARGUMENTS = """
use: []
rules:
  - id: team.folder
    on: tool
    when: tool.server == "files" && tool.words.contains(" write ")
    assert: argument.path.startsWith("/srv/team/")
    else: deny
    message: "{argument.path} is outside /srv/team."
  - id: team.amount
    on: tool
    when: tool.name == "bank/pay"
    assert: argument.amount != "" && double(argument.amount) <= 100.0 && argument.to.country == "NL"
    else: require_approval
    message: More than 100.
"""


async def test_rules_read_one_argument_however_long_the_others_are(store: SqliteStore) -> None:
    world = await registered(await make_world(store, rules=ARGUMENTS), "*")
    long = "x" * 100_000
    inside = act(Tool("files/write_file", {"path": "/srv/team/a", "content": long}), principal=HELPER)
    assert (await world.guard.run(inside)).ok
    with pytest.raises(Denied, match="/etc/passwd is outside"):
        await world.guard.run(act(Tool("files/write_file", {"path": "/etc/passwd", "content": long}), principal=HELPER))
    assert (await world.guard.run(act(Tool("bank/pay", {"amount": 100, "to": {"country": "NL"}})))).ok
    for arguments in ({"amount": 100.5, "to": {"country": "NL"}}, {"to": {"country": "NL"}}, {"amount": 1}):
        with pytest.raises(ApprovalPending):
            await world.guard.run(act(Tool("bank/pay", arguments)))
    with pytest.raises(Denied):  # it is no number: the rule can't be asked
        await world.guard.run(act(Tool("bank/pay", {"amount": "all of it", "to": {"country": "NL"}})))


async def test_an_argument_that_is_too_long_for_a_rule_refuses(store: SqliteStore) -> None:
    world = await registered(await make_world(store, rules=ARGUMENTS), "*")
    with pytest.raises(Denied):
        await world.guard.run(act(Tool("files/write_file", {"path": "/srv/team/" + "x" * 5000}), principal=HELPER))


def nested(levels: int) -> list[object]:
    inside: list[object] = []
    for _ in range(levels):
        inside = [inside]
    return inside


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [({"text": "x" * 1_048_600}, "tool.size"), ({"tree": nested(40)}, "tool.depth")],
    ids=["size", "depth"],
)
async def test_what_is_too_large_or_too_deep_is_refused(world: World, arguments: dict[str, object], rule: str) -> None:
    await registered(world, "*")
    with pytest.raises(Denied, match=rule):
        await world.guard.run(act(Tool("notes/add", arguments), principal=HELPER))


def test_the_shipped_set_passes_its_own_tests() -> None:
    for case in cases_of(shipped_set("tools")):
        tried = run_case(case, shipped().book)
        assert tried.passed, (case.name, tried.got, tried.broken)


def test_arguments_are_variables_of_tools_alone() -> None:
    with pytest.raises(Exception, match=r"argument\.path is no variable here"):
        prepare(
            "rules:\n  - {id: a.b, on: command, assert: argument.path == '', else: deny, message: no}\n", name="x.yaml"
        )


def test_names_of_arguments_are_found_in_expressions_and_messages() -> None:
    texts = ("argument.path.startsWith('a') && argument.a.b == argument.Cc", "{argument.d} x", "tool.arguments == ''")
    assert named_in(texts) == {"argument.path", "argument.a.b", "argument.Cc", "argument.d"}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("files/deleteFile", " delete file "),
        ("files/delete_file", " delete file "),
        ("delete-file", " delete file "),
        ("HTTPDelete", " http delete "),
        ("a/b/Drop2Tables", " b drop 2 tables "),
        ("", " "),
    ],
)
def test_the_words_of_a_name(name: str, found: str) -> None:
    assert words(name) == found


@pytest.mark.parametrize(
    ("path", "climbs"),
    [
        ("a/../b", True),
        ("..", True),
        ("%2e%2e/x", True),
        ("%252e%252e/x", True),
        ("..\\x", True),
        ("file://../x", True),
        ("a\0b", True),
        ("a..b", False),
        (".../x", False),
        ("a/b", False),
    ],
)
def test_paths_that_climb(path: str, *, climbs: bool) -> None:
    assert seen({"path": path}).leads_out is climbs
    assert seen({"list": [{"deep": path}]}).leads_out is climbs


def test_what_arguments_hold() -> None:
    assert (
        seen({"path": "/etc/shadow", "b": ["~/.aws/credentials", "x/.env", "etc/x", "environment"]}).sensitive_paths
        == 3
    )
    assert seen({"sql": "Drop\n table x; delete from y"}).statements == "drop table\ndelete from\n"
    assert seen({"t": "see https://A.example/x and http://b.example:80/"}).hosts == "a.example\nb.example\n"
    assert seen({"t": "https://evil.test\\@github.com/"}).hosts == "?\n"
    assert seen({"u": "https://a.example/x?q=" + "y" * 50}).url_data == 52
    assert depth({"a": [{"b": {}}]}) == 4
    assert depth({}) == 1


@pytest.mark.parametrize(
    ("client", "told"),
    [
        ("mcp__github__get_issue", "github/get_issue"),
        ("mcp__a__b__c", "a/b__c"),
        ("mcp__", "mcp__"),
        ("mcp____x", "mcp____x"),
        ("mcp__server", "mcp__server"),
        ("Bash", "Bash"),
    ],
)
def test_how_clients_name_tools(client: str, told: str) -> None:
    assert canonical_name(client) == told
