"""Telemetry and feedback: the switches, what leaves this machine, what was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from remit.accounts.roles import Permission
from remit.accounts.telemetry import Switch, Turned, read_switches, turn
from remit.accounts.telemetry_events import Asked, Dashboard, Event, Kind, dashboard, forget, list_events, say
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import ReadTx
from remit.operations.leaving import Leaving, leaving
from remit.serve.console.asking import Ask
from remit.serve.console.page import form, page

SIZE = 50
DAYS = 7
_LONGEST = 300
_DIGITS = 18
SAID = {
    "telemetry-on": "Events are recorded from now on",
    "telemetry-off": "Events are recorded no more",
    "feedback-on": "Feedback is kept from now on",
    "feedback-off": "Feedback is kept no more",
    "forgotten": "Every recorded event is deleted",
    "said": "It is kept, without your name",
}


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The page.

    Attributes:
        title: How the switches stand.
        said: What an order just given has done; empty: none was.
        switches: Both.
        leaving: What leaves this machine, to where, when.
        week: The last seven days in sums.

        events: A page of events; ``next`` and ``first`` lead on.
        asked: What they were asked for by.
        kept_days: After so many days they are deleted.
    """

    title: str
    said: str
    switches: tuple[Turned, ...]
    leaving: tuple[Leaving, ...]
    week: Dashboard
    events: tuple[Event, ...]
    asked: Asked
    kinds: tuple[str, ...]
    next: str
    first: str
    kept_days: int


@page("/telemetry", template="telemetry.html", group="Install", label="Telemetry")
async def telemetry(ask: Ask) -> Telemetry:
    """What is recorded about the use of this install, and what of it leaves; for administrators."""
    query, settings = ask.query, ask.runtime.settings
    kind = query.get("kind", "")
    kind = kind if kind in {each.value for each in Kind} else ""
    wanted = Asked(kind, name=query.get("name", "")[:_LONGEST].strip(), outcome=query.get("status", "")[:20].strip())
    before = _before(query.get("before", ""))

    def op(tx: ReadTx) -> tuple[dict[Switch, Turned], Dashboard, list[Event]]:
        return (
            dict(read_switches(tx, ask.workspace, settings)),
            dashboard(tx, ask.workspace, now_us=ask.now_us, days=DAYS),
            list_events(tx, ask.workspace, wanted, before=before, limit=SIZE + 1),
        )

    switches, week, found = await ask.read(op, permission=Permission.ADMIN)
    shown = tuple(found[:SIZE])
    given = {"status" if name == "outcome" else name: text for name, text in wanted.given().items()}
    on = [one.name.value for one in switches.values() if one.on]
    more = urlencode({**given, "before": f"{shown[-1].at_us}-{shown[-1].id}"}) if len(found) > SIZE else ""
    return Telemetry(
        title=f"{' and '.join(on).capitalize()} {'are' if len(on) > 1 else 'is'} on" if on else "Nothing is recorded",
        said=SAID.get(query.get("done", ""), ""),
        switches=tuple(switches.values()),
        leaving=leaving(settings),
        week=week,
        events=shown,
        asked=wanted,
        kinds=tuple(each.value for each in Kind),
        next=f"/telemetry?{more}#h-events" if more else "",
        first=f"/telemetry?{urlencode(given)}#h-events" if before else "",
        kept_days=settings.telemetry_days,
    )


@form("/telemetry/switches", again=telemetry)
async def switched(ask: Ask) -> str:
    """Turn a switch."""
    word = ask.form.get("position", "")
    if word not in {"on", "off"}:
        raise InvalidInput("Say how it is to stand.", code="telemetry.position", hint="on or off")
    name = await turn(
        ask.runtime.store,
        ask.form.get("switch", ""),
        on=word == "on",
        workspace=ask.workspace,
        reason=ask.runtime.redactor.mask(ask.form.get("reason", "")),
        by=ask.who,
        clock=ask.runtime.clock,
    )
    return f"/telemetry?done={name.value}-{word}"


@form("/telemetry/forget", again=telemetry)
async def forgotten(ask: Ask) -> str:
    """Delete every recorded event."""
    await forget(
        ask.runtime.store,
        workspace=ask.workspace,
        reason=ask.runtime.redactor.mask(ask.form.get("reason", "")),
        by=ask.who,
    )
    return "/telemetry?done=forgotten"


@form("/telemetry/feedback", again=telemetry)
async def feedback(ask: Ask) -> str:
    """Keep what somebody says."""
    runtime, rating = ask.runtime, ask.form.get("rating", "")
    await say(
        runtime.store,
        ask.form.get("comment", ""),
        rating=int(rating) if len(rating) == 1 and rating.isascii() and rating.isdigit() else 0,
        about="",
        surface="console",
        workspace=ask.workspace,
        by=ask.who,
        settings=runtime.settings,
        clock=runtime.clock,
        mask=runtime.redactor.mask,
    )
    return "/telemetry?done=said"


PAGES = (telemetry,)
FORMS = (switched, forgotten, feedback)


def _before(word: str) -> tuple[int, str] | None:
    at, _, name = word.partition("-")
    return (int(at), name[:64]) if at.isascii() and at.isdigit() and len(at) <= _DIGITS else None
