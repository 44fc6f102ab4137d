"""``remit providers``: where models are asked; add, test, pause and remove one."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import click

from remit.cli.context import acting, masking, settings_of
from remit.cli.missions import asynchronously
from remit.cli.output import common, emit, hint, say, table
from remit.kernel.errors import InvalidInput
from remit.kernel.plain import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from remit.kernel.action import Action, Principal
    from remit.kernel.canonical import Json
    from remit.models.catalogue import Deployment, Provider
    from remit.models.orders import Change
    from remit.settings import Settings

#: The operation of a model effect that lists a provider's models, as ``adapters/providers`` knows it.
LIST = "models"
_KINDS = click.Choice(["openai", "anthropic", "compatible"])


@click.group()
def providers() -> None:
    """Providers of models: OpenAI, Anthropic, and whoever speaks OpenAI's interface (Ollama, vLLM, llama.cpp ...)."""


def carry_out(settings: Settings, changes: Sequence[Change]) -> tuple[str, ...]:
    """Give orders about models; the subjects of those that changed something."""
    from remit.bootstrap import open_store
    from remit.kernel.clock import SystemClock
    from remit.models.orders import order

    with open_store(settings) as store:
        changed = asyncio.run(
            order(store, changes, workspace=settings.workspace, by=acting(settings), clock=SystemClock())
        )
        store.seal()
    return changed


