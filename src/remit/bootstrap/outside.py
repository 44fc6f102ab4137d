"""The adapters of one runtime: who performs each kind of effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from remit.adapters.agents.wiring import wire_agents
from remit.adapters.fetch import FetchAdapter
from remit.adapters.files.writing import FilesAdapter
from remit.adapters.notify import NotifyAdapter
from remit.adapters.providers.wiring import ModelCalls, model_calls
from remit.bootstrap.commands import Commands
from remit.bootstrap.deploys import Deploys
from remit.bootstrap.store import Store
from remit.guard.personal_terms import PersonalTerms
from remit.guard.secrets_provider import Secrets
from remit.kernel.clock import Clock
from remit.kernel.ports import Adapter
from remit.missions.pack import Pack
from remit.redact.redactor import Redactor
from remit.settings import Settings, words


@dataclass(frozen=True, slots=True)
class Outside:
    """Adapters by effect kind, and those of them that something else is wired to."""

    adapters: Mapping[str, Adapter]
    deploys: Deploys
    fetcher: FetchAdapter
    calls: ModelCalls


def make_outside(
    settings: Settings,
    store: Store,
    *,
    vault: Secrets,
    redactor: Redactor,
    personal: PersonalTerms,
    clock: Clock,
    process: str,
    packs: Mapping[str, Pack],
    more: Mapping[str, Adapter],
) -> Outside:
    """The shipped adapters, replaced or joined by ``more``, for the executor ``process``."""
    commands = Commands(store, clock, settings, vault)
    deploys = Deploys(store, clock, settings, commands)
    fetcher = FetchAdapter()
    calls = model_calls(store, clock, process=process, secrets=vault, redactor=redactor, personal=personal.concern)
    adapters: dict[str, Adapter] = {
        "files": FilesAdapter(),
        "command": commands,
        "deploy": deploys,
        "fetch": fetcher,
        "model": calls,
        "notify": NotifyAdapter(
            settings.notify,
            allow=words(settings.notify_allow),
            home=settings.home,
            clock=clock,
            register=redactor.register,
            resolve=vault.resolve_setting,
        ),
        **more,
    }
    wire_agents(adapters, packs=lambda: [packs[name] for name in packs if ":" in name], resolve=vault.resolve_tree)
    return Outside(adapters, deploys, fetcher, calls)
