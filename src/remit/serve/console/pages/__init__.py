"""Every page and form of the console, in the order of the navigation."""

from __future__ import annotations

from collections.abc import Sequence

from remit.serve.console.page import Form, Page
from remit.serve.console.pages import (
    account,
    agents,
    approval,
    approvals,
    audit,
    breakers,
    home,
    mission,
    mission_forms,
    missions,
    new_mission,
    people,
    policy,
    queue,
    stop,
)

PAGES: Sequence[Page] = (
    *(home.home, approvals.inbox, approval.approval),
    *(missions.missions, new_mission.new, mission.mission, mission_forms.file, queue.queue),
    *(*agents.PAGES, *policy.PAGES, *breakers.PAGES, *audit.PAGES),
    *(people.people, account.account, stop.stop),
)
FORMS: Sequence[Form] = (
    approval.decision,
    *(mission_forms.resume, mission_forms.rollback, mission_forms.branch, mission_forms.cancel),
    *(new_mission.start, queue.move),
    *(stop.set_stop, stop.lift),
    *(*agents.FORMS, *policy.FORMS, *breakers.FORMS, *audit.FORMS),
    *people.FORMS,
    *account.FORMS,
)
