"""What each role may do: one integer for each set of rights, and what each order needs of them.

The same matrix stands in Cedar beside it (``cedar/roles.cedar``); a test holds that both answer every question alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType


class Permission(StrEnum):
    """What a person may be allowed in a workspace or team. ``APPROVE``: to decide about other people's requests."""

    READ = "read"
    WRITE = "write"
    DELETE = "delete"
    APPROVE = "approve"
    ADMIN = "admin"


class Role(StrEnum):
    """A person's role in a workspace or a team, strongest first."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


class Resource(StrEnum):
    """What an order is about."""

    WORKSPACE = "workspace"
    TEAM = "team"
    MEMBER = "member"
    INVITATION = "invitation"
    AGENT = "agent"
    MISSION = "mission"
    EFFECT = "effect"
    POLICY = "policy"
    BUDGET = "budget"
    PLAN = "plan"
    APPROVAL = "approval"
    AUDIT = "audit"
    INSTALL = "install"


BITS: Mapping[Permission, int] = MappingProxyType(
    {permission: 1 << place for place, permission in enumerate(Permission)}
)
EVERY = sum(BITS.values())
#: What only the role of an owner carries; no override gives or takes it.
OWN = EVERY + 1

NONE = 0
ROLE_RIGHTS: Mapping[Role, int] = MappingProxyType(
    {
        Role.OWNER: EVERY | OWN,
        Role.ADMIN: EVERY,
        Role.MEMBER: BITS[Permission.READ] | BITS[Permission.WRITE],
        Role.VIEWER: BITS[Permission.READ],
    }
)
#: The most an agent ever has: it never approves and never administers, whoever it acts for.
AGENT_RIGHTS = BITS[Permission.READ] | BITS[Permission.WRITE] | BITS[Permission.DELETE]

#: Orders that take an owner: ending a team or workspace, its plan (what it costs), and what holds for every workspace.
OWNER_ONLY = frozenset(
    {
        (Permission.DELETE, Resource.TEAM),
        (Permission.DELETE, Resource.WORKSPACE),
        (Permission.ADMIN, Resource.PLAN),
        (Permission.ADMIN, Resource.INSTALL),
    }
)

#: Every order and the rights it needs, all of them.
NEEDS: Mapping[tuple[Permission, Resource], int] = MappingProxyType(
    {
        (permission, resource): BITS[permission] | (OWN if (permission, resource) in OWNER_ONLY else 0)
        for permission in Permission
        for resource in Resource
    }
)
#: Asking the guard for an effect.
ACT = NEEDS[Permission.WRITE, Resource.EFFECT]


def effective(role: Role | None, granted: int = NONE, revoked: int = NONE) -> int:
    """The rights of a role with a member's own overrides: what is revoked is gone, whoever granted it."""
    return ((ROLE_RIGHTS[role] if role is not None else NONE) | granted & EVERY) & ~(revoked & EVERY)


def lent(originator: int) -> int:
    """What an agent may do that acts for somebody with these rights (ASVS 5.0, 8.3.3): never more than they."""
    return originator & AGENT_RIGHTS


def may(rights: int, permission: Permission, resource: Resource = Resource.WORKSPACE) -> bool:
    """Whether ``rights`` suffice."""
    need = NEEDS[permission, resource]
    return rights & need == need


def mask_of(permissions: Iterable[Permission]) -> int:
    """The permissions as one integer."""
    mask = NONE
    for permission in permissions:
        mask |= BITS[permission]
    return mask


def names_of(rights: int) -> list[str]:
    """The permissions in ``rights``, for people; ``own`` last when it is among them."""
    return [permission.value for permission, bit in BITS.items() if rights & bit] + (["own"] if rights & OWN else [])
