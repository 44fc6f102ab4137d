"""How long what holds, and who needs a second factor: the settings about signing in, as the rooms read them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from remit.accounts.roles import Permission, may
from remit.settings import Settings

SECOND_US = 1_000_000


class Demand(StrEnum):
    """Who must have a second factor (setting ``second_factor``)."""

    NOBODY = "nobody"
    ADMINISTRATORS = "administrators"  # whoever administers the workspace or a team of it, owners among them
    EVERYBODY = "everybody"


@dataclass(frozen=True, slots=True)
class SignInTerms:
    """Lengths are in microseconds.

    Attributes:
        idle_us: A console session ends when nothing was asked with it for so long.
        session_us: It ends after so long whatever is done with it.
        access_us: How long an access token holds.
        refresh_us: A program's sign-in ends after so long whatever is done with it.
        grace_us: How long the refresh token before the current one still gives the same successor.
        link_us: How long a one-time link holds.
        demand: Who must have a second factor.
    """

    idle_us: int = 30 * 60 * SECOND_US
    session_us: int = 12 * 3600 * SECOND_US
    access_us: int = 10 * 60 * SECOND_US
    refresh_us: int = 30 * 86_400 * SECOND_US
    grace_us: int = 30 * SECOND_US
    link_us: int = 3600 * SECOND_US
    demand: Demand = Demand.NOBODY

    def demands(self, rights: int) -> bool:
        """Whether somebody with these rights (the most that they have anywhere in the workspace) needs one."""
        if self.demand is Demand.ADMINISTRATORS:
            return may(rights, Permission.ADMIN)
        return self.demand is Demand.EVERYBODY


def terms_of(settings: Settings) -> SignInTerms:
    """What the settings say."""
    return SignInTerms(
        idle_us=round(settings.session_idle_minutes * 60) * SECOND_US,
        session_us=round(settings.session_hours * 3600) * SECOND_US,
        access_us=round(settings.access_minutes * 60) * SECOND_US,
        refresh_us=round(settings.refresh_days * 86_400) * SECOND_US,
        demand=Demand(settings.second_factor),
    )
