"""Every page and form of the console, in the order of the navigation."""

from __future__ import annotations

from collections.abc import Sequence

from remit.serve.console.page import Form, Page
from remit.serve.console.pages import account, approvals, people

PAGES: Sequence[Page] = (approvals.inbox, people.people, account.account)
FORMS: Sequence[Form] = (*people.FORMS, *account.FORMS)
