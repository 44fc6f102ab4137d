"""Looking ahead: what a mission would be, before anybody orders it. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from remit.accounts.access import Permission, Resource, reading, require
from remit.kernel.action import Principal
from remit.kernel.canonical import Json
from remit.kernel.errors import NotFound
from remit.kernel.ports import ReadTx
from remit.missions.deps import Deps
from remit.missions.estimate import Estimate, estimated
from remit.missions.intake import planned, refuse_secrets
from remit.missions.pack import Described
from remit.missions.plan import OrderedPlan
from remit.missions.presets import PRESETS, Preset, chosen, refuse_uninstalled, require_critics


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a mission would be."""

    plan: OrderedPlan
    preset: Preset | None
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Offer:
    """A preset, and whether its missions can run here."""

    preset: Preset
    installed: bool


async def look_ahead(
    deps: Deps, workspace: str, pack: str, data: bytes, *, name: str, by: Principal, preset: str = ""
) -> Ahead:
    """The plan for an input with its estimate, refused as ``Missions.create`` would refuse it.

    Raises:
        Refused: ``by`` may not order missions here.
        NotFound, InvalidInput: As ``Missions.create``.
    """

    def allowed(tx: ReadTx) -> None:
        require(tx, by, workspace=workspace, permission=Permission.WRITE, resource=Resource.MISSION)

    await reading(deps.journal, allowed)
    found = deps.pack(pack)
    with_preset = chosen(preset, found.name)
    refuse_secrets(deps.redactor, data, name)
    plan = planned(found, data, name)
    require_critics(with_preset, plan.plan)
    expected = await deps.journal.read(
        lambda tx: estimated(tx, plan, with_preset, workspace=workspace, pack=found.name)
    )
    return Ahead(plan, with_preset, expected)


async def list_presets(deps: Deps, workspace: str, *, by: Principal) -> list[Offer]:
    """Every preset, those that can run here first.

    Raises:
        Refused: ``by`` may not read here.
    """

    def allowed(tx: ReadTx) -> None:
        require(tx, by, workspace=workspace, permission=Permission.READ, resource=Resource.MISSION)

    await reading(deps.journal, allowed)
    offers = [Offer(preset, _installed(deps.packs, preset.pack)) for preset in PRESETS.values()]
    return sorted(offers, key=lambda offer: not offer.installed)


def _installed(packs: Mapping[str, object], name: str) -> bool:
    return name in list(packs)


def require_installed(deps: Deps, pack: str) -> None:
    """Refuse a pack that this install does not list: a name from outside must never import what it names.

    Raises:
        NotFound: It is not listed.
    """
    if not _installed(deps.packs, pack):
        refuse_uninstalled(pack, dict.fromkeys(deps.packs))
        message = f"There is no pack {pack[:80]!r} here: there are {', '.join(deps.packs)}."
        raise NotFound(message, code="pack.missing", hint="remit presets")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a pack's input, from its schema. ``path`` is as in ``metadata.appName``, ``features[]`` a list's."""

    path: str
    kind: str
    required: bool
    about: str


def input_fields(deps: Deps, pack: str, *, deep: int = 2) -> list[Field]:
    """What a pack's input may hold, to a depth; empty for a pack that does not tell.

    Raises:
        NotFound: The pack is not installed.
    """
    require_installed(deps, pack)
    found = deps.pack(pack)
    if not isinstance(found, Described):
        return []
    schema = found.schema()
    return list(_fields(schema, schema, "", deep))


def _fields(node: Mapping[str, Json], whole: Mapping[str, Json], before: str, deep: int) -> Iterator[Field]:
    required = node.get("required")
    needed = set(cast("list[str]", required)) if isinstance(required, list) else set[str]()
    properties = node.get("properties")
    for name, value in properties.items() if isinstance(properties, Mapping) else ():
        member, many = _resolved(cast("Mapping[str, Json]", value), whole)
        path = f"{before}{name}{'[]' if many else ''}"
        about = str(member.get("description") or "").strip().partition("\n")[0]
        yield Field(path, "list" if many else str(member.get("type") or "value"), name in needed, about)
        if deep > 1:
            yield from _fields(member, whole, f"{path}.", deep - 1)


def _resolved(node: Mapping[str, Json], whole: Mapping[str, Json]) -> tuple[Mapping[str, Json], bool]:
    """What a schema's node stands for: its reference followed, of a list its items, of a choice its first."""
    many = False
    for _ in range(8):
        if isinstance(node.get("$ref"), str):
            definitions = cast("Mapping[str, Mapping[str, Json]]", whole.get("$defs", {}))
            node = definitions.get(str(node["$ref"]).rpartition("/")[2], {})
        elif node.get("type") == "array" and isinstance(node.get("items"), Mapping):
            node, many = cast("Mapping[str, Json]", node["items"]), True
        elif isinstance(node.get("anyOf"), list):
            node = cast("list[Mapping[str, Json]]", node["anyOf"])[0]
        else:
            break
    return node, many
