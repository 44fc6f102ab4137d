"""What is ordered of a mission on its page, and one of its files to read."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from remit.kernel.errors import InvalidInput
from remit.kernel.ids import check_id
from remit.missions.artefacts import read_artefact
from remit.missions.rows import OnDrift
from remit.serve.api.held import held
from remit.serve.console.asking import Ask
from remit.serve.console.page import form, page
from remit.serve.console.pages.mission import mission


@form("/missions/{id}/resume", again=mission)
async def resume(ask: Ask) -> str:
    """Order it to go on."""
    which, drift = _which(ask), ask.form.get("drift", "refuse")
    if drift not in set(OnDrift):
        message = "Say what to do about files that were changed by hand."
        raise InvalidInput(message, code="mission.drift", hint="choose one of the list")
    order = ask.runtime.missions.resume(
        ask.workspace,
        which,
        actor=ask.who,
        from_step=ask.form.get("from_step", ""),
        drift=OnDrift(drift),
        queued=True,
    )
    await held(order, what=f"resume {which}")
    return f"/missions/{which}?done=resume"


@form("/missions/{id}/rollback", again=mission)
async def rollback(ask: Ask) -> str:
    """Order it back."""
    which = _which(ask)
    kind, _, name = ask.form.get("to", "").partition(":")
    order = ask.runtime.missions.rollback(
        ask.workspace,
        which,
        actor=ask.who,
        to_step=name if kind == "step" else "",
        feature=name if kind == "feature" else "",
        queued=True,
    )
    await held(order, what=f"rollback {which}")
    return f"/missions/{which}?done=rollback"


@form("/missions/{id}/branch", again=mission)
async def branch(ask: Ask) -> str:
    """Start a variation of it."""
    step = ask.form.get("from_step", "")
    if not step:
        raise InvalidInput("Say after which step.", code="mission.from_step", hint="choose one of the list")
    child = await ask.runtime.missions.branch(ask.workspace, _which(ask), from_step=step, actor=ask.who)
    await ask.runtime.missions.submit(ask.workspace, child, queued=True)
    return f"/missions/{quote(child, safe='')}?done=branch"


@form("/missions/{id}/cancel", again=mission)
async def cancel(ask: Ask) -> str:
    """Stop it."""
    which = _which(ask)
    await held(ask.runtime.missions.cancel(ask.workspace, which, actor=ask.who), what=f"cancel {which}")
    back = ask.form.get("back", "")
    return "/queue?done=cancel" if back == "queue" else f"/missions/{which}?done=cancel"


@dataclass(frozen=True, slots=True)
class File:
    """One file of a mission."""

    title: str
    mission: str
    text: str
    cut: bool
    binary: bool


@page("/missions/{id}/file", template="mission_file.html")
async def file(ask: Ask) -> File:
    """One file, as the mission stands."""
    which, path = _which(ask), ask.query.get("path", "")[:1000]
    found = await read_artefact(ask.runtime.missions.deps, ask.workspace, which, path, by=ask.who)
    return File(path, which, found.text, found.cut, found.binary)


def _which(ask: Ask) -> str:
    return check_id(ask.path["id"], "mission")
