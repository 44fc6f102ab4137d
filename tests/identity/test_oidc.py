"""Signing in by an OpenID provider: one that speaks well, and everything that it may say wrongly."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

import pytest
from sqlalchemy import select

from remit.accounts.entrance import Entrance, Visit
from remit.accounts.invitations import invite
from remit.accounts.links import make_link, use_link
from remit.accounts.oidc import arrived, depart, sign_in_verified
from remit.accounts.owner import create_local_owner
from remit.accounts.people import Person, add_user, list_users
from remit.accounts.roles import Role
from remit.accounts.sessions import person_of
from remit.accounts.sign_in_tables import IDENTITY
from remit.accounts.signing_in import Challenge, Signed
from remit.accounts.teams import Team, create_team
from remit.accounts.totp import begin_factor, confirm_factor
from remit.adapters.identity.hashing import ArgonHasher
from remit.adapters.identity.oidc import OpenIdProvider
from remit.adapters.identity.wiring import make_entrance
from remit.bootstrap import open_runtime, prepare_home
from remit.kernel.clock import SystemClock
from remit.kernel.errors import InvalidAnswer, InvalidInput, NotFound, RemitError, Unauthenticated, Unavailable
from remit.settings import Settings, load
from remit.testing.issuer import Fault, Issuer, issuer
from remit.testing.memory_journal import MemoryJournal

CLOCK = SystemClock()
OWNER = person_of("ada")
BACK = "http://127.0.0.1:4100/oidc/callback"
HERE = Visit("192.0.2.7", "Firefox")


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_args: Any) -> None:
        return None


@dataclass
class World:
    issuer: Issuer
    entrance: Entrance
    journal: MemoryJournal

    async def go(self, login: str = "mia", *, invitation: str = "") -> tuple[str, Any, str]:
        """To the provider and back: the code, what went along, the state."""
        departure, note = depart(self.entrance, following="/approvals", invitation=invitation)
        assert self.entrance.provider is not None
        address = await self.entrance.provider.address(departure, redirect=BACK)
        query = parse_qs(urlsplit(address).query)
        assert query["code_challenge_method"] == ["S256"]
        assert departure.verifier not in address
        try:
            build_opener(_Stay).open(f"{address}&login_hint={login}")
        except Exception as error:  # noqa: BLE001 - urllib's way of telling a redirect
            back = parse_qs(urlsplit(error.headers["Location"]).query)  # type: ignore[attr-defined]
        found, told = arrived(self.entrance, note, back["state"][0])
        assert told == {"following": "/approvals", "invitation": invitation}
        return back["code"][0], found, back["state"][0]

    async def enter(
        self, login: str = "mia", *, domains: frozenset[str] = frozenset(), invitation: str = ""
    ) -> Signed | Challenge:
        code, departure, _ = await self.go(login, invitation=invitation)
        assert self.entrance.provider is not None
        verified = await self.entrance.provider.verify(code, departure, redirect=BACK)
        return await sign_in_verified(
            self.entrance, verified, workspace="acme", visit=HERE, domains=domains, invitation=invitation
        )

    def refusals(self) -> list[str]:
        return [
            draft.fields["reason"]
            for draft in self.journal.entries
            if draft.fields["action"] == "accounts.sign_in.refused"
        ]

    async def people(self) -> dict[str, Person]:
        return {person.id: person for person in await list_users(self.journal, workspace="acme", by=OWNER)}


ACME = frozenset({"example.com"})


@pytest.fixture
async def world(tmp_path: Path) -> Any:
    with issuer() as made:
        made.people = {
            "mia": {"sub": "1001", "email": "mia@example.com", "email_verified": True, "name": "Mia"},
            "zoe": {"sub": "1002", "email": "Zoe@Example.com", "email_verified": True, "amr": ["pwd", "mfa"]},
            "eve": {"sub": "1003", "email": "mia@example.com", "email_verified": False},
            "yan": {"sub": "1004", "email": "yan@elsewhere.example", "email_verified": True},
        }  # fmt: skip
        flags = {
            "home": str(tmp_path), "workspace": "acme", "oidc_issuer": made.address,
            "oidc_client_id": made.client_id, "oidc_client_secret": made.client_secret,
        }  # fmt: skip
        settings = load(flags=flags, environ={}, folder=tmp_path, user_file=tmp_path / "none.toml")[0]
        assert made.client_secret not in repr(settings)
        journal, hasher = MemoryJournal(), ArgonHasher(memory_kib=64)
        await create_local_owner(journal, workspace="acme", user="ada", name="Ada", clock=CLOCK)
        await add_user(journal, Person("acme", "mia", "Mia", "mia@example.com", Role.MEMBER), by=OWNER, clock=CLOCK)
        entrance = make_entrance(settings, journal, home_key=b"k" * 32, clock=CLOCK, hasher=hasher)
        yield World(made, entrance, journal)
        hasher.close()
        journal.close()


async def test_somebody_of_an_allowed_domain_is_linked_once_and_known_by_subject(world: World) -> None:
    signed = await world.enter(domains=ACME)
    assert isinstance(signed, Signed)
    assert signed.person == "mia"
    known = await world.entrance.sign_in.session(signed.cookie)
    assert known is not None
    world.issuer.people["mia"]["email"] = "another@elsewhere.example"  # the address changed, the person did not
    again = await world.enter()
    assert isinstance(again, Signed)
    assert again.person == "mia"
    world.issuer.people["yan"]["email"] = "mia@example.com"  # somebody else has the address now
    with pytest.raises(Unauthenticated):
        await world.enter("yan", domains=ACME)
    await create_team(world.journal, Team("acme", "red", "Red"), by=OWNER, clock=CLOCK)
    made = await invite(
        world.journal, "red", workspace="acme", email="mia@example.com", role=Role.MEMBER, by=OWNER, clock=CLOCK,
        rand=world.entrance.rand,
    )  # fmt: skip
    with pytest.raises(Unauthenticated):  # nor does an invitation to it open the account of who had it before
        await world.enter("yan", invitation=made.token)
    rows = await world.journal.read(lambda tx: tx.rows(select(IDENTITY)))
    assert {(row["subject"], row["person"]) for row in rows} == {("1001", "mia")}


async def test_a_newcomer_of_an_allowed_domain_becomes_a_viewer(world: World) -> None:
    signed = await world.enter("zoe", domains=ACME)
    assert isinstance(signed, Signed)
    people = await world.people()
    assert (people[signed.person].role, people[signed.person].email) == (Role.VIEWER, "Zoe@Example.com")


async def test_whoever_nothing_links_is_refused_on_record(world: World) -> None:
    for login, domains in (("mia", frozenset[str]()), ("eve", ACME), ("yan", ACME)):
        with pytest.raises(Unauthenticated) as told:
            await world.enter(login, domains=domains)
        assert told.value.code == "sign_in.identity"
    assert world.refusals() == ["identity"] * 3
    assert set(await world.people()) == {"ada", "mia"}


async def test_an_invitation_links_its_own_address_alone(world: World) -> None:
    await create_team(world.journal, Team("acme", "red", "Red"), by=OWNER, clock=CLOCK)
    made = await invite(
        world.journal, "red", workspace="acme", email="yan@elsewhere.example", role=Role.MEMBER, by=OWNER, clock=CLOCK,
        rand=world.entrance.rand,
    )  # fmt: skip
    with pytest.raises(Unauthenticated):
        await world.enter("zoe", invitation=made.token)
    with pytest.raises(Unauthenticated):
        await world.enter("yan", invitation="no such token")
    signed = await world.enter("yan", invitation=made.token)
    assert isinstance(signed, Signed)
    assert (await world.people())["yan"].teams.keys() == {"red"}
    again = await world.enter("yan")
    assert isinstance(again, Signed)


async def test_a_second_factor_here_is_asked_for_unless_the_provider_did(world: World) -> None:
    import pyotp

    link = await make_link(world.entrance, "mia", workspace="acme", by=OWNER)
    await use_link(world.entrance, link.token, "three quiet lanterns drift", visit=HERE)
    for user in ("mia",):
        begun = await begin_factor(world.entrance, workspace="acme", by=person_of(user))
        await confirm_factor(world.entrance, pyotp.TOTP(begun.secret).now(), workspace="acme", by=person_of(user))
    assert isinstance(await world.enter(domains=ACME), Challenge)
    world.issuer.people["mia"]["amr"] = ["mfa"]
    assert isinstance(await world.enter(), Signed)


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NONE])
async def test_what_a_provider_says_wrongly_lets_nobody_in(world: World, fault: Fault) -> None:
    await world.enter(domains=ACME)
    code, departure, _ = await world.go()
    world.issuer.fault = fault
    assert world.entrance.provider is not None
    with pytest.raises(Unauthenticated if fault is not Fault.HUGE else InvalidAnswer):
        await world.entrance.provider.verify(code, departure, redirect=BACK)
    assert "GET /elsewhere" not in world.issuer.asked
    assert "POST /elsewhere" not in world.issuer.asked
    world.issuer.fault = Fault.NONE
    assert isinstance(await world.enter(), Signed)


async def test_a_code_is_good_once_and_for_who_began(world: World) -> None:
    provider = world.entrance.provider
    assert provider is not None
    code, departure, _ = await world.go()
    other, _ = depart(world.entrance, following="/")
    with pytest.raises(Unauthenticated):
        await provider.verify(code, other, redirect=BACK)
    code, departure, _ = await world.go()
    await provider.verify(code, departure, redirect=BACK)
    with pytest.raises(Unauthenticated):
        await provider.verify(code, departure, redirect=BACK)
    code, departure, _ = await world.go()
    with pytest.raises(Unauthenticated):
        await provider.verify(code, departure, redirect="https://evil.example/oidc/callback")
    code, departure, _ = await world.go()
    with pytest.raises(Unauthenticated):
        await provider.verify(code, replace(departure, nonce="another"), redirect=BACK)


async def test_who_comes_back_is_who_went(world: World) -> None:
    _, note = depart(world.entrance, following="/")
    other, _ = depart(world.entrance, following="/")
    for state, carried in ((other.state, note), ("", note), (other.state, ""), (other.state, note[:-4] + "AAAA")):
        with pytest.raises(Unauthenticated):
            arrived(world.entrance, carried, state)
    challenge = world.entrance.notes.wrap({"for": "factor", "state": "x"}, until_us=1 << 60)
    with pytest.raises(Unauthenticated):
        arrived(world.entrance, challenge, "x")


async def test_keys_that_changed_are_fetched_and_not_for_every_forgery(world: World) -> None:
    await world.enter(domains=ACME)
    provider = world.entrance.provider
    assert isinstance(provider, OpenIdProvider)
    asked = world.issuer.asked.count("GET /jwks")
    world.issuer.fault = Fault.KEY
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await world.enter()
    assert world.issuer.asked.count("GET /jwks") == asked
    world.issuer.fault = Fault.NONE
    world.issuer.rotate()
    provider._keys = (provider._keys[0] - 60, provider._keys[1]) if provider._keys else None
    assert isinstance(await world.enter(), Signed)
    assert world.issuer.asked.count("GET /jwks") == asked + 1


async def test_a_provider_that_is_another_or_away(world: World) -> None:
    departure, _ = depart(world.entrance, following="/")
    told: list[type[RemitError]] = []
    for address in (world.issuer.address + "/", world.issuer.address + "/tenant", "http://127.0.0.1:9"):
        provider = OpenIdProvider(address, "remit", secret="", clock=CLOCK)
        with pytest.raises((InvalidAnswer, Unavailable)) as raised:
            await provider.address(departure, redirect=BACK)
        told.append(raised.type)
    assert told == [InvalidAnswer, InvalidAnswer, Unavailable]
    world.issuer.metadata = lambda: {  # type: ignore[method-assign]
        "issuer": world.issuer.address, "authorization_endpoint": "https://a.example/", "token_endpoint": "http://b.example/",
        "jwks_uri": "https://c.example/",
    }  # fmt: skip
    with pytest.raises(InvalidAnswer):  # a plain address of another host
        await OpenIdProvider(world.issuer.address, "remit", secret="", clock=CLOCK).address(departure, redirect=BACK)


@pytest.fixture
def public() -> Iterator[Issuer]:
    with issuer(client_secret="", people={"mia": {"sub": "1"}}) as made:
        yield made


async def test_a_public_client_proves_itself_by_pkce(public: Issuer, world: World) -> None:
    provider = OpenIdProvider(public.address, "remit", secret="", clock=CLOCK)
    world.entrance = replace(world.entrance, provider=provider)
    code, departure, _ = await world.go()
    assert (await provider.verify(code, departure, redirect=BACK)).subject == "1"


async def test_the_secret_may_be_a_reference_that_is_read_when_it_is_needed(tmp_path: Path) -> None:
    first, second = (token_urlsafe(32) for _ in range(2))
    with issuer(client_secret=first, people={"mia": {"sub": "1"}}) as made:
        said = "secret://sign-in/provider"
        home = Settings(
            home=tmp_path / "home", oidc_issuer=made.address, oidc_client_id=made.client_id, oidc_client_secret=said
        )
        await prepare_home(home)
        async with open_runtime(home) as runtime:
            world = World(made, runtime.entrance, None)  # type: ignore[arg-type] # not looked into
            provider = runtime.entrance.provider
            assert provider is not None
            code, departure, _ = await world.go()
            with pytest.raises(NotFound):
                await provider.verify(code, departure, redirect=BACK)
            for value in (first, second):  # rotated: the next sign-in has it
                made.client_secret = value
                runtime.secrets.backend.set("sign-in/provider", value)
                code, departure, _ = await world.go()
                assert (await provider.verify(code, departure, redirect=BACK)).subject == "1"
                assert value not in runtime.redactor.mask(f"it is {value}.")
                assert value not in repr(provider)
        with pytest.raises(InvalidInput):
            async with open_runtime(replace(home, oidc_client_secret="secret://a b")):
                pass
