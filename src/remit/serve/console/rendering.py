"""Templates: escaped always, undefined names are errors, and no text hides anything.

Every expression that a template writes passes ``_shown``: what is no markup of ours has its bidirectional, zero-width
and control characters spelled out, whoever wrote it and wherever it stands; after that Jinja escapes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from remit.serve.console import plan_graph, svg, words
from remit.serve.console.static_files import Files
from remit.serve.console.tables import TableRoles


class Templates:
    """The console's templates, with the filters and drawings that they know."""

    def __init__(self, files: Files) -> None:
        self._known = Environment(
            loader=PackageLoader("remit.serve.console", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            extensions=[TableRoles],
        )
        filters = cast("dict[str, object]", self._known.filters)
        filters.update(words.FILTERS)
        filters.update({"moment": _moment, "left": _left, "remaining": _remaining, "ago": _ago})
        drawings = {**svg.DRAWINGS, **plan_graph.DRAWINGS}
        cast("dict[str, object]", self._known.globals).update({"static": files.address, **drawings})

    def render(self, name: str, context: Mapping[str, object]) -> str:
        """A page or a fragment.

        Raises:
            jinja2.UndefinedError: It uses a name that the context hasn't.
        """
        return self._known.get_template(name).render(context)


def _shown(value: object) -> object:
    """What an expression gives, made harmless to look at; ``None`` is an empty cell."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return ""
    return words.visible(str(value))


@pass_context
def _moment(context: Context, at_us: int) -> Markup:
    return words.moment(at_us, context["now_us"])


@pass_context
def _left(context: Context, deadline_us: int) -> Markup:
    return words.left(deadline_us, context["now_us"])


@pass_context
def _remaining(context: Context, deadline_us: int) -> Markup:
    return words.remaining(deadline_us, context["now_us"])


@pass_context
def _ago(context: Context, at_us: int) -> Markup:
    return words.ago(at_us, context["now_us"])
