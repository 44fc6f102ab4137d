"""Telemetry: its two switches, what leaves the machine, the recorded events with filters, and what people say."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from remit.accounts.roles import Permission
from remit.accounts.telemetry import LONGEST_REASON, Switch, read_switches, turn
from remit.accounts.telemetry import Turned as Standing
from remit.accounts.telemetry_events import (
    LONGEST_COMMENT,
    Dashboard,
    Event,
    Kind,
    dashboard,
    forget,
    list_events,
    say,
)
from remit.accounts.telemetry_events import (
    Asked as Wanted,
)
from remit.kernel.clock import iso, micros_of
from remit.kernel.ports import ReadTx
from remit.operations.leaving import leaving
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, Shown, answer, example
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import AskedPage, Page, cut
from remit.serve.api.reads import read

TELEMETRY = "/api/v1/telemetry"
ROUTES = APIRouter(prefix=TELEMETRY, tags=["telemetry"])
ACCESS = (
    Access("GET", TELEMETRY, Permission.ADMIN),
    Access("PUT", f"{TELEMETRY}/switches/{{switch}}", Permission.ADMIN),
    Access("GET", f"{TELEMETRY}/events", Permission.ADMIN),
    Access("DELETE", f"{TELEMETRY}/events", Permission.ADMIN),
    Access("POST", f"{TELEMETRY}/feedback", Permission.READ),
)
_LATEST = 4_102_444_800  # 2100


class SwitchShown(Shown):
    """A switch."""

    name: Switch
    on: bool
    setting: bool = Field(description="What the setting of its name says; it counts until somebody turned the switch.")
    by: str = Field(description="Who turned it last; empty: nobody did.")
    reason: str
    at: str | None


class LeavingShown(Shown):
    """A kind of telemetry: what it holds, where it goes and when."""

    what: str
    holds: str
    to: str = Field(description="Empty: nowhere.")
    when: str
    leaves: bool = Field(description="Whether it leaves this machine.")


class FeatureShown(Shown):
    """A feature in sums."""

    name: str
    surface: str
    uses: int
    errors: int
    p50_ms: float
    p95_ms: float


class DayShown(Shown):
    """A day in sums."""

    day: str
    uses: int
    errors: int


class TelemetryShown(Shown):
    """How telemetry stands, and what the newest events say."""

    switches: list[SwitchShown]
    leaving: list[LeavingShown]
    kept_days: int = Field(description="After so many days events are deleted.")
    events: int = Field(description="That were read for these sums: the newest 5000 at most.")
    more: bool = Field(description="There are more in this time.")
    errors: int
    features: list[FeatureShown]
    days: list[DayShown]
    ratings: list[int] = Field(description="How many gave 1, 2, 3, 4, 5.")


class EventShown(Shown):
    """An event."""

    model_config = example(
        id="0198c0de-0000-7000-8000-000000000000", at="2026-11-22T09:00:00Z", kind="feature", surface="api",
        name="GET /api/v1/missions/{mission}", outcome="200", took_ms=3.4, times=1, rating=0, comment="",
    )  # fmt: skip

    id: str
    at: str
    kind: Kind
    surface: str
    name: str
    outcome: str
    took_ms: float = Field(
        description="Until the answer began; of a command, and of a call at the gateway, until it ended."
    )
    times: int = Field(description="How many alike it stands for: a minute's at the gateway; `took_ms` is their mean.")
    rating: int = Field(description="1 to 5; 0: none was given.")
    comment: str


class NewPosition(Asked):
    """How a switch is to stand, and why."""

    model_config = example(on=True, reason="we look for what is slow")

    on: bool
    reason: str = Field(min_length=1, max_length=LONGEST_REASON)


class NewFeedback(Asked):
    """What somebody says about Remit."""

    model_config = example(rating=4, comment="the queue says why", about="queue")

    rating: int = Field(ge=1, le=5)
    comment: str = Field(default="", max_length=LONGEST_COMMENT)
    about: str = Field(default="", max_length=100)


class Kept(Shown):
    """What was kept."""

    id: str


class Forgotten(Shown):
    """How many events were deleted."""

    deleted: int


@ROUTES.get("", response_model=TelemetryShown, summary="Telemetry")
async def show(caller: Asking, runtime: Open, days: Annotated[int, Query(ge=1, le=90)] = 7) -> Response:
    """How the switches stand, what leaves this machine, and the last days' events in sums."""
    now_us = micros_of(runtime.clock.now())

    def op(tx: ReadTx) -> tuple[list[Standing], Dashboard]:
        switches = read_switches(tx, caller.workspace, runtime.settings)
        return list(switches.values()), dashboard(tx, caller.workspace, now_us=now_us, days=days)

    switches, sums = await read(runtime, caller, op, permission=Permission.ADMIN)
    return answer(
        TelemetryShown(
            switches=[_switch(one) for one in switches],
            leaving=[LeavingShown.model_validate(asdict(one)) for one in leaving(runtime.settings)],
            kept_days=runtime.settings.telemetry_days,
            events=sums.events,
            more=sums.more,
            errors=sums.errors,
            features=[FeatureShown.model_validate(asdict(one)) for one in sums.features],
            days=[DayShown(day=iso(one.at_us)[:10], uses=one.uses, errors=one.errors) for one in sums.days],
            ratings=list(sums.ratings),
        )
    )


