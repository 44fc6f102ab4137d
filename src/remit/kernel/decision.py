"""What the guard decided about an action, with every check's verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from remit.kernel.canonical import Json


class Verdict(StrEnum):
    """One check's answer."""

    ALLOW = "allow"
    DENY = "deny"
    NEEDS_APPROVAL = "needs_approval"


@dataclass(frozen=True, slots=True)
class Check:
    """One check's verdict: its name, a stable reason code, and a sentence for people (free of secrets)."""

    name: str
    verdict: Verdict
    reason: str
    detail: str = ""

    def as_json(self) -> dict[str, Json]:
        """As stored and shown."""
        return {"check": self.name, "verdict": self.verdict.value, "reason": self.reason, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdicts in the order in which they fell; the first that is not ``allow`` ended the list."""

    action_id: str
    subject_hash: str
    checks: tuple[Check, ...]
    policy_rev: str

    @property
    def verdict(self) -> Verdict:
        """Allow only when every check allowed; an empty list denies."""
        if not self.checks:
            return Verdict.DENY
        return next((check.verdict for check in self.checks if check.verdict is not Verdict.ALLOW), Verdict.ALLOW)

    @property
    def refusal(self) -> Check | None:
        """The check that did not allow, if any."""
        return next((check for check in self.checks if check.verdict is not Verdict.ALLOW), None)

    def as_json(self) -> dict[str, Json]:
        """As stored and shown."""
        return {
            "action": self.action_id,
            "subject_hash": self.subject_hash,
            "verdict": self.verdict.value,
            "policy_rev": self.policy_rev,
            "checks": [check.as_json() for check in self.checks],
        }
