"""From a pack's input to a plan that can run, or a refusal that says where it is wrong. Nothing is written."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace

from remit.kernel.errors import InvalidInput
from remit.kernel.mission import Plan
from remit.kernel.references import references_in
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
            condition out of place, a cycle, a reference to no step, or to a secret that the input doesn't declare.
            ``problems`` lists all that were found.
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
    referred, unfit = _references(plan)
    problems += unfit
    if problems:
        raise InvalidInput(f"The plan can't run: {problems[0]}.", code="plan.invalid", problems=tuple(problems))
    unused = [secret for secret in plan.secrets or () if secret not in referred]
    notes = tuple(f"the secret {secret!r} is declared, and no step refers to it" for secret in unused)
    return order(replace(plan, notes=(*plan.notes, *notes)) if notes else plan)


def _references(plan: Plan) -> tuple[set[str], list[str]]:
    """The secrets that the steps refer to, and what is wrong with that: malformed, or not declared by the input."""
    declared = plan.secrets
    referred: set[str] = set()
    problems: list[str] = []
    for spec in plan.steps:
        try:
            names = [reference.name for reference in references_in(dict(spec.params))]
        except InvalidInput as error:
            problems.append(f"step {spec.name!r}: {error.message}")
            continue
        referred.update(names)
        if declared is None:
            continue
        for name in dict.fromkeys(names):
            if name not in declared:
                near = difflib.get_close_matches(name, declared, 1)
                guess = f"did you mean {near[0]!r}?" if near else f"it declares {', '.join(declared) or 'none'}"
                problems.append(
                    f"step {spec.name!r} refers to the secret {name!r}, which the input does not declare: {guess}"
                )
    return referred, problems
