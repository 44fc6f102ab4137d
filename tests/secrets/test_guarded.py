"""References to secrets in actions: who may use them, when they are resolved, what is remembered of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from remit.guard.approval_terms import UNASKED, ApprovalTerms
from remit.guard.secrets_provider import Access, parts_of
from remit.guard.secrets_rules import NOTHING
from remit.guard.secrets_tables import SECRET, SECRET_ANOMALY, SECRET_USE
from remit.guard.secrets_use import bound_of, read_statistics
from remit.kernel.effects import Command, Deploy, Fetch, Model, Notify, Tool, WriteFiles
from remit.kernel.errors import ApprovalPending, Denied, InternalError, NotFound, Unavailable
from remit.kernel.permits import opened
from remit.kernel.references import Reference
from remit.testing.clock import ManualClock

from .conftest import some_value
from .worlds import CODER, OWNER, SCOUT, WORKSPACE, World, act, command, make_world, process


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = await make_world(tmp_path)
    yield made
    made.store.close()


async def refused(world: World, action: object, code: str) -> str:
    """The refusal's sentence; nothing was intended, and no adapter was called."""
    before = len(world.adapter.actions)
    with pytest.raises((Denied, Unavailable)) as caught:
        await world.guard.run(action)  # type: ignore[arg-type]
    assert caught.value.code == code.replace("secrets.", "guard.secret_")
    assert len(world.adapter.actions) == before
    newest = max(world.rows(), key=lambda row: row["id"])
    assert newest["state"] == "refused"
    assert newest["reason"] == code
    return caught.value.message


# ------------------------------------------------------------------------------------------------- what an adapter gets


async def test_a_reference_is_resolved_by_the_adapter_and_stands_nowhere_else(world: World) -> None:
    value = await world.set("db")
    await world.allow("db", agent="coder")
    action = act(command(DB="secret://db", PLAIN="text"))
    assert (await world.guard.run(action)).ok
    assert world.adapter.got == [{"DB": value, "PLAIN": "text"}]
    [asked] = world.adapter.actions
    assert asked.payload == action.payload
    assert b"secret://db" in action.payload
    assert act(command(DB="secret://db", PLAIN="text")).subject_hash == action.subject_hash
    assert value not in world.everything() + repr(asked) + repr(world.secrets)


async def test_arguments_of_tools_are_resolved_at_any_depth(world: World) -> None:
    value = await world.set("api/key")
    await world.allow("api/*", kind="tool", target="search")
    effect = Tool("search", {"q": "cats", "auth": {"header": "Bearer secret://api/key"}, "keys": ["secret://api/key"]})
    await world.guard.run(act(effect))
    assert world.adapter.got == [{"q": "cats", "auth": {"header": f"Bearer {value}"}, "keys": [value]}]


async def test_what_comes_back_is_masked_in_the_forms_it_comes_in(world: World) -> None:
    import base64

    value = await world.set("db")
    await world.allow("db")
    told = f"{value} {base64.b64encode(value.encode()).decode()} {value.encode().hex()}"
    world.adapter.text = told
    outcome = await world.guard.run(act(command(DB="secret://db")))
    for form in told.split():
        assert form not in repr(outcome)
        assert form not in world.everything()


async def test_a_version_can_be_named(world: World) -> None:
    first = await world.set("db")
    second = await world.set("db")
    await world.allow("db")
    await world.guard.run(act(command(NEW="secret://db", OLD="secret://db#1")))
    assert world.adapter.got == [{"NEW": second, "OLD": first}]


async def test_nobody_gets_a_value_outside_the_permit_of_their_action(world: World) -> None:
    await world.set("db")
    await world.allow("db")
    await world.guard.register.refresh(WORKSPACE)
    mine, other = act(command(DB="secret://db")), act(command(DB="secret://db"))
    with pytest.raises(InternalError):
        world.secrets.resolve(mine, "secret://db")
    with opened(other.id), pytest.raises(InternalError):
        world.secrets.resolve(mine, "secret://db")
    with opened(mine.id):
        assert world.secrets.resolve(mine, "secret://db")


async def test_texts_may_speak_of_references(world: World) -> None:
    for effect in (
        Model("openai", "m", {"messages": [{"role": "user", "content": "secret://db"}]}),
        Notify("desk", "secret://db", "secret://db"),
        WriteFiles({"a.yaml": b"key: secret://db\n"}),
        Tool("echo", {"text": "write secret://db into env"}),
    ):
        assert (await world.guard.run(act(effect))).ok
    assert not world.rows(SECRET_USE)


# ------------------------------------------------------------------------------------------------------- who may use it


async def test_nobody_may_use_a_secret_until_a_rule_allows_it(world: World) -> None:
    await world.set("db")
    for by in (CODER, OWNER):
        said = await refused(world, act(command(DB="secret://db"), by=by), "secrets.denied")
        assert "no rule allows it" in said
    await world.allow("db", agent="scout")
    assert "no rule that allows it fits" in await refused(world, act(command(DB="secret://db")), "secrets.denied")
    assert (await world.guard.run(act(command(DB="secret://db"), by=SCOUT))).ok


