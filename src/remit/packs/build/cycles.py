"""The cycles of a directed graph in linear time (R. Tarjan, Depth-first search and linear graph algorithms, 1972)."""

from collections.abc import Iterable, Mapping


def find_cycles(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """One cycle for every strongly connected component that has one, each as `[a, b, a]`, in the order of `edges`.

    Edges to nodes that are not keys of `edges` are left out. A node that points at itself is the cycle `[a, a]`.
    """
    graph = _known(edges)
    order = {node: position for position, node in enumerate(graph)}
    cycles: list[list[str]] = []
    for component in _components(graph):
        start = min(component, key=order.__getitem__)
        members = set(component)
        if len(members) > 1 or start in graph[start]:
            cycles.append(_shortest_round(start, graph, members))
    cycles.sort(key=lambda cycle: order[cycle[0]])
    return cycles


def find_components(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The strongly connected components: nodes that reach each other stand together, every node stands somewhere."""
    return _components(_known(edges))


def _known(edges: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    return {node: [target for target in dict.fromkeys(targets) if target in edges] for node, targets in edges.items()}


def _components(graph: Mapping[str, list[str]]) -> list[list[str]]:
    """Tarjan's strongly connected components with a stack of our own: depth is bounded by memory, not recursion."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    on_stack: set[str] = set()
    stack: list[str] = []
    found: list[list[str]] = []
    for root in graph:
        if root in index:
            continue
        work = [(root, iter(graph[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, targets = work[-1]
            for target in targets:
                if target not in index:
                    index[target] = low[target] = len(index)
                    stack.append(target)
                    on_stack.add(target)
                    work.append((target, iter(graph[target])))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    found.append(_pop_component(node, stack, on_stack))
    return found


def _pop_component(root: str, stack: list[str], on_stack: set[str]) -> list[str]:
    component: list[str] = []
    while not component or component[-1] != root:
        component.append(stack.pop())
        on_stack.discard(component[-1])
    return component


def _shortest_round(start: str, graph: Mapping[str, list[str]], members: set[str]) -> list[str]:
    """The shortest way from `start` back to itself inside its component (breadth first)."""
    came_from: dict[str, str] = {}
    queue = [start]
    for node in queue:
        for target in graph[node]:
            if target == start:
                return [start, *_way_to(node, start, came_from), start]
            if target in members and target not in came_from:
                came_from[target] = node
                queue.append(target)
    message = f"{start} lies on no cycle"
    raise ValueError(message)


def _way_to(node: str, start: str, came_from: Mapping[str, str]) -> list[str]:
    way: list[str] = []
    while node != start:
        way.append(node)
        node = came_from[node]
    return way[::-1]
