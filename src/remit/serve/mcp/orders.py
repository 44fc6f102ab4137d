"""What ``remit mcp`` offers: the use cases behind the command line, by name, with the arguments that each takes.

Looking and running, never deciding: there is no order here that approves, denies, changes rights, rules, keys or
budgets, for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from remit.accounts.budgets import BudgetScope
from remit.accounts.roles import Permission, Resource
from remit.audit.query import Filter, find
from remit.bootstrap import Runtime, prover
from remit.guard.approval_fit import shortages
from remit.guard.approval_notices import sweep_expired
from remit.guard.approval_rows import as_json, read_request, recent, unfinished, votes
from remit.guard.budget_limits import read_budgets
from remit.guard.why import why
from remit.kernel.action import ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import iso, micros_of
from remit.kernel.errors import InvalidInput, NotFound
from remit.kernel.money import Money, usd
from remit.kernel.ports import ReadTx
from remit.missions.service import View

MOST = 200
MOST_INTEGER = (1 << 63) - 1  # what a column holds; nor does one hold NUL, or half a character
_TYPES: Mapping[str, type] = {"string": str, "integer": int, "boolean": bool, "number": float}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a person, or an agent for that person.

    Attributes:
        runtime: The open Remit.
        principal: Who gives the order.
        person: In whose name.
        pack: A pack that is offered beside the shipped ones.
        place: In which workspace; empty: the one of the settings.
        key: The virtual key that an agent showed; empty: none.
        scopes: What the person's key or token opens, as names of permissions; ``None``: no key, so whatever they may.
        served: Workers take missions from the queue: none is to run in this process beside them.
    """

    runtime: Runtime
    principal: Principal
    person: Principal
    pack: str = ""
    place: str = ""
    key: str = ""
    scopes: frozenset[str] | None = None
    served: bool = False

    @property
    def workspace(self) -> str:
        """Where."""
        return self.place or self.runtime.settings.workspace


type Given = Mapping[str, Any]
type Act = Callable[[Caller, Given], Awaitable[dict[str, Json]]]


@dataclass(frozen=True, slots=True)
class Order:
    """One tool: what it does, its arguments (name to JSON type and meaning), which must be given, how it is done."""

    name: str
    about: str
    act: Act
    takes: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    needs: frozenset[str] = frozenset()
    reads: bool = True
    about_what: Resource = Resource.MISSION

    @property
    def permission(self) -> Permission:
        """What whoever gives it must have, as for the same over the API."""
        return Permission.READ if self.reads else Permission.WRITE

    @property
    def schema(self) -> dict[str, Any]:
        """Its arguments as JSON Schema."""
        properties = {name: {"type": kind, "description": text} for name, (kind, text) in self.takes.items()}
        return {
            "type": "object",
            "properties": properties,
            "required": sorted(self.needs),
            "additionalProperties": False,
        }

    def check(self, given: Given) -> None:
        """Refuse arguments that it does not take.

        Raises:
            InvalidInput: One is missing, unknown or of another type.
        """
        wrong = [f"{name} is missing" for name in sorted(self.needs - set(given))]
        for name, value in given.items():
            if name not in self.takes:
                wrong.append(f"{name[:40]!r} is no argument of it")
            elif not _fits(value, self.takes[name][0]):
                wrong.append(f"{name} must be of type {self.takes[name][0]}")
        if wrong:
            message = f"The arguments of {self.name} are wrong: {'; '.join(wrong)}."
            raise InvalidInput(message, code="mcp.arguments", hint="correct the call", problems=tuple(wrong))


def _fits(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, int) and abs(value) > MOST_INTEGER:
        return False
    if isinstance(value, str) and ("\0" in value or _broken(value)):
        return False
    return isinstance(value, int | float) if kind == "number" else isinstance(value, _TYPES[kind])


def _broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


# ------------------------------------------------------------------------------------------------------------ missions


async def _missions(caller: Caller, given: Given) -> dict[str, Json]:
    listed = await caller.runtime.missions.list(caller.workspace, limit=min(int(given.get("limit", 20)), MOST))
    return {
        "missions": [
            {
                "mission": each.id,
                "pack": each.pack,
                "input": each.input_name,
                "status": each.status.value,
                "cost_usd": str(Money(each.cost_micros).usd),
                "created": iso(each.created_us),
                "error": each.error,
                "waits_for": list(each.waits_for),
            }
            for each in listed
        ]
    }


