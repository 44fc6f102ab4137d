"""Drawings made on the server: geometry in attributes, paint in the stylesheet's classes.

The page's policy allows no inline style, and every drawing has its figures in words beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_WHOLE = 100.0
_EMPTY = Markup("")


def meter(
    used: float, *, label: str, reserved: float = 0, forecast: float = 0, tick: float = 80, kind: str = "run"
) -> Markup:
    """A bar from 0 to 100 percent: used, reserved after it, a forecast behind both, a tick at a share.

    Args:
        used: Percent; what is above 100 is drawn as 100.
        label: The figures in words, for those who don't see it.
        reserved: Percent, after ``used``.
        forecast: Percent, from 0.
        tick: Where the tick stands; 0: none.
        kind: ``run``, ``wait``, ``bad`` or ``done``.
    """
    used = _bound(used)
    reserved = min(_bound(reserved), _WHOLE - used)
    bars = [Markup('<rect class="f-track" width="100%" height="8"/>')]
    if forecast > used + reserved:
        bars.append(_bar("f-est", 0, _bound(forecast)))
    if reserved:
        bars.append(_bar("f-res", used, reserved))
    bars.append(_bar(f"f-{kind}", 0, used))
    if tick:
        bars.append(Markup('<line class="s-cap" x1="{0}%" x2="{0}%" y1="-3" y2="11"/>').format(_round(tick)))
    drawn = _EMPTY.join(bars)
    return Markup('<svg class="meter" role="img" aria-label="{}">{}</svg>').format(label, drawn)


def spark(values: Sequence[float], *, kind: str = "ln2") -> Markup:
    """A line without axes, stretched to its cell; empty below two values."""
    if len(values) < 2:  # noqa: PLR2004 - a line has two ends
        return _EMPTY
    low, high = min(values), max(values)
    across = (high - low) or 1
    points = [
        (at * _WHOLE / (len(values) - 1), _WHOLE - _WHOLE * (each - low) / across) for at, each in enumerate(values)
    ]
    return Markup(
        '<svg class="meter" viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true">'
        '<path class="{}" d="{}"/></svg>'
    ).format(kind, path(points))


def bars(values: Sequence[float], *, label: str, height: int = 120) -> Markup:
    """A bar for each value, from zero up to the greatest; ``label`` says the finding and its figures."""
    top, wide = max([1e-9, *values]), _WHOLE / max(len(values), 1)
    drawn = [
        Markup('<rect class="f-run" x="{}%" y="{}%" width="{}%" height="{}%"/>').format(
            _round(place * wide + wide / 5),
            _round(_WHOLE - _WHOLE * value / top),
            _round(wide * 3 / 5),
            _round(_WHOLE * value / top),
        )
        for place, value in enumerate(values)
    ]
    return Markup('<svg class="chart" height="{}" role="img" aria-label="{}">{}</svg>').format(
        height, label, _EMPTY.join(drawn)
    )


@dataclass(frozen=True, slots=True)
class Level:
    """A line across a chart, at a value, with a word on it; ``kind`` is its class (``lim``, ``s-wait``)."""

    value: float
    label: str
    kind: str = "lim"


def chart(
    series: Sequence[tuple[float, float]],
    *,
    label: str,
    across: Sequence[tuple[float, str]],
    levels: Sequence[Level] = (),
    height: int = 200,
    last: str = "",
    forecast: Sequence[tuple[float, float]] = (),
) -> Markup:
    """A curve over 0 to 100 percent of a span, from zero up.

    Args:
        series: (percent of the span, value).
        label: The finding and its figures, in a sentence.
        across: (percent, word) on the lower axis.
        levels: Limits.
        height: Pixels.
        last: What the end of the curve says.
        forecast: Where it leads, as ``series``; dashed.
    """
    top = 1.1 * max([1e-9, *(value for _, value in (*series, *forecast)), *(level.value for level in levels)])

    def up(value: float) -> float:
        return _WHOLE - _WHOLE * value / top

    curves = (
        [Markup('<path class="ln1" d="{}"/>').format(path([(x, up(value)) for x, value in series]))] if series else []
    )
    if forecast:
        curves.append(Markup('<path class="ln3" d="{}"/>').format(path([(x, up(value)) for x, value in forecast])))
    curves += [Markup('<path class="{}" d="M0 {}H100"/>').format(each.kind, _round(up(each.value))) for each in levels]
    texts = [
        Markup('<text class="lbl" x="0%" y="{}" text-anchor="start">{}</text>').format(
            _round(up(each.value) * height / _WHOLE - 5), each.label
        )
        for each in levels
    ]
    texts += [
        Markup('<text x="{}%" y="{}" text-anchor="{}">{}</text>').format(_round(x), height + 15, _anchored(x), word)
        for x, word in across
    ]
    if series and last:
        x, value = series[-1]
        at = (_round(x), _round(up(value) * height / _WHOLE - 6), "end" if x > _WHOLE / 4 else "start", last)
        texts.append(Markup('<text class="lbl" x="{}%" y="{}" text-anchor="{}">{}</text>').format(*at))
    return Markup(
        '<svg class="chart" height="{}" role="img" aria-label="{}">'
        '<line class="g0" x1="0" x2="100%" y1="{}" y2="{}"/>'
        '<svg width="100%" height="{}" viewBox="0 0 100 100" preserveAspectRatio="none">{}</svg>{}</svg>'
    ).format(height + 20, label, height, height, height, _EMPTY.join(curves), _EMPTY.join(texts))


def path(points: Sequence[tuple[float, float]]) -> str:
    """The points as a path's data."""
    return "M" + "L".join(f"{_round(x)} {_round(y)}" for x, y in points)


def _bar(kind: str, start: float, width: float) -> Markup:
    return Markup('<rect class="{}" x="{}%" width="{}%" height="8"/>').format(kind, _round(start), _round(width))


def _anchored(x: float) -> str:
    return "start" if x <= 0 else "end" if x >= _WHOLE else "middle"


def _bound(percent: float) -> float:
    return min(max(percent, 0.0), _WHOLE)


def _round(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


DRAWINGS = {"meter": meter, "spark": spark, "bars": bars, "chart": chart, "Level": Level}
