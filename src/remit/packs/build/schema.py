"""The documents of the build pack, each validated as a whole: what can be built, how, and what happened.

`Intake` is what a person writes; `Architecture`, `FeatureGraph` and `ScaffoldingSpec` are derived from it and are
validated again, so that a document from elsewhere is held to the same rules; `ExecutionState` is what came of it.
"""

from typing import Self

from pydantic import ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from remit.packs.build.problem import Problem
from remit.packs.build.rules import intake_problems
from remit.packs.build.schema_intake import UncheckedIntake


class Intake(UncheckedIntake):
    """What is to be built. Valid means buildable: every rule of `remit.packs.build.rules` holds.

    With `context={"problems": []}` the broken rules are appended to that list instead of raised, for a caller
    who can say where in the file each one is.
    """

    @model_validator(mode="after")
    def _rules_hold(self, info: ValidationInfo) -> Self:
        problems = intake_problems(self)
        collected: list[Problem] | None = info.context.get("problems") if info.context else None
        if collected is not None:
            collected.extend(problems)
        elif problems:
            text = "; ".join(str(problem) for problem in problems)
            raise PydanticCustomError("intake_rules", "{text}", {"text": text})
        return self
