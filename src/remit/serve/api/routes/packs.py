"""Which packs are here, and what an input of one looks like: its JSON Schema, and that as the fields of a form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field, JsonValue
from starlette.requests import Request
from starlette.responses import Response

from remit.accounts.access import reading, require
from remit.accounts.roles import Permission, Resource
from remit.kernel.canonical import Json
from remit.missions.intake_form import Input, inputs
from remit.missions.pack import Described, Formed
from remit.missions.planning import require_installed
from remit.missions.presets import PRESETS
from remit.serve.api.access import Access
from remit.serve.api.answers import Shown, answer, example, resource
from remit.serve.api.caller import Asking, Open
from remit.serve.api.paging import Page

ROUTES = APIRouter(prefix="/api/v1", tags=["packs"])

_FORM = "/api/v1/packs/{pack}/form"
ACCESS = (
    Access("GET", "/api/v1/packs", Permission.READ, Resource.MISSION),
    Access("GET", _FORM, Permission.READ, Resource.MISSION),
)

type Which = Annotated[
    str,
    Path(
        min_length=1,
        max_length=200,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$",
        description="The pack's name, as `/api/v1/packs` has it.",
    ),
]


class PackShown(Shown):
    """A pack whose missions can run here."""

    model_config = example(name="build", version="1", presets=["build"], described=True, formed=True)

    name: str
    version: str = Field(description="Changes whenever its plans or steps may.")
    presets: list[str] = Field(description="The presets whose missions it runs.")
    described: bool = Field(description="Whether it tells what its input looks like: then it has a form.")
    formed: bool = Field(description="Whether a text that was written already can be taken apart into the form.")


class InputField(Shown):
    """One field of the form.

    `group` holds fields (those `within` it); `items` is a list of groups, whose fields the schema tells.
    """

    name: str = Field(description="Of the field in the console's form.")
    path: str = Field(description="Where its value goes in the document, and how problems name it.")
    within: str = Field(description="The path of the group that holds it; empty: none does.")
    kind: str = Field(
        description="`text`, `long`, `integer`, `number`, `value`, `choice`, `flag`, `many`, `lines`, `json`, `group`, "
        "or `items`."
    )
    label: str
    required: bool
    about: str = Field(description="The schema's words.")
    choices: list[str] = Field(description="Of `choice` and `many`: what there is to choose from.")
    shown_empty: str = Field(description="What holds when it is left empty.")
    most: int = Field(description="The most characters of a text; 0: no such limit.")


class FormShown(Shown):
    """What an input of a pack looks like."""

    model_config = example(
        pack="build",
        version="1",
        json_schema={"type": "object", "properties": {"version": {"type": "string"}}},
        fields=[
            {
                "name": "in/version",
                "path": "version",
                "within": "",
                "kind": "text",
                "label": "Version",
                "required": True,
                "about": "",
                "choices": [],
                "shown_empty": "",
                "most": 0,
            }
        ],
    )

    pack: str
    version: str
    json_schema: dict[str, JsonValue] | None = Field(
        description="JSON Schema (2020-12) of the input; null: the pack does not tell, and takes a text of its own."
    )
    fields: list[InputField] = Field(description="The fields of a new input, outer ones first; empty without a schema.")


@ROUTES.get("/packs", response_model=Page[PackShown], summary="List packs")
async def packs(caller: Asking, runtime: Open) -> Response:
    """The packs whose missions can run here; there is one page."""
    await _may_read(runtime, caller)
    deps = runtime.missions.deps
    found: list[PackShown] = []
    for name in deps.packs:
        pack = deps.pack(name)
        found.append(
            PackShown(
                name=name,
                version=pack.version,
                presets=[preset.name for preset in PRESETS.values() if preset.pack == name],
                described=isinstance(pack, Described),
                formed=isinstance(pack, Formed),
            )
        )
    return answer(Page[PackShown](items=found, next=None))


@ROUTES.get("/packs/{pack}/form", response_model=FormShown, summary="Show what a pack's input looks like")
async def form(request: Request, caller: Asking, runtime: Open, pack: Which) -> Response:
    """The JSON Schema of its input, and the fields that the console's form for a new one has.

    An input is checked with `POST /api/v1/missions/plan`, which names each problem by its field's path.
    """
    await _may_read(runtime, caller)
    deps = runtime.missions.deps
    require_installed(deps, pack)
    found = deps.pack(pack)
    schema: Mapping[str, Json] | None = found.schema() if isinstance(found, Described) else None
    fields = [] if schema is None else list(_flat(inputs(schema, {}), ""))
    shown = FormShown.model_validate({"pack": pack, "version": found.version, "json_schema": schema, "fields": fields})
    return resource(request, shown)


def _flat(fields: Sequence[Input], within: str) -> Iterator[InputField]:
    for one in fields:
        yield InputField(
            name=one.name,
            path=one.path,
            within=within,
            kind=one.kind,
            label=one.label,
            required=one.required,
            about=one.about,
            choices=list(one.choices),
            shown_empty=one.shown_empty,
            most=one.most,
        )
        yield from _flat(one.parts, one.path)


async def _may_read(runtime: Open, caller: Asking) -> None:
    await reading(
        runtime.store,
        lambda tx: require(
            *(tx, caller.principal),
            workspace=caller.workspace,
            permission=Permission.READ,
            resource=Resource.MISSION,
        ),
    )