@ROUTES.put("/switches/{switch}", response_model=SwitchShown, summary="Turn a switch")
async def turned(caller: Asking, runtime: Open, switch: Switch, asked: NewPosition) -> Response:
    """Turn telemetry or feedback on or off, with a reason; every process obeys within a second."""
    await turn(
        runtime.store,
        switch.value,
        on=asked.on,
        workspace=caller.workspace,
        reason=runtime.redactor.mask(asked.reason),
        by=caller.principal,
        clock=runtime.clock,
    )
    found = await runtime.store.read(lambda tx: read_switches(tx, caller.workspace, runtime.settings))
    return answer(_switch(found[switch]))


@ROUTES.get("/events", response_model=Page[EventShown], summary="List events")
async def events(
    caller: Asking,
    runtime: Open,
    paging: AskedPage,
    *,
    kind: Annotated[Kind | None, Query(description="Only of this kind.")] = None,
    surface: Annotated[str, Query(max_length=20, description="Only there: `api`, `console`, `cli`.")] = "",
    name: Annotated[str, Query(max_length=300, description="Only this feature.")] = "",
    outcome: Annotated[str, Query(max_length=20, description="Only what ended so: the answer's status.")] = "",
    since: Annotated[int, Query(ge=0, le=_LATEST, description="From then on, in seconds since 1970.")] = 0,
    until: Annotated[int, Query(ge=0, le=_LATEST, description="Before then, in seconds since 1970.")] = _LATEST,
) -> Response:
    """Recorded events, the newest first. There are none from while the switch was off."""
    wanted = Wanted(kind or "", surface, name, outcome, since * 1_000_000, until * 1_000_000)
    before = paging.timed()

    def op(tx: ReadTx) -> list[Event]:
        return list_events(tx, caller.workspace, wanted, before=before, limit=paging.limit + 1)

    found = await read(runtime, caller, op, permission=Permission.ADMIN)
    shown, following = cut(found, paging, lambda one: (one.at_us, one.id))
    return answer(Page[EventShown](items=[_event(one) for one in shown], next=following))


@ROUTES.delete("/events", response_model=Forgotten, summary="Delete every event")
async def forgotten(
    caller: Asking,
    runtime: Open,
    reason: Annotated[str, Query(min_length=1, max_length=LONGEST_REASON, description="For the audit log.")],
) -> Response:
    """Delete every recorded event; on record."""
    gone = await forget(
        runtime.store, workspace=caller.workspace, reason=runtime.redactor.mask(reason), by=caller.principal
    )
    return answer(Forgotten(deleted=gone))


@ROUTES.post("/feedback", response_model=Kept, status_code=201, summary="Say something about Remit")
async def feedback(caller: Asking, runtime: Open, asked: NewFeedback) -> Response:
    """Kept in this install's own database without your name, if the switch `feedback` is on."""
    event = await say(
        runtime.store,
        asked.comment,
        rating=asked.rating,
        about=runtime.redactor.mask(asked.about),
        surface="api",
        workspace=caller.workspace,
        by=caller.principal,
        settings=runtime.settings,
        clock=runtime.clock,
        mask=runtime.redactor.mask,
    )
    return answer(Kept(id=event.id), 201)


def _switch(one: Standing) -> SwitchShown:
    return SwitchShown(
        name=one.name,
        on=one.on,
        setting=one.setting,
        by=one.by,
        reason=one.reason,
        at=iso(one.at_us) if one.at_us else None,
    )


def _event(one: Event) -> EventShown:
    return EventShown(
        id=one.id,
        at=iso(one.at_us),
        kind=one.kind,
        surface=one.surface,
        name=one.name,
        outcome=one.outcome,
        took_ms=round(one.took_us / 1000, 3),
        times=one.times,
        rating=one.rating,
        comment=one.comment,
    )
