"""The second factor: codes of an authenticator app (TOTP, RFC 6238) and recovery codes; each is good once.

The seed must be read again at each sign-in, so it is sealed (``sealing``), bound to its workspace and person. A code is
accepted one step (30 s) early or late, and the step is remembered: the same code, or an earlier one, is refused (RFC
6238, 5.2; ASVS 5.0, 6.5.1). Recovery codes have 120 random bits, so a plain hash keeps them (ASVS 5.0, 6.5.2).
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from remit.accounts.access import reading
from remit.accounts.entrance import Entrance
from remit.accounts.people import find_person
from remit.accounts.sessions import Ended, close_sessions, free_session, session_entry
from remit.accounts.sign_in_tables import FACTOR, RECOVERY
from remit.audit.entry import Result
from remit.kernel.action import Principal
from remit.kernel.canonical import sha256_hex
from remit.kernel.errors import Conflict, InvalidInput
from remit.kernel.ports import ReadTx, Row, Tx

STEP_S = 30
DIGITS = 6
CODES = 10  # recovery codes
_SEED = 20  # bytes, as RFC 4226, section 4, recommends
_CODE_BYTES = 15  # 24 digits of base 32

_AT = (FACTOR.c.workspace == bindparam("of"), FACTOR.c.person == bindparam("who"))
_ONE = select(FACTOR).where(*_AT)
_UPSERT = upsert(FACTOR)
_BEGIN = _UPSERT.on_conflict_do_update(
    index_elements=["workspace", "person"],
    set_={
        "sealed": _UPSERT.excluded.sealed,
        "created_us": _UPSERT.excluded.created_us,
        "confirmed_us": None,
        "last_step": _UPSERT.excluded.last_step,
    },
    where=FACTOR.c.confirmed_us.is_(None),
)
_STEP = update(FACTOR).where(*_AT, FACTOR.c.last_step < bindparam("step")).values(last_step=bindparam("step"))
_CONFIRM = update(FACTOR).where(*_AT, FACTOR.c.confirmed_us.is_(None)).values(confirmed_us=bindparam("at"))
_END = delete(FACTOR).where(*_AT)

_OWN = (RECOVERY.c.workspace == bindparam("of"), RECOVERY.c.person == bindparam("who"))
_NO_CODES = delete(RECOVERY).where(*_OWN)
_ADD_CODE = insert(RECOVERY)
_USE_CODE = (
    update(RECOVERY)
    .where(*_OWN, RECOVERY.c.digest == bindparam("hashed"), RECOVERY.c.used_us.is_(None))
    .values(used_us=bindparam("at"))
)
_LEFT = select(func.count().label("n")).select_from(RECOVERY).where(*_OWN, RECOVERY.c.used_us.is_(None))


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A second factor that is not confirmed yet: what an authenticator app needs. Shown once."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)

    def svg(self) -> str:
        """The address as a QR code: an SVG element for a page, black on white in both themes."""
        import segno  # noqa: PLC0415 - drawn rarely

        return segno.make(self.uri, error="m").svg_inline(scale=4, border=4, light="#fff", dark="#000")


@dataclass(frozen=True, slots=True)
class FactorView:
    """How somebody's second factor stands. ``begun``: a seed waits for the first code of its app."""

    enrolled: bool
    since_us: int | None
    codes_left: int
    begun: bool = False


class _App(Protocol):
    """What is asked of ``pyotp.TOTP``."""

    def generate_otp(self, input: int) -> str: ...  # noqa: A002 - its name there

    def provisioning_uri(self, name: str | None = None, issuer_name: str | None = None) -> str: ...


async def begin_factor(entrance: Entrance, *, workspace: str, by: Principal) -> Enrolment:
    """Make a seed for somebody's authenticator app; it counts from ``confirm_factor`` on. Audited.

    Raises:
        Conflict: They have a second factor: it is turned off first, with the password.
        NotFound: They have no account.
    """
    seed = entrance.rand(_SEED)
    secret = base64.b32encode(seed).decode()

    def op(tx: Tx) -> str:
        person = find_person(tx, workspace=workspace, user=by.id)
        row: dict[str, object] = {
            "workspace": workspace,
            "person": by.id,
            "sealed": entrance.seeds.seal(seed, workspace, by.id),
            "created_us": entrance.now_us(),
            "confirmed_us": None,
            "last_step": 0,
        }
        if tx.execute(_BEGIN, row) != 1:
            message = "You have a second factor. Turn it off first, with your password."
            raise Conflict(message, code="sign_in.factor", hint="remit users link USER --lost-factor")
        tx.append(session_entry("accounts.factor.begun", workspace, by.id, by), {"user": by.id}, subject=by.id)
        return person.email or person.id

    name = await entrance.journal.commit("sign_in.factor", op)
    return Enrolment(secret, _app(seed).provisioning_uri(name=name, issuer_name=f"Remit {workspace}"))