def pairs(texts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """``NAME=VALUE`` in its two parts.

    Raises:
        InvalidInput: One has no equals sign; its value is not repeated.
    """
    found: list[tuple[str, str]] = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            message = f"The header {name[:40]!r} has no value."
            raise InvalidInput(message, code="models.header", hint="remit providers add NAME --header NAME=VALUE")
        found.append((name.strip(), value.strip()))
    return tuple(found)


@providers.command("list")
@common
def list_(home: str | None, *, as_json: bool, debug: bool) -> int:
    """List the workspace's providers, with how many models are listed at each."""
    del debug
    from remit.bootstrap import open_store
    from remit.models.catalogue import read_catalogue
    from remit.models.orders import told_of

    settings = settings_of(home)
    with open_store(settings) as store:
        found = store.view(lambda tx: read_catalogue(tx, settings.workspace))
    told = [
        {**told_of(each), "models": sum(at.provider == each.name for at in found.listed())}
        for each in found.providers.values()
    ]
    if as_json:
        emit({"providers": told})
    elif not told:
        say("There are no providers: remit providers add openai --key secret://NAME")
    else:
        head = ("provider", "kind", "base_url", "key", "status", "models")
        say(table([tuple(str(each[name]) or "-" for name in head) for each in told], head=head))
    return 0


@providers.command()
@click.argument("name")
@click.option("--kind", type=_KINDS, default=None, help="The interface it speaks; NAME's own where it is one of these.")
@click.option("--base-url", default="", metavar="URL", help="With the version: http://127.0.0.1:11434/v1")
@click.option("--key", default="", metavar="REFERENCE", help="secret://NAME; left out where none is wanted.")
@click.option(
    "--header", "headers", multiple=True, metavar="NAME=VALUE", help="Sent with every call; VALUE may be secret://NAME."
)
@click.option("--plain-key", is_flag=True, help="Let the key cross a network unencrypted (http://).")
@common
def add(
    name: str,
    kind: str | None,
    base_url: str,
    key: str,
    headers: tuple[str, ...],
    home: str | None,
    *,
    plain_key: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Add the provider NAME, or change it: what is left out is then as for a new one."""
    del debug
    from remit.models.catalogue import Provider, ProviderKind
    from remit.models.orders import SetProvider

    settings = settings_of(home)
    chosen = ProviderKind(kind or (name if name in {"openai", "anthropic"} else "compatible"))
    made = Provider(settings.workspace, name, chosen, base_url, key, pairs(headers))
    changed = carry_out(settings, [SetProvider(made, plain_key=plain_key)])
    _tell(name, "is there" if changed else "was so already", as_json=as_json, changed=bool(changed))
    if changed and not as_json:
        hint(f"see whether it answers: remit providers test {name}")
    return 0


@providers.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why nobody may ask it, for the audit log.")
@common
def pause(name: str, reason: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Pass the provider NAME over until it is resumed: in every process within a second."""
    del debug
    return _move(name, reason, home, paused=True, as_json=as_json)


@providers.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why it may be asked again, for the audit log.")
@common
def resume(name: str, reason: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Ask the provider NAME again."""
    del debug
    return _move(name, reason, home, paused=False, as_json=as_json)


@providers.command()
@click.argument("name")
@common
def remove(name: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Forget the provider NAME and the prices of its models; nothing may be listed at it any more."""
    del debug
    from remit.models.orders import RemoveProvider

    carry_out(settings_of(home), [RemoveProvider(name)])
    _tell(name, "is gone", as_json=as_json, changed=True)
    return 0


def _move(name: str, reason: str, home: str | None, *, paused: bool, as_json: bool) -> int:
    from remit.models.catalogue import ProviderStatus
    from remit.models.orders import MoveProvider

    settings = settings_of(home)
    status = ProviderStatus.PAUSED if paused else ProviderStatus.ACTIVE
    changed = carry_out(settings, [MoveProvider(name, status, reason, masking(settings))])
    _tell(name, status.value if changed else f"was {status.value} already", as_json=as_json, changed=bool(changed))
    return 0


def _tell(name: str, what: str, *, as_json: bool, changed: bool) -> None:
    if as_json:
        emit({"provider": name, "changed": changed})
    else:
        say(f"{name}: {what}")


@providers.command()
@click.argument("name")
@click.option("--model", default="", metavar="MODEL", help="Ask this model for one word; else for the list of models.")
@common
@asynchronously
async def test(name: str, model: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """Ask the provider NAME which models it has, or one of them for one word: through the guard, audited as any call.

    Tells how long the answer took; the list costs nothing. Ends with 3 when the guard refused, 5 when nobody answered.
    """
    del debug
    import time

    from remit.bootstrap import open_runtime
    from remit.guard.retry import Profile
    from remit.kernel.clock import SystemClock
    from remit.kernel.errors import Denied, NotFound, RemitError, UserError
    from remit.models.catalogue import read_catalogue
    from remit.models.health import Health
    from remit.models.prices import Rates

    settings = settings_of(home)
    clock = SystemClock()
    health = Health(clock, process=f"{os.getpid()}")
    async with open_runtime(settings) as runtime:
        catalogue = await runtime.store.read(lambda tx: read_catalogue(tx, settings.workspace, rates=Rates(clock)))
        provider = catalogue.providers.get(name)
        if provider is None:
            message = f"There is no provider {name[:64]!r} in the workspace {settings.workspace!r}."
            raise NotFound(message, code="models.provider", hint="remit providers list")
        await runtime.guard.restore(settings.workspace)
        action = _question(provider, catalogue.deployment(f"{name}/{model}"), by=acting(settings))
        began = time.monotonic()
        try:
            done = await runtime.guard.run(action, profile=Profile.ONCE)
        except RemitError as error:
            if not isinstance(error, Denied | UserError):  # those say nothing about the provider
                health.observe(settings.workspace, action.target, None, time.monotonic() - began, error.code)
            raise
        else:
            took = time.monotonic() - began
            health.observe(settings.workspace, action.target, None, took, "" if done.ok else "failed")
        finally:
            await health.flush(runtime.store, closing=True)
            runtime.store.seal()
    found = done.value.get("models")
    models = [str(each) for each in found] if isinstance(found, list) else []
    if as_json:
        told = {"provider": name, "model": model, "ok": done.ok, "seconds": round(took, 3), "models": models}
        emit({**told, "cost_usd": str(done.cost.usd), "action": action.id})
    else:
        what = f", {done.cost}" if model else f", {len(models)} models: {plain(', '.join(models[:10]))}"
        say(f"{action.target.rstrip('/')}: answered in {took:.2f} s{what}")
    return 0 if done.ok else 1


def _question(provider: Provider, at: Deployment | None, *, by: Principal) -> Action:
    """One word of a model; without one, the list of models."""
    from remit.kernel.action import Action
    from remit.kernel.effects import Model, Wire
    from remit.kernel.ids import new_id
    from remit.kernel.money import ZERO
    from remit.models.catalogue import ProviderKind

    if at is None:
        return Action(new_id(), Model(provider.name, "", {}, operation=LIST), by, by, provider.workspace)
    wire = Wire.MESSAGES if provider.kind is ProviderKind.ANTHROPIC else Wire.CHAT
    body: dict[str, Json] = {"model": at.model, "max_tokens": 5}
    body["messages"] = [{"role": "user", "content": "Say: ready"}]
    price = ZERO if at.rate is None else at.rate.ceiling(50, 5)
    effect = Model(at.provider, at.model, body, wire=wire)
    return Action(new_id(), effect, by, by, at.workspace, estimate=price, priced=at.rate is not None)


COMMANDS = {"providers": providers}
