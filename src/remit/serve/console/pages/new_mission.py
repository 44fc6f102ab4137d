"""A new mission: what kinds there are with their estimate and risk, an input that is checked before it is ordered."""

from __future__ import annotations

import re
from dataclasses import dataclass

from remit.kernel.errors import InvalidInput, NotFound
from remit.kernel.money import usd
from remit.missions.planning import Ahead, Field, input_fields, list_presets, look_ahead, require_installed
from remit.missions.presets import named
from remit.missions.queue_order import Priority
from remit.serve.console.asking import Ask
from remit.serve.console.page import form, page
from remit.serve.console.plan_graph import Graph, Node, plan_graph
from remit.serve.console.words import duration, money

MOST_PROBLEMS = 50
_MONEY = re.compile(r"[0-9]{0,9}(\.[0-9]{1,6})?")
_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,200}")


@dataclass(frozen=True, slots=True)
class Kind:
    """A preset. ``href`` is empty where its missions can't run here."""

    name: str
    title: str
    risk: str
    cost: str
    time: str
    agents: str
    guardrails: str
    approval: str
    href: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Planned:
    """What the mission would be."""

    summary: str
    steps: tuple[tuple[str, str, str, str], ...]
    graph: Graph
    critical: str
    estimate: str
    risk: str
    approval: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NewMission:
    """The page."""

    title: str
    kinds: tuple[Kind, ...]
    chosen: str
    chosen_title: str
    fields: tuple[Field, ...]
    planned: Planned | None
    problems: tuple[str, ...]
    budget: str
    waits: bool


@page("/missions/new", template="new_mission.html")
async def new(ask: Ask) -> NewMission:
    """What can be started, and what it would be."""
    deps = ask.runtime.missions.deps
    offers = await list_presets(deps, ask.workspace, by=ask.who)
    wanted = ask.form.get("preset") or ask.query.get("preset", "")
    usable = {one.preset.name: one for one in offers if one.installed}
    chosen = wanted if wanted in usable else ("" if len(usable) != 1 else next(iter(usable)))
    planned, problems = await _looked(ask, chosen) if ask.form and chosen else (None, ())
    return NewMission(
        title="Start a mission",
        kinds=tuple(
            Kind(
                name=one.preset.name,
                title=one.preset.title,
                risk=one.preset.risk.value,
                cost=f"{money(one.preset.cost[0])}\u2013{str(money(one.preset.cost[1])).removeprefix('$')}",
                time=f"{one.preset.seconds[0] // 60}\u2013{one.preset.seconds[1] // 60} min",
                agents=", ".join(one.preset.agents),
                guardrails=", ".join(one.preset.guardrails),
                approval=one.preset.approval,
                href=f"/missions/new?preset={one.preset.name}#input" if one.installed else "",
                chosen=one.preset.name == chosen,
            )
            for one in offers
        ),
        chosen=chosen,
        chosen_title=usable[chosen].preset.title if chosen else "",
        fields=tuple(input_fields(deps, usable[chosen].preset.pack)) if chosen else (),
        planned=planned,
        problems=problems,
        budget=ask.runtime.settings.budget_usd,
        waits=ask.form.get("do") == "check",
    )


@form("/missions/new", again=new)
async def start(ask: Ask) -> str:
    """Check what was typed, or order it."""
    typed = ask.form
    preset = named(typed.get("preset", ""))
    deps = ask.runtime.missions.deps
    require_installed(deps, preset.pack)
    name, budget, word = typed.get("name", ""), typed.get("budget", ""), typed.get("priority", "normal").upper()
    if not _NAME.fullmatch(name):
        message = "The name must be a file's name: at most 200 characters, no slash."
        raise InvalidInput(message, code="mission.name", hint="such as clinic.yaml")
    if not _MONEY.fullmatch(budget):
        raise InvalidInput("The budget must be dollars, such as 2.50.", code="mission.budget", hint="such as 2.50")
    if word not in Priority.__members__:
        raise InvalidInput("Say which class.", code="mission.priority", hint="critical, high, normal or low")
    text = _text(ask)
    if not text.strip():
        raise InvalidInput("The input is empty.", code="mission.input", hint="paste an intake")
    if typed.get("do") == "check":
        return ""
    mission = await ask.runtime.missions.create(
        ask.workspace,
        preset.pack,
        text.encode(),
        name=name,
        originator=ask.who,
        budget=usd(budget or ask.runtime.settings.budget_usd),
        preset=preset.name,
        queue=True,
        priority=Priority[word],
    )
    return f"/missions/{mission}?done=start"


async def _looked(ask: Ask, preset: str) -> tuple[Planned | None, tuple[str, ...]]:
    """What was typed as a plan, or everything that is wrong with it."""
    text, name = _text(ask), ask.form.get("name", "")
    if not text.strip() or not _NAME.fullmatch(name):
        return None, ()
    pack = named(preset).pack
    try:
        ahead = await look_ahead(
            ask.runtime.missions.deps, ask.workspace, pack, text.encode(), name=name, by=ask.who, preset=preset
        )
    except (InvalidInput, NotFound) as error:
        problems = getattr(error, "problems", ()) or ()
        place = f"{error.place}: " if error.place else ""
        return None, tuple(map(str, problems))[:MOST_PROBLEMS] or (f"{place}{error.message}",)
    return _planned(ahead), ()


def _text(ask: Ask) -> str:
    return ask.form.get("input", "").replace("\r\n", "\n")


def _planned(ahead: Ahead) -> Planned:
    plan, preset = ahead.plan, ahead.preset
    layers = [[Node(name, "queued", "to do", "#plan") for name in layer] for layer in plan.levels]
    return Planned(
        summary=plan.plan.summary,
        steps=tuple(
            (step.name, step.title, step.agent, str(duration(round(step.weight * 1_000_000)))) for step in plan.steps
        ),
        graph=plan_graph(layers, {step.name: step.needs for step in plan.steps}, plan.critical_path),
        critical=str(duration(round(plan.critical_seconds * 1_000_000))),
        estimate=ahead.estimate.expected(),
        risk=preset.risk.value if preset is not None else "",
        approval=preset.approval if preset is not None else "",
        notes=tuple(plan.plan.notes),
    )