async def confirm_factor(
    entrance: Entrance, code: str, *, workspace: str, by: Principal, session: str = ""
) -> list[str]:
    """Show that the app works; from now on signing in needs it. Returns the recovery codes, shown once. Audited.

    Other sessions of the person, which began without it, end.

    Raises:
        InvalidInput: The code is wrong.
        Conflict: Nothing waits to be confirmed.
        RateLimited: Too many tries.
    """
    tried = await entrance.tries.begin(workspace, entrance.tries.subjects("factor", by.id, ""))
    codes = [_new_code(entrance) for _ in range(CODES)]

    def op(tx: Tx) -> bool:
        row = tx.row(_ONE, {"of": workspace, "who": by.id})
        if row is None or row["confirmed_us"] is not None:
            message = "No second factor waits to be confirmed."
            raise Conflict(message, code="sign_in.factor", hint="remit users link USER --lost-factor")
        if not _take_code(tx, entrance, row, code):
            _refused(tx, workspace, by, "code")
            return False
        now = entrance.now_us()
        entrance.tries.succeeded(tx, tried)
        tx.execute(_CONFIRM, {"of": workspace, "who": by.id, "at": now})
        _put_codes(tx, codes, workspace=workspace, person=by.id)
        close_sessions(tx, by.id, workspace=workspace, by=str(by), why=Ended.FACTOR, at_us=now, keep=session)
        if session:
            free_session(tx, session, workspace=workspace)
        tx.append(session_entry("accounts.factor.set", workspace, by.id, by), {"user": by.id}, subject=by.id)
        return True

    done = await entrance.journal.commit("sign_in.factor", op)
    entrance.sign_in.forget()
    if not done:
        raise wrong_code()
    return codes


async def end_factor(entrance: Entrance, *, workspace: str, by: Principal) -> None:
    """Turn somebody's own second factor off. Whoever calls this has asked for their password again. Audited.

    Raises:
        Conflict: They have none.
    """

    def op(tx: Tx) -> None:
        at = {"of": workspace, "who": by.id}
        if tx.execute(_END, at) != 1:
            message = "You have no second factor."
            raise Conflict(message, code="sign_in.factor", hint="remit users link USER --lost-factor")
        tx.execute(_NO_CODES, at)
        tx.append(session_entry("accounts.factor.ended", workspace, by.id, by), {"user": by.id}, subject=by.id)

    await entrance.journal.commit("sign_in.factor", op)


async def show_factor(entrance: Entrance, *, workspace: str, by: Principal) -> FactorView:
    """How one's own second factor stands."""

    def op(tx: ReadTx) -> FactorView:
        row = tx.row(_ONE, {"of": workspace, "who": by.id})
        left = int((tx.row(_LEFT, {"of": workspace, "who": by.id}) or {"n": 0})["n"])
        since = None if row is None else row["confirmed_us"]
        return FactorView(since is not None, since, left, begun=row is not None and since is None)

    return await reading(entrance.journal, op)


def has_factor(tx: ReadTx, *, workspace: str, person: str) -> bool:
    """Whether signing in takes a code."""
    row = tx.row(_ONE, {"of": workspace, "who": person})
    return row is not None and row["confirmed_us"] is not None


def take_factor(tx: Tx, entrance: Entrance, code: str, *, workspace: str, person: str) -> bool:
    """Use up a code of the app, or a recovery code, inside the operation that lets somebody in; whether it was good."""
    row = tx.row(_ONE, {"of": workspace, "who": person})
    if row is None or row["confirmed_us"] is None:
        return False
    if _take_code(tx, entrance, row, code):
        return True
    hashed = sha256_hex(_plain_code(code).encode())
    at: dict[str, object] = {"of": workspace, "who": person, "hashed": hashed, "at": entrance.now_us()}
    return tx.execute(_USE_CODE, at) == 1


def wrong_code() -> InvalidInput:
    """What a wrong code is answered with."""
    message = "The code is not right, or it was used."
    return InvalidInput(message, code="sign_in.code", hint="wait for the next code of your app")


def _take_code(tx: Tx, entrance: Entrance, row: Row, code: str) -> bool:
    workspace, person = str(row["workspace"]), str(row["person"])
    seed = entrance.seeds.open(bytes(row["sealed"]), workspace, person)
    app = _app(seed)
    shown = re.sub(r"\s", "", code)
    now = entrance.now_us() // 1_000_000 // STEP_S
    found = 0
    for step in (now - 1, now, now + 1):  # all three, whatever is found: how long it takes tells nothing
        if hmac.compare_digest(app.generate_otp(step).encode(), shown.encode("utf-8", "replace")):
            found = step
    return bool(found) and tx.execute(_STEP, {"of": workspace, "who": person, "step": found}) == 1


def _app(seed: bytes) -> _App:
    from pyotp.totp import TOTP  # noqa: PLC0415 - most commands need none

    return TOTP(base64.b32encode(seed).decode(), digits=DIGITS, interval=STEP_S)


def _refused(tx: Tx, workspace: str, by: Principal, why: str) -> None:
    entry = session_entry("accounts.sign_in.refused", workspace, by.id, by, result=Result.BLOCKED, reason=why)
    tx.append(entry, {"user": by.id, "team": ""}, subject=by.id)


def _put_codes(tx: Tx, codes: list[str], *, workspace: str, person: str) -> None:
    at = {"workspace": workspace, "person": person, "used_us": None}
    tx.execute(_NO_CODES, {"of": workspace, "who": person})
    for code in codes:
        tx.execute(_ADD_CODE, {**at, "digest": sha256_hex(_plain_code(code).encode())})


def _new_code(entrance: Entrance) -> str:
    text = base64.b32encode(entrance.rand(_CODE_BYTES)).decode().lower()
    return "-".join(text[at : at + 6] for at in range(0, len(text), 6))


def _plain_code(code: str) -> str:
    return re.sub(r"[\s-]", "", code).lower()
