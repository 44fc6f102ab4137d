"""Every page and form of the console, in the order of the navigation."""

from __future__ import annotations

from collections.abc import Sequence

from remit.serve.console.page import Form, Page
from remit.serve.console.pages import agents, approval, approvals, home, stop

PAGES: Sequence[Page] = (
    home.home,
    approvals.inbox,
    approval.approval,
    agents.agents,
    agents.new,
    agents.agent,
    stop.stop,
)
FORMS: Sequence[Form] = (approval.decision, stop.set_stop, stop.lift, agents.register, agents.change, agents.retire)
