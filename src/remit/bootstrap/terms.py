"""The guard's terms, as the settings say them: approvals, breakers, personal data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remit.kernel.money import usd
from remit.settings import Settings, quorums, words

if TYPE_CHECKING:
    from remit.guard.approval_terms import ApprovalTerms
    from remit.guard.breaker import Numbers
    from remit.guard.personal_terms import PersonalTerms


def approval_terms(settings: Settings) -> ApprovalTerms:
    """When a person must be asked, as the settings say."""
    from remit.guard.approval_terms import ApprovalTerms, Separation

    return ApprovalTerms(
        over=usd(settings.approval_over_usd),
        domains=frozenset(words(settings.approval_domains)),
        free_targets=frozenset(words(settings.approval_free_targets)),
        expires_s=round(settings.approval_hours * 3600),
        quorum=quorums(settings.approval_quorum),
        separation=Separation(settings.approval_separation),
        most_open=settings.approval_open,
    )


def breaker_numbers(settings: Settings) -> Numbers:
    """When a circuit opens and how long it stays open, as the settings say."""
    from remit.guard.breaker import Numbers

    return Numbers(
        failures=settings.breaker_failures,
        cooldown_s=settings.breaker_cooldown_s,
        longest_cooldown_s=max(Numbers().longest_cooldown_s, settings.breaker_cooldown_s),
        error_rate=settings.breaker_error_rate,
    )


def personal_terms(settings: Settings) -> PersonalTerms:
    """What the settings say about personal data on its way to models and tools."""
    from remit.guard.personal_terms import PersonalTerms

    asked = words(settings.personal_data)
    tools = frozenset(words(settings.personal_tools))
    also = None
    if settings.personal_analyzer:
        from remit.adapters.personal.presidio import Presidio

        also = Presidio(settings.personal_analyzer).find
    return PersonalTerms("models" in asked, tools, words(settings.phone_regions), also)
