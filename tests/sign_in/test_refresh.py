"""Refresh tokens: whatever is shown in whatever order, a used one opens nothing, and a stolen one ends its family."""

import asyncio
import os
import secrets
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule

from remit.accounts.access_tokens import AccessTokens
from remit.accounts.known import EVERY_SCOPE, Via
from remit.accounts.owner import create_local_owner
from remit.accounts.refresh_tokens import RefreshToken, Tokens, end_family, read_refresh, refresh, write_refresh
from remit.accounts.sessions import SessionKind, end_sessions
from remit.accounts.signing_in import Signed
from remit.adapters.identity.wiring import make_entrance
from remit.kernel.errors import Unauthenticated
from remit.kernel.ids import new_id
from remit.redact.redactor import Redactor
from remit.settings import Settings
from remit.testing.memory_journal import MemoryJournal

from .conftest import GOOD, HERE, HOME_KEY, OWNER, CountingHasher, Gate, HandClock

DAY = 86_400


async def program(gate: Gate) -> Tokens:
    await gate.password("mia")
    signed = await gate.enter(kind=SessionKind.PROGRAM)
    assert signed.tokens is not None
    return signed.tokens


async def alive(gate: Gate, tokens: Tokens) -> bool:
    gate.clock.seconds += 0.25
    return await gate.entrance.sign_in.access(tokens.access) is not None


async def test_each_is_used_once_and_gives_the_next(gate: Gate) -> None:
    first = await program(gate)
    known = await gate.entrance.sign_in.access(first.access, address="192.0.2.7")
    assert known is not None
    assert (known.principal.id, known.via, known.scopes, known.session) == (
        "mia",
        Via.TOKEN,
        EVERY_SCOPE,
        first.session,
    )
    tokens = first
    for _ in range(5):
        gate.clock.seconds += 31
        newer = await refresh(gate.entrance, tokens.refresh)
        assert newer.refresh != tokens.refresh
        assert newer.session == first.session
        tokens = newer
    assert tokens.until_us == first.until_us
    assert await alive(gate, tokens)
    stored = str(gate.sessions("mia"))
    assert first.refresh not in stored
    assert Redactor(b"tests only: 16 bytes or more").mask(first.refresh) != first.refresh


async def test_an_answer_that_was_lost_is_given_again_and_only_that_one(gate: Gate) -> None:
    first = await program(gate)
    second = await refresh(gate.entrance, first.refresh)
    gate.clock.seconds += 29
    again = await refresh(gate.other(), first.refresh)
    assert again.refresh == second.refresh
    third = await refresh(gate.entrance, second.refresh)
    with pytest.raises(Unauthenticated):  # two steps back is no lost answer
        await refresh(gate.entrance, first.refresh)
    assert not await alive(gate, third)


async def test_a_second_use_after_the_grace_ends_the_family_on_record(gate: Gate) -> None:
    first = await program(gate)
    other = await gate.enter(kind=SessionKind.PROGRAM)
    second = await refresh(gate.entrance, first.refresh)
    gate.clock.seconds += 30
    with pytest.raises(Unauthenticated):
        await refresh(gate.entrance, first.refresh)
    assert not await alive(gate, second)
    with pytest.raises(Unauthenticated):
        await refresh(gate.entrance, second.refresh)
    assert other.tokens is not None
    assert await alive(gate, other.tokens)
    (entry,) = gate.log("accounts.refresh.reused")
    assert (entry.header["actor"], entry.header["result"], entry.header["subject"]) == (
        "user:mia",
        "blocked",
        first.session,
    )
    assert [row["ended_why"] for row in gate.sessions("mia") if row["id"] == first.session] == ["reused"]


async def test_who_only_knows_a_family_ends_nothing(gate: Gate) -> None:
    first = await program(gate)
    second = await refresh(gate.entrance, first.refresh)
    guess = RefreshToken(first.session, 0, secrets.token_bytes(32))
    for forged in (
        write_refresh(guess, secrets.token_bytes(32)),
        first.refresh[:-7] + "0000000",
        "",
        "rmt_ref_",
        "x" * 106,
    ):
        with pytest.raises(Unauthenticated):
            await refresh(gate.entrance, forged)
    gate.clock.seconds += 31
    assert await alive(gate, second)


