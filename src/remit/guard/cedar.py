"""Custom policies in Cedar: what a workspace or team forbids beyond what roles and registration leave.

They narrow and never widen: what isn't allowed without them stays refused. A policy that errors refuses: Cedar itself
would skip it, and a ``forbid`` would vanish.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import orjson
from cedarpy import (
    Decision,
    Entities,
    PolicySet,
    Schema,
    is_authorized,  # pyright: ignore[reportUnknownVariableType] - it leaves the types of its dicts open
    policies_to_json_str,
    validate_policies,  # pyright: ignore[reportUnknownVariableType] - as above
)

from remit.accounts.agents import Agent
from remit.accounts.cedar_revisions import CedarRevision, save_revision
from remit.accounts.reach import host_of, suffixes_of
from remit.accounts.roles import names_of
from remit.guard.cedar_text import Policy, split
from remit.guard.scene import Person, Standing
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.canonical import Json
from remit.kernel.clock import Clock
from remit.kernel.effects import Command, Fetch
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import Journal

#: A command with more arguments is refused where there are policies: judging it would take seconds.
MOST_ARGUMENTS = 1000

_FOLDER = resources.files("remit.accounts") / "cedar"
_QUOTED = re.compile(r"`([^`]+)`")
_OWN_ID = "remit.admitted"

#: The entity type that each kind of effect is aimed at.
AIMS: Mapping[str, str] = {
    "files": "Folder",
    "command": "Program",
    "fetch": "Host",
    "model": "Model",
    "tool": "Tool",
    "deploy": "Place",
    "order": "Broker",
    "publish": "Place",
    "notify": "Channel",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the policies said: whether it is allowed, which policies forbade it (their ids), and what went wrong."""

    allowed: bool
    forbidden_by: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compiled:
    """Policies ready to be asked. ``ids`` maps Cedar's own numbering to each policy's ``@id``."""

    policies: PolicySet
    ids: Mapping[str, str]


@lru_cache(maxsize=1)
def schema() -> Schema:
    """What the policies may speak of; passed with every question."""
    return Schema.from_str(schema_text())


def schema_text() -> str:
    """The schema as shipped, for people who write policies: who acts, and what effects are aimed at."""
    names = ("entities.cedarschema", "effects.cedarschema")
    return "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)


@lru_cache(maxsize=1)
def _admitted() -> str:
    return (_FOLDER / "admitted.cedar").read_text(encoding="utf-8")


@lru_cache(maxsize=128)
def compiled(text: str) -> Compiled:
    """A saved text, parsed once.

    Raises:
        ValueError: It is no Cedar; then nothing is allowed under it.
    """
    whole = f"{_admitted()}\n{text}"
    listed = orjson.loads(policies_to_json_str(whole))["staticPolicies"]
    ids = {name: str(policy.get("annotations", {}).get("id", name)) for name, policy in listed.items()}
    return Compiled(PolicySet.from_str(whole), ids)


@lru_cache(maxsize=1024)
def _entities(text: bytes) -> Entities:
    return Entities.from_json_str(text.decode(), schema())  # pyright: ignore[reportUnknownMemberType] - as above


# -------------------------------------------------------------------------------------------------------------- saving


def check_cedar(text: str) -> None:
    """Refuse a text that could not be put in force.

    Raises:
        InvalidInput: ``problems`` names every one with its place, ``line:column``.
    """
    policies, problems = split(text)
    seen: dict[str, str] = {}
    if not problems:
        for policy in policies:
            problems += _problems(policy, seen)
        if not policies:
            problems.append("1:1: there is no policy in it; to have none, clear them")
    if problems:
        place, _, first = problems[0].partition(": ")
        raise InvalidInput(
            f"The policies can't be put in force: {first}.",
            code="policy.cedar",
            place=place,
            hint="remit teams policy --schema",
            problems=tuple(problems),
        )


async def save_cedar(
    journal: Journal, text: str, *, workspace: str, by: Principal, clock: Clock, team: str = ""
) -> CedarRevision:
    """Check policies and put them in force for a workspace or team, in place of those before; an empty text clears.

    In force at the next check (250 ms). Every revision stays; the log has its hash.

    Raises:
        InvalidInput: They can't be put in force; nothing is changed.
        Refused: ``by`` may not administer policies there.
        NotFound: There is no such team.
    """
    if text.strip():
        check_cedar(text)
    else:
        text = ""
    return await save_revision(journal, text, workspace=workspace, team=team, by=by, clock=clock)


def _problems(policy: Policy, seen: dict[str, str]) -> list[str]:
    """What is wrong with one policy, with places."""
    try:
        listed = orjson.loads(policies_to_json_str(policy.text))
    except ValueError as error:
        return [f"{_where(policy, str(error))}: {error}"]
    if listed["templates"]:
        return [f"{policy.start}: a template (?principal, ?resource) can't be put in force"]
    found: list[str] = []
    for parsed in listed["staticPolicies"].values():
        named = str(parsed.get("annotations", {}).get("id", ""))
        if not named:
            found.append(f'{policy.start}: a policy needs a name: @id("no-weekend-deploys") before it')
        elif named in seen or named == _OWN_ID:
            found.append(f"{policy.start}: the id {named!r} is taken{f' at {seen[named]}' if named in seen else ''}")
        seen[named] = policy.start
        if parsed["effect"] != "forbid":
            found.append(
                f"{policy.start}: a permit adds nothing to what roles and registration allow: write forbid ... unless"
            )
    result = validate_policies(policy.text, schema())
    if not result.validation_passed:
        told = dict.fromkeys(re.sub(r"for policy `policy0`, ", "", error.error) for error in result.errors)
        found += [f"{_where(policy, each)}: {each}" for each in told]
    return found


