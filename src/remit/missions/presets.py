"""Presets: what a kind of mission brings along, as data (MSN-1). A mission is pack, preset, input, workspace, agents.

The numbers of Build, Trade and Cinematic are the ledger's own. Those of Playbook and Research are ours, and docs say
so. A preset is data for the guard's rules too: they read a mission's preset, and what of it needs approval, by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType

from remit.kernel.canonical import Json
from remit.kernel.errors import InvalidInput, NotFound
from remit.kernel.mission import Plan
from remit.kernel.money import Money, usd


class Risk(StrEnum):
    """How much harm a mission of this kind can do."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Preset:
    """What missions of a kind come with.

    Attributes:
        name: As in ``remit run ... --preset NAME``.
        title: For people.
        pack: The pack whose missions it fits.
        agents: Who works on it.
        tools: What they work with.
        cost: The range in which such a mission's cost is expected.
        seconds: The range in which its working time is expected.
        risk: What can go wrong.
        guardrails: What always holds; the guard's rules enforce them.
        critics: A plan without a step for each of these is refused.
        approval: What of it a person must approve; empty: nothing.
    """

    name: str
    title: str
    pack: str
    agents: tuple[str, ...]
    tools: tuple[str, ...]
    cost: tuple[Money, Money]
    seconds: tuple[int, int]
    risk: Risk
    guardrails: tuple[str, ...]
    critics: tuple[str, ...]
    approval: str = ""

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {
            "name": self.name,
            "title": self.title,
            "pack": self.pack,
            "agents": list(self.agents),
            "tools": list(self.tools),
            "cost_usd": {"from": str(self.cost[0].usd), "to": str(self.cost[1].usd)},
            "seconds": {"from": self.seconds[0], "to": self.seconds[1]},
            "risk": self.risk.value,
            "guardrails": list(self.guardrails),
            "critics": list(self.critics),
            "approval": self.approval or None,
        }


def _range(low: str, high: str) -> tuple[Money, Money]:
    return usd(low), usd(high)


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset(
                name="build",
                title="Build",
                pack="build",
                agents=("Coder", "AppTester"),
                tools=("LSP", "Git", "Build", "Test"),
                cost=_range("0.10", "0.50"),
                seconds=(2 * 60, 10 * 60),
                risk=Risk.LOW,
                guardrails=("tests required", "security scan"),
                critics=("tests", "security"),
            ),
            Preset(
                name="trade",
                title="Trade",
                pack="trade",
                agents=("Trading", "Research"),
                tools=("MarketData", "Backtest", "PaperTrade"),
                cost=_range("0.20", "1.00"),
                seconds=(5 * 60, 30 * 60),
                risk=Risk.HIGH,
                guardrails=("sandbox only", "backtest required", "stop-loss mandatory"),
                critics=("trading",),
                approval="real trading",
            ),
            Preset(
                name="cinematic",
                title="Cinematic",
                pack="cinematic",
                agents=("Creative", "Architect"),
                tools=("StoryStructure", "AssetGeneration", "Rendering"),
                cost=_range("1.00", "10.00"),
                seconds=(10 * 60, 60 * 60),
                risk=Risk.MEDIUM,
                guardrails=("style consistency", "PII check"),
                critics=("continuity",),
                approval="publishing",
            ),
            Preset(
                name="playbook",
                title="Playbook",
                pack="playbook",
                agents=("Coder", "AppTester"),
                tools=("AnsibleLint", "SyntaxCheck", "DryRun", "Test"),
                cost=_range("0.00", "0.20"),
                seconds=(60, 5 * 60),
                risk=Risk.MEDIUM,
                guardrails=("lint required", "dry run before any host"),
                critics=("lint", "syntax"),
                approval="running on real hosts",
            ),
            Preset(
                name="research",
                title="Research",
                pack="research",
                agents=("Research",),
                tools=("Fetch", "CitationCheck"),
                cost=_range("0.10", "1.00"),
                seconds=(3 * 60, 20 * 60),
                risk=Risk.LOW,
                guardrails=("fetch lists", "PII masked"),
                critics=("sources", "citations"),
                approval="fetching sensitive domains",
            ),
        )
    }
)


def named(name: str) -> Preset:
    """The preset of that name.

    Raises:
        NotFound: There is none; names the nearest.
    """
    found = PRESETS.get(name.casefold())
    if found is None:
        near = get_close_matches(name.casefold(), PRESETS, n=1)
        meant = f", did you mean {near[0]!r}?" if near else f": there are {', '.join(PRESETS)}."
        raise NotFound(f"There is no preset {name[:60]!r}{meant}", code="preset.missing", hint="remit presets")
    return found


def chosen(name: str, pack: str) -> Preset | None:
    """The preset of a mission: the one named, else its pack's own, else none.

    Raises:
        NotFound: There is no preset of that name.
        InvalidInput: It is another pack's.
    """
    if not name:
        return next((preset for preset in PRESETS.values() if preset.pack == pack), None)
    found = named(name)
    if found.pack != pack:
        message = f"The preset {found.name!r} is for missions of the pack {found.pack!r}, and this one is of {pack!r}."
        raise InvalidInput(message, code="preset.pack", hint="leave --preset out, or see: remit presets")
    return found


def refuse_uninstalled(pack: str, installed: Mapping[str, object]) -> None:
    """Say of a pack that presets name and this installation lacks what it is, rather than that nobody knows it.

    Raises:
        NotFound: The pack is listed and not installed.
    """
    if pack in installed:
        return
    found = next((preset for preset in PRESETS.values() if pack.casefold() in {preset.pack, preset.name}), None)
    if found is not None and found.pack not in installed:
        message = (
            f"The preset {found.title} is listed, but its pack {found.pack!r} is not part of this installation: "
            f"its missions can't run here. Installed: {', '.join(installed)}."
        )
        raise NotFound(message, code="preset.uninstalled", hint="remit presets")


def require_critics(preset: Preset | None, plan: Plan) -> None:
    """Refuse a plan without a step for each critic that its preset demands.

    Raises:
        InvalidInput: Names what is missing.
    """
    there = {step.critic for step in plan.steps}
    missing = [] if preset is None else [critic for critic in preset.critics if critic not in there]
    if preset is not None and missing:
        message = (
            f"The preset {preset.title} demands the critics {', '.join(preset.critics)}, "
            f"and no step of the plan is the critic {' or '.join(missing)}."
        )
        raise InvalidInput(message, code="preset.critics", hint="give a step critic=NAME, or another --preset")