async def test_it_ends_after_its_time_and_by_signing_out(gate: Gate) -> None:
    tokens = await program(gate)
    for _ in range(29):
        gate.clock.seconds += DAY
        tokens = await refresh(gate.entrance, tokens.refresh)
    gate.clock.seconds += DAY
    with pytest.raises(Unauthenticated):
        await refresh(gate.entrance, tokens.refresh)
    tokens = (await gate.enter(kind=SessionKind.PROGRAM)).tokens or tokens
    await end_family(gate.entrance, tokens.refresh)
    await end_family(gate.entrance, tokens.refresh)
    assert await gate.entrance.sign_in.access(tokens.access) is None
    with pytest.raises(Unauthenticated):
        await refresh(gate.entrance, tokens.refresh)


async def test_an_access_token_ends_by_itself(gate: Gate) -> None:
    tokens = await program(gate)
    gate.clock.seconds += 599
    assert await gate.entrance.sign_in.access(tokens.access) is not None
    gate.clock.seconds += 1
    assert await gate.entrance.sign_in.access(tokens.access) is None


async def test_of_many_at_once_all_get_the_same_successor(gates: Any) -> None:
    gate, elsewhere = gates
    first = await program(gate)
    found = await asyncio.gather(*(refresh(gate.entrance if n % 2 else elsewhere, first.refresh) for n in range(16)))
    assert len({tokens.refresh for tokens in found}) == 1
    gate.clock.seconds += 31
    following = await asyncio.gather(
        *(refresh(gate.entrance if n % 2 else elsewhere, each.refresh) for n, each in enumerate(found))
    )
    assert len({tokens.refresh for tokens in following}) == 1
    assert gate.log("accounts.refresh.reused") == []
    assert await alive(gate, following[0])


def _signed(claims: dict[str, object], header: dict[str, object], key: bytes) -> str:
    from joserfc import jwt
    from joserfc.jwk import OctKey

    algorithm = str(header.get("alg"))
    return jwt.encode(header, claims, OctKey.import_key(key), algorithms=[algorithm])  # type: ignore[arg-type]


def test_only_a_token_of_ours_is_one() -> None:
    """ASVS 9.1, 9.2: algorithm, type, issuer, audience and times are all asked."""
    clock, key = HandClock(), secrets.token_bytes(32)
    tokens = AccessTokens(key, clock=clock, issuer="remit", seconds=600)
    session = new_id()
    text, _ = tokens.issue(session=session, person="mia", workspace="acme", scopes=frozenset({"read"}))
    assert tokens.read(text) is not None
    now = int(clock.now().timestamp())
    claims: dict[str, object] = {
        "iss": "remit", "aud": "remit-api", "sub": "mia", "workspace": "acme", "sid": session,
        "scope": "read root", "iat": now, "exp": now + 600, "jti": new_id(),
    }  # fmt: skip
    head: dict[str, object] = {"alg": "HS256", "typ": "at+jwt"}
    found = tokens.read(_signed(claims, head, key))
    assert found is not None
    assert found.scopes == {"read"}
    for change in (
        {"iss": "other"}, {"aud": "other"}, {"aud": ["remit-api", "x"]}, {"exp": now}, {"exp": str(now + 9)},
        {"exp": True}, {"iat": now + 60}, {"sid": "x"}, {"sub": 7}, {"scope": None}, {"exp": None},
    ):  # fmt: skip
        assert tokens.read(_signed({**claims, **change}, head, key)) is None, change
    for change in ({"typ": "JWT"}, {"kid": "x"}, {"jku": "https://evil.example"}, {"alg": "HS512"}, {"crit": ["exp"]}):
        try:
            forged = _signed(claims, {**head, **change}, key)
        except Exception:  # noqa: BLE001, S112 - the library itself refuses to write it
            continue
        assert tokens.read(forged) is None, change
    import base64
    import json

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    assert tokens.read(f"{part({'alg': 'none', 'typ': 'at+jwt'})}.{part(claims)}.") is None
    assert tokens.read(_signed(claims, head, secrets.token_bytes(32))) is None
    assert AccessTokens(key, clock=clock, issuer="elsewhere", seconds=600).read(text) is None
    head_text, body, signature = text.split(".")
    for damaged in (
        f"{head_text}.{body}.",
        f"{head_text}.{body}",
        f"{head_text}.{part(claims)}.{signature}",
        "..",
        "",
        "x" * 9000,
    ):
        assert tokens.read(damaged) is None


