"""Evidence: what a critic or a person found out about a subject, for rules to read as ``evidence.<critic>``.

It only grows, and each piece is in the audit log. The newest of a critic counts, the most particular scope first: about
this very subject, then about the mission, then about the workspace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import bindparam, insert, select

from remit.accounts.access import Permission, require
from remit.audit.entry import Entry, Result
from remit.guard.rule_tables import EVIDENCE
from remit.kernel.action import ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock, iso, micros_of
from remit.kernel.effects import Deploy, Effect, Order, Publish
from remit.kernel.errors import InvalidInput
from remit.kernel.finding import Finding, Severity
from remit.kernel.ids import new_id
from remit.kernel.ports import Journal, ReadTx, Row, Tx

MOST_FINDINGS = 200
LONGEST_REASON = 2000
_LONGEST = {"message": 500, "place": 300, "fix": 300, "kind": 100}
_MOST_SHOWN = 200

_CRITIC = re.compile(r"[a-z][a-z0-9_]{0,39}")
_SUBJECT = re.compile(r"[0-9a-zA-Z:._/-]{0,200}")
#: Where an effect names what it is about, first found first taken.
_SUBJECT_KEYS = ("subject", "tree", "sha256")

_INSERT = insert(EVIDENCE)
_STANDING = (
    select(EVIDENCE)
    .where(
        EVIDENCE.c.workspace == bindparam("of"),
        EVIDENCE.c.mission.in_([bindparam("in_mission"), ""]),
        EVIDENCE.c.subject.in_([bindparam("about"), ""]),
        EVIDENCE.c.at_us <= bindparam("until"),
    )
    .order_by(EVIDENCE.c.at_us, EVIDENCE.c.id)
)
_OF_MISSION = (
    select(EVIDENCE)
    .where(EVIDENCE.c.workspace == bindparam("of"), EVIDENCE.c.mission.in_([bindparam("in_mission"), ""]))
    .order_by(EVIDENCE.c.at_us.desc(), EVIDENCE.c.id.desc())
    .limit(_MOST_SHOWN)
)
_ALL = (
    select(EVIDENCE)
    .where(EVIDENCE.c.workspace == bindparam("of"))
    .order_by(EVIDENCE.c.at_us.desc(), EVIDENCE.c.id.desc())
    .limit(_MOST_SHOWN)
)
_FOREVER = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Evidence:
    """One verdict about a subject.

    ``subject`` is what was judged: a git tree id, an artefact's SHA-256, or "" for a fact about the mission (or, with
    ``mission`` "", about the workspace, such as ``kyc``). ``source`` is ``step:NAME`` or the person, ``user:ID``.

    Raises:
        InvalidInput: A critic that is no lower-case word, a subject with characters that no hash has, no source.
    """

    workspace: str
    mission: str
    critic: str
    subject: str
    passed: bool
    findings: tuple[Finding, ...]
    source: str
    at_us: int

    def __post_init__(self) -> None:
        wrong = ""
        if not _CRITIC.fullmatch(self.critic):
            wrong = f"the critic {self.critic[:60]!r} must be a lower-case word of letters, digits and _"
        elif not _SUBJECT.fullmatch(self.subject):
            wrong = f"the subject {self.subject[:60]!r} must be a hash or an id"
        elif not (self.workspace and self.source):
            wrong = "evidence needs a workspace and a source"
        if wrong:
            message = f"The evidence can't be kept: {wrong}."
            raise InvalidInput(message, code="evidence.unfit", hint="remit policy attest --help")

    @property
    def holds(self) -> bool:
        """Whether a rule may rely on it: it passed, and no finding of it blocks."""
        return self.passed and not any(found.severity.blocks for found in self.findings)

    def as_json(self) -> dict[str, Json]:
        """As shown, and as the audit log's payload."""
        return {
            "critic": self.critic,
            "passed": self.passed,
            "holds": self.holds,
            "mission": self.mission,
            "subject": self.subject,
            "source": self.source,
            "at": iso(self.at_us),
            "findings": _told(self.findings),
        }


