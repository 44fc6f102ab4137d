"""What of telemetry leaves this machine, to where and when: read off the settings, told to administrators."""

from __future__ import annotations

from dataclasses import dataclass

from remit.operations.origins import list_settings
from remit.settings import Settings, abroad


@dataclass(frozen=True, slots=True)
class Leaving:
    """One kind of telemetry.

    Attributes:
        what: What it is.
        holds: What stands in it.
        to: Where it goes; empty: nowhere.
        when: When.
        leaves: Whether it leaves this machine.
    """

    what: str
    holds: str
    to: str
    when: str
    leaves: bool


def leaving(settings: Settings) -> tuple[Leaving, ...]:
    """Every kind of telemetry that there is, as the settings of this process have it.

    Spans are decided when a process starts: a changed setting holds after a restart. Events and feedback are decided by
    switches, at once.
    """
    spans = next(one.value for one in list_settings(settings) if one.name == "spans")
    away = bool(spans) and abroad(settings.spans) and settings.telemetry
    return (
        Leaving(
            "Events",
            "which feature was used, how it ended, how long it took; never by whom, never what an address named",
            "this install's own database",
            "with the store's next write after each request, while the switch is on",
            leaves=False,
        ),
        Leaving(
            "Feedback",
            "a rating, and a comment without its author's name, masked",
            "this install's own database",
            "when somebody sends the form, while the switch is on",
            leaves=False,
        ),
        Leaving(
            "Spans",
            "ids, codes and numbers of missions, steps and guard decisions, masked; no prompt, payload or message",
            spans,
            "as each phase ends, in batches" if spans else "the setting spans names no place",
            leaves=away,
        ),
    )
