"""Every page and form of the console, in the order of the navigation."""

from __future__ import annotations

from collections.abc import Sequence

from remit.serve.console.page import Form, Page
from remit.serve.console.pages import account, agents, approval, approvals, audit, breakers, home, people, policy, stop

PAGES: Sequence[Page] = (
    home.home,
    approvals.inbox,
    approval.approval,
    *agents.PAGES,
    *policy.PAGES,
    *breakers.PAGES,
    *audit.PAGES,
    stop.stop,
    people.people,
    account.account,
)
FORMS: Sequence[Form] = (
    approval.decision,
    stop.set_stop,
    stop.lift,
    *agents.FORMS,
    *policy.FORMS,
    *breakers.FORMS,
    *audit.FORMS,
    *people.FORMS,
    *account.FORMS,
)
