"""What people order about secrets: who may, what is on record, what becomes of the old value."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from remit.adapters.notify.adapter import NotifyAdapter
from remit.audit.refusal import Refused
from remit.guard.secrets_leaks import CHUNK, KnownValue, Search
from remit.guard.secrets_notices import tell_of_secrets
from remit.guard.secrets_orders import (
    Order,
    add_rule,
    lift_rule,
    look,
    put,
    read_known,
    read_retired,
    remove,
)
from remit.guard.secrets_rules import Allows, SecretRule
from remit.guard.secrets_sealing import Sealer
from remit.guard.secrets_tables import SECRET_ANOMALY, SECRET_RETIRED
from remit.kernel import crash
from remit.kernel.channels import Channel, ChannelKind
from remit.kernel.clock import SystemClock, micros_of
from remit.kernel.effects import Notify
from remit.kernel.errors import Conflict, Denied, IntegrityError, InvalidInput, NotFound
from remit.kernel.references import Reference
from remit.testing.witness import requests, witness

from .conftest import KEY, some_value
from .worlds import CODER, MEMBER, OWNER, WORKSPACE, World, act, command, make_world, process


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = await make_world(tmp_path)
    yield made
    made.store.close()


RULE = SecretRule(Allows.ALLOW, "db", "coder")

type Given = Callable[[Order], Coroutine[Any, Any, Any]]

ORDERS: dict[str, Given] = {
    "set": lambda order: put(order, "new", some_value(), reason="x"),
    "rotate": lambda order: put(order, "db", some_value(), reason="x", rotate=True),
    "delete": lambda order: remove(order, "db", reason="x"),
    "reveal": lambda order: look(order, Reference("db"), reveal=True, reason="x"),
    "allow": lambda order: add_rule(order, RULE, reason="x"),
    "lift": lambda order: lift_rule(order, RULE, reason="x"),
}


@pytest.mark.parametrize("name", list(ORDERS))
@pytest.mark.parametrize("by", [MEMBER, CODER], ids=["member", "agent"])
async def test_who_may_not_is_refused_on_record(world: World, name: str, by: Any) -> None:
    value = await world.set("db")
    with pytest.raises(Refused):
        await ORDERS[name](world.order(by))
    assert world.backend.get("db").text == value
    assert world.backend.names() == ["db"]
    [entry] = world.audit("accounts.refused")
    assert entry.header["actor"] == str(by)


async def test_to_reveal_takes_an_owner_and_a_reason_and_is_on_record_first(world: World) -> None:
    value = await world.set("db")
    with pytest.raises(InvalidInput):
        await look(world.order(), Reference("db"), reveal=True)
    got = await look(world.order(), Reference("db"), reveal=True, reason=f"the old {value} fails")
    assert got.text == value
    [entry] = world.audit("secret.revealed")
    assert (entry.header["actor"], entry.header["subject"]) == (str(OWNER), "db")
    assert value not in repr(got) + world.everything()
    assert (await look(world.order(MEMBER), Reference("db"))).version == "1"
    assert [record.header["actor"] for record in world.audit("secret.looked_up")] == [str(MEMBER)]


async def test_what_is_set_is_in_the_backend_and_in_no_row(world: World) -> None:
    value = some_value()
    stored = await put(world.order(), "db", value, reason=f"because {value}")
    assert (stored.backend, stored.version, stored.replaced) == ("file", "1", "")
    [row] = world.store.view(lambda tx: read_known(tx, WORKSPACE))
    assert (row.name, row.version, row.set_by, row.status) == ("db", "1", str(OWNER), "active")
    [entry] = world.audit("secret.set")
    assert entry.header["subject"] == "db"
    assert value not in world.everything()
    assert value not in world.redactor.mask(f"print {value}")


async def test_a_rotation_retires_the_old_value_for_its_retention(tmp_path: Path) -> None:
    world = await make_world(tmp_path)
    old = await world.set("db")
    stored = await put(world.order(), "db", some_value(), reason="leaked", rotate=True)
    assert (stored.version, stored.replaced) == ("2", "1")
    now_us = micros_of(SystemClock().now())
    [kept] = world.store.view(lambda tx: read_retired(tx, WORKSPACE, now_us=now_us))
    assert (kept.name, kept.version) == ("db", "1")
    assert old.encode() not in kept.sealed
    assert Sealer(KEY).open(WORKSPACE, "db", kept.sealed) == old
    with pytest.raises(IntegrityError):
        Sealer(KEY).open(WORKSPACE, "mail", kept.sealed)
    with pytest.raises(IntegrityError):
        Sealer(bytes(32)).open(WORKSPACE, "db", kept.sealed)
    later = now_us + 366 * 86_400_000_000
    assert not world.store.view(lambda tx: read_retired(tx, WORKSPACE, now_us=later))
    assert [record.header["action"] for record in world.audit() if record.header["domain"] == "secrets"] == [
        "secret.set",
        "secret.retired",
        "secret.rotated",
    ]
    world.store.close()


async def test_what_makes_no_sense_is_refused_before_anything_changes(world: World) -> None:
    value = await world.set("db")
    for name, text, kind in (
        ("db", value, Conflict),
        ("../db", some_value(), InvalidInput),
        (value, some_value(), InvalidInput) if len(value) > 128 else ("a b", some_value(), InvalidInput),
        ("db", "", InvalidInput),
        ("db", "short", InvalidInput),
        ("db", "password", InvalidInput),
        ("db", "x\0" + some_value(), InvalidInput),
        ("db", "x" * (65 << 10), InvalidInput),
    ):
        with pytest.raises(kind):
            await put(world.order(), name, text, reason="x")
    with pytest.raises(NotFound):
        await put(world.order(), "nothing", some_value(), reason="x", rotate=True)
    with pytest.raises(NotFound):
        await remove(world.order(), "nothing", reason="x")
    assert world.backend.versions("db") == ["1"]
    assert not world.rows(SECRET_RETIRED)


async def test_a_deleted_secret_is_gone_and_its_value_stays_masked(world: World) -> None:
    value = await world.set("db")
    await world.allow("db")
    await world.guard.run(act(command(A="secret://db")))
    await remove(world.order(), "db", reason="over")
    with pytest.raises(Denied) as caught:
        await world.guard.run(act(command(A="secret://db")))
    assert caught.value.code == "guard.secret_unknown"
    assert value not in world.redactor.mask(value)
    [row] = world.store.view(lambda tx: read_known(tx, WORKSPACE))
    assert row.status == "deleted"


class _Crash(BaseException):
    pass


@pytest.mark.parametrize("point", ["secrets.file:before", "secrets.file:after"])
async def test_a_rotation_that_ends_half_way_loses_no_value(tmp_path: Path, point: str) -> None:
    """Whatever a crash leaves, the old value is known for masking, and the next rotation works."""
    world = await make_world(tmp_path)
    old, new = await world.set("db"), some_value()

    def die(moment: str) -> None:
        if moment == point:
            raise _Crash

    crash.install(die)
    try:
        with pytest.raises(_Crash):
            await put(world.order(), "db", new, reason="x", rotate=True)
    finally:
        crash.install(None)
    after = await process(world.store, tmp_path)
    retired = after.store.view(lambda tx: read_retired(tx, WORKSPACE, now_us=0))
    assert [Sealer(KEY).open(WORKSPACE, "db", each.sealed) for each in retired] == [old]
    assert after.backend.get("db").text == (new if point == "secrets.file:after" else old)
    await put(after.order(), "db", some_value(), reason="x", rotate=True)
    after.store.close()


async def test_a_rule_stands_once_and_can_be_lifted(world: World) -> None:
    first = await add_rule(world.order(), RULE, reason="x")
    assert await add_rule(world.order(), RULE, reason="x") == first
    assert len(world.audit("secret.rule.allow")) == 1
    with pytest.raises(NotFound):
        await lift_rule(world.order(), replace(RULE, agent="other"), reason="x")
    await lift_rule(world.order(), RULE, reason="x")
    with pytest.raises(NotFound):
        await lift_rule(world.order(), RULE, reason="x")
    with pytest.raises(InvalidInput):
        await add_rule(world.order(), replace(RULE, secret="[a-z]"), reason="x")


# ------------------------------------------------------------------------------------------------ channels and notices


async def test_a_channel_may_refer_to_a_secret_and_a_rule_may_deny_it(tmp_path: Path) -> None:
    log = tmp_path / "witness.log"
    with witness(log) as address:
        channel = Channel("ops", ChannelKind.WEBHOOK, url=address, secret="secret://ops-key")
        world = await make_world(tmp_path)
        notify = NotifyAdapter(
            [channel],
            home=tmp_path,
            clock=SystemClock(),
            register=world.redactor.register,
            resolve=world.secrets.resolve_setting,
        )
        world.guard.adapters = {**world.guard.adapters, "notify": notify}
        value = await world.set("ops-key")
        assert (await world.guard.run(act(Notify("ops", "hello", "there"), by=OWNER))).ok
        assert sum(requests(log).values()) == 1
        await world.store.commit("guard.settle", lambda _tx: None)
        assert [record.header["subject"] for record in world.audit("secret.used")] == ["ops-key"]
        await world.deny("ops-key", kind="notify")
        with pytest.raises(Denied) as caught:
            await world.guard.run(act(Notify("ops", "hello", "there"), by=OWNER))
        assert caught.value.code == "secrets.denied"
        assert sum(requests(log).values()) == 1
        assert value not in world.everything()
        world.store.close()


async def test_anomalies_are_told_once_on_every_channel(world: World) -> None:
    value = await world.set("db")
    await world.allow("db")
    await world.guard.run(act(command(A="secret://db")))
    assert await tell_of_secrets(world.guard, WORKSPACE, []) == 0
    assert await tell_of_secrets(world.guard, WORKSPACE, ["desk", "mail"]) == 1
    assert await tell_of_secrets(world.guard, WORKSPACE, ["desk", "mail"]) == 0
    told = [action.effect for action in world.adapter.actions if isinstance(action.effect, Notify)]
    assert [effect.target for effect in told] == ["desk", "mail"]
    assert "agent:coder used the secret db for the first time" in told[0].subject
    assert "remit secrets deny db --agent coder" in told[0].body
    assert value not in repr(told)
    [row] = world.rows(SECRET_ANOMALY)
    assert row["told_us"]


# ---------------------------------------------------------------------------------------------------------------- leaks


def test_a_value_is_found_in_every_form_and_by_its_path() -> None:
    import base64

    current, old, other = some_value(), some_value(), some_value()
    values = [
        KnownValue("db", "2", retired=False, text=current),
        KnownValue("db", "1", retired=True, text=old),
        KnownValue("mail", "1", retired=False, text=other),
        KnownValue("pin", "1", retired=False, text="1234"),
    ]
    search = Search(values)
    assert [value.name for value in search.unsearched] == ["pin"]
    token = "ghp_" + "a1B2c3D4e5" * 4
    files = [
        ("clean.txt", b"nothing here, nor a known value"),
        ("token.txt", f"a token of somebody else: {token}".encode()),
        ("raw.txt", f"x {current} y {current}".encode()),
        ("b64.bin", b"\x00" + base64.b64encode(b"user:" + old.encode()) + b"\xff"),
        (f"named-{current}.txt", b""),
        ("far.log", b"x" * (CHUNK - 5) + other.encode()),
    ]
    found = {(leak.path, leak.secret, leak.retired): leak for leak in search.leaks(files)}
    masked = next(path for path, _, _ in found if path.startswith("named-"))
    assert set(found) == {
        ("raw.txt", "db", False),
        ("b64.bin", "db", True),
        (masked, "db", False),
        ("far.log", "mail", False),
    }
    assert found["raw.txt", "db", False].count == 2
    for leak in found.values():
        assert not any(text in repr(leak) + repr(values) for text in (current, old, other))
