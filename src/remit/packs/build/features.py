"""The feature graph of an intake: declared dependencies and those its relations imply, in stages."""

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

from remit.packs.build.relations import Relations, resolve
from remit.packs.build.schema_feature import Dependency, DependencyType, FeatureSpec
from remit.packs.build.schema_graph import (
    ExecutionStage,
    FeatureGraph,
    FeatureNode,
    GraphStatistics,
    GraphValidation,
    ordering,
)
from remit.packs.build.survey import dependencies_of, survey

if TYPE_CHECKING:
    from remit.packs.build.schema import Intake

_SECONDS_PER_POINT = 0.02
"""Estimated seconds to render one point of complexity (a field is one), for the critical path."""


def feature_graph(intake: "Intake") -> FeatureGraph:
    """The graph of a valid intake. Disabled features are nodes too, and are reported as unreachable."""
    specs = intake.requirements.features
    relations = resolve(survey(intake))
    implied = _implied(relations)
    nodes = tuple(_node(spec, implied.get(spec.id, {})) for spec in specs)
    planned = [node for node in nodes if node.status == "planned"]
    before = ordering(nodes)
    enabled = {node.id for node in planned}
    edges = {node.id: [name for name in before[node.id] if name in enabled] for node in planned}
    levels = stages(edges, priority={node.id: node.priority for node in nodes})
    path, weight = critical_path(edges, weight={node.id: node.weight for node in planned}, levels=levels)
    return FeatureGraph(
        nodes=nodes,
        execution_stages=tuple(_stage(number, level, edges) for number, level in enumerate(levels, start=1)),
        validation=GraphValidation(
            is_acyclic=True,
            has_cycles=False,
            unreachable_nodes=tuple(node.id for node in nodes if node.status != "planned"),
            critical_path=tuple(path),
            critical_weight=round(weight, 6),
        ),
        statistics=GraphStatistics(
            features=len(nodes),
            entities=sum(len(node.entities) for node in nodes),
            dependencies=sum(len(node.dependencies) for node in nodes),
            stages=len(levels),
            widest_stage=max((len(level) for level in levels), default=0),
            total_complexity=sum(node.estimated_complexity for node in planned),
        ),
    )


def stages(edges: Mapping[str, Sequence[str]], *, priority: Mapping[str, int]) -> list[list[str]]:
    """Levels of an acyclic graph (node to what comes before it); in a level higher priority first, then by name.

    Raises:
        graphlib.CycleError: The graph has a cycle.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter(edges)
    sorter.prepare()
    levels: list[list[str]] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=lambda name: (-priority[name], name))
        levels.append(ready)
        sorter.done(*ready)
    return levels


def critical_path(
    edges: Mapping[str, Sequence[str]], *, weight: Mapping[str, float], levels: Sequence[Sequence[str]]
) -> tuple[list[str], float]:
    """The heaviest chain and its weight, in one pass over the levels; of equal chains the first by name."""
    total: dict[str, float] = {}
    came_from: dict[str, str | None] = {}
    for level in levels:
        for name in level:
            heaviest = min(edges[name], key=lambda before: (-total[before], before), default=None)
            came_from[name] = heaviest
            total[name] = weight[name] + (total[heaviest] if heaviest else 0.0)
    last = min(total, key=lambda name: (-total[name], name), default=None)
    best = total[last] if last else 0.0
    path: list[str] = []
    while last is not None:
        path.append(last)
        last = came_from[last]
    return path[::-1], best


def _implied(relations: Relations) -> dict[str, dict[str, tuple[DependencyType, str]]]:
    """What relations across features imply: a required key needs its target's feature, any other may do without."""
    found: dict[str, dict[str, tuple[DependencyType, str]]] = {}
    for key in relations.keys:
        if key.target is None or key.target.feature is key.holder.feature:
            continue
        own = found.setdefault(key.holder.feature.id, {})
        reason = f"{key.holder.spec.name} refers to {key.target.spec.name}"
        if key.required:
            if own.get(key.target.feature.id, (None, ""))[0] is not DependencyType.DATA:
                own[key.target.feature.id] = (DependencyType.DATA, f"{reason}, required.")
        else:
            own.setdefault(key.target.feature.id, (DependencyType.OPTIONAL, f"{reason}."))
    for join in relations.joins:
        if join.target is not None and join.target.feature is not join.holder.feature:
            own = found.setdefault(join.holder.feature.id, {})
            reason = f"{join.holder.spec.name} is linked with {join.target.spec.name}."
            own.setdefault(join.target.feature.id, (DependencyType.OPTIONAL, reason))
    return found


def _node(spec: FeatureSpec, implied: Mapping[str, tuple[DependencyType, str]]) -> FeatureNode:
    dependencies = {
        target: Dependency(feature_id=target, type=kind, reason=reason or "Declared in the intake.")
        for target, kind, reason in dependencies_of(spec)
    }
    for target, (kind, reason) in implied.items():
        declared = dependencies.get(target)
        stronger = kind is DependencyType.DATA and declared and declared.type is DependencyType.OPTIONAL
        if declared is None or stronger:
            dependencies[target] = Dependency(feature_id=target, type=kind, reason=reason)
    entities = spec.data_model.entities
    points = sum(2 + len(entity.fields) + 2 * len(entity.relationships) for entity in entities)
    points += sum(len(entity.states.transitions) for entity in entities if entity.states)
    points += 3 * len(spec.api.endpoints)
    return FeatureNode(
        id=spec.id,
        name=spec.name,
        type=spec.type,
        priority=spec.priority,
        estimated_complexity=points,
        weight=round(points * _SECONDS_PER_POINT, 6),
        dependencies=tuple(dependencies.values()),
        entities=tuple(entity.name for entity in entities),
        inputs=tuple(dict.fromkeys(r.target for entity in entities for r in entity.relationships)),
        outputs=(*(entity.name for entity in entities), *(f"{e.method} {e.path}" for e in spec.api.endpoints)),
        status="planned" if spec.enabled else "disabled",
    )


def _stage(number: int, level: Sequence[str], edges: Mapping[str, Sequence[str]]) -> ExecutionStage:
    needed = sorted({before for name in level for before in edges[name]})
    return ExecutionStage(
        stage_number=number,
        features=tuple(level),
        preconditions=tuple(f"feature {name} is rendered" for name in needed),
        postconditions=tuple(f"feature {name} is rendered" for name in level),
    )
