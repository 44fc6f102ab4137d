"""What a list shows of a mission and finds it by: its title, the agents of its plan, and the text that is searched.

Kept in columns of their own, for a list must not read plans; bounded, for they are in an index.
"""

from __future__ import annotations

from typing import TypedDict

from remit.kernel.mission import Plan

LONGEST_TITLE = 120  # characters
LONGEST_AGENTS = 400  # bytes
LONGEST_SEARCHED = 600  # bytes


class Labels(TypedDict):
    """The columns of a mission's row."""

    title: str
    agents: str
    searched: str


def labels(plan: Plan, input_name: str) -> Labels:
    """The columns ``title``, ``agents`` and ``searched`` of a mission with this plan."""
    title = _line(plan.summary or input_name)[:LONGEST_TITLE].rstrip()
    agents = ""
    for agent in sorted({step.agent for step in plan.steps if step.agent}):
        more = f"{agents or ' '}{agent} "
        if len(more.encode()) <= LONGEST_AGENTS:
            agents = more
    return {"title": title, "agents": agents, "searched": searched(f"{title}\n{input_name}")}


def searched(text: str) -> str:
    """Text as it is searched: lower case, at most 600 bytes of it."""
    return text.lower().encode("utf-8", "replace")[:LONGEST_SEARCHED].decode("utf-8", "ignore")


def agents_in(column: str) -> tuple[str, ...]:
    """The agents in the column."""
    return tuple(column.split())


def _line(text: str) -> str:
    return " ".join(text.split())
