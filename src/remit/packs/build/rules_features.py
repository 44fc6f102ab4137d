"""Rules on features: ids, dependencies without a cycle, something to build in each, endpoints that answer alone."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from remit.packs.build.cycles import find_cycles
from remit.packs.build.ir import FeatureType
from remit.packs.build.names import Suggestion, kebab, snake
from remit.packs.build.problem import DocumentPath, Problem
from remit.packs.build.relations import Relations
from remit.packs.build.reserved import KEYWORDS
from remit.packs.build.rules_entities import BUILT_IN_SEGMENTS
from remit.packs.build.rules_fields import field_problems
from remit.packs.build.rules_names import collision_problems, id_problems, name_problems
from remit.packs.build.schema_feature import DependencyType, EndpointSpec, FeatureSpec, Method
from remit.packs.build.survey import FEATURES, EntityPlace, Survey, dependencies_of

PATH = re.compile(r"(/([A-Za-z0-9_~.-]+|\{[A-Za-z][A-Za-z0-9_]*\}))+\Z")
PARAMETER = re.compile(r"\{([A-Za-z][A-Za-z0-9_]*)\}")
_BODILESS = frozenset({Method.GET, Method.DELETE})


def feature_problems(
    features: tuple[FeatureSpec, ...], found: Survey, relations: Relations, roles: Collection[str]
) -> Iterator[Problem]:
    """Everything wrong with the features, one by one and as a graph."""
    for position, feature in enumerate(features):
        path = (*FEATURES, position)
        yield from id_problems(feature.id, (*path, "id"), what="feature")
        yield from _dependency_problems(feature, path, found)
        yield from _content_problems(feature, path)
        for index, endpoint in enumerate(feature.api.endpoints):
            yield from _endpoint_problems(endpoint, (*path, "api", "endpoints", index), roles)
    ids = ((snake(feature.id), feature.id, (*FEATURES, i, "id")) for i, feature in enumerate(features))
    yield from collision_problems(ids, what="feature")
    yield from _cycle_problems(features, found, relations)
    yield from _route_problems(features, found)


def _dependency_problems(feature: FeatureSpec, path: DocumentPath, found: Survey) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, (target, kind, _) in enumerate(dependencies_of(feature)):
        place = (*path, "dependencies", index)
        other = found.features.get(target)
        if other is None:
            text = f"feature `{feature.id}` depends on `{target}`, which the intake has not"
            yield Problem("build.unknown_feature", place, text, Suggestion(target, found.features))
        elif feature.enabled and not other.enabled and kind in {DependencyType.HARD, DependencyType.DATA}:
            yield Problem(
                "build.disabled_reference",
                place,
                f"feature `{feature.id}` needs `{target}`, which is not enabled",
                f"Enable `{target}`, disable `{feature.id}` too, or make the dependency `optional`.",
            )
        if target in seen:
            yield Problem("build.duplicate", place, f"feature `{feature.id}` names `{target}` twice", "Name it once.")
        seen.add(target)


def _content_problems(feature: FeatureSpec, path: DocumentPath) -> Iterator[Problem]:
    entities, endpoints = feature.data_model.entities, feature.api.endpoints
    if feature.type is FeatureType.WORKFLOW and not endpoints and not any(entity.states for entity in entities):
        yield Problem(
            "build.empty_feature",
            path,
            f"workflow feature `{feature.id}` has no entity with `states` and no endpoint, so nothing flows",
            "Give an entity `states:` with transitions, or make the feature `type: crud`.",
        )
    elif feature.type is FeatureType.CRUD and not entities:
        yield Problem(
            "build.empty_feature",
            path,
            f"crud feature `{feature.id}` has no entity, so there is nothing to create or read",
            "Add `dataModel.entities`, or make the feature `type: custom` with endpoints.",
        )
    elif not entities and not endpoints:
        yield Problem(
            "build.empty_feature",
            path,
            f"feature `{feature.id}` has neither an entity nor an endpoint, so there is nothing to build",
            "Add `dataModel.entities` or `api.endpoints`, or remove the feature.",
        )


def function_name(endpoint: EndpointSpec) -> str:
    """The folded name of an endpoint's function: as named, else its method and path."""
    if endpoint.name:
        return snake(endpoint.name)
    return f"{endpoint.method.lower()}_{snake(endpoint.path)}".rstrip("_")


