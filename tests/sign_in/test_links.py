"""One-time links, invitations and second factors: each is good once, whoever is first."""

import asyncio
from typing import Any

import pyotp
import pytest
from sqlalchemy import select

from remit.accounts.api_keys import create_api_key, list_api_keys
from remit.accounts.invitations import invite
from remit.accounts.links import first_link, join, look_at_link, make_link, use_link
from remit.accounts.people import list_users, set_user_role
from remit.accounts.roles import Role
from remit.accounts.sessions import person_of
from remit.accounts.sign_in_tables import FACTOR, LINK, RECOVERY
from remit.accounts.signing import check_signing, weakness
from remit.accounts.signing_in import Challenge, Signed, sign_in_with_code, turn_factor_off
from remit.accounts.team_tables import MEMBER
from remit.accounts.teams import Team, create_team, set_member
from remit.accounts.totp import STEP_S, begin_factor, confirm_factor, show_factor
from remit.audit.refusal import Refused
from remit.kernel.errors import Conflict, IntegrityError, InvalidInput, RemitError, Unauthenticated

from .conftest import GOOD, HERE, OTHER, OWNER, THERE, Gate, settings_for

MIA, BOB = person_of("mia"), person_of("bob")


# ---------------------------------------------------------------------------------------------------------------- links


async def test_the_owner_of_a_new_home_sets_the_first_password_with_a_link(gate: Gate) -> None:
    assert await gate.outcome("ada", "") == "sign_in.refused"
    link = await first_link(gate.entrance, workspace="acme", owner=OWNER)
    assert link is not None
    assert link.path() == f"/set-up#{link.token}"
    seen = await look_at_link(gate.entrance, link.token)
    assert seen is not None
    assert (seen.person, seen.purpose, seen.token) == ("ada", "setup", "")
    assert link.token not in str([dict(row) for row in gate.store.view(lambda tx: tx.rows(select(LINK)))])
    with pytest.raises(InvalidInput):
        await use_link(gate.entrance, link.token, "password1", visit=HERE)
    signed = await use_link(gate.entrance, link.token, GOOD, visit=HERE)
    assert isinstance(signed, Signed)
    assert await gate.entrance.sign_in.session(signed.cookie) is not None
    with pytest.raises(Unauthenticated):
        await use_link(gate.entrance, link.token, OTHER, visit=HERE)
    assert await look_at_link(gate.entrance, link.token) is None
    assert await first_link(gate.entrance, workspace="acme", owner=OWNER) is None
    assert await gate.outcome("ada", GOOD) == "in"
    assert [entry.header["reason"] for entry in gate.log("accounts.sign_in.refused")].count("link") == 1


async def test_a_link_holds_an_hour_and_a_newer_one_replaces_it(gate: Gate) -> None:
    first = await make_link(gate.entrance, "mia", workspace="acme", by=BOB)
    second = await make_link(gate.entrance, "mia", workspace="acme", by=BOB)
    assert await look_at_link(gate.entrance, first.token) is None
    gate.clock.seconds += 3600
    assert await look_at_link(gate.entrance, second.token) is None
    with pytest.raises(Unauthenticated):
        await use_link(gate.entrance, second.token, GOOD, visit=HERE)


async def test_who_may_make_one(gate: Gate) -> None:
    for by, user in ((MIA, "vera"), (BOB, "ada"), (BOB, "bob"), (MIA, "mia")):
        with pytest.raises(Refused):
            await make_link(gate.entrance, user, workspace="acme", by=by)
    assert len(gate.log("accounts.refused")) == 4


async def test_of_two_who_use_a_link_at_once_one_is_in(gates: Any) -> None:
    gate, elsewhere = gates
    link = await make_link(gate.entrance, "mia", workspace="acme", by=BOB)
    found = await asyncio.gather(
        *(
            use_link(entrance, link.token, password, visit=HERE)
            for entrance, password in ((gate.entrance, GOOD), (elsewhere, OTHER), (gate.entrance, OTHER))
        ),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in found) == ["Signed", "Unauthenticated", "Unauthenticated"]


# ---------------------------------------------------------------------------------------------------------- invitations


async def team(gate: Gate) -> None:
    await create_team(gate.store, Team("acme", "red", "Red"), by=OWNER, clock=gate.clock)


async def invited(gate: Gate) -> str:
    made = await invite(
        gate.store, "red", workspace="acme", email="zoe@example.com", role=Role.MEMBER, by=OWNER, clock=gate.clock,
        rand=gate.entrance.rand,
    )  # fmt: skip
    return made.token