def _where(policy: Policy, told: str) -> str:
    """Where in a policy an error lies: at the first of the words it quotes, as Cedar itself gives no place."""
    for word in _QUOTED.findall(told):
        found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", policy.text)
        if found is not None:
            return policy.place(found.start())
    return policy.start


# ------------------------------------------------------------------------------------------------------------- asking


def ask(revision: CedarRevision, who: Principal, action: Action, standing: Standing) -> Answer:
    """What a saved text says of an action by ``who``: allowed only when Cedar allows and nothing went wrong."""
    try:
        ready = compiled(revision.text)
        resource, things = _resource(action)
        principal, people = _principal(who, standing)
        result = is_authorized(
            {
                "principal": principal,
                "action": {"type": "Action", "id": action.kind},
                "resource": resource,
                "context": _context(action),
            },
            ready.policies,
            _entities(orjson.dumps([*people, *things])),
            schema(),
        )
    except Exception as error:  # noqa: BLE001 - what can't be asked is not allowed
        return Answer(allowed=False, errors=(f"{type(error).__name__}: {error}",))
    errors = tuple(str(error) for error in result.diagnostics.errors)
    if result.decision is Decision.Allow and not errors:
        return Answer(allowed=True)
    reasons = [] if result.decision is Decision.Allow else list(result.diagnostics.reasons)
    forbidden = tuple(sorted(ready.ids.get(reason, reason) for reason in reasons))
    return Answer(allowed=False, forbidden_by=forbidden, errors=errors)


def _principal(who: Principal, standing: Standing) -> tuple[dict[str, Json], list[Json]]:
    if who.kind is ActorKind.AGENT:
        return _agent(standing.agents[who.id])
    return _user(who.id, standing.people[who.id])


def _agent(agent: Agent) -> tuple[dict[str, Json], list[Json]]:
    uid: dict[str, Json] = {"type": "Agent", "id": agent.name}
    teams: list[Json] = [{"type": "Team", "id": agent.team}] if agent.team else []
    attrs: dict[str, Json] = {
        "kind": agent.kind,
        "owner": agent.owner,
        "effects": sorted(agent.effects),
        "tools": sorted(agent.tools),
        "models": sorted(agent.models),
        "domains": sorted(agent.domains),
    }
    return uid, [{"uid": uid, "attrs": attrs, "parents": teams}]


#: Roles are nested, so that ``principal in Role::"member"`` covers owners.
ROLES: tuple[Json, ...] = tuple(
    {
        "uid": {"type": "Role", "id": role},
        "attrs": {},
        "parents": [{"type": "Role", "id": under}] if under else [],
    }
    for role, under in (("owner", "admin"), ("admin", "member"), ("member", "viewer"), ("viewer", ""))
)


def _user(name: str, person: Person) -> tuple[dict[str, Json], list[Json]]:
    uid: dict[str, Json] = {"type": "User", "id": name}
    parents: list[Json] = [{"type": "Team", "id": team} for team in sorted(person.teams)]
    if person.role:
        parents.append({"type": "Role", "id": person.role})
    attrs: dict[str, Json] = {"granted": names_of(person.granted), "revoked": names_of(person.revoked)}
    return uid, [*ROLES, {"uid": uid, "attrs": attrs, "parents": parents}]


def _resource(action: Action) -> tuple[dict[str, Json], list[Json]]:
    kind = AIMS[action.kind]
    if isinstance(action.effect, Fetch):
        host = host_of(action.effect.url) or ""
        above: list[Json] = [{"type": kind, "id": suffix} for suffix in suffixes_of(host)[1:]] if host else []
        uid: dict[str, Json] = {"type": kind, "id": host}
        return uid, [{"uid": uid, "attrs": {}, "parents": above}]
    uid = {"type": kind, "id": action.target}
    if action.kind == "model":
        provider: Json = {"type": "Provider", "id": action.target.partition("/")[0]}
        return uid, [{"uid": uid, "attrs": {}, "parents": [provider]}]
    return uid, []


def _context(action: Action) -> dict[str, Json]:
    told: dict[str, Json] = {
        "on_behalf_of": str(action.on_behalf_of),
        "estimate_micros": action.estimate.micros,
        "mission": action.mission,
        "step": action.step,
        "attempt": action.attempt,
    }
    match action.effect:
        case Command(argv=argv, network=network):
            if len(argv) > MOST_ARGUMENTS:
                message = f"{len(argv)} arguments; policies judge at most {MOST_ARGUMENTS}"
                raise ValueError(message)
            return {**told, "arguments": sorted(set(argv[1:])), "network": network.value}
        case Fetch(url=url, method=method):
            return {**told, "url": url, "method": method}
        case _:
            return told