async def _mission(caller: Caller, given: Given) -> dict[str, Json]:
    return _shown(await caller.runtime.missions.show(caller.workspace, given["mission"]))


def _shown(view: View) -> dict[str, Json]:
    mission = view.mission
    return {
        "mission": mission.id,
        "pack": mission.pack,
        "status": view.status.value,
        "originator": mission.originator,
        "steps": [
            {"name": step.name, "status": str(step.status), "attempts": step.attempts, "error": step.error}
            for step in view.steps
        ],
        "cost_usd": str(Money(mission.cost_micros).usd),
        "tree": mission.tree,
        "error": {"code": mission.error_code, "message": mission.error} if mission.error else None,
        "waits_for": [asked.id for asked in view.waits_for],
    }


async def _run(caller: Caller, given: Given) -> dict[str, Json]:
    runtime, pack = caller.runtime, str(given["pack"])
    known = {*runtime.missions.deps.packs, *([caller.pack] if caller.pack else [])}
    if pack not in known:  # a name with a colon would import whatever it names
        message = f"There is no pack {pack[:60]!r} here; there are {', '.join(sorted(known))}."
        raise NotFound(
            message, code="pack.missing", hint="start the server with --pack MODULE:ATTRIBUTE to offer another"
        )
    mission = await runtime.missions.create(
        caller.workspace,
        pack,
        str(given["intake"]).encode(),
        name=str(given.get("name", "intake.yaml")),
        originator=caller.person,
        budget=usd(str(given["budget_usd"])) if "budget_usd" in given else usd(runtime.settings.budget_usd),
        preset=str(given.get("preset", "")),
    )
    return await _ordered(
        caller, mission, lambda queued: runtime.missions.submit(caller.workspace, mission, queued=queued)
    )


async def _resume(caller: Caller, given: Given) -> dict[str, Json]:
    mission, from_step = str(given["mission"]), str(given.get("from_step", ""))
    resume = caller.runtime.missions.resume
    return await _ordered(
        caller,
        mission,
        lambda queued: resume(caller.workspace, mission, actor=caller.person, from_step=from_step, queued=queued),
    )


async def _ordered(caller: Caller, mission: str, order: Callable[[bool], Awaitable[str]]) -> dict[str, Json]:
    """Give the order: to a worker when there is one, else it runs here, beside this call and not within it."""
    runtime = caller.runtime

    async def give() -> None:
        if not caller.served:
            await started(runtime)
        await order(caller.served or bool(await runtime.engine.workers()))

    await asyncio.create_task(give(), context=Context())
    return _shown(await runtime.missions.show(caller.workspace, mission))


_STARTED: set[int] = set()


async def started(runtime: Runtime) -> None:
    """Have the engine run, from the first order on."""
    if id(runtime) not in _STARTED:
        _STARTED.add(id(runtime))
        await runtime.start()


async def _cancel(caller: Caller, given: Given) -> dict[str, Json]:
    return _shown(await caller.runtime.missions.cancel(caller.workspace, given["mission"], actor=caller.person))


# ----------------------------------------------------------------------------------------------------------- approvals


async def _approvals(caller: Caller, given: Given) -> dict[str, Json]:
    runtime, now_us = caller.runtime, micros_of(caller.runtime.clock.now())
    await sweep_expired(runtime.store, caller.workspace, clock=runtime.clock)
    read = recent if given.get("all") else unfinished

    def op(tx: ReadTx) -> list[dict[str, Json]]:
        return [as_json(each, votes(tx, each), now_us=now_us) for each in read(tx, caller.workspace)]

    return {"approvals": cast("Json", await runtime.store.read(op))}


async def _approval(caller: Caller, given: Given) -> dict[str, Json]:
    now_us = micros_of(caller.runtime.clock.now())

    def op(tx: ReadTx) -> dict[str, Json]:
        request = read_request(tx, caller.workspace, str(given["approval"]))
        short = [each.as_json() for each in shortages(tx, request, now_us=now_us)]
        return as_json(request, votes(tx, request), now_us=now_us, short=short)

    return await caller.runtime.store.read(op)


# --------------------------------------------------------------------------------------------------- log, why, budgets


