"""Settings: what is in force in the process that answers, and where each value came from. For administrators."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from remit.accounts.roles import Permission
from remit.operations.origins import From, list_settings, matching
from remit.serve.api.access import Access
from remit.serve.api.answers import Shown, answer, example
from remit.serve.api.caller import Asking, Open
from remit.serve.api.reads import read

ROUTES = APIRouter(prefix="/api/v1/settings", tags=["operations"])
ACCESS = (Access("GET", "/api/v1/settings", Permission.ADMIN),)


class SettingShown(Shown):
    """A setting."""

    model_config = example(
        name="parallel", variable="REMIT_PARALLEL", value="4", default="2", origin="environment",
        place="REMIT_PARALLEL", hidden=False, changed=True, meaning="How many steps of one mission run at once.",
    )  # fmt: skip

    name: str = Field(description="Its key in `remit.toml`.")
    variable: str = Field(description="Its environment variable.")
    value: str = Field(description="What is in force; empty when it is hidden or nothing.")
    default: str
    origin: From
    place: str = Field(description="The file, or the variable, that it came from.")
    hidden: bool = Field(description="Its value may be a secret, and is never shown.")
    changed: bool = Field(description="Whether it is another than the default.")
    meaning: str


class SettingsShown(Shown):
    """Every setting that was asked for."""

    items: list[SettingShown]


@ROUTES.get("", response_model=SettingsShown, summary="List settings")
async def settings(
    caller: Asking,
    runtime: Open,
    q: Annotated[str, Query(max_length=100, description="Only those that speak of this.")] = "",
    *,
    changed: Annotated[bool, Query(description="Only those that somebody set.")] = False,
) -> Response:
    """Every setting with its value, its default, where it came from and what it does. What may be secret is hidden."""
    await read(runtime, caller, lambda _tx: None, permission=Permission.ADMIN)
    found = matching(list_settings(runtime.settings), words=q, changed=changed)
    shown = [asdict(one) | {"value": runtime.redactor.mask(one.value)} for one in found]
    return answer(SettingsShown(items=[SettingShown.model_validate(one) for one in shown]))
