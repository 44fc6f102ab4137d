"""The catalogue: which providers and models a workspace has, as one snapshot that nobody changes.

A *provider* is an address with a key. A *deployment* is one model at one provider under a *public name*; several may
share a name (other regions, other keys, other makers): ``order`` says which are asked first, ``weight`` how calls are
shared among equals. An *alias* is another name for a public name, a *fallback* the name that is asked when nobody of
a name answers. Any model of a provider can be asked as ``provider/model`` without being listed, and a well-known name
finds the providers of its maker: what a key may ask is the key's to say.

``Models`` reads one snapshot for each workspace, at most a second old, and gives no answer rather than an old one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

import orjson
from sqlalchemy import bindparam, select

from remit.kernel.clock import Clock
from remit.kernel.errors import Unavailable
from remit.kernel.ports import Journal, ReadTx, Row
from remit.models.capabilities import shipped
from remit.models.prices import Known, Rate, Rates, charged, read_rate
from remit.models.tables import ALIAS, DEPLOYMENT, PRICE, PROVIDER

OLDEST_S = 1.0
REFRESH_S = 0.7  # the first caller after this reads anew while the others still use what is known

LONGEST_NAME = 200
MOST_RESOLVED = 2048
AUTO = "auto"  # and auto:cheap, auto:fast, auto:best
DEFAULT = "default"  # the alias that is asked when nobody names a model

NOTHING: Mapping[str, str] = MappingProxyType({})
#: Of a model that the workspace priced no service tier and no tool of.
NO_TERMS: Mapping[str, Rate] = MappingProxyType({})

#: Own prices of service tiers and tools, by provider and model.
type Terms = Mapping[tuple[str, str], Mapping[str, Rate]]


class ProviderKind(StrEnum):
    """Whose interface a provider speaks."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    COMPATIBLE = "compatible"  # OpenAI's interface at any address: Ollama, vLLM, llama.cpp, another gateway


class ProviderStatus(StrEnum):
    """Whether a provider may be asked."""

    ACTIVE = "active"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Provider:
    """Where models are asked.

    Attributes:
        workspace: Whose it is.
        name: What it is called there, the first part of ``provider/model``.
        kind: The interface it speaks.
        base_url: Up to and with the version (``https://api.openai.com/v1``), without a slash at its end.
        key: ``secret://NAME``, or empty where none is wanted.
        headers: Sent with every call; a value may be a reference too.
        status: Paused ones are passed over.
    """

    workspace: str
    name: str
    kind: ProviderKind
    base_url: str
    key: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    status: ProviderStatus = ProviderStatus.ACTIVE

    @property
    def paused(self) -> bool:
        """Whether nobody may ask it now."""
        return self.status is ProviderStatus.PAUSED