# ---------------------------------------------------------------------------------------------------- the state machine


class Families(RuleBasedStateMachine):
    """Programs and thieves show any token that was ever given out, at any time, through two processes."""

    shown: Bundle[tuple[int, str]] = Bundle("shown")

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.hasher = HandClock(), CountingHasher()
        self.journal = MemoryJournal(self.clock)
        self.gates = [
            make_entrance(
                Settings(home=None, workspace="acme"),  # type: ignore[arg-type]
                self.journal,
                home_key=HOME_KEY,
                clock=self.clock,
                hasher=self.hasher,
            )
            for _ in range(2)
        ]
        self.loop = asyncio.new_event_loop()
        #: By family: the tokens in the order in which they were given, when the last was, whether it ended.
        self.given: list[list[str]] = []
        self.rotated: list[float] = []
        self.ended: list[bool] = []
        self.began: list[float] = []

    def teardown(self) -> None:
        self.loop.close()
        self.hasher.close()
        self.journal.close()

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    @initialize()
    def furnish(self) -> None:
        from remit.accounts.links import make_link, use_link

        self.run(create_local_owner(self.journal, workspace="acme", user="ada", name="Ada", clock=self.clock))
        link = self.run(make_link(self.gates[0], "ada", workspace="acme", by=OWNER, own=True))
        self.run(use_link(self.gates[0], link.token, GOOD, visit=HERE))

    @rule(target=shown)
    def sign_in(self) -> tuple[int, str]:
        from remit.accounts.signing_in import sign_in

        signed = self.run(sign_in(self.gates[0], "ada", GOOD, workspace="acme", visit=HERE, kind=SessionKind.PROGRAM))
        assert isinstance(signed, Signed)
        assert signed.tokens is not None
        self.given.append([signed.tokens.refresh])
        self.rotated.append(self.clock.seconds)
        self.began.append(self.clock.seconds)
        self.ended.append(False)
        return len(self.given) - 1, signed.tokens.refresh

    @rule(target=shown, token=shown, gate=st.integers(0, 1))
    def show(self, token: tuple[int, str], gate: int) -> tuple[int, str]:
        family, text = token
        given = self.given[family]
        over = self.ended[family] or self.clock.seconds - self.began[family] >= 30 * DAY
        place = given.index(text)
        lost = place == len(given) - 2 and self.clock.seconds - self.rotated[family] < 30
        try:
            found = self.run(refresh(self.gates[gate], text))
        except Unauthenticated:
            assert over or not (place == len(given) - 1 or lost)
            self.ended[family] = True
            return token
        assert not over
        if place == len(given) - 1:
            assert found.refresh not in given
            given.append(found.refresh)
            self.rotated[family] = self.clock.seconds
        else:
            assert lost
            assert found.refresh == given[-1]
        return family, found.refresh

    @rule(token=consumes(shown))
    def sign_out(self, token: tuple[int, str]) -> None:
        self.run(end_family(self.gates[0], token[1]))
        self.ended[token[0]] = True

    @rule()
    def sign_out_everywhere(self) -> None:
        self.run(end_sessions(self.gates[1], workspace="acme", by=OWNER))
        self.ended = [True] * len(self.ended)

    @rule(seconds=st.sampled_from([1.0, 29.0, 31.0, 6 * 3600.0, 16.0 * DAY]))
    def wait(self, seconds: float) -> None:
        self.clock.seconds += seconds

    @rule()
    def nobody_is_let_in_by_what_ended(self) -> None:
        self.clock.seconds += 0.25
        for family, given in enumerate(self.given):
            last = read_refresh(given[-1], self.gates[0].refresh_key)
            assert last is not None
            text, _ = self.gates[0].sign_in.tokens.issue(
                session=last.family, person="ada", workspace="acme", scopes=EVERY_SCOPE
            )
            over = self.ended[family] or self.clock.seconds - self.began[family] >= 30 * DAY
            assert (self.run(self.gates[1].sign_in.access(text)) is None) == over


TestFamilies = Families.TestCase
TestFamilies.settings = settings(
    max_examples=300 if os.environ.get("REMIT_PROVE") == "1" else 15, stateful_step_count=30, deadline=None
)