async def test_an_invitation_makes_an_account_with_its_password_all_or_nothing(gate: Gate) -> None:
    await team(gate)
    token = await invited(gate)
    with pytest.raises(InvalidInput):
        await join(gate.entrance, token, "zoe", "password1", workspace="acme", visit=HERE)
    with pytest.raises(Conflict):  # an invitation opens nobody's account
        await join(gate.entrance, token, "ada", GOOD, workspace="acme", visit=HERE)
    with pytest.raises(InvalidInput):
        await join(gate.entrance, token, "../zoe", GOOD, workspace="acme", visit=HERE)
    assert "zoe" not in {person.id for person in await list_users(gate.store, workspace="acme", by=OWNER)}
    signed = await join(gate.entrance, token, "zoe", GOOD, workspace="acme", visit=HERE, name="Zoe")
    assert isinstance(signed, Signed)
    known = await gate.entrance.sign_in.session(signed.cookie)
    assert known is not None
    assert known.principal.id == "zoe"
    assert await gate.outcome("zoe@example.com", GOOD) == "in"
    with pytest.raises(Refused):
        await join(gate.entrance, token, "yan", GOOD, workspace="acme", visit=HERE)
    assert "yan" not in {person.id for person in await list_users(gate.store, workspace="acme", by=OWNER)}


async def test_without_an_invitation_nobody_hears_who_exists_and_nobody_speaks_for_others(gate: Gate) -> None:
    """A stranger who joins with a guessed token learns nothing of accounts, and writes nothing in their names."""
    told: set[str] = set()
    for user in ("ada", "mia", "nobody-has-this"):
        with pytest.raises(Refused) as refused:
            await join(gate.entrance, "guessed", user, GOOD, workspace="acme", visit=HERE)
        told.add(f"{refused.value.code} {refused.value.message}")
    assert len(told) == 1
    assert {entry.header["actor"] for entry in gate.log("accounts.refused")} == {"system:sign-in"}


async def test_what_somebody_handed_out_does_not_outlast_their_rights(gate: Gate) -> None:
    """Who is let go may have invited a second self, or have made a link for a colleague's account."""
    await team(gate)
    made = await invite(
        gate.store, "red", workspace="acme", email="zoe@example.com", role=Role.ADMIN, by=BOB, clock=gate.clock,
        rand=gate.entrance.rand,
    )  # fmt: skip
    link = await make_link(gate.entrance, "mia", workspace="acme", by=BOB)
    await set_user_role(gate.store, "bob", workspace="acme", by=OWNER, role=Role.MEMBER)
    with pytest.raises(Refused):
        await join(gate.entrance, made.token, "zoe", GOOD, workspace="acme", visit=HERE)
    with pytest.raises(Unauthenticated):
        await use_link(gate.entrance, link.token, GOOD, visit=HERE)
    assert "zoe" not in {person.id for person in await list_users(gate.store, workspace="acme", by=OWNER)}
    await set_user_role(gate.store, "bob", workspace="acme", by=OWNER, role=Role.ADMIN)
    assert isinstance(await join(gate.entrance, made.token, "zoe", GOOD, workspace="acme", visit=HERE), Signed)


async def test_a_key_that_a_key_made_ends_with_it(gate: Gate) -> None:
    """Else a key that leaked for a day would be one for a year."""
    first = await create_api_key(gate.entrance, "first", workspace="acme", by=BOB, scopes=["read"], days=1)
    second = await create_api_key(
        gate.entrance, "second", workspace="acme", by=BOB, scopes=["read"], days=365, key=first.id
    )
    assert second.expires_us == first.expires_us
    listed = await list_api_keys(gate.entrance, workspace="acme", by=BOB)
    assert {key.expires_us for key in listed} == {first.expires_us}


