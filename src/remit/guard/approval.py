"""The check after the rules: must a person be asked? What a rule said, or what APR-1 lists.

The check only says that one must. Whether somebody has approved stands in the store, and ``approval_asking`` looks;
what is approved is used up in the intent's own transaction (``approval_requests.consume``).
"""

from __future__ import annotations

from remit.guard.approval_terms import needs
from remit.guard.scene import Scene, allowed
from remit.kernel.action import Action
from remit.kernel.decision import Check, Verdict

NAME = "approval"
ALLOWED = allowed(NAME)
NEEDED = "needed"


def check(action: Action, scene: Scene) -> Check:
    """``NEEDS_APPROVAL`` with every reason, or allowed."""
    reasons = [said.detail.rstrip(".") or said.reason for said in scene.wanted]
    reasons += needs(action, scene.approvals)
    if not reasons:
        return ALLOWED
    return Check(NAME, Verdict.NEEDS_APPROVAL, NEEDED, f"A person must be asked: {'; '.join(reasons)}.")