async def test_every_part_of_a_rule_must_fit_and_deny_wins(world: World) -> None:
    await world.set("prod/db")
    await world.allow("prod/*", agent="c*", kind="command", mission="m1", target="deploy-*")
    assert (await world.guard.run(act(command(DB="secret://prod/db")))).ok
    for other in (
        act(command(DB="secret://prod/db"), by=SCOUT),
        act(Tool("deploy-x", {"a": "secret://prod/db"})),
        act(command(DB="secret://prod/db"), mission="m2"),
        act(Command(("curl",), env={"DB": "secret://prod/db"})),
    ):
        await refused(world, other, "secrets.denied")
    await world.allow("*")
    await world.deny("prod/db", mission="m1")
    said = await refused(world, act(command(DB="secret://prod/db")), "secrets.denied")
    assert "deny prod/db to mission m1" in said
    assert (await world.guard.run(act(command(DB="secret://prod/db"), mission="m2"))).ok


async def test_what_is_not_there_or_can_not_be_masked_is_refused(world: World, tmp_path: Path) -> None:
    await world.allow("*")
    await refused(world, act(command(DB="secret://nothing")), "secrets.unknown")
    world.backend.set("pin", "1234")
    said = await refused(world, act(command(DB="secret://pin")), "secrets.unmaskable")
    assert "1234" not in said
    (tmp_path / "secrets.json").write_text("nonsense")
    world.secrets.backend.invalidate("pin")
    await refused(world, act(command(DB="secret://pin")), "secrets.unreadable")


async def test_a_backend_that_does_not_answer_refuses_and_may_be_tried_again(world: World, tmp_path: Path) -> None:
    await world.set("db")
    await world.allow("*")
    world.secrets.backend.invalidate("db")
    path = tmp_path / "secrets.json"
    path.rename(tmp_path / "away")
    path.mkdir(mode=0o700)  # a folder in its place: no file can be read there
    await refused(world, act(command(DB="secret://db")), "secrets.unavailable")
    path.rmdir()
    (tmp_path / "away").rename(path)
    assert (await world.guard.run(act(command(DB="secret://db")))).ok


async def test_a_reference_where_nobody_resolves_it_is_refused(world: World) -> None:
    await world.set("db")
    await world.allow("*")
    for effect in (
        Command(("psql", "secret://db")),
        Fetch("https://example.com/", headers={"X-Key": "secret://db#"}),
        Command(("psql",), env={"DB": "secret://db more"}),
        Command(("psql",), env={"DB": "secret://"}),
        Command(("psql",), env={"DB": "secret://../db"}),
        Command(("psql",), env={"DB": "secret://db#"}),
    ):
        await refused(world, act(effect), "secrets.misplaced")


async def test_a_guard_without_a_source_refuses(world: World) -> None:
    await world.allow("*")
    world.guard.secrets = None
    await refused(world, act(command(DB="secret://db")), "secrets.unknown")


async def test_an_approval_shows_the_reference_and_never_the_value(tmp_path: Path) -> None:
    world = await make_world(tmp_path, approvals=ApprovalTerms())
    value = await world.set("db")
    await world.allow("db")
    with pytest.raises(ApprovalPending):
        await world.guard.run(act(Deploy("production", {"env": {"DB": "secret://db"}}), key="k"))
    told = world.everything()
    assert "secret://db" in told
    assert value not in told
    assert not world.rows(SECRET_USE), "it was not used yet"
    world.guard.approvals = UNASKED
    world.store.close()


# ------------------------------------------------------------------------------------------------ changes by others


async def test_a_rotation_is_seen_at_once_here_and_within_a_second_elsewhere(tmp_path: Path) -> None:
    here = await make_world(tmp_path)
    there = await process(here.store, tmp_path)
    old = await here.set("db")
    await here.allow("db")
    await there.guard.run(act(command(DB="secret://db")))
    new = await here.set("db")
    await here.guard.run(act(command(DB="secret://db")))
    assert here.adapter.got == [{"DB": new}]
    await asyncio.sleep(0.9)
    await there.guard.run(act(command(DB="secret://db")))
    assert there.adapter.got == [{"DB": old}, {"DB": new}]
    for each in (here, there):
        assert old not in each.redactor.mask(f"x {old} x"), "the old value stays masked"
        assert new not in each.redactor.mask(f"x {new} x")
    here.store.close()


async def test_what_was_kept_is_not_given_to_whom_a_new_rule_denies(tmp_path: Path) -> None:
    here = await make_world(tmp_path)
    there = await process(here.store, tmp_path)
    await here.set("db")
    await here.allow("db")
    await there.guard.run(act(command(DB="secret://db")))
    await here.deny("db")
    await asyncio.sleep(0.5)
    await refused(there, act(command(DB="secret://db")), "secrets.denied")
    here.store.close()


# ---------------------------------------------------------------------------------------------------- what is recorded


