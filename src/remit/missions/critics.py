"""Critics: steps that judge the tree they find. Their verdict is evidence, written with the step's own last row.

The subject is the tree that the step was given, so a verdict never speaks for what was changed afterwards. Several
steps may be one critic together (``lint`` and ``types`` are ``quality``): each verdict is kept under the critic's and
the step's name, and the critic's own is good only when each of theirs is, about the same tree.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from remit.guard.evidence import Evidence, find_evidence, record, standing
from remit.kernel.errors import RemitError
from remit.kernel.finding import Finding, Severity
from remit.kernel.mission import StepSpec
from remit.kernel.ports import ReadTx, Tx
from remit.missions.context import Context
from remit.missions.holding import Also, Holding

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_UNFIT = re.compile(r"[^a-z0-9]+")


def misnamed(steps: Sequence[StepSpec]) -> list[str]:
    """What is wrong with the critics of a plan, as sentences: names that rules could not read or tell apart."""
    problems = [
        f"step {step.name!r}: the critic {step.critic[:60]!r} must be a lower-case word of letters, digits and _"
        for step in steps
        if step.critic and not _NAME.fullmatch(step.critic)
    ]
    if problems:
        return problems
    shared = _shared(steps)
    parts = [part_of(step) for step in steps if step.critic in shared]
    known = Counter([*parts, *{step.critic for step in steps if step.critic}])
    problems += [f"two critics of the plan would both be called {name!r}" for name, count in known.items() if count > 1]
    return problems + [
        f"the critic {name[:60]!r}, of a step that shares it, is longer than 40 characters"
        for name in parts
        if not _NAME.fullmatch(name)
    ]


def part_of(step: StepSpec) -> str:
    """Under which name a step's own verdict is kept when it shares its critic: ``quality_lint``."""
    return f"{step.critic}_{_UNFIT.sub('_', step.name.lower()).strip('_')}"


async def verdict(
    holding: Holding, spec: StepSpec, context: Context, *, error: RemitError | None = None
) -> Also | None:
    """What is to be written with the end of a step's attempt: evidence about the tree that it was given.

    Args:
        holding: The mission.
        spec: The step.
        context: Its attempt; holds what it found.
        error: Why the step failed for good; ``None`` when it succeeded.
    """
    if not spec.critic and not context.findings:
        return None
    tree = await holding.repository.tree(context.judged)
    found = {critic: tuple(findings) for critic, findings in context.findings.items()}
    if spec.critic:
        own = found.pop(spec.critic, ())
        if error is not None and not any(finding.severity.blocks for finding in own):
            text = holding.deps.redactor.mask(error.message)
            own = (*own, Finding("critic.failed", Severity.ERROR, text, place=spec.name, fix=error.hint))
        made = [_evidence(holding, spec, spec.critic, tree, own, passed=error is None)]
    else:
        made = []
    made += [_evidence(holding, spec, critic, tree, findings) for critic, findings in found.items()]
    partners = [step for step in holding.plan.steps if step.critic == spec.critic] if spec.critic else []

    def op(tx: Tx) -> None:
        for evidence in made:
            if evidence.critic == spec.critic and len(partners) > 1:
                _together(tx, evidence, spec, partners)
            else:
                record(tx, evidence)

    return op


async def inherited(holding: Holding, spec: StepSpec) -> tuple[bool, Also | None]:
    """Whether an earlier verdict answers for the tree as it stands now, and what is to be written when it does.

    A branch takes over what its parent's critic said about this very tree. Without such a verdict the step runs again.
    """
    if not spec.critic:
        return True, None
    mission = holding.mission
    tree = await holding.repository.tree(holding.head)
    critic = part_of(spec) if spec.critic in _shared(holding.plan.steps) else spec.critic

    def look(tx: ReadTx) -> tuple[Evidence | None, list[Evidence]]:
        own = _about(tx, mission.workspace, mission.id, tree).get(critic)
        if own is not None or not mission.parent:
            return own, []
        said = _about(tx, mission.workspace, mission.parent, tree)
        source = f"step:{spec.name}"
        return said.get(critic), [each for each in said.values() if each.source == source]

    found, copied = await holding.deps.journal.read(look)
    if found is None or not found.holds:
        return False, None
    now = holding.deps.now()

    def op(tx: Tx) -> None:
        for each in copied:
            record(tx, replace(each, mission=mission.id, at_us=now), reason=f"judged in mission {mission.parent}")

    return True, op if copied else None


def carry(tx: Tx, *, workspace: str, parent: str, child: str, steps: Collection[str], now_us: int) -> None:
    """What the steps that a branch takes over as done said in its parent holds in the branch: of the same trees."""
    sources = {f"step:{step}" for step in steps}
    said = [each for each in find_evidence(tx, workspace, mission=parent) if each.source in sources]
    for each in reversed(said):
        if each.mission == parent:
            record(tx, replace(each, mission=child, at_us=now_us), reason=f"judged in mission {parent}")


def _about(tx: ReadTx, workspace: str, mission: str, tree: str) -> dict[str, Evidence]:
    """What stands about this very tree, by this mission's own steps."""
    said = standing(tx, workspace, mission, tree)
    return {critic: each for critic, each in said.items() if (each.mission, each.subject) == (mission, tree)}


def _together(tx: Tx, evidence: Evidence, spec: StepSpec, partners: Sequence[StepSpec]) -> None:
    """Keep one part's verdict, and the critic's own as far as it can be told by now."""
    record(tx, replace(evidence, critic=part_of(spec)))
    said = _about(tx, evidence.workspace, evidence.mission, evidence.subject)
    parts = [said.get(part_of(partner)) for partner in partners]
    known = [part for part in parts if part is not None]
    if not evidence.holds or len(known) == len(parts):
        findings = tuple(finding for part in known for finding in part.findings)
        record(tx, replace(evidence, passed=all(part.passed for part in known), findings=findings))


def _evidence(
    holding: Holding, spec: StepSpec, critic: str, tree: str, findings: Iterable[Finding], *, passed: bool = True
) -> Evidence:
    kept = tuple(findings)
    return Evidence(
        workspace=holding.mission.workspace,
        mission=holding.mission.id,
        critic=critic,
        subject=tree,
        passed=passed and not any(finding.severity.blocks for finding in kept),
        findings=kept,
        source=f"step:{spec.name}",
        at_us=holding.deps.now(),
    )


def _shared(steps: Sequence[StepSpec]) -> Mapping[str, int]:
    """Critics that several steps are together."""
    count = Counter(step.critic for step in steps if step.critic)
    return {critic: number for critic, number in count.items() if number > 1}