async def _audit(caller: Caller, given: Given) -> dict[str, Json]:
    wanted = Filter(
        caller.workspace,
        mission=str(given.get("mission", "")),
        action=str(given.get("action", "")),
        actor=str(given.get("actor", "")),
        since_us=_since(str(given.get("since", ""))),
        after=int(given.get("after", -1)),
        limit=max(1, min(int(given.get("limit", 50)), MOST)),
    )
    store = caller.runtime.store
    found = await asyncio.to_thread(store.view, lambda tx: find(tx, wanted))
    return {"entries": [cast("Json", each.as_json()) for each in found]}


def _since(text: str) -> int:
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        message = f"{text[:40]!r} is no time: write it as 2026-01-31T12:00:00Z."
        raise InvalidInput(message, code="mcp.arguments", hint="correct the call") from error
    return micros_of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


async def _why(caller: Caller, given: Given) -> dict[str, Json]:
    runtime = caller.runtime
    told = await why(runtime.store, str(given["id"]), workspace=caller.workspace, prove=prover(runtime.store))
    return dict(told.as_json())


async def _budget(caller: Caller, given: Given) -> dict[str, Json]:
    del given
    now_us = micros_of(caller.runtime.clock.now())
    found = await caller.runtime.store.read(lambda tx: read_budgets(tx, caller.workspace, now_us=now_us))
    own = {(BudgetScope.WORKSPACE.value, "")}
    if caller.principal.kind is ActorKind.AGENT:
        own.add((BudgetScope.AGENT.value, caller.principal.id))
        found = [each for each in found if (each.limit.scope.value, each.limit.name) in own]
    return {"budgets": [cast("Json", each.as_json()) for each in found]}


_MISSION = {"mission": ("string", "The mission's id.")}
ORDERS: Mapping[str, Order] = {
    order.name: order
    for order in (
        Order(
            "missions_list", "List missions, newest first.", _missions, {"limit": ("integer", "At most so many (20).")}
        ),
        Order(
            "missions_show", "Show a mission: steps, cost, what it waits for.", _mission, _MISSION, frozenset(_MISSION)
        ),
        Order(
            "missions_run",
            "Plan a mission of a pack from an intake and run it. Answers at once: look at it with missions_show.",
            _run,
            {
                "pack": ("string", "The pack, build for instance."),
                "intake": ("string", "The intake document, as the pack's files are written."),
                "name": ("string", "What the document is called in messages."),
                "preset": ("string", "The preset; the pack's own when left out."),
                "budget_usd": ("number", "The most that it may cost, in dollars."),
            },
            frozenset({"pack", "intake"}),
            reads=False,
        ),
        Order(
            "missions_resume",
            "Let a mission go on where it stopped. Answers at once.",
            _resume,
            {**_MISSION, "from_step": ("string", "Run this step and what needs it again.")},
            frozenset(_MISSION),
            reads=False,
        ),
        Order(
            "missions_cancel",
            "End a mission that is queued, running or waiting.",
            _cancel,
            _MISSION,
            frozenset(_MISSION),
            reads=False,
        ),
        Order(
            "approvals_list",
            "List what waits for a person. Only people decide, at the command line or in the console.",
            _approvals,
            {"all": ("boolean", "Decided, used and expired ones, too.")},
            about_what=Resource.APPROVAL,
        ),
        Order(
            "approvals_show",
            "Show one request for approval.",
            _approval,
            {"approval": ("string", "Its id.")},
            frozenset({"approval"}),
            about_what=Resource.APPROVAL,
        ),
        Order(
            "audit_show",
            "Search the audit log, oldest first.",
            _audit,
            {
                "mission": ("string", "Only entries of this mission."),
                "action": ("string", "Only of this kind, guard.intent for instance."),
                "actor": ("string", "Only this actor, agent:coder for instance."),
                "since": ("string", "Only from then on: an ISO time."),
                "after": ("integer", "Only entries after this number."),
                "limit": ("integer", "At most so many (50; never more than 200)."),
            },
            about_what=Resource.AUDIT,
        ),
        Order(
            "why",
            "Tell the story of an action, a decision, an effect key or a mission's refusals.",
            _why,
            {"id": ("string", "Its id.")},
            frozenset({"id"}),
            about_what=Resource.AUDIT,
        ),
        Order(
            "budget_left",
            "What may still be spent: the limits that hold for you.",
            _budget,
            about_what=Resource.BUDGET,
        ),
    )
}
