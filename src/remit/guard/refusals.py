"""Every way in which the guard refuses, and what a person can do about it. A test holds that none is missing.

A check refuses with ``denied(NAME, reason, sentence)``; ``NAME.reason`` is the key here. ``{mission}``, ``{target}``
and ``{action}`` are filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NEXT: Mapping[str, str] = MappingProxyType(
    {
        # identify
        "identify.inactive": "remit agents",
        "identify.killed": "remit agents, then remit unkill NAME --reason WHY",
        "identify.paused": "remit agents, then remit agents resume NAME --reason TEXT",
        "identify.no_originator": "name the user or agent on whose behalf it is asked",
        "identify.no_owner": "remit init",
        "identify.unknown_agent": "remit agents",
        "identify.unknown_user": "remit users",
        "identify.unreadable": "remit doctor",
        # the virtual key that it came in by
        "key.unknown": "remit keys list",
        "key.revoked": "remit keys create --help, then give the program the new key's token",
        "key.expired": "remit keys create --help, then give the program the new key's token",
        "key.another": "act as the key's own agent, on behalf of its owner: remit keys show NAME",
        "key.model": "remit keys show NAME tells which models it may ask; a key with others is another key",
        "key.scope": "remit keys show NAME tells what it opens; a key that opens more is another key",
        # authorise
        "authorise.effect": "remit agents",
        "authorise.no_adapter": "remit doctor",
        "authorise.stored": "send what it holds, or, if every agent may name it: remit keys policy --set stored=allow",
        "authorise.tool": "remit agents",
        "authorise.model": "remit agents update NAME --model PROVIDER/MODEL",
        "authorise.address": "ask for another address; remit fetch --help names the settings that open more",
        "authorise.domain": "remit agents update NAME --domain HOST",
        "authorise.role": "remit users, then ask an owner for the write permission",
        "authorise.policy": "remit teams policy, then change the policy or remit breakglass request",
        "authorise.policy_error": "remit teams policy, then mend the policy that errors",
        # break-glass
        "break_glass.over": "remit breakglass request",
        # further addresses of a fetch
        "hop.approval": "remit fetch {target} asks for the approval",
        # scan
        "scan.vault": "remit doctor, then run it again",
        "scan.unscanned": "remit doctor, then run it again",
        "scan.secret": "refer to the secret as secret://NAME, rotate the value, and run again",
        # secrets that are referred to
        "secrets.denied": "remit secrets allow NAME --agent AGENT lets an agent use it, if it should",
        "secrets.misplaced": "put the reference where it is resolved (docs/secrets.md), then remit resume {mission}",
        "secrets.unavailable": "wait until the backend answers (remit secrets list tells), then remit resume {mission}",
        "secrets.unknown": "remit secrets set NAME, then remit resume {mission}",
        "secrets.unmaskable": "remit secrets rotate NAME --generate, or set a longer value",
        "secrets.unreadable": "remit secrets list, and mend what the backend refuses",
        "scan.canary": "remit why {action}, then remit cancel {mission}: something carries its system prompt out",
        # rules, by their effect on an action
        "rules.denied": "remit policy explain {action} tells condition by condition what did not hold",
        "rules.error": "remit policy explain {action} tells which value was missing",
        "rules.evidence": "remit doctor, then run it again",
        "rules.provenance": "remit doctor, then run it again",
        "rules.unreadable": "remit policy save FILE --reason TEXT puts readable rules in force",
        # approval
        "approval.denied": "talk to whoever denied it: remit approvals --all; remit resume {mission} asks anew",
        "approval.expired": "remit resume {mission} asks anew",
        "approval.needed": "remit approvals, then remit approve ID or remit deny ID --reason WHY",
        "approval.too_many": "remit approvals, then remit approve ID or remit deny ID --reason WHY; "
        "or let an agent have more with the setting approval_open",
        "approval.unreadable": "remit doctor",
        # circuits of services
        "breaker.open": "wait until the circuit may be tried (remit breakers), then remit resume {mission}",
        # rates of agents, tools, domains
        "rate.exceeded": "come back when it says, or raise the limit: remit limits",
        # budget
        "budget.exceeded": "remit budget, then wait for the next period or remit budget set SCOPE NAME USD",
        "budget.unknown_price": "for a model remit models price {target} --input USD --output USD; "
        "else give the action an estimate, or set unknown_price to ceiling or warn",
        # what an effect key tells
        "effect_key.audit_alarm": "remit audit verify, then remit audit acknowledge --reason WHY",
        "effect_key.done": "nothing: it was done",
        "effect_key.no_key": "set Action.effect_key",
        "effect_key.unknown_outcome": "look at {target} and decide whether it was done",
    }
)
