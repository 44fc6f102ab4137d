"""The plan as a graph: refused when it can't run, put into plan order when it can.

Everything here is linear in steps and dependencies (plan order: n log n), iterative, and deterministic.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from graphlib import TopologicalSorter

from remit.kernel.errors import InvalidInput
from remit.kernel.mission import Plan, StepSpec

type Needs = Mapping[str, Sequence[str]]

_NAMED = 20  # names a message lists before it counts the rest
_SUGGEST = 200  # unknown references that get a nearest name; each costs a pass over all names


@dataclass(frozen=True, slots=True)
class OrderedPlan:
    """A plan that can run.

    ``plan.steps`` is in plan order: needs first; among steps that could go next, the one with the longest way still
    ahead of it, then the one declared first. ``levels`` are the sets that could run at once. ``ahead`` is, for each
    step, the weight in seconds of the heaviest path from its start to the mission's end. ``critical_path`` is the
    heaviest path, ``unreachable`` what the given roots don't reach.
    """

    plan: Plan
    position: Mapping[str, int]
    dependants: Mapping[str, tuple[str, ...]]
    levels: tuple[tuple[str, ...], ...]
    ahead: Mapping[str, float]
    critical_path: tuple[str, ...]
    unreachable: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[StepSpec, ...]:
        """The steps in plan order."""
        return self.plan.steps

    @property
    def critical_seconds(self) -> float:
        """The weight of the critical path."""
        return self.ahead[self.critical_path[0]] if self.critical_path else 0.0

    def spec(self, name: str) -> StepSpec:
        """The step of that name."""
        return self.plan.steps[self.position[name]]

    def downstream(self, names: Iterable[str]) -> frozenset[str]:
        """These steps and every step that needs one of them, directly or not."""
        found = set(names)
        todo = list(found)
        while todo:
            for follower in self.dependants[todo.pop()]:
                if follower not in found:
                    found.add(follower)
                    todo.append(follower)
        return frozenset(found)

    def upstream(self, name: str) -> frozenset[str]:
        """Every step that ``name`` needs, directly or not."""
        found: set[str] = set()
        todo = [name]
        while todo:
            for need in self.spec(todo.pop()).needs:
                if need not in found:
                    found.add(need)
                    todo.append(need)
        return frozenset(found)

    def seconds_left(self, open_steps: Iterable[str]) -> float:
        """The weight of the heaviest path through the steps that are not done yet."""
        return max((self.ahead[name] for name in open_steps), default=0.0)


def order(plan: Plan, *, roots: Sequence[str] | None = None) -> OrderedPlan:
    """Check a plan and put it into plan order.

    Args:
        plan: Steps in any order.
        roots: Where work may start; steps that can't be reached from there are reported in ``unreachable``. Every step
            without needs when left out, and then an acyclic plan has no unreachable step.

    Raises:
        InvalidInput: A name twice, a reference to no step (with the nearest name), or cycles: every one is named, and
            so is every step that could never start because of them. ``problems`` lists all findings.
    """
    needs = {step.name: tuple(dict.fromkeys(step.needs)) for step in plan.steps}
    problems = [*_duplicates(plan.steps), *_unknown(needs), *(_loop(cycle) for cycle in cycles(needs))]
    if problems:
        known = {name: [need for need in wants if need in needs] for name, wants in needs.items()}
        missing = {name for name, wants in needs.items() if any(need not in needs for need in wants)}
        never = unreachable(known, [name for name, wants in known.items() if not wants and name not in missing])
        stuck = [name for name in never if name not in missing]
        if stuck:
            problems.append(f"unreachable, because something they need can never be done: {_names(stuck)}")
        raise InvalidInput(
            f"The plan can't run: {problems[0]}"
            + (f" (and {len(problems) - 1} more problems)." if problems[1:] else "."),
            code="plan.invalid",
            hint="mend the names and dependencies of the steps and plan again",
            problems=tuple(problems),
        )
    followers = _followers(needs)
    levels = _levels(needs)
    ahead = _ahead({step.name: step.weight for step in plan.steps}, followers, levels)
    ordered = _plan_order(plan.steps, needs, followers, ahead)
    return OrderedPlan(
        plan=replace(plan, steps=tuple(ordered)),
        position={step.name: index for index, step in enumerate(ordered)},
        dependants=followers,
        levels=levels,
        ahead=ahead,
        critical_path=_critical_path(ordered, followers, ahead),
        unreachable=() if roots is None else unreachable(needs, roots),
    )


def cycles(needs: Needs) -> list[tuple[str, ...]]:
    """Every strongly connected set of steps that holds a cycle, as one cycle through it in order of dependency.

    Tarjan's algorithm (SIAM J. Comput. 1(2), 1972), iterative, O(steps + needs). Names of no step are passed over.
    """
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[tuple[str, ...]] = []
    for root in needs:
        if root in number:
            continue
        work = [(root, iter(needs[root]))]
        number[root] = low[root] = len(number)
        stack.append(root)
        on_stack.add(root)
        while work:
            name, rest = work[-1]
            child = next((need for need in rest if need in needs and (need not in number or need in on_stack)), None)
            if child is None:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[name])
                if low[name] == number[name]:
                    found.extend(_component(name, stack, on_stack, needs))
            elif child in number:
                low[name] = min(low[name], number[child])
            else:
                number[child] = low[child] = len(number)
                stack.append(child)
                on_stack.add(child)
                work.append((child, iter(needs[child])))
    return found


def _component(name: str, stack: list[str], on_stack: set[str], needs: Needs) -> list[tuple[str, ...]]:
    """Take one finished component off the stack; a list with a cycle through it, or an empty one."""
    members: set[str] = set()
    while name not in members:
        member = stack.pop()
        on_stack.discard(member)
        members.add(member)
    if len(members) == 1:
        return [(name,)] if name in needs[name] else []
    return [_cycle_in(members, needs)]


def _cycle_in(members: set[str], needs: Needs) -> tuple[str, ...]:
    """A shortest cycle through one member of a component, found breadth first."""
    start = min(members)
    came: dict[str, str] = {}
    line = [start]
    for name in line:
        for need in needs[name]:
            if need == start:
                way = [name]
                while way[-1] != start:
                    way.append(came[way[-1]])
                return tuple(reversed(way))
            if need in members and need not in came:
                came[need] = name
                line.append(need)
    raise AssertionError(start)  # a component of two or more always has one


def unreachable(needs: Needs, roots: Sequence[str]) -> tuple[str, ...]:
    """Steps that can never start when only ``roots`` may start by themselves, in the order declared."""
    waiting = {name: len(set(wants)) for name, wants in needs.items()}
    followers = _followers(needs)
    reached = set(roots)
    line = [name for name in roots if name in needs]
    for name in line:
        for follower in followers[name]:
            waiting[follower] -= 1
            if not waiting[follower] and follower not in reached:
                reached.add(follower)
                line.append(follower)
    return tuple(name for name in needs if name not in reached)


def _duplicates(steps: Sequence[StepSpec]) -> list[str]:
    counts = Counter(step.name for step in steps)
    return [f"{count} steps are called {name!r}" for name, count in counts.items() if count > 1]


def _unknown(needs: Needs) -> list[str]:
    problems: list[str] = []
    for name, wants in needs.items():
        for need in wants:
            if need not in needs:
                near = get_close_matches(need, needs, n=1, cutoff=0.5) if len(problems) < _SUGGEST else []
                hint = f", did you mean {near[0]!r}?" if near else ""
                problems.append(f"step {name!r} needs {need!r}, and there is no such step{hint}")
    return problems


def _loop(cycle: tuple[str, ...]) -> str:
    shown = " → ".join(cycle[:_NAMED]) + (f" → … {len(cycle) - _NAMED} more …" if len(cycle) > _NAMED else "")
    return f"a cycle: {shown} → {cycle[0]} (each needs the next)"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _followers(needs: Needs) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {name: [] for name in needs}
    for name, wants in needs.items():
        for need in dict.fromkeys(wants):
            if need in found:
                found[need].append(name)
    return {name: tuple(followers) for name, followers in found.items()}


def _levels(needs: Needs) -> tuple[tuple[str, ...], ...]:
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    levels: list[tuple[str, ...]] = []
    while sorter.is_active():
        ready = sorter.get_ready()
        levels.append(ready)
        sorter.done(*ready)
    return tuple(levels)


def _ahead(weights: Mapping[str, float], followers: Needs, levels: tuple[tuple[str, ...], ...]) -> dict[str, float]:
    """Heaviest path from each step to the end: one pass over the levels, last first, O(steps + needs)."""
    ahead: dict[str, float] = {}
    for level in reversed(levels):
        for name in level:
            ahead[name] = weights[name] + max((ahead[follower] for follower in followers[name]), default=0.0)
    return ahead


def _plan_order(
    steps: Sequence[StepSpec], needs: Needs, followers: Needs, ahead: Mapping[str, float]
) -> list[StepSpec]:
    declared = {step.name: index for index, step in enumerate(steps)}
    waiting = {name: len(wants) for name, wants in needs.items()}
    heap = [(-ahead[name], declared[name]) for name, count in waiting.items() if not count]
    heapq.heapify(heap)
    ordered: list[StepSpec] = []
    while heap:
        step = steps[heapq.heappop(heap)[1]]
        ordered.append(step)
        for follower in followers[step.name]:
            waiting[follower] -= 1
            if not waiting[follower]:
                heapq.heappush(heap, (-ahead[follower], declared[follower]))
    return ordered


def _critical_path(ordered: Sequence[StepSpec], followers: Needs, ahead: Mapping[str, float]) -> tuple[str, ...]:
    if not ordered:
        return ()
    name = max((step.name for step in ordered), key=ahead.__getitem__)
    path = [name]
    while followers[name]:
        name = max(followers[name], key=ahead.__getitem__)
        path.append(name)
    return tuple(path)
