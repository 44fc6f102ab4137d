"""Breakers: the circuits of outside services; reset one, or hold one open, with a reason."""

from __future__ import annotations

from dataclasses import dataclass

from remit.guard.breaker import Phase
from remit.guard.breakers import CircuitView, Order, list_circuits, move
from remit.guard.circuits import OUTSIDE
from remit.serve.console.asking import Ask
from remit.serve.console.numbers import told
from remit.serve.console.page import form, page


@dataclass(frozen=True, slots=True)
class Breakers:
    """The page: every circuit that ever opened, those that aren't closed first."""

    title: str
    rows: tuple[CircuitView, ...]
    done: bool = False
    kinds: tuple[str, ...] = tuple(sorted(OUTSIDE))


@page("/breakers", template="breakers.html", group="Control", label="Breakers", live=True)
async def breakers(ask: Ask) -> Breakers:
    """Which outside services are not called now, why, and until when."""
    await ask.read(lambda _tx: None)
    found = await list_circuits(ask.runtime.store, workspace=ask.workspace)
    opened = sum(view.phase is not Phase.CLOSED for view in found)
    title = told(opened, "breaker is open", "breakers are open") if opened else "Every breaker is closed"
    return Breakers(title, tuple(found), "done" in ask.query)


@form("/breakers", again=breakers, about={"guard.no_circuit": "operation"})
async def moved(ask: Ask) -> str:
    """Reset a circuit, or hold it open."""
    given = ask.form
    await move(
        ask.runtime.store,
        Order(ask.workspace, given.get("kind", "").strip(), given.get("operation", "").strip()),
        opened=given.get("to") == "open",
        reason=ask.runtime.redactor.mask(given.get("reason", "")),
        by=ask.who,
        clock=ask.runtime.clock,
    )
    return "/breakers?done=moved"


PAGES = (breakers,)
FORMS = (moved,)