@dataclass(frozen=True, slots=True)
class Deployment:
    """One model at one provider, under one public name.

    Attributes:
        workspace: Whose it is.
        name: The public name; of one that nobody listed, ``provider/model``.
        provider: The provider's name.
        model: The provider's own name of the model.
        weight: Its share of the calls among those of its order; 0: only when no other is left.
        order: Lower ones are asked first.
        capabilities: What it can do, in the words of ``models/capabilities.py``.
        quality: 0 to 100, Remit's own coarse tiers unless the workspace set another.
        context: Tokens that a request and its answer may have together; 0: not known.
        prices: The workspace's own, if it set any.
        rate: What a token costs; ``None``: nobody knows, which is never free.
        listed: Whether a person listed it; otherwise it follows from its provider alone.
        known: Whether anybody said what it can do; without, ``capabilities`` is empty and nothing follows from that.
    """

    workspace: str
    name: str
    provider: str
    model: str
    weight: int = 1
    order: int = 0
    capabilities: frozenset[str] = frozenset()
    quality: int = 0
    context: int = 0
    prices: Rate | None = None
    rate: Rate | None = None
    listed: bool = True
    known: bool = False
    target: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """``target`` is ``provider/model``: what the guard, the circuits and the health figures call it."""
        object.__setattr__(self, "target", f"{self.provider}/{self.model}")


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a name means: ``groups`` are asked one after the other, the name's own first, then its fallbacks'.

    ``asked`` is the name after an alias, which is ``alias``. Without groups it is one of ``auto``.
    """

    asked: str
    groups: tuple[tuple[Deployment, ...], ...]
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything of one workspace, as it stood at one moment.

    Attributes:
        workspace: Whose it is.
        providers: By name.
        deployments: By public name, those of the lowest order first.
        aliases: Another name → public name; ``default`` is what is asked when nobody names a model.
        fallbacks: Public name → names that are asked after it, in order.
        prices: The workspace's own, by provider and model.
        terms: The workspace's own prices of service tiers and tools, by provider and model, then ``service:NAME`` or
            ``tool:NAME``.
        read_at: Monotonic seconds when the read began.
    """

    workspace: str
    providers: Mapping[str, Provider] = field(default_factory=dict[str, Provider])
    deployments: Mapping[str, tuple[Deployment, ...]] = field(default_factory=dict[str, tuple[Deployment, ...]])
    aliases: Mapping[str, str] = NOTHING
    fallbacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    prices: Mapping[tuple[str, str], Rate] = field(default_factory=dict[tuple[str, str], Rate])
    read_at: float = 0.0
    terms: Terms = field(default_factory=dict[tuple[str, str], dict[str, Rate]])
    _resolved: dict[str, Resolved | None] = field(
        default_factory=dict[str, "Resolved | None"], init=False, repr=False, compare=False
    )
    _rates: Rates | None = field(default=None, repr=False, compare=False)

    def resolve(self, name: str) -> Resolved | None:
        """The deployments that a name means, and those of its fallbacks; ``None``: nobody's name.

        In this order: a public name or alias; ``provider/model``; a well-known model of a provider's maker. Answered
        from memory after the first time.
        """
        try:
            return self._resolved[name]
        except KeyError:
            pass
        found = self._resolve(name) if 0 < len(name) <= LONGEST_NAME else None
        if len(self._resolved) >= MOST_RESOLVED:  # callers invent names: those of real models come back at once
            self._resolved.clear()
        self._resolved[name] = found
        return found

    def deployment(self, target: str) -> Deployment | None:
        """The deployment that the guard calls ``provider/model``; ``None``: no such provider."""
        found = self.resolve(target)
        return found.groups[0][0] if found is not None and found.groups else None

    def listed(self) -> tuple[Deployment, ...]:
        """Every deployment that a person listed: what ``auto`` chooses from."""
        return tuple(deployment for group in self.deployments.values() for deployment in group)

    def names(self) -> tuple[str, ...]:
        """Public names and aliases, sorted: what ``/v1/models`` lists."""
        return tuple(sorted({*self.deployments, *self.aliases}))

    def _resolve(self, name: str) -> Resolved | None:
        alias, asked = "", name
        if name not in self.deployments and name in self.aliases:
            alias, asked = name, self.aliases[name]
        group = self._group(asked)
        if not group:
            return None if not asked.startswith(AUTO) else Resolved(asked, (), alias)
        then = self.fallbacks.get(name) or self.fallbacks.get(asked, ())
        after = tuple(self._group(self.aliases.get(each, each)) for each in then)
        return Resolved(asked, (group, *(each for each in after if each)), alias)

    def _group(self, name: str) -> tuple[Deployment, ...]:
        if name in self.deployments:
            return self.deployments[name]
        return self._at(name) or self._well_known(name)

    def _at(self, target: str) -> tuple[Deployment, ...]:
        """Those listed for ``provider/model``, or the one that follows from its provider."""
        provider, slash, model = target.partition("/")
        if not (slash and model and provider in self.providers):
            return ()
        listed = tuple(each for each in self.listed() if each.target == target)
        return listed or (self._implied(self.providers[provider], model, target),)

    def _well_known(self, name: str) -> tuple[Deployment, ...]:
        trait = shipped(name)
        if trait is None or not trait.maker or "/" in name:
            return ()
        makers = (each for _, each in sorted(self.providers.items()) if each.kind == trait.maker)
        return tuple(self._implied(provider, name, name) for provider in makers)

    def _implied(self, provider: Provider, model: str, name: str) -> Deployment:
        plain = Deployment(self.workspace, name, provider.name, model, quality=-1, context=-1, listed=False)
        at = (provider.name, model)
        return informed(plain, provider, self.prices.get(at), self._rates, terms=self.terms.get(at, NO_TERMS))


