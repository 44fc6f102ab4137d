"""Tables keep their meaning on a telephone: roles that ``display`` takes away are written into every template's tags.

A page's author writes plain ``<table class="stack">``; this adds ``role`` to each tag of a table when a template is
loaded. A head of a row is ``<th scope="row">``.
"""

from __future__ import annotations

import re

from jinja2.ext import Extension

_TAGS = re.compile(r"<(table|thead|tbody|tfoot|tr|td|th)(?=[\s>{])(?![^<>]*\brole=)((?:\s+scope=\"row\")?)")
_ROLES = {"table": "table", "thead": "rowgroup", "tbody": "rowgroup", "tfoot": "rowgroup", "tr": "row", "td": "cell"}


class TableRoles(Extension):
    """Jinja's way to look at a template's source before it is compiled."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """The source with roles."""
        del name, filename
        return _TAGS.sub(_with_role, source)


def _with_role(found: re.Match[str]) -> str:
    tag, scope = found[1], found[2]
    role = _ROLES.get(tag) or ("rowheader" if scope else "columnheader")
    return f'<{tag} role="{role}"{scope}'