def _endpoint_problems(endpoint: EndpointSpec, path: DocumentPath, roles: Collection[str]) -> Iterator[Problem]:
    if endpoint.name is not None:
        yield from name_problems(endpoint.name, path, what="endpoint")
    parameters = [snake(name) for name in PARAMETER.findall(endpoint.path)]
    if not PATH.match(endpoint.path) or ".." in endpoint.path:
        yield Problem(
            "build.endpoint_path",
            (*path, "path"),
            f"endpoint path `{endpoint.path}` is no path of plain segments and `{{name}}` parameters",
            "Write it like `/orders/{order_id}/export`, without a trailing slash.",
        )
    elif endpoint.path.split("/")[1] == "api":
        text = f"endpoint path `{endpoint.path}` starts with `/api`, but the application adds `/api/v1` itself"
        yield Problem("build.endpoint_path", (*path, "path"), text, "Leave the prefix out.")
    elif set(parameters) & KEYWORDS:
        text = f"endpoint path `{endpoint.path}` has a parameter that is a reserved word of Python"
        yield Problem("build.reserved_name", (*path, "path"), text, "Give the parameter another name.")
    elif len(set(parameters)) < len(parameters):
        text = f"endpoint path `{endpoint.path}` uses a parameter twice"
        yield Problem("build.endpoint_path", (*path, "path"), text, "Give every parameter a name of its own.")
    if isinstance(endpoint.auth, str) and endpoint.auth not in roles:
        yield Problem(
            "build.unknown_role",
            (*path, "auth"),
            f"endpoint `{endpoint.method} {endpoint.path}` is for role `{endpoint.auth}`, which the intake has not",
            Suggestion(endpoint.auth, roles),
        )
    if endpoint.method in _BODILESS and endpoint.request.fields:
        text = f"endpoint `{endpoint.method} {endpoint.path}` has a request body, which {endpoint.method} has not"
        yield Problem("build.endpoint_body", (*path, "request"), text, "Use POST, or parameters in the path.")
    for key, body in (("request", endpoint.request), ("response", endpoint.response)):
        place = (*path, key, "fields")
        for index, field in enumerate(body.fields):
            yield from field_problems(field, (*place, index))
        names = ((snake(f.code or f.name), f.name, (*place, i, "name")) for i, f in enumerate(body.fields))
        yield from collision_problems(names, what=f"field of the {key}")
    yield from _test_problems(endpoint, path)


def _test_problems(endpoint: EndpointSpec, path: DocumentPath) -> Iterator[Problem]:
    pattern = re.compile(PARAMETER.sub("[^/{}]+", re.sub(r"[.~-]", r"\\\g<0>", endpoint.path)) + r"\Z")
    inputs = [field.name for field in endpoint.request.fields]
    outputs = [field.name for field in endpoint.response.fields]
    for index, test in enumerate(endpoint.tests):
        place = (*path, "tests", index)
        called = test.path or endpoint.path
        if not pattern.match(called):
            yield Problem(
                "build.endpoint_test",
                (*place, "path") if test.path else place,
                f"test `{test.name}` calls `{called}`, which is not a value of `{endpoint.path}`",
                "Give the test a `path` with a value for every parameter.",
            )
        for name in test.body:
            if name not in inputs:
                text = f"test `{test.name}` sends `{name}`, which the request has not"
                yield Problem("build.unknown_field", (*place, "body", name), text, Suggestion(name, inputs))
        for position, name in enumerate(test.expected_fields):
            if outputs and name not in outputs:
                text = f"test `{test.name}` expects `{name}`, which the response has not"
                yield Problem(
                    "build.unknown_field", (*place, "expectedFields", position), text, Suggestion(name, outputs)
                )


