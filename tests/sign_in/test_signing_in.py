"""Signing in: what opens, what does not, and that nothing tells one refusal from another."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select

from remit.accounts.api_keys import create_api_key, list_api_keys, revoke_api_key
from remit.accounts.entrance import Visit
from remit.accounts.known import EVERY_SCOPE, ONLY_ACCOUNT, Via
from remit.accounts.people import remove_user
from remit.accounts.sessions import SessionKind, end_session, end_sessions, list_sessions, person_of, sign_out
from remit.accounts.sign_in_tables import API_KEY, PASSWORD, SESSION, TRY
from remit.accounts.signing_in import change_password
from remit.adapters.identity.hashing import MOST_WAITING, THREADS
from remit.audit.refusal import Refused
from remit.kernel.errors import InvalidInput, NotFound, RateLimited, Unauthenticated, Unavailable
from remit.redact.redactor import Redactor

from .conftest import GOOD, HERE, OTHER, OWNER, THERE, Gate

MIA, BOB = person_of("mia"), person_of("bob")


async def test_by_id_and_by_address_and_nothing_of_it_is_stored(gate: Gate) -> None:
    await gate.password("mia")
    for name in ("mia", "mia@example.com", "MIA@Example.com"):
        signed = await gate.enter(name)
        known = await gate.entrance.sign_in.session(signed.cookie, address="192.0.2.7")
        assert known is not None
        assert (known.principal, known.workspace, known.via) == (MIA, "acme", Via.SESSION)
        assert (known.scopes, known.session, known.address) == (EVERY_SCOPE, signed.session, "192.0.2.7")
    stored = str(
        gate.store.view(lambda tx: [dict(row) for each in (SESSION, PASSWORD) for row in tx.rows(select(each))])
    )
    assert GOOD not in stored
    assert signed.cookie not in stored
    assert "$argon2id$v=19$m=64,t=2,p=1$" in stored
    (entry,) = gate.log("accounts.sign_in")[-1:]
    assert entry.header["actor"] == "user:mia"
    assert entry.payload == {
        "user": "mia", "how": "password", "kind": "console", "second_factor": False,
        "address": "192.0.2.7", "agent": "Firefox on a test",
    }  # fmt: skip
    assert "192.0.2.7" not in str(entry.header)


async def test_whatever_is_wrong_is_answered_alike_and_costs_the_same_hashes(gate: Gate) -> None:
    """ASVS 6.3.8: no answer and no work tells whether there is such an account."""
    await gate.password("mia")
    await remove_user(gate.store, "vera", workspace="acme", by=OWNER)
    answers = []
    for name in ("mia", "bob", "vera", "nobody", "nobody@example.com", "mia@example.com", "", "\ud800"):
        gate.hasher.done = 0
        with pytest.raises(Unauthenticated) as told:
            await gate.enter(name, "not the password", visit=Visit(f"203.0.113.{len(answers)}"))
        answers.append((told.value.message, told.value.code, told.value.hint, gate.hasher.done))
    assert len(set(answers)) == 1
    assert answers[0][-1] == 1
    gate.hasher.done = 0
    await gate.enter("mia")
    assert gate.hasher.done == 1


async def test_every_refusal_is_on_record_without_what_was_typed(gate: Gate) -> None:
    await gate.password("mia")
    for name in ("mia", "my real password"):
        with pytest.raises(Unauthenticated):
            await gate.enter(name, "wrong one here")
    first, second = gate.log("accounts.sign_in.refused")
    assert (first.header["actor"], first.header["result"], first.header["reason"]) == (
        "user:mia",
        "blocked",
        "password",
    )
    assert first.payload == {"user": "mia", "team": "", "address": HERE.address, "agent": HERE.agent, "tries": 1}
    assert (second.header["actor"], second.payload["user"]) == ("system:sign-in", "")
    assert "my real password" not in str(gate.log(""))


async def test_a_password_that_nobody_could_have_is_not_worth_a_hash(gate: Gate) -> None:
    with pytest.raises(InvalidInput):
        await gate.enter("mia", "x" * 100_000)
    assert gate.hasher.done == 0


@pytest.mark.parametrize(
    "password",
    [
        *("short", "x" * 257, "password1", "Sunshine", "iloveyou", "a\x00bcdefgh"),
        *("mia@example.com", "mia-2026-mia", "Remit2026!", "ACME acme 1"),
    ],
)
async def test_what_can_not_be_a_password(gate: Gate, password: str) -> None:
    with pytest.raises(InvalidInput) as told:
        await gate.password("mia", password)
    assert password not in told.value.message
    assert await gate.outcome("mia", password) in {"sign_in.refused", "sign_in.password"}


@pytest.mark.parametrize(
    "password", ["zq8 w1 p", "ein sehr langer Satz " * 10, "пароль-и-ещё-слово", "🦊 fox 🦊 fox", "19283746501928"]
)
async def test_any_characters_and_long_ones_and_no_rules_of_composition(gate: Gate, password: str) -> None:
    await gate.password("mia", password)
    assert await gate.outcome("mia", password) == "in"


async def test_the_same_characters_from_another_keyboard_are_the_same_password(gate: Gate) -> None:
    await gate.password("mia", "Zoë's caf\u00e9 opens")
    assert await gate.outcome("mia", "Zoë's cafe\u0301 opens") == "in"


async def test_a_hash_of_other_parameters_is_renewed_at_the_next_sign_in(gate: Gate) -> None:
    await gate.password("mia")
    stronger = type(gate.hasher)()
    stronger._memory_kib = 128
    await gate.enter("mia", entrance=gate.other().__class__(**{**_fields(gate.entrance), "hasher": stronger}))
    (row,) = gate.store.view(lambda tx: tx.rows(select(PASSWORD)))
    assert "m=128," in row["hash"]
    assert await gate.outcome("mia", GOOD) == "in"
    stronger.close()


def _fields(entrance: Any) -> dict[str, Any]:
    return {name: getattr(entrance, name) for name in entrance.__dataclass_fields__}


async def test_more_sign_ins_at_once_than_threads_wait_and_a_flood_is_sent_away(gate: Gate) -> None:
    await gate.password("mia")
    names = [f"nobody{number}" for number in range(60)]
    over = gate.hasher.hold()
    trying = [
        asyncio.ensure_future(gate.outcome(name, "wrong one here", visit=Visit(f"10.1.{number}.1")))
        for number, name in enumerate(names)
    ]
    waiting = set(trying)
    while len(waiting) > THREADS + MOST_WAITING:
        _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    over.set()
    found = Counter(await asyncio.gather(*trying))
    assert found == {"sign_in.refused": THREADS + MOST_WAITING, "sign_in.busy": len(names) - THREADS - MOST_WAITING}
    assert await gate.outcome("mia", GOOD) == "in"


# ------------------------------------------------------------------------------------------------------------- sessions


async def test_a_session_ends_when_nothing_is_asked_and_after_its_time_whatever_is_asked(gate: Gate) -> None:
    await gate.password("mia")
    signed = await gate.enter()
    look = gate.entrance.sign_in.session
    for _ in range(11 * 60 // 25):
        gate.clock.seconds += 25 * 60
        assert await look(signed.cookie) is not None
    gate.clock.seconds = 12 * 3600 + 1
    assert await look(signed.cookie) is None
    again = await gate.enter()
    gate.clock.seconds += 30 * 60
    assert await look(again.cookie) is None


async def test_another_process_knows_of_the_use_that_was_written(gate: Gate) -> None:
    await gate.password("mia")
    signed = await gate.enter()
    gate.clock.seconds += 29 * 60
    assert await gate.entrance.sign_in.session(signed.cookie) is not None
    await gate.store.commit("sign_in.seen", lambda _tx: None)
    gate.clock.seconds += 29 * 60
    assert await gate.other().sign_in.session(signed.cookie) is not None


async def test_nothing_but_the_cookie_opens_a_session(gate: Gate) -> None:
    await gate.password("mia")
    signed = await gate.enter()
    row = gate.sessions("mia")[-1]
    tampered = signed.cookie[:20] + ("a" if signed.cookie[20] != "a" else "b") + signed.cookie[21:]
    for text in (
        "",
        row["token_hash"],
        row["id"],
        tampered,
        signed.cookie[:-1],
        signed.cookie + "x",
        "rmt_sid_" + "0" * 49,
    ):
        assert await gate.entrance.sign_in.session(text) is None
        assert await gate.entrance.sign_in.access(text) is None
        assert await gate.entrance.sign_in.key(text) is None
    assert Redactor(b"tests only: 16 bytes or more").mask(f"cookie {signed.cookie}.") != f"cookie {signed.cookie}."


async def test_signing_out_holds_here_at_once_and_elsewhere_within_a_quarter_of_a_second(gate: Gate) -> None:
    await gate.password("mia")
    elsewhere = gate.other()
    signed = await gate.enter()
    assert await elsewhere.sign_in.session(signed.cookie) is not None
    await sign_out(gate.entrance, signed.cookie)
    assert await gate.entrance.sign_in.session(signed.cookie) is None
    gate.clock.seconds += 0.25
    assert await elsewhere.sign_in.session(signed.cookie) is None
    assert gate.log("accounts.session.ended")[-1].payload == {"user": "mia", "why": "signed_out"}
    await sign_out(gate.entrance, signed.cookie)
    await sign_out(gate.entrance, "no cookie")
    assert len(gate.log("accounts.session.ended")) == 1


async def test_a_removed_account_opens_nothing_and_never_again(gate: Gate) -> None:
    """ASVS 7.4.2: with the account everything that it signed in with is gone, also for a later account of that name."""
    await gate.password("mia")
    signed, program = await gate.enter(), await gate.enter(kind=SessionKind.PROGRAM)
    key = await create_api_key(gate.entrance, "ci", workspace="acme", by=MIA, scopes=["read"])
    await remove_user(gate.store, "mia", workspace="acme", by=OWNER)
    from remit.accounts.people import Person, add_user

    assert program.tokens is not None
    for later in (False, True):
        if later:
            await add_user(gate.store, Person("acme", "mia", "Mia"), by=OWNER, clock=gate.clock)
        gate.clock.seconds += 0.25
        assert await gate.entrance.sign_in.session(signed.cookie) is None
        assert await gate.entrance.sign_in.access(program.tokens.access) is None
        assert await gate.entrance.sign_in.key(key.token) is None
        assert await gate.outcome("mia", GOOD, visit=THERE) == "sign_in.refused"


async def test_when_the_store_gives_no_answer_nobody_is_let_in(gate: Gate) -> None:
    await gate.password("mia")
    signed = await gate.enter(kind=SessionKind.PROGRAM)
    cookie = (await gate.enter()).cookie
    key = await create_api_key(gate.entrance, "ci", workspace="acme", by=MIA, scopes=["read"])

    class Broken:
        async def read(self, _op: object) -> object:
            raise OSError("the disk is gone")

    recognise = gate.other(Broken()).sign_in
    assert signed.tokens is not None
    for asked in (recognise.session(cookie), recognise.access(signed.tokens.access), recognise.key(key.token)):
        with pytest.raises(Unavailable):
            await asked


async def test_people_see_and_end_their_own_sessions_and_an_administrator_those_of_others(gate: Gate) -> None:
    for name in ("mia", "bob", "ada"):
        await gate.password(name)
    first, second = await gate.enter(), await gate.enter(visit=THERE)
    shown = await list_sessions(gate.entrance, workspace="acme", by=MIA, current=second.session)
    assert [(view.address, view.current) for view in shown if view.status(0, idle_us=1 << 60) == "open"] == [
        (THERE.address, True),
        (HERE.address, False),
        (HERE.address, False),
    ]
    with pytest.raises(Refused):
        await list_sessions(gate.entrance, workspace="acme", by=MIA, person="bob")
    bobs = await gate.enter("bob")
    with pytest.raises(Refused):
        await end_session(gate.entrance, bobs.session, workspace="acme", by=MIA)
    assert await gate.entrance.sign_in.session(bobs.cookie) is not None
    await end_session(gate.entrance, first.session, workspace="acme", by=BOB)
    assert await gate.entrance.sign_in.session(first.cookie) is None
    assert await gate.entrance.sign_in.session(second.cookie) is not None
    with pytest.raises(NotFound):
        await end_session(gate.entrance, first.session, workspace="acme", by=BOB)
    owners = await gate.enter("ada")
    with pytest.raises(Refused):
        await end_sessions(gate.entrance, workspace="acme", by=BOB, person="ada")
    assert await gate.entrance.sign_in.session(owners.cookie) is not None
    assert await end_sessions(gate.entrance, workspace="acme", by=MIA, keep=second.session) == 1
    assert await gate.entrance.sign_in.session(second.cookie) is not None


async def test_changing_the_password_ends_every_other_sign_in(gate: Gate) -> None:
    await gate.password("mia")
    here, there = await gate.enter(), await gate.enter(visit=THERE)
    program = await gate.enter(kind=SessionKind.PROGRAM)
    with pytest.raises(Unauthenticated):
        await change_password(gate.entrance, "wrong one here", OTHER, workspace="acme", by=MIA, visit=HERE)
    with pytest.raises(InvalidInput):
        await change_password(gate.entrance, GOOD, "password1", workspace="acme", by=MIA, visit=HERE)
    await change_password(gate.entrance, GOOD, OTHER, workspace="acme", by=MIA, visit=HERE, session=here.session)
    assert await gate.entrance.sign_in.session(here.cookie) is not None
    assert await gate.entrance.sign_in.session(there.cookie) is None
    assert program.tokens is not None
    assert await gate.entrance.sign_in.access(program.tokens.access) is None
    assert await gate.outcome("mia", GOOD) == "sign_in.refused"
    assert await gate.outcome("mia", OTHER) == "in"


# ------------------------------------------------------------------------------------------------------------- API keys


async def test_a_key_is_shown_once_narrowed_and_gone_when_revoked(gate: Gate) -> None:
    made = await create_api_key(gate.entrance, "ci", workspace="acme", by=MIA, scopes=["write", "read"], days=30)
    assert made.token.startswith("rmt_test_")
    assert made.scopes == ("read", "write")
    assert made.token not in str([dict(row) for row in gate.store.view(lambda tx: tx.rows(select(API_KEY)))])
    assert made.token not in str([(each.header, each.payload) for each in gate.log("")])
    elsewhere = gate.other().sign_in
    known = await elsewhere.key(made.token, address="192.0.2.7")
    assert known is not None
    assert (known.principal, known.via, known.scopes, known.session) == (MIA, Via.KEY, {"read", "write"}, made.id)
    await gate.store.commit("sign_in.seen", lambda _tx: None)
    (shown,) = await list_api_keys(gate.entrance, workspace="acme", by=MIA)
    assert (shown.token, shown.name, shown.status(0)) == ("", "ci", "active")
    assert shown.used_us == gate.entrance.now_us()
    with pytest.raises(Refused):
        await revoke_api_key(gate.entrance, made.id, workspace="acme", by=person_of("vera"))
    await revoke_api_key(gate.entrance, made.id, workspace="acme", by=BOB)
    assert await gate.entrance.sign_in.key(made.token) is None
    gate.clock.seconds += 0.25
    assert await elsewhere.key(made.token) is None
    with pytest.raises(NotFound):
        await revoke_api_key(gate.entrance, made.id, workspace="acme", by=MIA)


async def test_a_key_always_expires_and_a_wrong_one_is_none(gate: Gate) -> None:
    made = await create_api_key(gate.entrance, "ci", workspace="acme", by=MIA, scopes=["read"], days=1)
    wrong = await create_api_key(gate.entrance, "x", workspace="acme", by=MIA, scopes=["read"])
    assert await gate.entrance.sign_in.key(made.token[:19] + wrong.token[19:]) is None
    gate.clock.seconds = 86_400
    assert await gate.entrance.sign_in.key(made.token) is None
    for bad in ({"name": ""}, {"scopes": []}, {"scopes": ["root"]}, {"days": 0}, {"days": 366}):
        asked: dict[str, Any] = {"name": "y", "scopes": ["read"], "days": 9, **bad}
        with pytest.raises(InvalidInput):
            await create_api_key(gate.entrance, asked.pop("name"), workspace="acme", by=MIA, **asked)
    with pytest.raises(Refused):
        await create_api_key(gate.entrance, "z", workspace="acme", by=person_of("stranger"), scopes=["read"])


# ------------------------------------------------------------------------------------------------------ second factors


async def test_who_must_have_a_second_factor_reaches_nothing_but_their_account_before(gate: Gate) -> None:
    await gate.password("bob")
    await gate.password("mia")
    strict = gate.other(second_factor="administrators")
    bob, mia = await gate.enter("bob", entrance=strict), await gate.enter("mia", entrance=strict)
    assert bob.limited
    assert not mia.limited
    known = await strict.sign_in.session(bob.cookie)
    assert known is not None
    assert known.scopes == ONLY_ACCOUNT
    program = await gate.enter("bob", entrance=strict, kind=SessionKind.PROGRAM)
    assert program.tokens is not None
    told = await strict.sign_in.access(program.tokens.access)
    assert told is not None
    assert told.scopes == ONLY_ACCOUNT


async def test_locked_for_longer_each_time_whether_there_is_such_an_account_or_not(gate: Gate) -> None:
    await gate.password("mia")
    told: dict[str, list[object]] = {}
    for name in ("mia", "nobody"):
        for number in range(20):
            place = Visit(f"203.0.113.{number}")
            gate.hasher.done = 0
            try:
                await gate.enter(name, "wrong one here", visit=place)
            except RateLimited as error:
                told.setdefault(name, []).append((error.message, error.retry_after, gate.hasher.done))
                gate.clock.seconds += error.retry_after or 0
            except Unauthenticated as error:
                told.setdefault(name, []).append((error.message, gate.hasher.done))
    assert told["mia"] == told["nobody"]
    waits = [each[1] for each in told["mia"] if len(each) == 3]  # type: ignore[arg-type]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128]
    assert len(told["mia"]) - len(waits) == 12
    assert {entry.payload["user"] for entry in gate.log("accounts.sign_in.refused")} == {"mia", ""}
    reasons = [entry.header["reason"] for entry in gate.log("accounts.sign_in.refused")]
    assert reasons.count("locked") >= 2


async def test_another_way_of_writing_a_name_is_no_other_name(gate: Gate) -> None:
    """What is left out when a name is looked for is left out when its tries are counted."""
    await gate.password("mia")
    seen = [await gate.outcome("m\0i" + "\0" * number + "a", f"wrong {number} wrong") for number in range(8)]
    assert seen[:5] == ["sign_in.refused"] * 5
    assert set(seen[5:]) == {"sign_in.locked"}
    assert await gate.outcome("mia", GOOD) == "sign_in.locked"


async def test_the_right_password_does_not_open_what_is_locked_and_ends_the_count_after(gate: Gate) -> None:
    await gate.password("mia")
    for _ in range(5):
        assert await gate.outcome("mia", "wrong one here") == "sign_in.refused"
    assert await gate.outcome("mia", GOOD) == "sign_in.locked"
    gate.clock.seconds += 1
    assert await gate.outcome("mia", GOOD) == "in"
    for _ in range(4):
        assert await gate.outcome("mia", "wrong one here") == "sign_in.refused"
    assert await gate.outcome("mia", GOOD) == "in"


async def test_guesses_at_once_get_no_further_than_one_after_the_other(gates: Any) -> None:
    gate, elsewhere = gates
    await gate.password("mia")

    async def guess(number: int) -> str:
        try:
            entrance = gate.entrance if number % 2 else elsewhere
            await gate.enter("mia", f"wrong {number} here", visit=Visit(f"203.0.113.{number}"), entrance=entrance)
        except (Unauthenticated, RateLimited, Unavailable) as error:
            return error.code
        return "in"

    found = await asyncio.gather(*map(guess, range(30)))
    assert found.count("sign_in.refused") + found.count("sign_in.busy") == 5
    assert found.count("sign_in.locked") == 25


async def test_an_address_is_locked_too_and_one_household_counts_once(gate: Gate) -> None:
    for number in range(20):
        place = Visit(f"2001:db8:1:2::{number:x}")
        assert await gate.outcome(f"nobody{number}", "wrong one here", visit=place) == "sign_in.refused"
    assert await gate.outcome("another", "wrong one here", visit=Visit("2001:db8:1:2:ffff::1")) == "sign_in.locked"
    assert await gate.outcome("another", "wrong one here", visit=Visit("2001:db8:1:3::1")) == "sign_in.refused"
    await gate.password("mia")
    gate.clock.seconds += 1
    assert await gate.outcome("mia", GOOD, visit=Visit("2001:db8:1:2::1")) == "in"


async def test_tries_are_forgotten_after_a_day_and_swept(gate: Gate) -> None:
    await gate.password("mia")
    for _ in range(4):
        await gate.outcome("mia", "wrong one here")
    gate.clock.seconds += 24 * 3600 + 1
    for _ in range(4):
        assert await gate.outcome("mia", "wrong one here") == "sign_in.refused"
    assert await gate.outcome("mia", GOOD) == "in"
    gate.clock.seconds += 24 * 3600 + 1
    assert await gate.outcome("mia", GOOD) == "in"
    assert gate.store.view(lambda tx: tx.rows(select(TRY))) != []
    assert {row["failures"] for row in gate.store.view(lambda tx: tx.rows(select(TRY)))} == {0}
