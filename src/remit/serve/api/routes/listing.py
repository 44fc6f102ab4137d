"""The list of models: which names there are, who answers for them, what they cost.

Where providers are, with whose keys, is ordered at the machine (``remit providers``): an address decides who is sent a
secret.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from remit.accounts.roles import Permission
from remit.bootstrap import Runtime
from remit.kernel.errors import InvalidInput
from remit.models.checks import target_of
from remit.models.orders import Change, order
from remit.models.orders_listing import RemoveDeployment, SetAlias, SetDeployment, SetFallbacks, SetPrice, term_of
from remit.models.prices import fee_of, rate_of
from remit.serve.api.access import Access
from remit.serve.api.answers import Asked, answer, example
from remit.serve.api.caller import Asking, Open
from remit.serve.api.routes.models import Changed
from remit.serve.edge.identity import Caller

MODELS = "/api/v1/models"
ROUTES = APIRouter(prefix=MODELS, tags=["models"])
ACCESS = tuple(
    Access(method, f"{MODELS}/{path}", Permission.ADMIN)
    for method, path in (
        ("PUT", "listed"),
        ("DELETE", "listed"),
        ("PUT", "aliases"),
        ("PUT", "fallbacks"),
        ("PUT", "prices"),
        ("DELETE", "prices"),
    )
)

type Name = Annotated[str, Field(min_length=1, max_length=128)]
type Target = Annotated[str, Field(min_length=3, max_length=256, description="`provider/model`.")]
type Dollars = Annotated[str, Field(max_length=20, pattern=r"^([0-9]{1,9}(\.[0-9]{1,6})?)?$")]
type Word = Annotated[str, Field(max_length=40, pattern=r"^([a-z0-9][a-z0-9._-]*)?$")]


class Listed(Asked):
    """A deployment under a public name; a name may have several."""

    model_config = example(name="fast", target="openai/gpt-4o-mini", weight=3)

    name: Name
    target: Target
    weight: int = Field(default=1, ge=0, le=1_000_000, description="Its share of calls among equals; 0: last.")
    order: int = Field(default=0, ge=0, le=1_000_000, description="Lower ones are asked first.")
    can: list[Annotated[str, Field(max_length=64)]] | None = Field(default=None, max_length=32)
    quality: int | None = Field(default=None, ge=0, le=100)
    context: int | None = Field(default=None, ge=1, le=1_000_000_000, description="Tokens that it takes.")


class Meaning(Asked):
    """What a name means: a public name, `provider/model` or `auto`; empty: nothing any more."""

    model_config = example(name="default", target="fast")

    name: Name
    target: str = Field(default="", max_length=256)


class StandIns(Asked):
    """Who is asked, in order, when nobody of that name answers; none: nobody stands in."""

    model_config = example(name="fast", targets=["anthropic/claude-haiku"])

    name: Name
    targets: list[Target] = Field(default=[], max_length=32)


class OwnPrice(Asked):
    """What a model costs this workspace, in dollars for a million tokens; 0 is a price. Or what one use of a tool does.

    With `service`, the price of that service tier. With `tool` and `each` alone, that of a tool that its provider runs.
    """

    model_config = example(target="local/llama", input="0", output="0")

    target: Target
    input: Dollars = ""
    output: Dollars = ""
    cached: Dollars = Field(default="", description="Input from the provider's cache; empty: as input.")
    cache_write: Dollars = Field(default="", description="Input written to that cache; empty: as input.")
    service: Word = Field(default="", description="`priority`, `flex`, `fast` ...; empty: as everybody is served.")
    tool: Word = Field(default="", description="`web_search`, `file_search` ...")
    each: Dollars = Field(default="", description="For one use of the tool.")


@ROUTES.put("/listed", response_model=Changed, summary="List a model under a name")
async def list_under(caller: Asking, runtime: Open, asked: Listed) -> Response:
    """List it, or change how it is listed."""
    provider, model = target_of(asked.target)
    can = None if asked.can is None else frozenset(asked.can)
    change = SetDeployment(asked.name, provider, model, asked.weight, asked.order, can, asked.quality, asked.context)
    return await _order(caller, runtime, change)


@ROUTES.delete("/listed", response_model=Changed, summary="Take a model off the list")
async def unlist(
    caller: Asking,
    runtime: Open,
    name: Annotated[str, Query(min_length=1, max_length=128)],
    target: Annotated[str, Query(max_length=256, description="Only this one of the name's; empty: all.")] = "",
) -> Response:
    """The name, or one of its deployments, is asked no more."""
    provider, model = target_of(target) if target else ("", "")
    return await _order(caller, runtime, RemoveDeployment(name, provider, model))


@ROUTES.put("/aliases", response_model=Changed, summary="Let a name mean another")
async def alias(caller: Asking, runtime: Open, asked: Meaning) -> Response:
    """The name `default` is asked when a client names none."""
    return await _order(caller, runtime, SetAlias(asked.name, asked.target))


@ROUTES.put("/fallbacks", response_model=Changed, summary="Say who stands in")
async def fallback(caller: Asking, runtime: Open, asked: StandIns) -> Response:
    """They are asked before the first byte only: what has begun to be answered is not begun anew."""
    return await _order(caller, runtime, SetFallbacks(asked.name, tuple(asked.targets)))


@ROUTES.put("/prices", response_model=Changed, summary="Set a model's price")
async def price(caller: Asking, runtime: Open, asked: OwnPrice) -> Response:
    """The workspace's own price, instead of the published one: from the next call on."""
    provider, model = target_of(asked.target)
    if asked.tool or asked.each:
        if not asked.tool or asked.service or asked.input or asked.output or asked.cached or asked.cache_write:
            message = "The price of a tool has `tool` and `each`, and nothing else."
            raise InvalidInput(message, code="models.price", hint="send target, tool and each")
        rate = fee_of(asked.each)
    else:
        rate = rate_of(asked.input, asked.output, cached_in=asked.cached, cache_write=asked.cache_write)
    return await _order(caller, runtime, SetPrice(provider, model, rate, term_of(asked.service, asked.tool)))


@ROUTES.delete("/prices", response_model=Changed, summary="Forget a model's own price")
async def published_price(
    caller: Asking,
    runtime: Open,
    target: Annotated[str, Query(min_length=3, max_length=256)],
    service: Annotated[str, Query(max_length=40, description="That of a service tier alone.")] = "",
    tool: Annotated[str, Query(max_length=40, description="That of a tool alone.")] = "",
) -> Response:
    """The published one holds again, if there is one."""
    provider, model = target_of(target)
    return await _order(caller, runtime, SetPrice(provider, model, None, term_of(service, tool)))


async def _order(caller: Caller, runtime: Runtime, change: Change) -> Response:
    changed = await order(runtime.store, [change], workspace=caller.workspace, by=caller.principal, clock=runtime.clock)
    runtime.models.catalogues.forget(caller.workspace)
    return answer(Changed(changed=bool(changed)))
