"""A forgotten password: a link by mail, over a real SMTP server, that says nothing of who has an account."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from sqlalchemy import select

from remit.accounts.entrance import Entrance, Visit
from remit.accounts.links import make_link, use_link
from remit.accounts.resets import MOST_MAILS, MOST_WAITING, RESET_US, ask_reset
from remit.accounts.sessions import SessionKind, person_of
from remit.accounts.sign_in_tables import LINK
from remit.accounts.signing_in import Challenge, Signed, change_password
from remit.accounts.totp import begin_factor, confirm_factor
from remit.adapters.identity.wiring import make_entrance
from remit.kernel.errors import NotFound, Overloaded, RateLimited, Unauthenticated

from ..notify.test_mail import Box, served  # noqa: TID252 - tests are no package to name
from .conftest import GOOD, HERE, HOME_KEY, OTHER, THERE, Gate, settings_for

LINK_IN = re.compile(r"https://remit\.example\.org/set-up#(\S+)")


@dataclass
class Mailed:
    """A gate whose install sends mail, and what arrived."""

    gate: Gate
    entrance: Entrance
    box: Box

    async def ask(self, login: str, *, visit: Visit = HERE) -> None:
        await ask_reset(self.entrance, login, workspace="acme", visit=visit)
        assert self.entrance.resets is not None
        await self.entrance.resets.settled()

    def links(self) -> list[str]:
        texts = [message_from_bytes(each.content, policy=default).get_content() for each in self.box.got]
        return [LINK_IN.search(text)[1] for text in texts]  # type: ignore[index]


def channel(port: int) -> str:
    return (
        f'[{{"name": "mail", "kind": "email", "host": "127.0.0.1", "port": {port}, "starttls": false,'
        ' "sender": "remit@example.org", "to": "ops@example.org"}]'
    )


@asynccontextmanager
async def mailing(gate: Gate, answer: str = "250 OK") -> AsyncIterator[Mailed]:
    box = Box(answer)
    async with served(box) as port:
        settings = settings_for(gate.settings.home, notify=channel(port), public_url="https://remit.example.org")
        made = make_entrance(
            settings, gate.store, home_key=HOME_KEY, clock=gate.clock, hasher=gate.hasher, register=lambda _: None
        )
        yield Mailed(gate, made, box)


async def test_a_link_comes_by_mail_and_sets_a_new_password_once(gate: Gate) -> None:
    await gate.password("mia")
    console = await gate.enter("mia")
    program = await gate.enter("mia", kind=SessionKind.PROGRAM)
    assert program.tokens is not None
    async with mailing(gate) as mailed:
        await mailed.ask("MIA@example.com")
    (letter,) = mailed.box.got
    (token,) = mailed.links()
    assert letter.rcpt_tos == ["mia@example.com"], "to the account's address, and to none of the channel's"
    assert "192.0.2.7" in letter.content.decode()
    assert token not in str([dict(row) for row in gate.store.view(lambda tx: tx.rows(select(LINK)))])
    assert token not in str([each.as_json() for each in gate.log("")])
    assert await gate.outcome("mia", GOOD) == "in", "nothing has changed until it is used"
    signed = await use_link(gate.entrance, token, OTHER, visit=THERE)
    assert isinstance(signed, Signed)
    assert await gate.entrance.sign_in.session(console.cookie) is None
    assert await gate.entrance.sign_in.session(signed.cookie) is not None
    assert {row["ended_us"] is None for row in gate.sessions("mia") if row["id"] != signed.session} == {False}
    assert await gate.outcome("mia", GOOD) == "sign_in.refused"
    assert await gate.outcome("mia", OTHER) == "in"
    with pytest.raises(Unauthenticated):
        await use_link(gate.entrance, token, GOOD, visit=THERE)
    made = next(each for each in gate.log("accounts.link.made") if (each.payload or {}).get("by_mail"))
    assert (made.payload or {})["user"] == "mia"
    assert [each.header["result"] for each in gate.log("accounts.link.mailed")] == ["success"]
    assert gate.log("accounts.link.used")


async def test_nobody_learns_who_has_an_account(gate: Gate) -> None:
    await gate.password("mia")  # vera has none yet
    async with mailing(gate) as mailed:
        for number, login in enumerate(("mia", "nobody", "nobody@example.com", "vera", "", "a\0b" * 90)):
            visit = Visit(f"192.0.2.{number + 10}")
            before = gate.store.view(lambda tx: len(tx.rows(select(LINK))))
            answered = asyncio.create_task(ask_reset(mailed.entrance, login, workspace="acme", visit=visit))
            assert await answered is None
            at_answer = gate.store.view(lambda tx: len(tx.rows(select(LINK))))
            assert at_answer == before, "what is done about it is done after the answer"
            assert mailed.entrance.resets is not None
            await mailed.entrance.resets.settled()
        assert len(mailed.box.got) == 1
        why = [(each.header["reason"], (each.payload or {})["user"]) for each in gate.log("accounts.reset.refused")]
        assert sorted(why) == [("no_password", "vera"), *[("unknown", "")] * 4], (
            "no name is not the one without an address"
        )
        waits: list[list[str]] = []
        for login in ("mia", "nobody"):
            waits.append(told := [])
            for _ in range(8):
                try:
                    await mailed.ask(login, visit=Visit())
                except RateLimited as error:
                    told.append(error.message)
        assert waits[0] == waits[1], "both are told to wait, after as many"
        assert "too many tries" in waits[0][0]
        assert len(waits[0]) == 4, "five are free, and one was used"


async def test_no_mailbox_is_filled_and_no_link_lies_about(gate: Gate) -> None:
    await gate.password("mia")
    async with mailing(gate) as mailed:
        for number in range(MOST_MAILS + 2):
            await mailed.ask("mia" if number % 2 else "mia@example.com", visit=Visit(f"198.51.100.{number}"))
        assert len(mailed.box.got) == MOST_MAILS
        assert [each.header["reason"] for each in gate.log("accounts.reset.refused")] == ["too_many"] * 2
        first, second, third = mailed.links()
        await change_password(gate.entrance, GOOD, OTHER, workspace="acme", by=person_of("mia"), visit=HERE)
        for token in (first, second, third):  # made for the password before
            with pytest.raises(Unauthenticated):
                await use_link(gate.entrance, token, GOOD, visit=HERE)
        gate.clock.seconds += 3 * 3600
        await mailed.ask("mia")
        gate.clock.seconds += RESET_US / 1e6
        with pytest.raises(Unauthenticated):
            await use_link(gate.entrance, mailed.links()[-1], GOOD, visit=HERE)


async def test_a_link_of_an_administrator_stays_and_the_second_factor_too(gate: Gate) -> None:
    import pyotp

    await gate.password("mia")
    begun = await begin_factor(gate.entrance, workspace="acme", by=person_of("mia"))
    code = pyotp.TOTP(begun.secret).at(gate.clock.now())
    await confirm_factor(gate.entrance, code, workspace="acme", by=person_of("mia"))
    given = await make_link(gate.entrance, "mia", workspace="acme", by=person_of("bob"))
    async with mailing(gate) as mailed:
        await mailed.ask("mia")
    used = await use_link(gate.entrance, mailed.links()[0], OTHER, visit=HERE)
    assert isinstance(used, Challenge), "a mailbox is no second factor"
    with pytest.raises(Unauthenticated):
        await use_link(gate.entrance, given.token, GOOD, visit=HERE)


async def test_a_mail_that_does_not_go_is_on_record_and_opens_nothing(gate: Gate) -> None:
    await gate.password("mia")
    async with mailing(gate, "550 no such box") as mailed:
        await mailed.ask("mia")
    (entry,) = gate.log("accounts.link.mailed")
    assert (entry.header["result"], entry.header["reason"]) == ("failure", "notify.refused")


async def test_without_mail_the_answer_is_whom_to_ask(gate: Gate, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no mail"):
        await ask_reset(gate.entrance, "mia", workspace="acme", visit=HERE)
    settings = replace(settings_for(tmp_path, notify=channel(9)), reset_by_mail=False)
    off = make_entrance(settings, gate.store, home_key=HOME_KEY, clock=gate.clock, register=lambda _: None)
    assert off.resets is None


async def test_a_flood_is_turned_away_whoever_it_names(gate: Gate) -> None:
    async with mailing(gate) as mailed:
        resets = mailed.entrance.resets
        assert resets is not None
        for number in range(MOST_WAITING):
            resets.begin(mailed.entrance, f"x{number}", workspace="acme", visit=HERE)
        with pytest.raises(Overloaded):
            resets.begin(mailed.entrance, "mia", workspace="acme", visit=HERE)
        await resets.settled()
        await mailed.ask("mia")