def informed(
    plain: Deployment,
    provider: Provider,
    own: Rate | None,
    rates: Rates | None,
    *,
    terms: Mapping[str, Rate] = NO_TERMS,
) -> Deployment:
    """A deployment with what is known of its model, where nobody said otherwise."""
    trait = shipped(plain.model)
    found = rates.known(provider.kind.value, plain.model, base_url=provider.base_url) if rates is not None else Known()
    return replace(
        plain,
        capabilities=plain.capabilities if plain.known or trait is None else trait.capabilities,
        known=plain.known or trait is not None,
        quality=plain.quality if plain.quality >= 0 else (0 if trait is None else trait.quality),
        context=plain.context if plain.context >= 0 else found.context,
        prices=own,
        rate=charged(own, found.rate, terms),
    )


# ------------------------------------------------------------------------------------------------------------- reading

_PROVIDERS = select(PROVIDER).where(PROVIDER.c.workspace == bindparam("of")).order_by(PROVIDER.c.name)
_DEPLOYMENTS = (
    select(DEPLOYMENT)
    .where(DEPLOYMENT.c.workspace == bindparam("of"))
    .order_by(DEPLOYMENT.c.name, DEPLOYMENT.c.tier, DEPLOYMENT.c.provider, DEPLOYMENT.c.model)
)
_ALIASES = select(ALIAS).where(ALIAS.c.workspace == bindparam("of")).order_by(ALIAS.c.name, ALIAS.c.place)
_PRICES = select(PRICE).where(PRICE.c.workspace == bindparam("of"))


def read_provider(row: Row) -> Provider:
    """A provider from its row."""
    headers = tuple((str(name), str(value)) for name, value in orjson.loads(row["headers"]))
    return Provider(
        row["workspace"],
        row["name"],
        ProviderKind(row["kind"]),
        row["base_url"],
        row["key"],
        headers,
        ProviderStatus(row["status"]),
    )


def read_catalogue(tx: ReadTx, workspace: str, *, rates: Rates | None = None, read_at: float = 0.0) -> Catalogue:
    """A workspace's catalogue in one snapshot. Without ``rates`` nothing has a price but what the workspace priced."""
    of = {"of": workspace}
    providers = {row["name"]: read_provider(row) for row in tx.rows(_PROVIDERS, of)}
    prices, terms = _prices(tx.rows(_PRICES, of))
    groups: dict[str, tuple[Deployment, ...]] = {}
    for row in tx.rows(_DEPLOYMENTS, of):
        provider = providers.get(row["provider"])
        if provider is not None:
            at = (row["provider"], row["model"])
            made = informed(_deployment(row), provider, prices.get(at), rates, terms=terms.get(at, NO_TERMS))
            groups[made.name] = (*groups.get(made.name, ()), made)
    aliases: dict[str, str] = {}
    fallbacks: dict[str, tuple[str, ...]] = {}
    for row in tx.rows(_ALIASES, of):
        if row["place"]:
            fallbacks[row["name"]] = (*fallbacks.get(row["name"], ()), row["target"])
        else:
            aliases[row["name"]] = row["target"]
    return Catalogue(workspace, providers, groups, aliases, fallbacks, prices, read_at, terms, _rates=rates)


