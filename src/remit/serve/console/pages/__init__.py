"""Every page and form of the console, in the order of the navigation."""

from __future__ import annotations

from collections.abc import Sequence

from remit.serve.console.page import Form, Page
from remit.serve.console.pages import account, approval, approvals, home, people, stop

PAGES: Sequence[Page] = (home.home, approvals.inbox, approval.approval, people.people, account.account, stop.stop)
FORMS: Sequence[Form] = (approval.decision, *people.FORMS, *account.FORMS, stop.set_stop, stop.lift)
