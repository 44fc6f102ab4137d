"""An action: one attempted effect, with who asks, for whom, and the hash everything else binds to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from remit.kernel.canonical import canonical, sha256_hex
from remit.kernel.effects import Effect
from remit.kernel.money import ZERO, Money


class ActorKind(StrEnum):
    """What kind of principal acts."""

    USER = "user"
    AGENT = "agent"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who acts."""

    kind: ActorKind
    id: str
    _text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_text", self.kind + ":" + self.id)  # an admission asks for it ten times

    def __str__(self) -> str:
        """``agent:coder``."""
        return self._text

    @classmethod
    def parse(cls, text: str) -> Principal:
        """A principal from its text, ``user:owner``.

        Raises:
            ValueError: There is no such kind.
        """
        kind, _, name = text.partition(":")
        return cls(ActorKind(kind), name)


@dataclass(frozen=True, slots=True)
class Action:
    """One attempted effect.

    ``kind`` is its effect's (``command`` for instance), ``target`` what that is aimed at.
    ``payload`` is the canonical form with ``secret://`` references unresolved; ``subject_hash`` is SHA-256 over kind,
    principal, originator, workspace, target and payload: two actions with the same hash are the same request.
    ``effect_key`` names the effect across attempts and resumes (mission / step / skip key / generation / ordinal), and
    is what an outside system receives as idempotency key. ``directory`` is where a step's files and commands happen.
    ``estimate`` is the most that it is expected to cost. ``priced`` is false when nobody can say, which is never the
    same as free: the setting ``unknown_price`` decides what happens then. ``preset`` is the mission's preset, and
    ``preset_approval`` what of it a person must approve: for rules to read. ``about`` names the person whom its content
    concerns, if any (a customer's reference): what the audit log keeps of it is erased with that person. ``key`` is the
    id of the virtual key that it came in by, if any.
    """

    id: str
    effect: Effect
    principal: Principal
    on_behalf_of: Principal
    workspace: str
    mission: str = ""
    step: str = ""
    attempt: int = 1
    effect_key: str = ""
    estimate: Money = ZERO
    parent: str = ""
    directory: str = ""
    preset: str = ""
    preset_approval: str = ""
    priced: bool = True
    about: str = ""
    key: str = ""
    payload: bytes = field(init=False)
    subject_hash: str = field(init=False)
    kind: str = field(init=False, repr=False, compare=False)
    target: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        kind, target = self.effect.trait.kind, self.effect.target  # kept: an admission asks for them two dozen times
        payload = canonical(self.effect.payload())
        subject = canonical(
            [kind, str(self.principal), str(self.on_behalf_of), self.workspace, target, sha256_hex(payload)]
        )
        object.__setattr__(self, "payload", payload)
        object.__setattr__(self, "subject_hash", sha256_hex(subject))
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "target", target)
