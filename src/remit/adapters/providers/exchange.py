"""One call under way: how far it got, and what it has used by then."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from remit.adapters.providers.bill import NOBODY, bill
from remit.kernel import permits
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.effects import Model
from remit.kernel.errors import Timeout
from remit.kernel.mission import Outcome
from remit.kernel.money import ZERO, Money
from remit.kernel.usage import Usage
from remit.models.prices import Rate
from remit.models.wire.answer import AnswerReader, Tokens

_NOTHING = Tokens()


class Stage(Enum):
    """How far a call got."""

    NOTHING = 0  # nothing left this process
    SENT = 1
    REFUSED = 2  # a status says that it wasn't done
    ANSWERED = 3


class Exchange:
    """See the module.

    Attributes:
        action: For which.
        effect: What is asked.
        began: When, in monotonic seconds.
        first: When the first byte of the answer's body came; ``None``: not yet.
        rate: What tokens cost.
        reader: What reads the answer, once there is one.
        stage: How far it got.
        told: What the provider was told beside the request.
    """

    __slots__ = ("action", "began", "effect", "first", "rate", "reader", "stage", "told")

    def __init__(self, action: Action, effect: Model, began: float) -> None:
        self.action = action
        self.effect = effect
        self.began = began
        self.first: float | None = None
        self.rate: Rate | None = None
        self.reader: AnswerReader | None = None
        self.stage = Stage.NOTHING
        self.told = NOBODY

    def give_up(self, error: BaseException) -> None:
        """Tell the guard what this attempt used, now that it ends without an outcome.

        A call that was refused, or that no connection carried to an answer, used nothing. One that was left while
        the provider may have been at work on it read its request at least.
        """
        left = not isinstance(error, Exception) or (isinstance(error, Timeout) and error.code == "model.silent")
        if self.stage is Stage.ANSWERED or (self.stage is Stage.SENT and left):
            permits.spent(*self._bill())
        else:
            permits.spent(ZERO, Usage(self.effect.provider, self.effect.model))

    def outcome(self, *, value: Mapping[str, Json] | None = None, text: str = "") -> Outcome:
        """How it ended well."""
        cost, usage = self._bill()
        return Outcome(ok=True, value=value or {}, text=text, cost=cost, usage=usage)

    def _bill(self) -> tuple[Money, Usage]:
        tokens = _NOTHING if self.reader is None else self.reader.tokens
        return bill(self.action, self.effect, self.rate, tokens, told=self.told)
