"""What the command line shows of plans and missions: one shape for programs, lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remit.cli.audit import last_checkpoint
from remit.cli.output import table
from remit.cli.place import line_of, place_view
from remit.cli.progress import SIGNS
from remit.kernel.clock import iso
from remit.kernel.money import Money
from remit.kernel.plain import plain

if TYPE_CHECKING:
    from remit.bootstrap import Store
    from remit.missions.estimate import Estimate
    from remit.missions.plan import OrderedPlan
    from remit.missions.presets import Preset
    from remit.missions.rows import StepRow
    from remit.missions.service import View


_EXITS = {"succeeded": 0, "rolled_back": 0, "waiting": 4}
_AWAY = frozenset({"guard.breaker_open", "guard.secret_unavailable", "guard.unreadable"})


def exit_code(status: str, error_code: str = "") -> int:
    """The exit code for how a mission stands: a refusal of the guard is 3, an open circuit 5, any other failure 1."""
    if status == "failed" and error_code.startswith("guard."):
        return 5 if error_code in _AWAY else 3
    return _EXITS.get(status, 1)


def plan_view(plan: OrderedPlan, expected: Estimate, preset: Preset | None) -> dict[str, object]:
    """``remit run PACK INPUT --plan --json``."""
    return {
        "pack": plan.plan.pack,
        "summary": plan.plan.summary,
        "notes": list(plan.plan.notes),
        "steps": [
            {
                "name": step.name,
                "title": step.title,
                "needs": list(step.needs),
                "feature": step.feature or None,
                "agent": step.agent,
                "critic": step.critic or None,
                "seconds": step.weight,
                "cost_usd": str(step.estimate.usd),
            }
            for step in plan.steps
        ],
        "critical_path": list(plan.critical_path),
        "critical_seconds": plan.critical_seconds,
        "cost_usd": str(plan.plan.estimate.usd),
        "unreachable": list(plan.unreachable),
        "preset": preset.as_json() if preset is not None else None,
        "estimate": expected.as_json(),
    }


def plan_lines(plan: OrderedPlan, expected: Estimate, preset: Preset | None) -> list[str]:
    """The plan for people."""
    rows = [
        (step.name, step.title, f"{step.weight:.1f}s", step.agent, ", ".join(step.needs) or "-") for step in plan.steps
    ]
    return [
        plan.plan.summary,
        "",
        table(rows, head=("step", "what", "time", "agent", "needs")),
        "",
        f"critical path {' > '.join(plan.critical_path)}: about {plan.critical_seconds:.0f} s",
        f"estimated cost {plan.plan.estimate}",
        *expected.told(),
        *(_preset_lines(preset) if preset is not None else ()),
        *(f"note: {note}" for note in plan.plan.notes),
    ]


def _preset_lines(preset: Preset) -> list[str]:
    approval = f"; a person approves: {preset.approval}" if preset.approval else ""
    return [f"preset {preset.name}: risk {preset.risk.value}; {', '.join(preset.guardrails)}{approval}"]


def mission_view(store: Store, view: View) -> dict[str, object]:
    """The one shape in which a mission is told to programs."""
    report = last_checkpoint(store)
    size = store.view(_log_size)
    return {
        "mission": view.mission.id,
        "status": view.status.value,
        "workspace": view.workspace,
        "tree": view.mission.tree,
        "steps": [
            {
                "name": step.name,
                "status": str(step.status),
                "attempts": step.attempts,
                "seconds": _seconds(step),
            }
            for step in view.steps
        ],
        "cost_usd": str(Money(view.mission.cost_micros).usd),
        "audit": {
            "size": size,
            "root": report["root"] if report else None,
            "checkpoint": report["note"] if report else None,
        },
        "error": {"code": view.mission.error_code, "message": view.mission.error} if view.mission.error else None,
        "parent": view.mission.parent or None,
        "queue": place_view(view.place),
        "estimate": view.estimate.as_json() if view.estimate is not None else None,
        "waits_for": [asked.id for asked in view.waits_for],
    }


def _log_size(tx: object) -> int:
    from remit.audit.query import size

    return size(tx)  # type: ignore[arg-type] - a store's reader is the log's


def mission_lines(view: View) -> list[str]:
    """A mission for people, with the next command."""
    mission = view.mission
    rows = [
        (
            SIGNS.get(str(step.status), "?"),
            step.name,
            str(step.status),
            str(step.attempts),
            f"{_seconds(step):.1f}s" if _seconds(step) else "",
            step.error[:80],
        )
        for step in view.steps
    ]
    lines = [
        f"mission {mission.id}: {view.status.value}",
        f"{mission.pack} from {mission.input_name}, for {mission.originator}, {iso(mission.created_us)[:19]}",
        "",
        table(rows, head=("", "step", "status", "tries", "time", "")),
        "",
        f"workspace {view.workspace}",
        f"tree      {mission.tree or '-'}",
        f"cost      {Money(mission.cost_micros)}",
        *(view.estimate.told() if view.estimate is not None else ()),
    ]
    if view.place is not None:
        lines.append(f"queue     {line_of(view.place)}")
    if mission.error:
        lines.append(f"error     {mission.error}")
    for asked in view.waits_for:
        what = plain(asked.what, limit=120)
        lines.append(f"waits for  a person to approve: {what} (request {asked.id}, until {iso(asked.expires_us)[:19]})")
    following = next_command(view)
    return [*lines, f"next      {following}"] if following else lines


def next_command(view: View) -> str:
    """What to do with a mission that stands like this."""
    mission = view.mission.id
    match view.status.value:
        case "interrupted" | "cancelled" | "rolled_back":
            return f"remit resume {mission}"
        case "failed":
            return f"remit logs {mission}, then remit resume {mission}"
        case "waiting":
            if view.waits_for:
                return f"remit approve {view.waits_for[0].id}, or remit deny {view.waits_for[0].id} --reason WHY"
            return f"remit resume {mission}"
        case "running" | "queued":
            return f"remit cancel {mission} stops it"
        case _:
            return "remit audit verify"


def _seconds(step: StepRow) -> float:
    """How long a step took, first try to last; nothing when it was not run here."""
    ran = step.finished_us and str(step.status) != "skipped"
    return round(max(step.finished_us - step.started_us, 0) / 1_000_000, 3) if ran else 0.0