def ordering_edges(
    features: tuple[FeatureSpec, ...], found: Survey, relations: Relations
) -> dict[str, dict[str, DocumentPath]]:
    """For each feature those that must come before it, and the place that says so.

    That is every declared dependency but the optional ones, and the owner of every entity that a required key of
    the feature points at.
    """
    edges: dict[str, dict[str, DocumentPath]] = {feature.id: {} for feature in features}
    for position, feature in enumerate(features):
        for index, (target, kind, _) in enumerate(dependencies_of(feature)):
            if kind is not DependencyType.OPTIONAL and target in found.features:
                edges[feature.id].setdefault(target, (*FEATURES, position, "dependencies", index))
    for key in relations.keys:
        if key.required and key.target is not None and key.target.feature.id != key.holder.feature.id:
            edges[key.holder.feature.id].setdefault(key.target.feature.id, key.path)
    return edges


def _cycle_problems(features: tuple[FeatureSpec, ...], found: Survey, relations: Relations) -> Iterator[Problem]:
    edges = ordering_edges(features, found, relations)
    for cycle in find_cycles(edges):
        yield Problem(
            "build.feature_cycle",
            edges[cycle[0]][cycle[1]],
            f"features depend on each other in a cycle: {' -> '.join(cycle)}",
            "Remove one of these dependencies, or make it `optional`; a required relation counts as one.",
        )


type Route = tuple[str, str]
"""A method and a path with `{}` for every parameter."""


def generated_routes(places: Iterable[EntityPlace]) -> dict[Route, str]:
    """The routes that entities bring, and the entity's name."""
    routes: dict[Route, str] = {}
    for place in places:
        base = f"/{kebab(place.table)}"
        crud = (("GET", base), ("POST", base), *((m, f"{base}/{{}}") for m in ("GET", "PATCH", "DELETE")))
        flows = place.spec.states.transitions if place.spec.states else ()
        moves = (("POST", f"{base}/{{}}/{kebab(transition.name)}") for transition in flows)
        for route in (*crud, *moves):
            routes.setdefault(route, place.spec.name)
    return routes


def _route(endpoint: EndpointSpec) -> Route:
    return endpoint.method.value, PARAMETER.sub("{}", endpoint.path)


def restates(endpoint: EndpointSpec, generated: Mapping[Route, str]) -> bool:
    """Whether an endpoint only says what is generated anyway: its route is, and it asks for nothing of its own."""
    plain = not endpoint.request.fields and not endpoint.response.fields and not endpoint.tests
    return plain and endpoint.auth is True and _route(endpoint) in generated


def _route_problems(features: tuple[FeatureSpec, ...], found: Survey) -> Iterator[Problem]:
    """No custom endpoint may answer where another one or a generated one does."""
    generated = generated_routes(found.entities)
    routes: dict[Route, str] = {}
    functions: dict[tuple[str, str], str] = {}
    for position, feature in enumerate(features):
        for index, endpoint in enumerate(feature.api.endpoints):
            path = (*FEATURES, position, "api", "endpoints", index)
            said, route = f"{endpoint.method} {endpoint.path}", _route(endpoint)
            taken = routes.get(route)
            if route in generated and not restates(endpoint, generated):
                taken = taken or f"the generated route of entity `{generated[route]}`, which it would change"
            if endpoint.path.split("/")[1:2] and endpoint.path.split("/")[1] in BUILT_IN_SEGMENTS:
                taken = taken or "the application's own routes"
            if taken:
                text = f"endpoint `{said}` collides with {taken}"
                yield Problem("build.duplicate_endpoint", (*path, "path"), text, "Give it another path or method.")
            routes.setdefault(route, f"endpoint `{said}` of feature `{feature.id}`")
            name = function_name(endpoint)
            other = functions.setdefault((feature.id, name), said)
            if other != said:
                text = f"endpoints `{said}` and `{other}` would both be function `{name}`"
                yield Problem("build.name_collision", (*path, "path"), text, "Give one of them a `name`.")
