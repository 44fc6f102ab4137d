"""A new mission: what kinds there are with their estimate and risk, an input that is checked before it is ordered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from urllib.parse import urlencode

from remit.kernel.canonical import Json
from remit.kernel.errors import InvalidInput, NotFound
from remit.kernel.money import usd
from remit.missions.intake_form import Input, Typed, at_fields, inputs, taken, walk
from remit.missions.intake_text import read_text, write_text
from remit.missions.pack import Exampled, Formed
from remit.missions.planning import Ahead, Field, input_fields, list_presets, look_ahead, require_installed
from remit.missions.presets import named
from remit.missions.queue_order import Priority
from remit.serve.console.asking import Ask
from remit.serve.console.page import form, page
from remit.serve.console.plan_graph import Graph, Node, plan_graph
from remit.serve.console.words import duration, money, plain

INTAKE = "intake.yaml"  # what an input is called that nobody named
MOST_PROBLEMS = 50
MOST_FIELDS = 4000  # of a form; a larger input is for the editor
FORM, EDITOR = "form", "editor"
LOOKED = frozenset({"check", FORM, EDITOR})  # what only looks at what was typed
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
    way: str = EDITOR
    text: str = ""
    name: str = INTAKE
    example: str = ""
    has_form: bool = False
    no_form: str = ""
    form: tuple[Input, ...] = ()
    misfits: tuple[Input, ...] = ()

    @property
    def told(self) -> bool:
        """Whether the page says itself what is wrong with its input."""
        return bool(self.problems or self.misfits)


@page("/missions/new", template="new_mission.html")
async def new(ask: Ask) -> NewMission:
    """What can be started, and what it would be."""
    deps = ask.runtime.missions.deps
    offers = await list_presets(deps, ask.workspace, by=ask.who)
    wanted = ask.form.get("preset") or ask.query.get("preset", "")
    usable = {one.preset.name: one for one in offers if one.installed}
    chosen = wanted if wanted in usable else ("" if len(usable) != 1 else next(iter(usable)))
    shown = _given(ask, chosen) if chosen else _Given("", EDITOR)
    pack = deps.pack(usable[chosen].preset.pack) if chosen else None
    name, example = ask.form.get("name", INTAKE), ""
    if isinstance(pack, Exampled) and not ask.form:
        example = f"/missions/new?{urlencode({'preset': chosen, 'example': '1'})}#input"
        if ask.query.get("example"):
            name, text = await asyncio.to_thread(pack.example)
            shown, example = replace(shown, text=text.decode()), ""
    planned, problems = await _looked(ask, chosen, shown) if ask.form and chosen else (None, ())
    fields, problems = at_fields(shown.fields, problems) if shown.way == FORM else ((), problems)
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
        way=shown.way,
        text=shown.text,
        name=name,
        example=example if shown.way == EDITOR else "",
        has_form=isinstance(pack, Formed),
        no_form=shown.trouble,
        form=fields,
        misfits=tuple(one for one in walk(fields) if one.problem),
    )


@form("/missions/new", again=new, most=3 * MOST_FIELDS)
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
    if typed.get("do") in LOOKED or _edits(typed):
        return ""
    given = _given(ask, preset.name)
    text = given.text
    if given.problems:
        raise InvalidInput("The form has a field that can't be read.", code="mission.form", hint="put it right")
    if not text.strip():
        raise InvalidInput("The input is empty.", code="mission.input", hint="paste an intake")
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


async def _looked(ask: Ask, preset: str, given: _Given) -> tuple[Planned | None, tuple[str, ...]]:
    """What was typed as a plan, or everything that is wrong with it."""
    text, name, unread = given.text, ask.form.get("name", ""), _unread(given)
    if given.trouble or not text.strip() or not _NAME.fullmatch(name) or ask.form.get("do") in {FORM, EDITOR}:
        return None, unread
    if _edits(ask.form):
        return None, unread
    pack = named(preset).pack
    try:
        ahead = await look_ahead(
            ask.runtime.missions.deps, ask.workspace, pack, text.encode(), name=name, by=ask.who, preset=preset
        )
    except (InvalidInput, NotFound) as error:
        problems = getattr(error, "problems", ()) or ()
        place = f"{error.place}: " if error.place else ""
        told = tuple(map(str, problems))[:MOST_PROBLEMS] or (f"{place}{error.message}",)
        return None, (*unread, *told)
    return (None, unread) if unread else (_planned(ahead), ())


# ------------------------------------------------------------------------------------------------- form and editor


@dataclass(frozen=True, slots=True)
class _Given:
    """The input as it was given, in either way, and how it is to be shown. ``trouble``: why there is no form."""

    text: str
    way: str
    fields: tuple[Input, ...] = ()
    problems: Mapping[str, str] = MappingProxyType({})
    trouble: str = ""


def _given(ask: Ask, preset: str) -> _Given:
    """What was typed, from the form or the editor: the text either way, and the fields when the form is to be shown."""
    typed, pack = ask.form, ask.runtime.missions.deps.pack(named(preset).pack)
    text, name = typed.get("input", "").replace("\r\n", "\n"), typed.get("name", "") or INTAKE
    before = typed.get("way") or ask.query.get("way", EDITOR)
    after = FORM if typed.get("do") == FORM else EDITOR if typed.get("do") == EDITOR else before
    if not isinstance(pack, Formed) or FORM not in {before, after}:
        return _Given(text, EDITOR)
    try:
        document: Json = dict(read_text(pack, text, name))
    except InvalidInput as error:
        return _Given(text, EDITOR, trouble=f"There is no form for it yet: {error.message}")
    read = Typed(typed if before == FORM else {})
    document = taken(pack.schema(), document, read)
    text = write_text(pack, document, text, name)
    if after == EDITOR and not read.problems:
        return _Given(text, EDITOR)
    fields = inputs(pack.schema(), document, wrong=read.wrong)
    if sum(1 for _ in walk(fields)) > MOST_FIELDS:
        trouble = f"It has more than {MOST_FIELDS:,} fields: too many for a form."
        return _Given(text, EDITOR, trouble=trouble)
    return _Given(text, FORM, fields, read.problems)


def _unread(given: _Given) -> tuple[str, ...]:
    return tuple(f"{path}: {what}" for path, what in given.problems.items())


def _edits(typed: Mapping[str, str]) -> bool:
    """Whether a button was pressed that adds an item to a list, or takes one away."""
    return bool(typed.get("add")) or any(name.endswith("/-") for name in typed)


def _planned(ahead: Ahead) -> Planned:
    plan, preset = ahead.plan, ahead.preset
    layers = [[Node(name, "queued", "to do", "#plan") for name in layer] for layer in plan.levels]
    return Planned(
        summary=plan.plan.summary,
        steps=tuple(
            (step.name, step.title, step.agent, plain(duration(round(step.weight * 1_000_000)))) for step in plan.steps
        ),
        graph=plan_graph(layers, {step.name: step.needs for step in plan.steps}, plan.critical_path),
        critical=plain(duration(round(plan.critical_seconds * 1_000_000))),
        estimate=ahead.estimate.expected(),
        risk=preset.risk.value if preset is not None else "",
        approval=preset.approval if preset is not None else "",
        notes=tuple(plan.plan.notes),
    )
