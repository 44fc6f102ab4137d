"""What the guard decided about an action, with every check's verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import cast

import orjson

from remit.kernel.canonical import Json

#: The reason of a check that simply allowed.
OK = "ok"


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
        """As shown."""
        return {**self.as_told()}

    def as_told(self) -> dict[str, str]:
        """As shown, in texts."""
        return {"check": self.name, "verdict": self.verdict.value, "reason": self.reason, "detail": self.detail}

    def as_kept(self) -> Json:
        """As rows and the audit log keep it: the name alone of one that allowed and has nothing to add."""
        plain = self.verdict is Verdict.ALLOW and self.reason == OK and not self.detail
        return self.name if plain else self.as_json()


def read_checks(kept: str) -> list[dict[str, str]]:
    """What ``Check.as_kept`` made of each check of an action, in their order, from JSON."""
    told = cast("list[str | dict[str, str]]", orjson.loads(kept))
    return [Check(each, Verdict.ALLOW, OK).as_told() if isinstance(each, str) else each for each in told]


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