async def test_uses_are_counted_by_agent_and_mission_and_on_record(world: World) -> None:
    await world.set("db")
    await world.allow("*")
    heard: list[Access] = []
    world.secrets.listeners.append(heard.append)
    for mission in ("m1", "m1", "m2"):
        await world.guard.run(act(command(A="secret://db", B="secret://db"), mission=mission))
    await world.guard.run(act(command(A="secret://db"), by=SCOUT))
    rows = world.store.view(lambda tx: read_statistics(tx, WORKSPACE))
    counted = {(row.secret, row.principal, row.mission): row.uses for row in rows}
    assert counted == {("db", "agent:coder", "m1"): 2, ("db", "agent:coder", "m2"): 1, ("db", "agent:scout", "m1"): 1}
    assert all(0 < row.first_us <= row.last_us for row in rows)
    used = world.audit("secret.used")
    assert [record.header["actor"] for record in used].count("agent:coder") == 3
    assert {record.header["subject"] for record in used} == {"db"}
    assert {access.what for access in heard} == {"read", "resolved"}
    assert {access.name for access in heard} == {"db"}
    [row] = world.rows(SECRET)
    assert (row["name"], row["revision"], row["status"]) == ("db", 1, "active")


async def test_a_listener_that_fails_hinders_nobody(world: World) -> None:
    await world.set("db")
    await world.allow("*")

    def fail(access: Access) -> None:
        raise RuntimeError(access.name)

    world.secrets.listeners.append(fail)
    assert (await world.guard.run(act(command(A="secret://db")))).ok


async def test_first_uses_and_denied_tries_are_told_once_an_hour(world: World) -> None:
    await world.set("db")
    await world.allow("db", agent="coder")
    for _ in range(3):
        await world.guard.run(act(command(A="secret://db")))
        await refused(world, act(command(A="secret://db"), by=SCOUT), "secrets.denied")
    odd = {(row["what"], row["principal"], row["secret"]) for row in world.rows(SECRET_ANOMALY)}
    assert odd == {("first_use", "agent:coder", "db"), ("denied", "agent:scout", "db")}
    told = [(record.header["reason"], record.header["actor"]) for record in world.audit("secret.anomaly")]
    assert sorted(told) == [("denied", "agent:scout"), ("first_use", "agent:coder")]
    rows = world.store.view(lambda tx: read_statistics(tx, WORKSPACE))
    assert {row.principal: (row.uses, row.denied) for row in rows} == {"agent:coder": (3, 0), "agent:scout": (0, 3)}
    assert len(world.audit("secret.denied")) == 3


async def test_a_person_using_a_secret_first_is_nothing_unusual(world: World) -> None:
    await world.set("db")
    await world.allow("db")
    await world.guard.run(act(command(A="secret://db"), by=OWNER))
    assert not world.rows(SECRET_ANOMALY)


async def test_an_unusual_count_is_told_against_the_history(tmp_path: Path) -> None:
    clock = ManualClock()
    world = await make_world(tmp_path, clock=clock)
    await world.set("db")
    await world.allow("db")
    for _ in range(6):  # six hours with two uses each: the bound is the least of 20
        for _ in range(2):
            await world.guard.run(act(command(A="secret://db")))
        clock.advance(3600)
    for _ in range(20):
        await world.guard.run(act(command(A="secret://db")))
    assert {row["what"] for row in world.rows(SECRET_ANOMALY)} == {"first_use"}
    for _ in range(2):
        await world.guard.run(act(command(A="secret://db")))
    [row] = [row for row in world.rows(SECRET_ANOMALY) if row["what"] == "unusual_count"]
    assert (row["seen"], row["usual"], row["principal"]) == (21, 20, "agent:coder")
    world.store.close()


@pytest.mark.parametrize(
    ("counts", "bound"),
    [
        ([], 100),
        ([1000] * 4, 100),
        ([2] * 5, 20),
        ([100] * 5, 130),  # 100 + 3 * sqrt(100): as a Poisson process varies
        ([0, 200] * 10, 400),  # 100 + 3 * 100
        ([16] * 336, 28),
    ],
)
def test_the_bound_is_the_one_that_is_documented(counts: list[int], bound: int) -> None:
    assert bound_of(counts) == bound


# --------------------------------------------------------------------------------------------------------- parts of one


def test_what_of_a_value_is_a_secret_by_itself() -> None:
    inner = some_value()
    assert list(parts_of(f'{{"user": "ada", "deep": [{{"password": "{inner}"}}]}}')) == ["ada", inner]
    assert list(parts_of(f"postgres://ada:{inner}@db.example.org/x")) == [inner]
    line = some_value()
    assert list(parts_of(f"-----BEGIN X-----\n{line}\nshort\n-----END X-----")) == [line]
    assert list(parts_of(inner)) == []


async def test_the_password_inside_a_value_is_masked_too(world: World) -> None:
    inner = some_value()
    await world.set("dsn", f'{{"user": "ada", "password": "{inner}"}}')
    assert inner not in world.redactor.mask(f"the password is {inner}")


async def test_another_workspace_gets_nothing(world: World) -> None:
    await world.set("db")
    other = replace(act(command(A="secret://db")), workspace="other")
    with pytest.raises(NotFound, match="other"):
        await world.secrets.ready(other, Reference("db"), NOTHING)
