"""Who may decide about a request, told beforehand: the same rule as ``approval_decisions.decide``, for whoever looks.

Read once for a person, then asked about any number of requests without another statement. Nothing here allows
anything: the decision asks again, in its own transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from remit.accounts.access import Permission, Resource, rights_of
from remit.accounts.roles import may
from remit.guard.approval_decisions import in_force
from remit.guard.approval_listing import Summary
from remit.guard.approval_rows import Request, Status, Vote
from remit.kernel.action import ActorKind, Principal
from remit.kernel.ports import ReadTx

_MOST_LENT = 20


@dataclass(frozen=True, slots=True)
class Seat:
    """A person's place at decisions: whether they have the right themselves, and whose rights they were lent."""

    who: Principal
    own: bool
    lent: tuple[str, ...]

    def why_not(self, request: Request | Summary, said: Sequence[Vote], *, now_us: int) -> str:
        """Why they may not decide about it; empty: they may."""
        if request.state(now_us) != Status.PENDING:
            return "It waits for nobody any more."
        if self.who.kind is not ActorKind.USER:
            return "Agents never approve."
        if not (self.own or self.lent):
            return "You have no right to approve here. An owner could grant it."
        return self._not_this(request) or self._not_again(request, said)

    def _free(self, request: Request | Summary) -> list[str]:
        """Whose rights they could decide with: where duties are separated, not those of whoever asked."""
        rights = [self.who.id] if self.own else list(self.lent)
        return [right for right in rights if f"user:{right}" not in _involved(request)]

    def _not_this(self, request: Request | Summary) -> str:
        if str(self.who) in _involved(request):
            return "You asked for it, or it was asked for you: another person must decide."
        return "" if self._free(request) else f"You hold the right of {self.lent[0]}, who asked for it."

    def _not_again(self, request: Request | Summary, said: Sequence[Vote]) -> str:
        mine = next((vote for vote in said if vote.voter == self.who.id), None)
        if mine is not None:
            return f"You have {mine.verdict} it; another person must decide, too."
        free = self._free(request)
        taken = {vote.right_of: vote.voter for vote in said}
        return (
            f"{taken[free[0]]} has decided with the right that you hold." if all(one in taken for one in free) else ""
        )


def seat_of(tx: ReadTx, workspace: str, who: Principal, *, now_us: int) -> Seat:
    """A person's place; of many lent rights the first twenty that stand."""
    own = who.kind is ActorKind.USER and _may(tx, workspace, who.id)
    lent: list[str] = []
    if not own and who.kind is ActorKind.USER:
        givers = [one.giver for one in in_force(tx, workspace, now_us=now_us) if one.taker == who.id]
        lent = [giver for giver in dict.fromkeys(givers[:_MOST_LENT]) if _may(tx, workspace, giver)]
    return Seat(who, own, tuple(lent))


def _involved(request: Request | Summary) -> set[str]:
    return {request.principal, request.on_behalf_of} if request.separated else set()


def _may(tx: ReadTx, workspace: str, user: str) -> bool:
    return may(rights_of(tx, user, workspace=workspace), Permission.APPROVE, Resource.APPROVAL)
