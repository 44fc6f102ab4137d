"""A plan as a drawing, made on the server: layers from left to right, the critical path as its straight first row.

Above 60 steps what is quiet is folded: finished layers at the beginning and untouched ones at the end become one node
each with a count, and a layer shows at most eight nodes. The table below it lists every step.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from markupsafe import Markup

MOST_NODES = 60
MOST_IN_LAYER = 8
_WIDTH, _HEIGHT, _ACROSS, _DOWN, _EDGE = 120, 28, 134, 40, 6
_LONGEST = 15
_QUIET = frozenset({"done", "skipped"})
_SHAPE = re.compile(r'\.(\w+)(?:, \.warn)? \{ --c: [^;]+; --s: path\((evenodd, )?"([^"]+)"\)')


@dataclass(frozen=True, slots=True)
class Node:
    """A step, or several in one (``many``). ``kind`` is its status as the console marks it."""

    name: str
    kind: str
    word: str
    href: str
    many: int = 1


@dataclass(frozen=True, slots=True)
class Graph:
    """What is drawn: nodes by layer, and which needs which by name. ``critical`` are names on the critical path."""

    layers: tuple[tuple[Node, ...], ...]
    edges: tuple[tuple[str, str], ...]
    critical: frozenset[str]
    steps: int


def plan_graph(layers: Sequence[Sequence[Node]], needs: Mapping[str, Sequence[str]], critical: Sequence[str]) -> Graph:
    """The graph of a plan, folded when it is large.

    Args:
        layers: Steps that could run at once, from the first to the last.
        needs: What each step needs, by name.
        critical: The critical path.
    """
    path = frozenset(critical)
    drawn = [sorted(layer, key=lambda node: node.name not in path) for layer in layers]
    steps = sum(map(len, drawn))
    stands: dict[str, str] = {}
    if steps > MOST_NODES:
        drawn = _fold_end(_fold_end(drawn, stands, last=False), stands, last=True)
        drawn = [_fold_layer(layer, stands, at=number) for number, layer in enumerate(drawn)]
    there = {node.name for layer in drawn for node in layer}
    edges = {(stands.get(need, need), stands.get(name, name)) for name, wanted in needs.items() for need in wanted}
    shown = tuple(sorted((a, b) for a, b in edges if a != b and a in there and b in there))
    folded = frozenset(stands.get(name, name) for name in path)
    return Graph(tuple(tuple(layer) for layer in drawn), shown, folded, steps)


def _fold_end(layers: list[list[Node]], stands: dict[str, str], *, last: bool) -> list[list[Node]]:
    """The quiet layers at one end as one node: finished ones first, untouched ones last."""
    calm = frozenset({"queued"}) if last else _QUIET
    order = layers[::-1] if last else layers
    many = 0
    while many < len(order) and all(node.kind in calm for node in order[many]):
        many += 1
    if many < 2:  # noqa: PLR2004 - one layer is no more than itself
        return layers
    gone = [node for layer in order[:many] for node in layer]
    name = "… later" if last else "… done"
    stands |= {node.name: name for node in gone}
    kind, word = ("queued", f"{len(gone)} queued") if last else ("done", f"{len(gone)} done")
    one = Node(name, kind, word, "#h-steps", many=len(gone))
    rest = [*order[many:]]
    return [*rest[::-1], [one]] if last else [[one], *rest]


def _fold_layer(layer: list[Node], stands: dict[str, str], *, at: int) -> list[Node]:
    if len(layer) <= MOST_IN_LAYER:
        return layer
    ranked = sorted(layer, key=lambda node: node.kind in _QUIET | {"queued"})
    kept = {node.name for node in ([layer[0], *(node for node in ranked if node is not layer[0])])[: MOST_IN_LAYER - 1]}
    gone = [node for node in layer if node.name not in kept]
    name = f"… {at}"
    stands |= {node.name: name for node in gone}
    kind = "done" if all(node.kind in _QUIET for node in gone) else "queued"
    return [
        *(node for node in layer if node.name in kept),
        Node(name, kind, f"{len(gone)} more", "#h-steps", len(gone)),
    ]


def draw_graph(graph: Graph, *, selected: str = "") -> Markup:
    """The graph as SVG: nodes are links with names of their own."""
    place = {
        node.name: (_EDGE + column * _ACROSS, _EDGE + row * _DOWN)
        for column, layer in enumerate(graph.layers)
        for row, node in enumerate(layer)
    }
    width = 2 * _EDGE + max(len(graph.layers) - 1, 0) * _ACROSS + _WIDTH
    height = 2 * _EDGE + (max(map(len, graph.layers), default=1) - 1) * _DOWN + _HEIGHT
    parts = [_edge(graph, place, pair) for pair in sorted(graph.edges, key=lambda pair: _critical(graph, pair))]
    parts += [_node(node, place[node.name], selected) for layer in graph.layers for node in layer]
    label = f"Plan: {graph.steps} steps in {len(graph.layers)} layers. The table below lists the same steps."
    return Markup(
        '<svg class="graph" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="group" aria-label="{2}">{3}</svg>'
    ).format(width, height, label, Markup("").join(parts))


def _critical(graph: Graph, pair: tuple[str, str]) -> bool:
    return pair[0] in graph.critical and pair[1] in graph.critical


def _edge(graph: Graph, place: Mapping[str, tuple[int, int]], pair: tuple[str, str]) -> Markup:
    (x1, y1), (x2, y2) = place[pair[0]], place[pair[1]]
    start, end = (x1 + _WIDTH, y1 + _HEIGHT // 2), (x2, y2 + _HEIGHT // 2)
    middle = x2 - (_ACROSS - _WIDTH) // 2  # in the gap before the layer that it leads to
    straight = start[1] == end[1]
    way = f"M{start[0]} {start[1]}H{end[0]}" if straight else f"M{start[0]} {start[1]}H{middle}V{end[1]}H{end[0]}"
    return Markup('<path class="ed{}" d="{}"/>').format(" cp" if _critical(graph, pair) else "", way)


def _node(node: Node, at: tuple[int, int], selected: str) -> Markup:
    rule, shape = _shapes().get(node.kind, (False, ""))
    label = node.word if node.many > 1 else node.name
    short = label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"
    named = f"{label}, folded" if node.many > 1 else f"{node.name}, {node.word}"
    return Markup(
        '<a href="{}" aria-label="{}"><g class="nd {}{}" transform="translate({} {})">'
        '<rect width="{}" height="{}" rx="2"/>'
        '<path class="gs" transform="translate(8 8)"{} d="{}"/><text x="26" y="18.5">{}</text></g></a>'
    ).format(
        *(node.href, named, node.kind, " sel" if node.name == selected else "", *at, _WIDTH, _HEIGHT),
        *(Markup(' fill-rule="evenodd"') if rule else "", shape, short),
    )


@lru_cache(maxsize=1)
def _shapes() -> Mapping[str, tuple[bool, str]]:
    """The marks' own paths, from the stylesheet: a status looks alike wherever it stands."""
    text = files("remit.serve.console").joinpath("static/css/remit.css").read_text()
    return {found[1]: (bool(found[2]), found[3]) for found in _SHAPE.finditer(text)}


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of a lane, in percent. ``kind``: ``done``, ``run``, ``fail``, ``wait`` or ``queue``."""

    kind: str
    start: float
    width: float


def draw_lane(bars: Sequence[Bar], *, now: float = -1) -> Markup:
    """A step's time as a row; the figures stand in the table beside it."""
    parts: list[Markup] = []
    if now >= 0:
        parts.append(Markup('<line class="now" x1="{0}%" x2="{0}%" y1="-6" y2="27"/>').format(_told(now)))
    for bar in bars:
        start, width, end = _told(bar.start), _told(max(bar.width, 0.4)), _told(bar.start + max(bar.width, 0.4))
        match bar.kind:
            case "fail":
                parts.append(
                    Markup(
                        '<rect class="s-bad" x="{0}%" y="6.75" width="{1}%" height="6.5"/>'
                        '<line class="s-bad" x1="{2}%" x2="{2}%" y1="2" y2="18"/>'
                    ).format(start, width, end)
                )
            case "wait":
                parts.append(Markup('<line class="s-wait" x1="{}%" x2="{}%" y1="10" y2="10"/>').format(start, end))
            case "queue":
                parts.append(Markup('<rect class="f-est" x="{}%" y="8" width="{}%" height="4"/>').format(start, width))
            case _:
                paint = "f-run" if bar.kind == "run" else "f-done"
                parts.append(
                    Markup('<rect class="{}" x="{}%" y="6" width="{}%" height="8"/>').format(paint, start, width)
                )
    return Markup('<svg class="lane" aria-hidden="true" focusable="false">{}</svg>').format(Markup("").join(parts))


def _told(value: float) -> str:
    return f"{min(max(value, 0.0), 100.0):.2f}".rstrip("0").rstrip(".")


DRAWINGS = {"graph": draw_graph, "lane": draw_lane}
