"""Orders that the crash drill gives in another way than the samples, so that they are really carried out.

A sample shows who is let in, and may be refused for want of what it would take; here that is there. Each order says,
too, what is there of it after a death.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyotp
from aiosmtpd.controller import Controller
from sqlalchemy import Table, select

from remit.accounts.agents import Agent, register_agent
from remit.accounts.api_keys import create_api_key
from remit.accounts.budget_tables import USAGE
from remit.accounts.links import Purpose
from remit.accounts.passwords import stored_password
from remit.accounts.people import Person, add_user
from remit.accounts.sessions import SessionKind, person_of
from remit.accounts.sign_in_tables import FACTOR, LINK, RECOVERY, SESSION
from remit.accounts.signing_in import Signed
from remit.accounts.team_tables import MEMBER
from remit.accounts.totp import CODES, STEP_S, begin_factor
from remit.guard.budget_audit import check_ledger
from remit.guard.records import Ending, State, intent, outcome, verdicts
from remit.guard.scene import allowed
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.channels import Channel, ChannelKind
from remit.kernel.clock import micros_of
from remit.kernel.effects import Model
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.kernel.usage import Usage
from remit.models.orders import order
from remit.models.orders_listing import SetPrice
from remit.models.prices import rate_of

from ..notify.test_mail import Box  # noqa: TID252 - tests are loaded by path
from .half_made import entries_of
from .samples import Params, Sample
from .samples_models import a_model
from .samples_people import GOOD, OTHER, entered, invited, with_factor, with_password, with_tokens
from .serving import EVERY

if TYPE_CHECKING:
    from .serving import Api

#: What is there of an order. `OPEN`: what it was to do is done, and the log does not say yet that it is.
NOTHING, WHOLE, OPEN = "nothing", "whole", "open"


@dataclass(frozen=True, slots=True)
class CrashOrder:
    """One order.

    `sample` asks with `bearer`, if it makes one, else as the owner; an `until` (seconds) is when a refusal is right.
    `stands` tells what is there: one of the three, else in words what is half made. `renew` gives what the same person
    needs to order it once more, where a death may have used that up. With `promises` an answer that it was done means
    that it is; else it is begun after the answer.
    """

    sample: Sample
    stands: Callable[[Api, Params], str]
    renew: Callable[[Api, Params], Awaitable[Params]] | None = None
    promises: bool = True


def judged(**parts: bool) -> str:
    """All of its parts, or none; else which."""
    return WHOLE if all(parts.values()) else NOTHING if not any(parts.values()) else f"half made: {parts}"


def rows(api: Api, table: Table, **where: object) -> list[Mapping[str, Any]]:
    """The rows with these values."""
    wanted = select(table).where(*(table.c[name] == value for name, value in where.items()))
    return api.runtime.store.view(lambda tx: tx.rows(wanted))


def told(api: Api, action: str, subject: str) -> int:
    """How often the log tells it."""
    found = api.runtime.store.view(entries_of)
    return sum(each["action"] == action and each["subject"] == subject for each in found)


# ------------------------------------------------------------------------------ one's own account


async def key_of(api: Api, user: str) -> str:
    """An API key of theirs that opens everything."""
    made = await create_api_key(
        api.runtime.entrance, "of a test", workspace="default", by=person_of(user), scopes=EVERY
    )
    return made.token


async def signed_in(api: Api) -> Params:
    """Somebody with a password and a sign-in, who asks with a key."""
    made = await with_tokens(api)
    return {**made, "bearer": await key_of(api, made["user"])}


def open_session(api: Api, made: Params) -> bool:
    (row,) = rows(api, SESSION, id=made["session"])
    return row["ended_us"] is None


def password_stands(api: Api, made: Params) -> str:
    stored = api.runtime.store.view(lambda tx: stored_password(tx, workspace="default", person=made["user"]))
    return judged(
        password=api.do(lambda: api.runtime.entrance.hasher.verify(stored, OTHER)),
        sessions=not open_session(api, made),
        log=told(api, "accounts.password.set", made["user"]) == 2,  # the first time by a link
    )


def reset_stands(api: Api, made: Params) -> str:
    links = len(rows(api, LINK, person=made["user"], purpose=Purpose.RESET.value))
    begun = told(api, "accounts.link.made", made["user"]) - 1  # the first was not mailed
    sent = told(api, "accounts.link.mailed", made["user"])
    if links != begun or sent > links:
        return f"half made: {links} links, {begun} on record, {sent} mailed"
    return WHOLE if sent else OPEN if links else NOTHING


def _code(secret: str) -> Params:
    """A code as early as it is taken, so that it is good for as long as possible."""
    step = int(time.time()) // STEP_S + 1
    return {"code": pyotp.TOTP(secret).generate_otp(step), "until": str((step + 2) * STEP_S)}


async def factor_begun(api: Api) -> Params:
    made = await signed_in(api)
    begun = await begin_factor(api.runtime.entrance, workspace="default", by=person_of(made["user"]))
    return {**made, "secret": begun.secret, **_code(begun.secret)}


async def another_code(_api: Api, made: Params) -> Params:
    return {**made, **_code(made["secret"])}


def factor_on_stands(api: Api, made: Params) -> str:
    (factor,) = rows(api, FACTOR, person=made["user"])
    return judged(
        confirmed=factor["confirmed_us"] is not None,
        codes=len(rows(api, RECOVERY, person=made["user"])) == CODES,
        sessions=not open_session(api, made),
        log=told(api, "accounts.factor.set", made["user"]) == 1,
    )


async def factor_set(api: Api) -> Params:
    made = await with_factor(api)
    return {**made, "bearer": await key_of(api, made["user"])}


def factor_off_stands(api: Api, made: Params) -> str:
    return judged(
        factor=not rows(api, FACTOR, person=made["user"]),
        codes=not rows(api, RECOVERY, person=made["user"]),
        log=told(api, "accounts.factor.ended", made["user"]) == 1,
    )


async def signed_in_twice(api: Api) -> Params:
    made = await signed_in(api)
    await entered(api, made["user"], SessionKind.CONSOLE)
    return made


def sessions_stand(api: Api, made: Params) -> str:
    ended = [row["ended_us"] is not None for row in rows(api, SESSION, person=made["user"])]
    return judged(first=ended[0], second=ended[1], log=told(api, "accounts.sessions.ended", made["user"]) == 1)


async def by_a_sign_in(api: Api) -> Params:
    """Who asks with the sign-in itself."""
    made = await with_password(api)
    signed = await entered(api, made["user"], SessionKind.PROGRAM)
    assert isinstance(signed, Signed)
    assert signed.tokens is not None
    return {**made, "session": signed.session, "bearer": signed.tokens.access}


# ------------------------------------------------------------------------------ invitations


async def meant_for_somebody(api: Api) -> Params:
    """An invitation, and the person whom it is for."""
    made = await invited(api)
    runtime, user = api.runtime, made["new"]
    person = Person("default", user, user, f"{user}@example.org")
    await add_user(runtime.store, person, by=runtime.owner, clock=runtime.clock)
    return {**made, "bearer": await key_of(api, user)}


def member_stands(api: Api, made: Params) -> str:
    return judged(
        member=bool(rows(api, MEMBER, team=made["team"], person=made["new"])),
        log=told(api, "accounts.invitation.accepted", made["invitation"]) == 1,
    )


# ------------------------------------------------------------------------------ prices

COST = 1_000 * 1_000 + 100 * 2_000  # micros


async def unpriced(api: Api) -> Params:
    """Two agents asked a model, each once; its price became known afterwards."""
    made, runtime = await a_model(api), api.runtime
    for number in range(2):
        agent = Agent("default", api.name("asker"), runtime.owner.id, effects=frozenset({"model"}))
        await register_agent(runtime.store, agent, by=runtime.owner, clock=runtime.clock)
        await _call(api, agent.name, made["provider"])
        made[f"agent{number}"] = agent.name
    price = SetPrice(made["provider"], "our-70b", rate_of("1000", "2000"))
    await order(runtime.store, [price], workspace="default", by=runtime.owner, clock=runtime.clock)
    return made


async def _call(api: Api, agent: str, provider: str) -> None:
    """A call from its intent to its outcome, as the guard writes it."""
    runtime = api.runtime
    now_us = micros_of(runtime.clock.now())
    action = Action(
        id=new_id(),
        effect=Model(provider, "our-70b", {"messages": []}),
        principal=Principal(ActorKind.AGENT, agent),
        on_behalf_of=runtime.owner,
        workspace="default",
        priced=False,
    )
    said = verdicts((allowed("budget"),))
    begun = intent(action, said, target=f"{provider}/our-70b", policy_rev="r", facts="{}", now_us=now_us, owner="me")
    await runtime.store.commit("guard.intent", begun)
    used = Usage(provider, "our-70b", tokens_in=1000, tokens_out=100, tokens_cached=0, tokens_cache_write=0)
    ending = Ending(State.OK, "", outcome=Outcome(ok=True, usage=used), usage=used)
    ended = outcome(action, ending, policy_rev="r", now_us=now_us + 1, lenient=False)
    await runtime.store.commit("guard.outcome", ended)


def true_up_stands(api: Api, made: Params) -> str:
    """Each agent's call is corrected and on record, or neither; all of them: whole."""
    calls = rows(api, USAGE, provider=made["provider"])
    done = [row for row in calls if row["corrected_us"] is not None]
    wrong = [row["correction_micros"] for row in calls if row["correction_micros"] != COST * (row in done)]
    on_record = sum(told(api, "models.trued_up", f"agent:{made[name]}") for name in ("agent0", "agent1"))
    ledger = api.runtime.store.view(lambda tx: check_ledger(tx, tx, "default"))
    if wrong or ledger or on_record != len(done):
        return f"half made: {len(done)} corrected, {on_record} on record, {wrong} {ledger}"
    return WHOLE if len(done) == len(calls) == 2 else NOTHING


