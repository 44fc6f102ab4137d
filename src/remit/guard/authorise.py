"""Second check: may they?

A person has what their role gives, an agent what it was registered with and never more than whoever it acts for; and
what the workspace's or the team's own policies forbid, nobody may.
"""

from __future__ import annotations

from remit.accounts.agents import Agent
from remit.accounts.break_glass import Grant, Lifts
from remit.accounts.reach import host_of, reaches_host, reaches_model, reaches_tool
from remit.accounts.roles import ACT
from remit.guard import account_things, hosted_tools
from remit.guard.fetching import effect_problem
from remit.guard.glass import grant_for, spent
from remit.guard.scene import Person, Scene, allowed, denied
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.decision import Check
from remit.kernel.effects import Fetch, Model, Tool

NAME = "authorise"
ALLOWED = allowed(NAME)


def check(action: Action, scene: Scene) -> Check:
    """Each party may, by role or registration, and no policy of theirs forbids it."""
    if action.kind not in scene.kinds:
        return denied(NAME, "no_adapter", f"Nothing in this installation performs effects of kind {action.kind!r}.")
    if isinstance(action.effect, Fetch) and (problem := effect_problem(action.effect, scene.fetching)):
        return denied(NAME, "address", problem)
    return (
        _beyond(action.principal, action, scene)
        or (None if action.on_behalf_of == action.principal else _beyond(action.on_behalf_of, action, scene))
        or _shared(action, scene)
        or _unsupported(action, scene)
        or (_forbidden(action, scene) if scene.standing.policies else None)
        or ALLOWED
    )


def _beyond(who: Principal, action: Action, scene: Scene) -> Check | None:
    """What an agent may not do here. Remit itself has its originator's rights, a person those of their role."""
    if who.kind is not ActorKind.AGENT:
        return None
    agent = scene.standing.agents.get(who.id)
    if agent is None or action.kind not in agent.effects:
        return denied(NAME, "effect", f"The agent {who.id!r} may not ask for effects of kind {action.kind!r}.")
    effect = action.effect
    if isinstance(effect, Tool) and not reaches_tool(agent.tools, effect.name):
        return denied(
            NAME, "tool", f"The agent {who.id!r} may not call the tool {scene.redactor.mask(effect.name)[:60]!r}."
        )
    if isinstance(effect, Model):
        return _beyond_model(agent, effect, scene)
    if isinstance(effect, Fetch):
        host = host_of(effect.url)
        if not reaches_host(agent.domains, host):
            where = (
                f"from {scene.redactor.mask(host)[:80]!r}"
                if host
                else "from a URL whose host can't be told for certain"
            )
            return denied(NAME, "domain", f"The agent {who.id!r} may not fetch {where}.")
    return None


def _beyond_model(agent: Agent, effect: Model, scene: Scene) -> Check | None:
    if not reaches_model(agent.models, effect.target):
        model = scene.redactor.mask(effect.target)[:80]
        return denied(NAME, "model", f"The agent {agent.name!r} may not ask the model {model!r}.")
    hosted = hosted_tools.beyond(agent, effect) if scene.inspects else None
    if hosted is None:
        return None
    tool = scene.redactor.mask(hosted.name)[:60]
    if hosted.url:
        return denied(NAME, "domain", f"The agent {agent.name!r} may not have the server of {tool!r} asked there.")
    return denied(NAME, "tool", f"The agent {agent.name!r} may not have the provider run the tool {tool!r}.")


def _shared(action: Action, scene: Scene) -> Check | None:
    """What the provider keeps for all who use its account, unless the workspace lets it be named."""
    effect = action.effect
    if not isinstance(effect, Model) or scene.standing.gateway.policy.stored:
        return None
    named = account_things.named(effect)
    if not named:
        return None
    told = f"The request names what the provider keeps for its whole account ({named}), and the workspace's policy"
    return denied(NAME, "stored", f"{told} says stored=refuse.")


def _unsupported(action: Action, scene: Scene) -> Check | None:
    """Somebody answers for it who has the right: the person it is asked for, or the owner of the agent that asks.

    An agent's own team counts for both: a member of the team may have its agents act.
    """
    standing = scene.standing
    asker = _agent_of(action, scene)
    origin = action.on_behalf_of
    if origin.kind is ActorKind.AGENT:
        own = standing.agents.get(origin.id)
        origin = Principal(ActorKind.USER, "" if own is None else own.owner)
    people = [origin]
    if action.principal.kind is ActorKind.USER and action.principal != origin:
        people.append(action.principal)
    for person in people:
        rights = _rights(standing.people.get(person.id), asker)
        if rights & ACT != ACT:
            who = f"{person.id[:60]!r}" if person.id else "nobody"
            told = f"{who} has no write permission {f'in the team {asker.team!r}' if asker and asker.team else 'here'}"
            behind = " and the agent may do no more than whoever it acts for" if asker is not None else ""
            return denied(NAME, "role", f"This needs the write permission: {told}{behind}.")
    return None


def _agent_of(action: Action, scene: Scene) -> Agent | None:
    for who in (action.principal, action.on_behalf_of):
        if who.kind is ActorKind.AGENT:
            return scene.standing.agents.get(who.id)
    return None


def _rights(person: Person | None, agent: Agent | None) -> int:
    if person is None:
        return 0
    return person.rights | (person.teams.get(agent.team, 0) if agent is not None and agent.team else 0)


def _forbidden(action: Action, scene: Scene) -> Check | None:
    """What the policies of the workspace, and of the teams that act, forbid."""
    from remit.guard import cedar  # noqa: PLC0415 - Cedar takes 50 ms to load, and few workspaces have policies

    standing = scene.standing
    lifting: list[Grant] = []
    for who in dict.fromkeys((action.principal, action.on_behalf_of)):
        if who.kind is ActorKind.SYSTEM:
            continue
        for revision in standing.policies:
            if revision.team and revision.team not in _teams(who, scene):
                continue
            answer = cedar.ask(revision, who, action, standing)
            if answer.allowed:
                continue
            if answer.errors or not answer.forbidden_by:
                told = "; ".join(answer.errors) or "no policy allowed it"
                return denied(NAME, "policy_error", f"The policies of {revision} could not be applied: {told[:400]}")
            for named in answer.forbidden_by:
                grant = grant_for(action, standing, Lifts.POLICY, named)
                if grant is None:
                    return denied(NAME, "policy", f"The policy {named!r} ({revision}) forbids this to {who}.")
                lifting.append(grant)
    return spent(NAME, scene, lifting) if lifting else None


def _teams(who: Principal, scene: Scene) -> frozenset[str]:
    """The teams whose policies hold for somebody: an agent's own, and all of a person's."""
    if who.kind is ActorKind.AGENT:
        agent = scene.standing.agents.get(who.id)
        return frozenset({agent.team} if agent is not None and agent.team else ())
    person = scene.standing.people.get(who.id)
    return frozenset(() if person is None else person.teams)
