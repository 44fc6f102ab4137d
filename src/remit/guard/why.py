"""``remit why ID``: the story of a refusal or an action, a mission's refusals, or an effect across its attempts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select, text

from remit.guard import refusals
from remit.guard.approval_rows import Status
from remit.guard.approval_tables import APPROVAL
from remit.guard.attempts import attempts_of
from remit.guard.records import State
from remit.guard.tables import ACTION
from remit.guard.why_log import Prove, Said, Standing, decisions_on, said_of, unchecked
from remit.kernel.canonical import Json
from remit.kernel.clock import iso
from remit.kernel.decision import read_checks
from remit.kernel.errors import NotFound
from remit.kernel.money import Money
from remit.kernel.ports import Journal, ReadTx, Row

MOST = 50
SCHEME = "remit:"

_BY_ID = select(ACTION).where(ACTION.c.workspace == bindparam("of"), ACTION.c.id == bindparam("which"))
_BY_KEY = (
    select(ACTION)
    .where(ACTION.c.workspace == bindparam("of"), ACTION.c.effect_key == bindparam("which"))
    .order_by(ACTION.c.opened_us, ACTION.c.id)
    .limit(MOST)
)
_BY_MISSION = (
    select(ACTION)
    .where(
        ACTION.c.workspace == bindparam("of"),
        ACTION.c.mission == bindparam("which"),
        ACTION.c.state != State.OK.value,
    )
    .order_by(ACTION.c.opened_us.desc(), ACTION.c.id.desc())
    .limit(MOST)
)
_STOOD_IN = (
    select(ACTION.c.id, ACTION.c.kind, ACTION.c.target, ACTION.c.state, ACTION.c.reason)
    .where(ACTION.c.workspace == bindparam("of"), ACTION.c.parent == bindparam("which"), ACTION.c.parent != text("''"))
    .order_by(ACTION.c.opened_us, ACTION.c.id)
)
_IN_MISSION = (
    select(ACTION.c.id).where(ACTION.c.workspace == bindparam("of"), ACTION.c.mission == bindparam("which")).limit(1)
)
_DONE_IN_MISSION = select(func.count().label("done")).where(
    ACTION.c.workspace == bindparam("of"), ACTION.c.mission == bindparam("which"), ACTION.c.state == State.OK.value
)
_ASKED = (
    select(APPROVAL.c.status, APPROVAL.c.used_by)
    .where(
        APPROVAL.c.workspace == bindparam("of"),
        APPROVAL.c.subject_hash == bindparam("hashed"),
        APPROVAL.c.mission == bindparam("in_mission"),
        APPROVAL.c.step == bindparam("in_step"),
        APPROVAL.c.requested_us <= bindparam("until"),
    )
    .order_by(APPROVAL.c.requested_us.desc(), APPROVAL.c.id.desc())
    .limit(1)
)
_NEXT = {
    State.OPEN: "it runs, or its process died: remit show {mission}",
    State.OK: "nothing: it was done",
    State.FAILED: "remit logs {mission}",
    State.UNKNOWN: "look at {target} and decide whether it was done: it is never repeated by itself",
    State.BLOCKED: "remit unkill NAME --reason WHY, then remit resume {mission}",
    State.CANCELLED: "remit resume {mission}",
    State.UNUSED: "remit resume {mission}",
    State.ABANDONED: "remit resume {mission}",
}


@dataclass(frozen=True, slots=True)
class ActionStory:
    """One action: what was asked, the checks in order, who decided, how it ended, and where the audit log says so."""

    row: Row
    checks: tuple[Mapping[str, Json], ...]
    said: tuple[Said, ...]
    decisions: tuple[Said, ...] = ()
    attempts: tuple[Row, ...] = ()
    stood_in: tuple[Row, ...] = ()  # the actions that were tried in its place
    asked: Row | None = None  # where the request stands that it led to: its status, and the action that used it

    @property
    def audit(self) -> tuple[int, ...]:
        """The numbers of its entries in the audit log."""
        return tuple(each.seq for each in self.said)

    @property
    def reference(self) -> str:
        """What to hand to others: ``remit why`` takes it for as long as the row is kept."""
        return f"{SCHEME}{self.row['workspace']}/{self.row['id']}"

    @property
    def state(self) -> State:
        """Where it stands."""
        return State(self.row["state"])

    @property
    def next(self) -> str:
        """What to do now."""
        names = {"mission": self.row["mission"] or "ID", "target": self.row["target"], "action": self.row["id"]}
        if self.state is State.REFUSED:
            return self._since_asked() or refusals.NEXT.get(self.row["reason"], "remit agents").format(**names)
        return _NEXT[self.state].format(**names)

    def _since_asked(self) -> str:
        """What to do about an action that needed a person, once somebody has decided; empty: nobody has."""
        if self.asked is None or self.asked["status"] == Status.PENDING.value:
            return ""
        if self.asked["used_by"]:
            return f"nothing: it was approved, and done as remit why {self.asked['used_by']} tells"
        if self.asked["status"] == Status.APPROVED.value:
            return "give the same order again: it was approved"
        mission = self.row["mission"] or "ID"
        return refusals.NEXT.get(f"approval.{self.asked['status']}", "").format(mission=mission)

    def as_json(self) -> dict[str, Json]:
        """For ``remit why --json``."""
        row = self.row
        return {
            "action": row["id"],
            "mission": row["mission"],
            "step": row["step"],
            "attempt": row["attempt"],
            "kind": row["kind"],
            "target": row["target"],
            "principal": row["principal"],
            "on_behalf_of": row["on_behalf_of"],
            "subject_hash": row["subject_hash"],
            "effect_key": row["effect_key"],
            "instead_of": row["parent"] or None,
            "alternatives": [
                {"action": one["id"], "kind": one["kind"], "target": one["target"], "state": one["state"]}
                for one in self.stood_in
            ],
            "attempts": [
                {
                    "number": one["number"],
                    "began": iso(one["began_us"]),
                    "seconds": round((one["ended_us"] - one["began_us"]) / 1_000_000, 6),
                    "error": one["code"] or None,
                    "waited_s": one["wait_ms"] / 1000,
                    "cost_usd": str(Money(one["cost_micros"]).usd),
                }
                for one in self.attempts
            ],
            "asked_at": iso(row["opened_us"]),
            "checks": [dict(check) for check in self.checks],
            "policy_rev": row["policy_rev"],
            "state": self.state.value,
            "reason": row["reason"],
            "tries": row["tries"],
            "estimate_usd": str(Money(row["estimate_micros"]).usd),
            "cost_usd": str(Money(row["cost_micros"]).usd),
            "ended_at": None if row["closed_us"] is None else iso(row["closed_us"]),
            "decisions": [each.as_json() for each in self.decisions],
            "audit": list(self.audit),
            "entries": [each.as_json() for each in self.said],
            "reference": self.reference,
            "next": self.next,
        }


@dataclass(frozen=True, slots=True)
class Story:
    """What an id stands for, told from the rows. ``kind``: ``action``, ``mission`` or ``effect``.

    ``done`` counts the actions of a mission that were plainly done; ``actions`` are its others.
    """

    id: str
    kind: str
    actions: tuple[ActionStory, ...]
    done: int = 0

    def as_json(self) -> dict[str, Json]:
        """For ``remit why --json``."""
        return {"id": self.id, "kind": self.kind, "actions": [action.as_json() for action in self.actions]}

    def text(self) -> str:
        """For people."""
        if not self.actions:
            return f"Nothing in {self.kind} {self.id} was refused, failed or is open.\nNext: remit show {self.id}"
        told = [_told(action) for action in self.actions]
        if self.kind == "mission":
            told.insert(0, f"Done in mission {self.id}: {_counted(self.done)}. Refused, failed or open, newest first:")
        return "\n\n".join(told)


async def why(journal: Journal, which: str, *, workspace: str, prove: Prove = unchecked) -> Story:
    """The story behind an action or decision id, an effect key, or a mission id (then: all that isn't plainly done).

    Args:
        journal: The store.
        which: The id, or the reference that an earlier story gave.
        workspace: Where; another workspace's reference finds nothing.
        prove: Checks an entry's inclusion under the newest signed checkpoint.

    Raises:
        NotFound: Nothing in this workspace has that id.
    """
    which = which.removeprefix(f"{SCHEME}{workspace}/")

    def op(tx: ReadTx) -> Story:
        at = {"of": workspace, "which": which}
        row = tx.row(_BY_ID, at)
        if row is not None:
            return Story(which, "action", (_action(tx, row, prove),))
        rows = tx.rows(_BY_KEY, at) if which else []
        if rows:
            return Story(which, "effect", tuple(_action(tx, row, prove) for row in rows))
        rows = tx.rows(_BY_MISSION, at)
        if rows or tx.row(_IN_MISSION, at) is not None:
            counted = tx.row(_DONE_IN_MISSION, at)
            done = 0 if counted is None else int(counted["done"])
            return Story(which, "mission", tuple(_action(tx, row, prove) for row in rows), done)
        message = f"Nothing here has the id {which[:60]!r}: give an action, a decision, a mission or an effect key."
        raise NotFound(message, code="guard.why", hint="remit missions")

    return await journal.read(op)


def _action(tx: ReadTx, row: Row, prove: Prove) -> ActionStory:
    checks = [dict[str, Json](check) for check in read_checks(row["checks"])]
    said = said_of(tx, row, prove)
    return ActionStory(
        row,
        tuple(checks),
        tuple(said),
        tuple(decisions_on(tx, row, said, prove)),
        attempts=tuple(attempts_of(tx, row["workspace"], row["id"])),
        stood_in=tuple(tx.rows(_STOOD_IN, {"of": row["workspace"], "which": row["id"]})),
        asked=_asked(tx, row),
    )


def _asked(tx: ReadTx, row: Row) -> Row | None:
    if row["reason"] != "approval.needed":
        return None
    about = {"hashed": row["subject_hash"], "in_mission": row["mission"], "in_step": row["step"]}
    return tx.row(_ASKED, {"of": row["workspace"], **about, "until": row["closed_us"] or row["opened_us"]})


def _counted(actions: int) -> str:
    return "1 action" if actions == 1 else f"{actions} actions"


def _told(story: ActionStory) -> str:
    row = story.row
    whom = "" if row["on_behalf_of"] == row["principal"] else f" for {row['on_behalf_of']}"
    step = f" in step {row['step']}" if row["step"] else ""
    where = f"{step} of mission {row['mission']}" if row["mission"] else ""
    lines = [
        f"{row['principal']}{whom} asked for {row['kind']} {row['target']}{where}, {iso(row['opened_us'])}",
        *(
            f"  {check['check']:<11} {check['verdict']:<6} {check['detail'] or check['reason']}"
            for check in story.checks
        ),
        f"  rules       revision {row['policy_rev']}",
        *(_decided(each) for each in story.decisions),
        *_tried(story),
        f"Ended: {story.state.value}" + (f" ({row['reason']})" if row["reason"] else "") + _figures(row),
    ]
    if story.said:
        lines.append("Audit: " + ", ".join(_placed(each) for each in story.said))
    lines.append(f"Reference: {story.reference}")
    return "\n".join((*lines, f"Next: {story.next}"))


def _decided(said: Said) -> str:
    header = said.header
    what = str(header["action"]).removeprefix("approval.").replace("_", " ")
    why = f" ({header['reason']})" if header["reason"] else ""
    return f"  approval    {what}{why} by {header['actor']}, {iso(int(header['ts_us']))}, {_placed(said)}"


def _placed(said: Said) -> str:
    marks = {
        Standing.PROVED: " (proved)",
        Standing.UNSIGNED: " (not yet signed)",
        Standing.BROKEN: " (NOT PROVED: remit audit verify)",
    }
    return f"entry {said.seq}{marks.get(said.standing, '')}"


def _tried(story: ActionStory) -> list[str]:
    """Each attempt that failed, and what stood in for it."""
    lines = [
        f"  attempt {one['number']} {one['code']}"
        + (f", again after {one['wait_ms'] / 1000:g} s" if one["wait_ms"] else "")
        for one in story.attempts
        if one["code"]
    ]
    if story.row["parent"]:
        further = story.row["kind"] == "fetch" and story.row["state"] == State.REFUSED.value
        lines.insert(0, f"  {'on the way of' if further else 'instead of'} action {story.row['parent']}")
    return lines + [
        f"  then tried {one['kind']} {one['target']}: {one['state']} (action {one['id']})" for one in story.stood_in
    ]


def _figures(row: Row) -> str:
    tries = f", {row['tries']} tries" if row["tries"] > 1 else ""
    return tries + (f", cost {Money(row['cost_micros'])}" if row["cost_micros"] else "")
