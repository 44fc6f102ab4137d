"""Every page and form of the console, in the order of the navigation."""

from __future__ import annotations

from collections.abc import Sequence

from remit.serve.console.page import Form, Page
from remit.serve.console.pages import approvals

PAGES: Sequence[Page] = (approvals.inbox,)
FORMS: Sequence[Form] = ()