# ------------------------------------------------------------------------------ mail


class _Post(Controller):
    """A mail server on any port that is free."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()


@contextmanager
def mail() -> Generator[Channel]:
    """A mail server on loopback, as the install's settings name it."""
    post = _Post(Box(), hostname="127.0.0.1", port=0)
    post.start()
    try:
        yield Channel(
            "mail", ChannelKind.EMAIL, to="ops@example.org", sender="remit@example.org", host="127.0.0.1",
            port=post.port, starttls=False,
        )  # fmt: skip
    finally:
        post.stop()


ORDERS: Mapping[str, CrashOrder] = {
    "POST /api/v1/me/password": CrashOrder(
        Sample(signed_in, lambda _made: {"current": GOOD, "new": OTHER}), password_stands
    ),
    "POST /api/v1/password/forgotten": CrashOrder(
        Sample(with_password, lambda made: {"user": made["user"]}, ok=frozenset({202})), reset_stands, promises=False
    ),
    "POST /api/v1/me/second-factor/confirm": CrashOrder(
        Sample(factor_begun, lambda made: {"code": made["code"]}), factor_on_stands, renew=another_code
    ),
    "POST /api/v1/me/second-factor/off": CrashOrder(
        Sample(factor_set, lambda _made: {"password": GOOD}), factor_off_stands
    ),
    "DELETE /api/v1/sessions": CrashOrder(Sample(signed_in_twice), sessions_stand),
    "POST /api/v1/invitations/accept": CrashOrder(
        Sample(meant_for_somebody, lambda made: {"token": made["token"]}), member_stands
    ),
    "POST /api/v1/usage/true-up": CrashOrder(
        Sample(unpriced, lambda _made: {"since": "2026-01-01T00:00:00Z", "dry_run": False}), true_up_stands
    ),
}