async def test_of_many_who_accept_at_once_one_joins(gates: Any) -> None:
    gate, elsewhere = gates
    await team(gate)
    token = await invited(gate)
    found = await asyncio.gather(
        *(
            join(entrance, token, f"zoe{number}", GOOD, workspace="acme", visit=HERE)
            for number, entrance in enumerate((gate.entrance, elsewhere, gate.entrance, elsewhere))
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(each, Signed) for each in found) == 1
    people = {person.id for person in await list_users(gate.store, workspace="acme", by=OWNER)}
    assert len(people & {f"zoe{number}" for number in range(4)}) == 1
    assert len(gate.store.view(lambda tx: tx.rows(select(MEMBER)))) == 2


async def test_of_two_owners_who_step_down_at_once_one_stays(gates: Any) -> None:
    gate, elsewhere = gates
    await team(gate)
    await set_user_role(gate.store, "bob", workspace="acme", by=OWNER, role=Role.OWNER)
    await set_member(gate.store, "bob", team="red", workspace="acme", by=OWNER, role=Role.OWNER, clock=gate.clock)
    for step in ("workspace", "team"):

        async def down(journal: Any, name: str, step: str = step) -> None:
            if step == "workspace":
                await set_user_role(journal, name, workspace="acme", by=person_of(name), role=Role.ADMIN)
            else:
                await set_member(
                    journal, name, team="red", workspace="acme", by=person_of(name), role=Role.VIEWER, clock=gate.clock
                )

        found = await asyncio.gather(down(gate.store, "ada"), down(elsewhere.journal, "bob"), return_exceptions=True)
        assert [each is None for each in found].count(True) == 1
        assert [each.code for each in found if isinstance(each, RemitError)] == ["accounts.last_owner"]


# ------------------------------------------------------------------------------------------------------- second factors


async def enrolled(gate: Gate, user: str = "mia") -> tuple[pyotp.TOTP, list[str]]:
    enrolment = await begin_factor(gate.entrance, workspace="acme", by=person_of(user))
    assert enrolment.svg().startswith("<svg")
    assert enrolment.secret in enrolment.uri
    app = pyotp.TOTP(enrolment.secret)
    codes = await confirm_factor(gate.entrance, code(gate, app), workspace="acme", by=person_of(user))
    gate.clock.seconds += STEP_S
    return app, codes


def code(gate: Gate, app: pyotp.TOTP, steps: int = 0) -> str:
    return app.at(gate.clock.now(), steps)


async def test_a_code_is_good_once_and_a_minute_at_most(gate: Gate) -> None:
    await gate.password("mia")
    app, _ = await enrolled(gate)
    asked = await gate.challenge()
    for wrong in (code(gate, app, -2), code(gate, app, 2), "000000", "", "12345\uff16"):
        with pytest.raises(Unauthenticated):
            await sign_in_with_code(gate.entrance, asked.note, wrong, visit=HERE)
        gate.clock.seconds += 0.001
    gate.clock.seconds += 8 * STEP_S
    asked = await gate.challenge()
    right = code(gate, app)
    signed = await sign_in_with_code(gate.entrance, asked.note, right, visit=HERE)
    assert (await gate.entrance.sign_in.session(signed.cookie)) is not None
    for again in (right, code(gate, app, -1)):
        with pytest.raises(Unauthenticated):
            await sign_in_with_code(gate.entrance, (await gate.challenge()).note, again, visit=HERE)
    assert gate.sessions("mia")[-1]["strong"] in {0, 1}
    assert gate.log("accounts.sign_in")[-1].payload["second_factor"] is True


async def test_of_two_who_show_a_code_at_once_one_is_in(gates: Any) -> None:
    gate, elsewhere = gates
    await gate.password("mia")
    app, _ = await enrolled(gate)
    asked = await gate.challenge()
    shown = code(gate, app)
    found = await asyncio.gather(
        *(sign_in_with_code(entrance, asked.note, shown, visit=HERE) for entrance in (gate.entrance, elsewhere)),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in found) == ["Signed", "Unauthenticated"]


async def test_a_recovery_code_is_good_once_in_any_writing(gate: Gate) -> None:
    await gate.password("mia")
    _, codes = await enrolled(gate)
    assert len(set(codes)) == 10
    assert not set(codes) & set(
        str(gate.store.view(lambda tx: [dict(row) for row in tx.rows(select(RECOVERY))])).split("'")
    )
    shown = codes[3].upper().replace("-", " ")
    await sign_in_with_code(gate.entrance, (await gate.challenge()).note, shown, visit=HERE)
    with pytest.raises(Unauthenticated):
        await sign_in_with_code(gate.entrance, (await gate.challenge()).note, shown, visit=HERE)
    assert (await show_factor(gate.entrance, workspace="acme", by=MIA)).codes_left == 9


async def test_the_note_holds_five_minutes_and_for_the_password_that_was_shown(gate: Gate) -> None:
    await gate.password("mia")
    app, _ = await enrolled(gate)
    asked = await gate.challenge()
    with pytest.raises(Unauthenticated):
        await sign_in_with_code(gate.entrance, asked.note[:-4] + "AAAA", code(gate, app), visit=HERE)
    link = await make_link(gate.entrance, "mia", workspace="acme", by=BOB)
    assert isinstance(await use_link(gate.entrance, link.token, OTHER, visit=HERE), Challenge)
    with pytest.raises(Unauthenticated):
        await sign_in_with_code(gate.entrance, asked.note, code(gate, app), visit=HERE)
    asked = await gate.challenge(password=OTHER)
    gate.clock.seconds += 300
    with pytest.raises(Unauthenticated):
        await sign_in_with_code(gate.entrance, asked.note, code(gate, app), visit=HERE)


async def test_guessing_codes_is_slow_too(gate: Gate) -> None:
    await gate.password("mia")
    await enrolled(gate)
    asked = await gate.challenge()
    ends = []
    for number in range(12):
        with pytest.raises(RemitError) as told:
            await sign_in_with_code(gate.entrance, asked.note, f"00000{number % 10}", visit=THERE)
        ends.append(told.value.code)
    assert ends.count("sign_in.refused") == 5
    assert ends.count("sign_in.locked") == 7


async def test_the_seed_is_sealed_and_nobody_elses(gate: Gate) -> None:
    await gate.password("mia")
    await gate.password("bob")
    await enrolled(gate)
    await enrolled(gate, "bob")
    mias, bobs = (
        gate.store.view(lambda tx, who=who: tx.row(select(FACTOR).where(FACTOR.c.person == who)))["sealed"]
        for who in ("mia", "bob")
    )
    with pytest.raises(IntegrityError):
        gate.entrance.seeds.open(bytes(mias), "acme", "bob")
    assert gate.entrance.seeds.open(bytes(bobs), "acme", "bob") != gate.entrance.seeds.open(bytes(mias), "acme", "mia")
    with pytest.raises(IntegrityError):
        gate.entrance.notes.open(bytes(mias), "acme", "mia")


async def test_turning_it_off_takes_the_password_and_losing_it_a_link(gate: Gate) -> None:
    await gate.password("mia")
    await enrolled(gate)
    with pytest.raises(Conflict):
        await begin_factor(gate.entrance, workspace="acme", by=MIA)
    with pytest.raises(Unauthenticated):
        await turn_factor_off(gate.entrance, "wrong one here", workspace="acme", by=MIA, visit=HERE)
    await turn_factor_off(gate.entrance, GOOD, workspace="acme", by=MIA, visit=HERE)
    assert await gate.outcome("mia", GOOD) == "in"
    await enrolled(gate)
    kept = await make_link(gate.entrance, "mia", workspace="acme", by=BOB)
    assert isinstance(await use_link(gate.entrance, kept.token, GOOD, visit=HERE), Challenge)
    lost = await make_link(gate.entrance, "mia", workspace="acme", by=BOB, factor=False)
    assert isinstance(await use_link(gate.entrance, lost.token, GOOD, visit=HERE), Signed)
    assert await gate.outcome("mia", GOOD) == "in"


async def test_setting_one_up_frees_a_limited_session_and_ends_the_others(gate: Gate) -> None:
    await gate.password("bob")
    strict = gate.other(second_factor="administrators")
    other, here = await gate.enter("bob", entrance=strict), await gate.enter("bob", entrance=strict)
    enrolment = await begin_factor(strict, workspace="acme", by=BOB)
    with pytest.raises(InvalidInput):
        await confirm_factor(strict, "000000", workspace="acme", by=BOB, session=here.session)
    await confirm_factor(
        strict, code(gate, pyotp.TOTP(enrolment.secret)), workspace="acme", by=BOB, session=here.session
    )
    known = await strict.sign_in.session(here.cookie)
    assert known is not None
    assert known.scopes
    assert await strict.sign_in.session(other.cookie) is None


# -------------------------------------------------------------------------------------------------- the signing secret


WEAK = (
    *("short", "changeme" * 8, "a" * 64, "0" * 31 + "1", "correct horse battery staple foo"),
    "abcdefghijklmnopqrstuvwxyz0123456789ABCDEF",
)


@pytest.mark.parametrize("secret", WEAK)
def test_a_weak_signing_secret_stops_the_start(gate: Gate, secret: str) -> None:
    for environment in ("production", "development"):
        settings = settings_for(gate.settings.home, environment=environment, signing_secret=secret)
        with pytest.raises(InvalidInput) as told:
            check_signing(settings)
        assert secret not in told.value.message + told.value.hint
        assert secret not in repr(settings)


def test_production_needs_one_and_development_has_its_own(gate: Gate) -> None:
    import secrets

    with pytest.raises(InvalidInput):
        check_signing(settings_for(gate.settings.home, environment="production"))
    check_signing(settings_for(gate.settings.home))
    for made in (secrets.token_urlsafe(48), secrets.token_hex(32), secrets.token_urlsafe(36)):
        assert weakness(made) == ""
        check_signing(settings_for(gate.settings.home, environment="production", signing_secret=made))
