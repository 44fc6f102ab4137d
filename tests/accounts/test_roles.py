"""The bit mask and the same matrix in Cedar answer every question alike."""

import itertools
import os
import time
from importlib import resources

import pytest
from cedarpy import Decision, Entities, PolicySet, Schema, is_authorized, validate_policies

from remit.accounts.roles import (
    ACT,
    AGENT_RIGHTS,
    BITS,
    EVERY,
    NEEDS,
    NONE,
    OWN,
    OWNER_ONLY,
    ROLE_RIGHTS,
    Permission,
    Resource,
    Role,
    effective,
    lent,
    mask_of,
    may,
    names_of,
)
from remit.guard.cedar import ROLES

FOLDER = resources.files("remit.accounts") / "cedar"
SCHEMA_TEXT = "\n".join((FOLDER / f"{name}.cedarschema").read_text("utf-8") for name in ("entities", "orders"))
POLICIES_TEXT = (FOLDER / "roles.cedar").read_text("utf-8")

#: All overrides under REMIT_PROVE=1; else none, each by itself, and all of them.
MASKS = list(range(EVERY + 1)) if os.environ.get("REMIT_PROVE") == "1" else [NONE, *BITS.values(), EVERY]


def _user(role: Role | None, granted: int, revoked: int) -> list[object]:
    parents = [{"type": "Role", "id": role.value}] if role else []
    attrs = {"granted": names_of(granted), "revoked": names_of(revoked)}
    return [*ROLES, {"uid": {"type": "User", "id": "ada"}, "attrs": attrs, "parents": parents}]


@pytest.mark.timeout(600)
def test_every_role_action_resource_override_and_originator_is_answered_as_cedar_answers() -> None:
    schema, policies = Schema.from_str(SCHEMA_TEXT), PolicySet.from_str(POLICIES_TEXT)
    assert validate_policies(POLICIES_TEXT, schema).validation_passed
    ada, robot = {"type": "User", "id": "ada"}, {"type": "Agent", "id": "coder"}
    originator = {"originator": {"__entity": ada}}
    asked = agreed = allowed = 0
    for role, granted, revoked in itertools.product([None, *Role], MASKS, MASKS):
        import json

        entities = Entities.from_json_str(json.dumps(_user(role, granted, revoked)))
        rights = effective(role, granted, revoked)
        for permission, resource, (who, context, held) in itertools.product(
            Permission,
            Resource,
            ((ada, {}, rights), (robot, originator, lent(rights))),
        ):
            request = {
                "principal": who,
                "action": {"type": "Action", "id": permission.value},
                "resource": {"type": resource.value.capitalize(), "id": "x"},
                "context": context,
            }
            answer = is_authorized(request, policies, entities, schema)
            assert not answer.diagnostics.errors
            told = may(held, permission, resource)
            assert told == (answer.decision is Decision.Allow), (role, granted, revoked, permission, resource, who)
            asked, agreed, allowed = asked + 1, agreed + 1, allowed + told
    assert asked == agreed == 5 * len(MASKS) ** 2 * len(Permission) * len(Resource) * 2
    assert 0 < allowed < asked


def test_the_roles_hold_what_the_page_says() -> None:
    assert [names_of(ROLE_RIGHTS[role]) for role in Role] == [
        ["read", "write", "delete", "approve", "admin", "own"],
        ["read", "write", "delete", "approve", "admin"],
        ["read", "write"],
        ["read"],
    ]
    assert {(one, about) for (one, about), need in NEEDS.items() if need & OWN} == OWNER_ONLY


def test_only_an_owner_deletes_a_team_whatever_is_granted() -> None:
    for role in (None, *Role):
        rights = effective(role, granted=EVERY | OWN)
        assert may(rights, Permission.DELETE, Resource.TEAM) == (role is Role.OWNER)


def test_what_is_taken_is_gone_even_when_it_was_granted() -> None:
    both = BITS[Permission.DELETE]
    assert not may(effective(Role.MEMBER, both, both), Permission.DELETE, Resource.MISSION)


def test_an_agent_never_approves_nor_administers_and_has_no_more_than_its_originator() -> None:
    for rights in range((EVERY | OWN) + 1):
        assert lent(rights) & ~rights == NONE
        assert not lent(rights) & (BITS[Permission.APPROVE] | BITS[Permission.ADMIN] | OWN)
    assert mask_of([Permission.READ, Permission.WRITE, Permission.DELETE]) == AGENT_RIGHTS


def test_the_fast_path_takes_less_than_a_microsecond() -> None:
    rights, rounds = ROLE_RIGHTS[Role.MEMBER], 20_000
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(rounds):
            _ = rights & ACT != ACT
        best = min(best, (time.perf_counter() - start) / rounds)
    assert best < 1e-6