def _prices(rows: Sequence[Row]) -> tuple[dict[tuple[str, str], Rate], dict[tuple[str, str], dict[str, Rate]]]:
    """The workspace's own prices of tokens, and of what stands behind a space in their name (``priced_as``)."""
    prices: dict[tuple[str, str], Rate] = {}
    terms: dict[tuple[str, str], dict[str, Rate]] = {}
    for row in rows:
        model, _, term = row["model"].partition(" ")
        rate = read_rate(orjson.loads(row["body"]))
        if term:
            terms.setdefault((row["provider"], model), {})[term] = rate
        else:
            prices[row["provider"], model] = rate
    return prices, terms


def priced_as(model: str, term: str) -> str:
    """What a model's price of a term is kept as; a provider's name of a model has no space."""
    return f"{model} {term}" if term else model


def _deployment(row: Row) -> Deployment:
    words = row["capabilities"]
    return Deployment(
        row["workspace"],
        row["name"],
        row["provider"],
        row["model"],
        weight=row["weight"],
        order=row["tier"],
        capabilities=frozenset((words or "").split()),
        known=words is not None,
        quality=-1 if row["quality"] is None else row["quality"],
        context=-1 if row["context"] is None else row["context"],
    )


class Models:
    """The catalogues that a process knows, each read at most once at a time. Ages count from before a read began.

    Args:
        journal: Where they stand.
        clock: Monotonic.
        rates: Prices; their data is imported with the first catalogue, in a thread.
    """

    def __init__(self, journal: Journal, clock: Clock, rates: Rates) -> None:
        self.rates = rates
        self._journal = journal
        self._clock = clock
        self._known: dict[str, Catalogue] = {}
        self._reading: dict[str, asyncio.Task[Catalogue]] = {}
        self._forgotten: Counter[str] = Counter()

    def fresh(self, workspace: str) -> Catalogue | None:
        """What is known, if it is fresh enough and nobody needs to read anew; costs no await."""
        known = self._known.get(workspace)
        if known is None:
            return None
        age = self._clock.monotonic() - known.read_at
        if age <= REFRESH_S:
            return known
        if age <= OLDEST_S:
            self._read(workspace)  # the others go on with what is known
            return known
        return None

    async def catalogue(self, workspace: str) -> Catalogue:
        """A catalogue at most a second old.

        Raises:
            Unavailable: It can't be read: then nobody is routed anywhere.
        """
        known = self.fresh(workspace)
        if known is not None:
            return known
        try:
            return await asyncio.shield(self._read(workspace))
        except Exception as error:
            message = f"The catalogue of models can't be read: {error}"
            raise Unavailable(message, code="models.unreadable", hint="remit doctor") from error

    def forget(self, workspace: str) -> None:
        """Read anew at the next question: after an order in this process. What is being read now is not kept."""
        self._forgotten[workspace] += 1
        self._known.pop(workspace, None)
        self._reading.pop(workspace, None)

    def _read(self, workspace: str) -> asyncio.Task[Catalogue]:
        task = self._reading.get(workspace)
        if task is None or task.get_loop() is not asyncio.get_running_loop():
            task = asyncio.create_task(self._anew(workspace))
            self._reading[workspace] = task
            task.add_done_callback(lambda done: self._done(workspace, done))
        return task

    def _done(self, workspace: str, task: asyncio.Task[Catalogue]) -> None:
        if self._reading.get(workspace) is task:
            del self._reading[workspace]
        if not task.cancelled():
            task.exception()  # whoever waits hears of it; a read ahead of need has nobody to tell

    async def _anew(self, workspace: str) -> Catalogue:
        await asyncio.to_thread(self.rates.known, ProviderKind.OPENAI.value, "gpt-4o")  # imports the data, once
        read_at, forgotten = self._clock.monotonic(), self._forgotten[workspace]
        found = await self._journal.read(lambda tx: read_catalogue(tx, workspace, rates=self.rates, read_at=read_at))
        known = self._known.get(workspace)
        if self._forgotten[workspace] == forgotten and (known is None or known.read_at <= read_at):
            self._known[workspace] = found
        return found
