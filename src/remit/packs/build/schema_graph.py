"""The feature graph as a document: what depends on what, in which stages it is built, and what can't be reached."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from remit.packs.build.cycles import find_cycles
from remit.packs.build.ir import FeatureType
from remit.packs.build.schema_document import Document, Line, Many, Name, Prose
from remit.packs.build.schema_feature import Dependency, DependencyType


class FeatureNode(Document):
    """One feature. `weight` is its estimated seconds; `status` says why it is or is not built."""

    id: Name
    name: Line
    type: FeatureType
    priority: Annotated[int, Field(ge=0, le=10)]
    estimated_complexity: Annotated[int, Field(ge=0)]
    weight: Annotated[float, Field(ge=0)]
    dependencies: Many[Dependency] = ()
    entities: Many[Name] = ()
    inputs: Many[Line] = ()
    outputs: Many[Line] = ()
    status: Annotated[str, Field(pattern="^(planned|disabled)$")] = "planned"
    metadata: dict[str, str] = Field(default_factory=dict)


class ExecutionStage(Document):
    """Features that can be built side by side once all earlier stages stand. Numbers start at 1."""

    stage_number: Annotated[int, Field(ge=1)]
    features: Annotated[Many[Name], Field(min_length=1)]
    preconditions: Many[Prose] = ()
    postconditions: Many[Prose] = ()


class GraphValidation(Document):
    """What checking the graph found. `cycles` names every one."""

    is_acyclic: bool
    has_cycles: bool
    cycles: Many[Many[Name]] = ()
    unreachable_nodes: Many[Name] = ()
    critical_path: Many[Name] = ()
    critical_weight: Annotated[float, Field(ge=0)] = 0.0


class GraphStatistics(Document):
    """Counts of the graph."""

    features: int
    entities: int
    dependencies: int
    stages: int
    widest_stage: int
    total_complexity: int


class FeatureGraph(Document):
    """All features, disabled ones included; every dependency exists and every planned feature has its stage.

    Optional dependencies are listed and never order anything.
    """

    nodes: Annotated[Many[FeatureNode], Field(min_length=1)]
    execution_stages: Many[ExecutionStage]
    validation: GraphValidation
    statistics: GraphStatistics

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        ids = [node.id for node in self.nodes]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ValueError(f"feature ids stand twice: {', '.join(twice)}")
        for node in self.nodes:
            for dependency in node.dependencies:
                if dependency.feature_id not in ids:
                    raise ValueError(f"feature {node.id} depends on {dependency.feature_id}, which is no node")
        before = ordering(self.nodes)
        cycles = find_cycles(before)
        if cycles:
            raise ValueError("; ".join(f"cycle {' -> '.join(cycle)}" for cycle in cycles))
        stage = {name: entry.stage_number for entry in self.execution_stages for name in entry.features}
        for node in self.nodes:
            if (node.status == "planned") != (node.id in stage):
                raise ValueError(f"feature {node.id} is {node.status}, so its stage is wrong")
            for earlier in before[node.id] if node.id in stage else ():
                if earlier in stage and stage[earlier] >= stage[node.id]:
                    raise ValueError(f"feature {node.id} is built before {earlier}, which it depends on")
        return self


def ordering(nodes: tuple[FeatureNode, ...]) -> dict[str, list[str]]:
    """For each node those that come before it."""
    return {
        node.id: [entry.feature_id for entry in node.dependencies if entry.type is not DependencyType.OPTIONAL]
        for node in nodes
    }
