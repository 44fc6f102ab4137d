"""What needs a person's leave, as data: APR-1's list with this install's numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from remit.kernel.action import Action, ActorKind
from remit.kernel.effects import Deploy, Fetch, Order, Publish
from remit.kernel.money import Money, usd
from remit.kernel.urls import known_url

DAY_S = 86_400
PAPER = "paper"


class Separation(StrEnum):
    """Whether whoever asked (or for whom it was asked) may decide.

    ``AUTO``: not when more than one decision is needed, or when the workspace has more than one person.
    """

    AUTO = "auto"
    ON = "on"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class ApprovalTerms:
    """When a person must be asked, for how long, and how many.

    Attributes:
        kinds: Which of order, deploy and publish are asked about; all, but in tests of other things.
        over: Operations whose estimate is above this are asked about; ``None``: at no amount.
        domains: Sensitive hosts; each with everything below it.
        free_targets: Targets of deploys that are no production, exactly as written in the effect.
        expires_s: Seconds until an undecided request is refused, and an unused leave ends.
        quorum: How many distinct persons must approve, by effect kind; ``""`` for the others.
        separation: Whether who asked may decide.
        most_open: How many undecided requests one agent may have: more is no question any more, but a flood.
    """

    kinds: frozenset[str] = frozenset({"deploy", "order", "publish"})
    over: Money | None = field(default_factory=lambda: usd(10))
    domains: frozenset[str] = frozenset({"gov", "gov.uk", "mil", "onion"})
    free_targets: frozenset[str] = frozenset()
    expires_s: int = DAY_S
    quorum: Mapping[str, int] = field(default_factory=lambda: {"": 1})
    separation: Separation = Separation.AUTO
    most_open: int = 100

    def quorum_of(self, kind: str) -> int:
        """How many persons must approve an effect of that kind; at least one."""
        return max(1, self.quorum.get(kind, self.quorum.get("", 1)))


#: Asks about nothing of its own accord; a rule may still ask.
UNASKED = ApprovalTerms(kinds=frozenset(), over=None, domains=frozenset())


def needs(action: Action, terms: ApprovalTerms) -> Iterator[str]:
    """Each reason of APR-1 why a person must be asked, as a sentence's part. Doubt counts as a reason."""
    effect = action.effect
    if action.kind in terms.kinds:
        match effect:
            case Order() if effect.order.get("mode") != PAPER:
                yield "it is a real order (its mode is not 'paper')"
            case Deploy() if effect.target not in terms.free_targets and not _takes_back(action, effect):
                yield "it is a production deployment"
            case Publish():
                yield "it makes an asset public"
            case _:
                pass
    elif isinstance(effect, Fetch) and terms.domains:
        found = sensitive(effect.url, terms.domains)
        if found:
            yield f"it fetches from a sensitive domain ({found})"
    if terms.over is not None and action.estimate.micros > terms.over.micros:
        yield f"it is estimated at {action.estimate}, more than {terms.over}"


def _takes_back(action: Action, effect: Deploy) -> bool:
    """Whether a rollback goes back to what was live before: the person who ordered that has decided it.

    The adapter refuses one that is not exactly the reverse of a deployment that was done, and any of an agent's.
    """
    return bool(effect.compensates) and action.principal.kind is not ActorKind.AGENT


def sensitive(url: str, domains: frozenset[str]) -> str:
    """The listed domain that ``url`` lies in, or ``unreadable`` when its host can't be told; else empty."""
    found = known_url(url)
    if found is None:
        return "unreadable"
    labels = found.host.split(".")
    return next((part for at in range(len(labels)) if (part := ".".join(labels[at:])) in domains), "")
