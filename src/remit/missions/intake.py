"""From a pack's input to a plan that can run, or a refusal that says where it is wrong. Nothing is written."""

from __future__ import annotations

import re

from remit.kernel.errors import InvalidInput
from remit.missions.conditions import misplaced
from remit.missions.critics import misnamed
from remit.missions.pack import Pack
from remit.missions.plan import OrderedPlan, order
from remit.redact.redactor import Redactor

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}")
LONGEST = 200  # characters of a feature's name


def refuse_secrets(redactor: Redactor, data: bytes, name: str) -> None:
    """An input is stored and becomes files, so a secret in it is refused before anything is written.

    Raises:
        InvalidInput: Says on which lines and of what kind, never the value.
    """
    found = redactor.findings({name: data})
    if found:
        problems = tuple(f"{one.place}: {one.message}" for one in found)
        raise InvalidInput(
            found[0].message, code="input.secret", place=found[0].place, hint=found[0].fix, problems=problems
        )


def planned(pack: Pack, data: bytes, name: str) -> OrderedPlan:
    """The ordered plan for an input.

    Raises:
        InvalidInput: The input is wrong, or a step of its plan can't run: an unfit name, an unknown function, a
            condition out of place, a cycle, a reference to no step. ``problems`` lists all that were found.
    """
    plan = pack.plan(data, name=name)
    problems: list[str] = []
    if not plan.steps:
        problems.append("the plan has no step")
    for spec in plan.steps:
        if not NAME.fullmatch(spec.name) or ".." in spec.name:
            problems.append(f"the step name {spec.name[:80]!r} must be letters, digits and . _ : @ + -, at most 128")
        if not spec.feature.isprintable() or spec.feature != spec.feature.strip() or len(spec.feature) > LONGEST:
            problems.append(f"step {spec.name!r}: the feature {spec.feature[:80]!r} must be one printable line")
        try:
            pack.step(spec.uses)
        except InvalidInput as error:
            problems.append(f"step {spec.name!r}: {error.message}")
        problems += misplaced(spec)
    problems += misnamed(plan.steps)
    if problems:
        raise InvalidInput(f"The plan can't run: {problems[0]}.", code="plan.invalid", problems=tuple(problems))
    return order(plan)
