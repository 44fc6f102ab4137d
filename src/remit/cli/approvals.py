"""What waits for a person: ``approvals``, ``approve``, ``deny``, ``delegate``."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from remit.cli.context import settings_of
from remit.cli.missions import asynchronously
from remit.cli.output import common, emit, hint, say, table
from remit.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from remit.bootstrap import Runtime
    from remit.guard.approval_fit import Shortage
    from remit.guard.approval_rows import Request, Vote
    from remit.kernel.ports import Journal
    from remit.settings import Settings


@click.command()
@click.argument("approval", metavar="[ID]", required=False, default="")
@click.option("--all", "everything", is_flag=True, help="Decided, used and expired ones, too.")
@common
@asynchronously
async def approvals(approval: str, home: str | None, *, everything: bool, as_json: bool, debug: bool) -> int:
    """What waits for a person; with ID, everything that the person should see."""
    del debug
    from remit.bootstrap import open_store
    from remit.cli.approval_views import request_lines, request_view, row_of
    from remit.guard.approval_fit import over_budget
    from remit.guard.approval_notices import sweep_expired
    from remit.guard.approval_rows import recent, unfinished
    from remit.kernel.clock import SystemClock, micros_of

    settings = settings_of(home)
    clock = SystemClock()
    now_us = micros_of(clock.now())
    with open_store(settings) as store:
        await sweep_expired(store, settings.workspace, clock=clock)
        if approval:
            request, said, short = await _read(store, settings, approval, now_us=now_us)
            shown = request_view(request, said, now_us=now_us, short=short)
            emit(shown) if as_json else say("\n".join(request_lines(request, said, now_us=now_us, wanting=short)))
            return 0
        read = recent if everything else unfinished
        found = await store.read(lambda tx: read(tx, settings.workspace))
        whole = [await _read(store, settings, one.id, now_us=now_us) for one in found] if as_json else []
        over = await store.read(lambda tx: over_budget(tx, settings.workspace, found, now_us=now_us))
    if as_json:
        emit({"approvals": [request_view(one, said, now_us=now_us, short=short) for one, said, short in whole]})
    elif found:
        head = ("approval", "state", "risk", "what", "who", "cost", "left", "asked in")
        say(table([row_of(one, now_us=now_us, over=one.id in over) for one in found], head=head))
        hint("look at one: remit approvals ID; decide: remit approve ID, remit deny ID --reason WHY")
    else:
        say("nothing was ever asked of a person" if everything else "nothing waits for a person")
    return 0


@click.command()
@click.argument("approval", metavar="ID")
@click.option("--hash", "subject_hash", default="", metavar="PREFIX", help="What you have read; 8 characters or more.")
@click.option("--reason", default="", help="Why, for the audit log.")
@click.option("--no-resume", is_flag=True, help="Only decide; the mission goes on when somebody resumes it.")
@common
@asynchronously
async def approve(
    approval: str, subject_hash: str, reason: str, home: str | None, *, no_resume: bool, as_json: bool, debug: bool
) -> int:
    """Show the request ID, then allow exactly that, once; its mission goes on."""
    del debug
    return await _decide(
        approval, home, yes=True, subject_hash=subject_hash, reason=reason, resume=not no_resume, as_json=as_json
    )


@click.command()
@click.argument("approval", metavar="ID")
@click.option("--reason", required=True, help="Why; whoever asked is told.")
@click.option("--hash", "subject_hash", default="", metavar="PREFIX", help="What you have read; 8 characters or more.")
@click.option("--no-resume", is_flag=True, help="Only decide; the mission's step fails when somebody resumes it.")
@common
@asynchronously
async def deny(
    approval: str, subject_hash: str, reason: str, home: str | None, *, no_resume: bool, as_json: bool, debug: bool
) -> int:
    """Refuse the request ID: the step that asked fails, and is told who and why."""
    del debug
    return await _decide(
        approval, home, yes=False, subject_hash=subject_hash, reason=reason, resume=not no_resume, as_json=as_json
    )


async def _decide(
    approval: str, home: str | None, *, yes: bool, subject_hash: str, reason: str, resume: bool, as_json: bool
) -> int:
    from remit.bootstrap import open_runtime
    from remit.cli.approval_views import request_lines
    from remit.guard.approval_decisions import decide
    from remit.guard.approval_notices import sweep_expired
    from remit.kernel.clock import micros_of

    settings = settings_of(home)
    async with open_runtime(settings) as runtime:
        await sweep_expired(runtime.store, settings.workspace, clock=runtime.clock)
        now_us = micros_of(runtime.clock.now())
        request, said, short = await _read(runtime.store, settings, approval, now_us=now_us)
        if not as_json:
            say("\n".join([*request_lines(request, said, now_us=now_us, wanting=short), ""]))
            if yes and not subject_hash and request.status == "pending" and sys.stdin.isatty():
                click.confirm(f"Approve {request.subject_hash[:8]} exactly as shown?", abort=True, err=True)
        decided = await decide(
            runtime.store,
            request.id,
            workspace=settings.workspace,
            by=runtime.acting,
            approve=yes,
            subject_hash=subject_hash or request.subject_hash,
            reason=reason,
            clock=runtime.clock,
            redactor=runtime.redactor,
        )
        code = await _go_on(runtime, decided, resume=resume, as_json=as_json)
        await asyncio.to_thread(runtime.store.seal)
        return code if yes else 0


async def _go_on(runtime: Runtime, request: Request, *, resume: bool, as_json: bool) -> int:
    """What a decision sets in motion, and who does it; the exit code."""
    from remit.cli.views import exit_code, mission_lines, mission_view
    from remit.cli.watching import follow

    how, told = await _continuation(runtime, request, resume=resume)
    answer: dict[str, object] = {
        "approval": request.id,
        "state": request.status,
        "subject_hash": request.subject_hash,
        "mission": request.mission or None,
        "continues": how,
    }
    if not as_json:
        say(f"{request.status}: {told}")
    if how != "here":
        if as_json:
            emit(answer)
        return 0
    view = await follow(runtime, request.mission, lambda: _resumed(runtime, request.mission))
    await asyncio.to_thread(runtime.store.seal)
    if as_json:
        emit({**answer, "result": mission_view(runtime.store, view)})
    else:
        say("\n".join(mission_lines(view)))
    if view.mission.error:
        hint(f"error: {view.mission.error}")
    return exit_code(view.status.value, view.mission.error_code)


async def _continuation(runtime: Runtime, request: Request, *, resume: bool) -> tuple[str, str]:
    """How the mission goes on: ``no``, ``held``, ``worker`` or ``here``, and that as a sentence."""
    if request.status == "pending":
        return "no", f"{request.quorum} persons must approve; it waits for the next one"
    if not request.mission:
        return "no", "whoever asked may ask again now"
    mission = request.mission
    status = (await runtime.missions.show(runtime.settings.workspace, mission)).status.value
    stands = {
        "running": ("held", f"mission {mission} is held by a live run, which goes on by itself"),
        "queued": ("worker", f"mission {mission} is queued already"),
        "waiting": None,
        "interrupted": None,
        "succeeded": ("no", "whoever gave the order (a deploy, for instance) may give the same one again now"),
    }.get(status, ("no", f"mission {mission} is {status} and does not go on"))
    if request.kind == "deploy" and not request.step and stands is not None:
        return "no", f"the deployment goes on with: remit deploy {mission} --to {request.target}"
    if stands is None and not resume:
        stands = "no", f"only decided; mission {mission} goes on with: remit resume {mission}"
    if stands is not None:
        return stands
    await runtime.start()
    workers = await runtime.engine.workers()
    if workers:
        await runtime.missions.resume(runtime.settings.workspace, mission, actor=runtime.acting, queued=True)
        return "worker", f"mission {mission} is queued; a worker takes it ({workers[0]})"
    return "here", f"mission {mission} goes on here"


async def _resumed(runtime: Runtime, mission: str):  # noqa: ANN202 - View, imported only by commands that run
    ordered = await runtime.missions.resume(runtime.settings.workspace, mission, actor=runtime.acting)
    if ordered:
        await runtime.missions.wait(ordered)
    return await runtime.missions.show(runtime.settings.workspace, mission)


@click.command()
@click.argument("user", metavar="[USER]", required=False, default="")
@click.option("--until", default=None, metavar="DATE", help="The day (UTC) at whose end it stops: 2026-12-31.")
@click.option("--days", default=None, type=click.IntRange(1, 366), help="For that many days from now.")
@click.option("--reason", default="", help="Why, for the audit log.")
@click.option("--revoke", is_flag=True, help="Take it back now.")
@common
@asynchronously
async def delegate(
    user: str,
    until: str | None,
    days: int | None,
    reason: str,
    home: str | None,
    *,
    revoke: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Hand your right to approve to USER for a while; without USER: whose rights are handed to whom."""
    del debug
    from remit.bootstrap import open_runtime
    from remit.guard import approval_decisions as orders
    from remit.kernel.clock import iso, micros_of

    settings = settings_of(home)
    async with open_runtime(settings) as runtime:
        workspace, by, clock = settings.workspace, runtime.acting, runtime.clock
        if user and revoke:
            await orders.take_back(runtime.store, user, workspace=workspace, by=by, clock=clock)
        elif user:
            await orders.delegate(
                runtime.store,
                user,
                workspace=workspace,
                by=by,
                until=_moment(until, days, clock.now()),
                reason=reason,
                clock=clock,
                redactor=runtime.redactor,
            )
        now_us = micros_of(clock.now())
        found = await runtime.store.read(lambda tx: orders.in_force(tx, workspace, now_us=now_us))
        await asyncio.to_thread(runtime.store.seal)
    rows = [{"from": one.giver, "to": one.taker, "until": iso(one.until_us), "reason": one.reason} for one in found]
    if as_json:
        emit({"delegations": rows})
    elif rows:
        from remit.kernel.plain import plain

        cells = [tuple(plain(str(value), limit=80) for value in row.values()) for row in rows]
        say(table(cells, head=("from", "to", "until", "reason")))
    else:
        say("no right to approve is handed to anybody")
    return 0


def _moment(until: str | None, days: int | None, now: datetime) -> datetime:
    if (until is None) == (days is None):
        message = "Say until when: --until DATE or --days N."
        raise InvalidInput(message, hint="remit delegate USER --days 7")
    if days is not None:
        return now + timedelta(days=days)
    try:
        return datetime.strptime(str(until), "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    except ValueError as error:
        message = f"{str(until)[:40]!r} is no day: write it as 2026-12-31."
        raise InvalidInput(message, hint="remit delegate USER --until 2026-12-31") from error


async def _read(
    journal: Journal, settings: Settings, approval: str, *, now_us: int
) -> tuple[Request, list[Vote], tuple[Shortage, ...]]:
    from remit.guard.approval_fit import shortages
    from remit.guard.approval_rows import read_request, votes
    from remit.kernel.ports import ReadTx

    def op(tx: ReadTx) -> tuple[Request, list[Vote], tuple[Shortage, ...]]:
        request = read_request(tx, settings.workspace, approval)
        return request, votes(tx, request), shortages(tx, request, now_us=now_us)

    return await journal.read(op)


COMMANDS = {"approvals": approvals, "approve": approve, "deny": deny, "delegate": delegate}
