"""What tools an agent may call, and with which arguments; also of calls that a model asks its client to make.

A call that Remit performs is an action like any other, and passes the whole guard. Two questions are asked without one:
which tools a listing may show (``may_list``), and whether a tool call that stands in a model's answer, which the client
will make by itself, is one that the agent may make (``inspector``). Both are answered by the guard's own checks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from remit.accounts.reach import reaches_tool
from remit.guard import approval, authorise, rules_check, scan
from remit.guard.rules.tool_facts import arguments_from
from remit.guard.scene import Scene, Standing
from remit.kernel.action import Action, ActorKind
from remit.kernel.decision import Verdict
from remit.kernel.effects import Tool
from remit.kernel.money import ZERO

#: Clients name the tool of an MCP server so; it is asked about as ``server/tool``.
_MCP: Final = "mcp__"
_KINDS: Final = frozenset({Tool.trait.kind})
_CHECKS = (authorise.check, scan.closed, rules_check.check, approval.check)
LONGEST_NAME: Final = 200


def may_list(standing: Standing, action: Action, name: str) -> bool:
    """Whether the parties of ``action`` could call the tool ``name`` at all: by registration, arguments not looked at.

    Agents have their allow list; people and Remit itself may see every tool. An agent that isn't known sees none.
    """
    for who in (action.principal, action.on_behalf_of):
        if who.kind is not ActorKind.AGENT:
            continue
        agent = standing.agents.get(who.id)
        if agent is None or Tool.trait.kind not in agent.effects or not reaches_tool(agent.tools, name):
            return False
    return True


def inspector(scene: Scene, action: Action) -> Callable[[str, str], str]:
    """A function (tool's name, its arguments' JSON) -> why it may not be called; empty: it may.

    ``action`` is the model call whose answer asks for the tool, ``scene`` its admission. Nothing is performed, recorded
    or used up. What would need a person's leave is refused: the client makes the call by itself, and nobody could be
    asked. Whatever can't be judged is refused, evidence that the admission did not read included.
    """

    def inspect(name: str, arguments: str) -> str:
        return inspect_call(scene, action, name, arguments)

    return inspect


def inspect_call(scene: Scene, action: Action, name: str, arguments: str) -> str:
    """One question of ``inspector``."""
    told = arguments_from(arguments or "{}")
    if told is None:
        return f"The arguments of the tool {_shown(name, scene)} are no JSON object."
    try:
        call = replace(action, effect=Tool(canonical_name(name), told), estimate=ZERO, priced=True)
        return _judged(call, scene)
    except Exception as error:  # noqa: BLE001 - no answer is no leave
        return f"The call of the tool {_shown(name, scene)} can't be judged ({type(error).__name__})."


def canonical_name(name: str) -> str:
    """How a tool is named in allow lists and rules: ``mcp__github__get_issue`` as ``github/get_issue``."""
    server, between, tool = name.removeprefix(_MCP).partition("__")
    return f"{server}/{tool}" if name.startswith(_MCP) and between and server and tool else name


def _judged(call: Action, scene: Scene) -> str:
    scene = Scene(
        scene.standing,
        scene.redactor,
        scene.circuits,
        _KINDS,
        call,
        at=scene.at,
        environment=scene.environment,
        evidence=scene.evidence,
        taint=scene.taint,
        approvals=scene.approvals,
    )
    for check in _CHECKS:
        said = check(call, scene)
        if said.verdict is Verdict.NEEDS_APPROVAL and said.name != approval.NAME:
            scene.wanted.append(said)
        elif said.verdict is not Verdict.ALLOW:
            return f"{said.name}.{said.reason}: {said.detail}"
    return ""


def _shown(name: str, scene: Scene) -> str:
    return repr(scene.redactor.mask(name)[:LONGEST_NAME])
