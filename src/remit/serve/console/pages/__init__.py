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
    break_glass,
    breakers,
    database,
    delegations,
    deploy,
    home,
    keys,
    mission,
    mission_forms,
    missions,
    models,
    new_mission,
    people,
    policy,
    queue,
    secrets_log,
    settings,
    spend,
    stop,
    telemetry,
)

PAGES: Sequence[Page] = (
    *(home.home, approvals.inbox, delegations.delegations, approval.approval),
    *(missions.missions, new_mission.new, mission.mission, mission_forms.file, deploy.deploy, queue.queue),
    *(*agents.PAGES, spend.spend, models.models, *policy.PAGES, *breakers.PAGES, stop.stop, break_glass.break_glass),
    *(*audit.PAGES, secrets_log.secrets),
    *(people.people, keys.keys, account.account),
    *(settings.settings, *database.PAGES, *telemetry.PAGES),
)
FORMS: Sequence[Form] = (
    approval.decision,
    *(mission_forms.resume, mission_forms.rollback, mission_forms.branch, mission_forms.cancel),
    *delegations.FORMS,
    *deploy.FORMS,
    *(new_mission.start, queue.move, queue.pause),
    *(stop.set_stop, stop.lift, *break_glass.FORMS),
    *(*agents.FORMS, *policy.FORMS, *breakers.FORMS, *audit.FORMS),
    *(*spend.FORMS, *models.FORMS, *keys.FORMS),
    *(*people.FORMS, *account.FORMS),
    *(*database.FORMS, *telemetry.FORMS),
)
