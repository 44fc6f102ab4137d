"""A refusal stands in the log although the order it refused was undone: alone, among others, on both databases."""

import asyncio

import pytest
from sqlalchemy import insert, select

from remit.accounts.access import Permission, reading, refuse, require
from remit.accounts.tables import KILL
from remit.audit.refusal import Refused
from remit.kernel.errors import Conflict
from remit.kernel.ports import Tx

from .conftest import OWNER, Place, person

EVE = person("eve")


def _row(number: int) -> dict[str, object]:
    return {
        "id": f"k{number}",
        "workspace": "acme",
        "scope": "mission",
        "name": f"m{number}",
        "reason": "x",
        "killed_by": "user:ada",
        "killed_us": number,
    }


def order(number: int, who: object) -> object:
    def op(tx: Tx) -> int:
        tx.execute(insert(KILL), _row(number))
        require(tx, who, workspace="acme", permission=Permission.WRITE)  # type: ignore[arg-type]
        return number

    return op


async def test_the_order_is_undone_and_its_refusal_stands(place: Place) -> None:
    with pytest.raises(Refused):
        await place.store.commit("accounts.kill", order(1, EVE))  # type: ignore[arg-type]
    assert place.store.view(lambda tx: tx.rows(select(KILL))) == []
    (entry,) = place.log("accounts.refused")
    assert entry.header["actor"] == "user:eve"
    assert entry.payload == {
        "user": "user:eve",
        "team": "",
        "permission": "write",
        "resource": "workspace",
    }
    assert place.store.verify().ok


async def test_among_others_of_one_batch_each_gets_its_own(place: Place) -> None:
    """Many at once are one batch: those that may are carried out, those that may not are each on record."""
    before = len(place.log(""))
    futures = [
        place.store.submit("accounts.kill", order(number, EVE if number % 3 == 0 else OWNER))  # type: ignore[arg-type]
        for number in range(30)
    ]
    ends = await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
    assert [isinstance(end, Refused) for end in ends] == [number % 3 == 0 for number in range(30)]
    assert len(place.store.view(lambda tx: tx.rows(select(KILL)))) == 20
    assert len(place.log("accounts.refused")) == 10
    assert len(place.log("")) == before + 10
    assert place.store.verify().ok


async def test_an_order_that_fails_for_another_reason_leaves_nothing(place: Place) -> None:
    def op(tx: Tx) -> None:
        tx.execute(insert(KILL), _row(1))
        message = "no"
        raise Conflict(message)

    before = len(place.log(""))
    with pytest.raises(Conflict):
        await place.store.commit("accounts.kill", op)
    assert len(place.log("")) == before


async def test_a_refused_look_is_on_record_too(place: Place) -> None:
    with pytest.raises(Refused):
        await reading(place.store, lambda tx: require(tx, EVE, workspace="acme", permission=Permission.READ))
    assert [entry.header["subject"] for entry in place.log("accounts.refused")] == ["read workspace"]


async def test_what_a_stranger_types_can_not_keep_the_refusal_out_of_the_log(place: Place) -> None:
    """Control characters, halves of characters and long texts would make an entry that can't be written."""

    def op(_tx: Tx) -> None:
        refuse(
            EVE,
            "no",
            workspace="acme",
            subject="write x",
            code="accounts.x",
            hint="remit users",
            team="\ud800\x00" * 999,
        )

    with pytest.raises(Refused):
        await place.store.commit("accounts.kill", op)
    (entry,) = place.log("accounts.refused")
    assert entry.header["reason"] == "x"
