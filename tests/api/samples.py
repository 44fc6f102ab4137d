"""How each endpoint is asked in a way that succeeds for whoever may: what the table of access is driven with.

A noun's samples stand in a module of their own: `samples_NOUN.py`, with `SAMPLES`.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .serving import Api

type Params = dict[str, str]


async def nothing(_api: Api) -> Params:
    return {}


@dataclass(frozen=True, slots=True)
class Sample:
    """One way to ask.

    `make` makes what is asked about, anew for each try, and gives the path's parameters (and more, for `body`). With
    `mine` it belongs to nobody but the team `house`: people of another team must not reach it.
    """

    make: Callable[[Api], Awaitable[Params]] = nothing
    body: Callable[[Params], object] | None = None
    query: str = ""
    ok: frozenset[int] = frozenset({200, 201, 204})
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def every_sample() -> Mapping[tuple[str, str], Sample]:
    """By method and path: those of each `samples_*.py` beside this."""
    found: dict[tuple[str, str], Sample] = {}
    for path in sorted(Path(__file__).parent.glob("samples_*.py")):
        found |= importlib.import_module(f".{path.stem}", __package__).SAMPLES
    return found