def record(tx: Tx, evidence: Evidence, *, reason: str = "") -> None:
    """Keep a verdict and audit it, in the caller's transaction.

    Findings beyond 200 are dropped, the least severe first. Free text is the caller's to mask.
    """
    kept = sorted(evidence.findings, key=lambda found: _RANK[found.severity])[:MOST_FINDINGS]
    tx.execute(
        _INSERT,
        {
            "id": new_id(),
            "workspace": evidence.workspace,
            "mission": evidence.mission,
            "subject": evidence.subject,
            "critic": evidence.critic,
            "passed": evidence.passed,
            "findings": orjson.dumps(_told(kept)).decode(),
            "source": evidence.source,
            "at_us": evidence.at_us,
        },
    )
    kind, _, name = evidence.source.partition(":")
    person = kind == ActorKind.USER.value
    entry = Entry(
        actor=Principal(ActorKind.USER, name) if person else Principal(ActorKind.SYSTEM, "remit"),
        action="guard.evidence",
        domain="evidence",
        result=Result.SUCCESS if evidence.holds else Result.FAILURE,
        workspace=evidence.workspace,
        reason="attested" if person else "judged",
        subject=evidence.critic,
        mission=evidence.mission,
        step=name if kind == "step" else "",
    )
    tx.append(entry, {**evidence.as_json(), "reason": reason})


def standing(
    tx: ReadTx, workspace: str, mission: str, subject: str, *, until_us: int = _FOREVER
) -> Mapping[str, Evidence]:
    """What stands about a subject, by critic, read in one statement.

    The newest of the most particular scope: (mission, subject), ("", subject), (mission, ""), ("", "").

    Args:
        tx: Where to read.
        workspace: Whose evidence.
        mission: The mission asked about; "" for none.
        subject: The hash of what is to be done; "" for none.
        until_us: Only what was known at this time.
    """
    found: dict[str, tuple[int, Evidence]] = {}
    asked = {"of": workspace, "in_mission": mission, "about": subject, "until": until_us}
    for row in tx.rows(_STANDING, asked):
        weight = 2 * bool(row["subject"]) + bool(row["mission"])
        known = found.get(row["critic"])
        if known is None or weight >= known[0]:
            found[row["critic"]] = weight, _evidence(row)
    return {critic: evidence for critic, (_, evidence) in sorted(found.items())}


def subject_of(effect: Effect) -> str:
    """What an effect says it is about: ``subject``, ``tree`` or ``sha256`` of its release, asset or order; else ""."""
    match effect:
        case Deploy():
            told = effect.release
        case Publish():
            told = effect.asset
        case Order():
            told = effect.order
        case _:
            return ""
    for key in _SUBJECT_KEYS:
        value = told.get(key)
        if isinstance(value, str) and value and _SUBJECT.fullmatch(value):
            return value
    return ""


async def attest(
    journal: Journal,
    critic: str,
    *,
    workspace: str,
    mission: str,
    subject: str,
    passed: bool,
    reason: str,
    by: Principal,
    clock: Clock,
) -> Evidence:
    """A person's word on something that no program can judge: ``review``, ``kyc``, ``compliance``, ``risk_ack``.

    Raises:
        Denied: ``by`` is an agent, or may not approve.
        InvalidInput: No reason, or a critic or subject that can't be one.
    """
    if not 0 < len(reason.strip()) <= LONGEST_REASON:
        message = f"An attestation needs a reason of at most {LONGEST_REASON} characters."
        raise InvalidInput(message, code="evidence.reason", hint="add --reason TEXT")
    made = Evidence(workspace, mission, critic, subject, passed, (), str(by), micros_of(clock.now()))

    def op(tx: Tx) -> Evidence:
        require(tx, by, workspace=workspace, permission=Permission.APPROVE)
        record(tx, made, reason=reason)
        return made

    return await journal.commit("guard.evidence", op)


def find_evidence(tx: ReadTx, workspace: str, *, mission: str = "") -> list[Evidence]:
    """The newest 200 pieces of evidence, all or those that a mission can rely on."""
    if mission:
        return [_evidence(row) for row in tx.rows(_OF_MISSION, {"of": workspace, "in_mission": mission})]
    return [_evidence(row) for row in tx.rows(_ALL, {"of": workspace})]


_RANK = {severity: rank for rank, severity in enumerate(reversed(Severity))}


def _told(findings: Sequence[Finding]) -> list[dict[str, str]]:
    return [
        {
            "kind": found.kind[: _LONGEST["kind"]],
            "severity": found.severity.value,
            "message": found.message[: _LONGEST["message"]],
            "place": found.place[: _LONGEST["place"]],
            "fix": found.fix[: _LONGEST["fix"]],
        }
        for found in findings
    ]


def _evidence(row: Row) -> Evidence:
    findings = tuple(
        Finding(each["kind"], Severity(each["severity"]), each["message"], each["place"], each["fix"])
        for each in orjson.loads(row["findings"])
    )
    return Evidence(
        workspace=row["workspace"],
        mission=row["mission"],
        critic=row["critic"],
        subject=row["subject"],
        passed=bool(row["passed"]),
        findings=findings,
        source=row["source"],
        at_us=row["at_us"],
    )
