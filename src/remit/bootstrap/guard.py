"""The guard, with the terms that the settings name; or with failures on purpose, in a drill."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from remit.adapters.classifier.http import HttpClassifier
from remit.adapters.secrets.wiring import known_from
from remit.bootstrap.store import Store
from remit.bootstrap.terms import approval_terms, breaker_numbers
from remit.guard.breaker import Numbers
from remit.guard.budget_prices import Pricing
from remit.guard.faults import Faults, Scenario, arm
from remit.guard.guard import Guard
from remit.guard.permit import Terms
from remit.guard.personal_terms import PersonalTerms
from remit.guard.secrets_provider import Secrets
from remit.kernel.clock import Clock
from remit.kernel.money import usd
from remit.kernel.ports import Adapter
from remit.models.cache import StoredAnswers
from remit.redact.redactor import Redactor
from remit.settings import Settings


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A drill: what fails on purpose, and how patiently that is met. Made by ``remit.testing`` and by tests."""

    scenario: Scenario
    terms: Terms | None = None
    numbers: Numbers | None = None


def make_guard(
    settings: Settings,
    store: Store,
    *,
    adapters: Mapping[str, Adapter],
    vault: Secrets,
    redactor: Redactor,
    personal: PersonalTerms,
    clock: Clock,
    owner: str,
    rehearsal: Rehearsal | None,
) -> tuple[Guard, Faults | None]:
    """The guard of this process, which is called ``owner``, and what was armed for a rehearsal."""
    faults = None
    if rehearsal is not None:
        adapters, faults = arm(rehearsal.scenario, adapters, environment=settings.environment.value)
    guard = Guard(
        store,
        adapters,
        redactor=redactor,
        clock=clock,
        rand=random.random,
        environment=settings.environment.value,
        approvals=approval_terms(settings),
        terms=None if rehearsal is None else rehearsal.terms,
        numbers=breaker_numbers(settings) if rehearsal is None else rehearsal.numbers,
        pricing=Pricing(settings.unknown_price, usd(settings.unknown_price_usd)),
        personal=personal,
        owner=owner,
        classifier=HttpClassifier(settings.classifier_url) if settings.classifier_url else None,
    )
    guard.answers = StoredAnswers(store, clock, clean=redactor.clean, most_bytes=settings.answers_mb << 20)
    guard.secrets = vault
    vault.known = known_from(
        lambda: standing.secrets if (standing := guard.register.known(settings.workspace)) else None
    )
    return guard, faults
