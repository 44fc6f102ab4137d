"""Changes of what is listed: models, their other names, who stands in for them, and what the workspace pays.

Each is a ``Change`` for ``models.orders.order``, which carries them out, all or none, and audits them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import orjson
from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from remit.kernel.canonical import Json
from remit.kernel.errors import InvalidInput, NotFound
from remit.models.capabilities import check_quality, check_words
from remit.models.catalogue import DEFAULT, priced_as
from remit.models.checks import (
    MOST_CONTEXT,
    MOST_ORDER,
    MOST_WEIGHT,
    model_name,
    provider_name,
    public_name,
    within,
)
from remit.models.orders import Bench, Values, known
from remit.models.prices import SERVICE, TOOL, Rate
from remit.models.services import PLAIN
from remit.models.tables import ALIAS, DEPLOYMENT, PRICE

MOST_FALLBACKS = 8
_WORD = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")

# --------------------------------------------------------------------------------------------------------- deployments

_HERE = (
    DEPLOYMENT.c.workspace == bindparam("of"),
    DEPLOYMENT.c.name == bindparam("called"),
    DEPLOYMENT.c.provider == bindparam("at"),
    DEPLOYMENT.c.model == bindparam("asks"),
)
_DEPLOYMENT = select(DEPLOYMENT).where(*_HERE)
_NAMED = select(DEPLOYMENT).where(DEPLOYMENT.c.workspace == bindparam("of"), DEPLOYMENT.c.name == bindparam("called"))
_PUT_DEPLOYMENT = insert(DEPLOYMENT)
_SET_DEPLOYMENT = _PUT_DEPLOYMENT.on_conflict_do_update(
    index_elements=["workspace", "name", "provider", "model"],
    set_={
        name: _PUT_DEPLOYMENT.excluded[name]
        for name in ("weight", "tier", "capabilities", "quality", "context", "set_by", "set_us")
    },
)
_DROP_DEPLOYMENT = delete(DEPLOYMENT).where(*_HERE)


@dataclass(frozen=True, slots=True)
class SetDeployment:
    """List a model under a public name, or change how. ``None``: as the shipped table and prices know it."""

    name: str
    provider: str
    model: str
    weight: int = 1
    order: int = 0
    capabilities: frozenset[str] | None = None
    quality: int | None = None
    context: int | None = None
    verb = "listed"

    @property
    def subject(self) -> str:
        """The public name."""
        return self.name

    def make(self, bench: Bench) -> dict[str, Json] | None:
        """As ``Change``."""
        words = None if self.capabilities is None else " ".join(sorted(check_words(self.capabilities)))
        values: Values = {
            "name": public_name(self.name),
            "provider": provider_name(self.provider),
            "model": model_name(self.model),
            "weight": within(self.weight, MOST_WEIGHT, "weight"),
            "tier": within(self.order, MOST_ORDER, "order"),
            "capabilities": words,
            "quality": None if self.quality is None else check_quality(self.quality),
            "context": None if self.context is None else within(self.context, MOST_CONTEXT, "context"),
        }
        known(bench, self.provider)
        at = {"of": bench.workspace, "called": self.name, "at": self.provider, "asks": self.model}
        row = bench.tx.row(_DEPLOYMENT, at)
        if row is not None and all(row[name] == value for name, value in values.items()):
            return None
        bench.put(_SET_DEPLOYMENT, values)
        told: dict[str, Json] = {"provider": self.provider, "model": self.model}
        told |= {"weight": self.weight, "order": self.order, "capabilities": words}
        return told | {"quality": self.quality, "context": self.context, "new": row is None}


@dataclass(frozen=True, slots=True)
class RemoveDeployment:
    """Take a name's models off the list: all, or the one at ``provider``, ``model``."""

    name: str
    provider: str = ""
    model: str = ""
    verb = "unlisted"

    @property
    def subject(self) -> str:
        """The public name."""
        return self.name

    def make(self, bench: Bench) -> dict[str, Json] | None:
        """As ``Change``."""
        rows = [
            row
            for row in bench.tx.rows(_NAMED, {"of": bench.workspace, "called": self.name})
            if self.provider in {"", row["provider"]} and self.model in {"", row["model"]}
        ]
        if not rows:
            message = f"Nothing like that is listed under {self.name[:64]!r}."
            raise NotFound(message, code="models.unknown", hint="remit models list")
        for row in rows:
            at = {"of": bench.workspace, "called": self.name, "at": row["provider"], "asks": row["model"]}
            bench.tx.execute(_DROP_DEPLOYMENT, at)
        return {"targets": [f"{row['provider']}/{row['model']}" for row in rows]}


# --------------------------------------------------------------------------------------------------------------- names

_ITS = (ALIAS.c.workspace == bindparam("of"), ALIAS.c.name == bindparam("called"))
_PLACED = select(ALIAS.c.place, ALIAS.c.target).where(*_ITS)
_PUT_NAME = insert(ALIAS)
_DROP_ALIAS = delete(ALIAS).where(*_ITS, ALIAS.c.place == 0)
_DROP_FALLBACKS = delete(ALIAS).where(*_ITS, ALIAS.c.place > 0)


@dataclass(frozen=True, slots=True)
class SetAlias:
    """Give a model another name; ``target`` empty: take the name away. ``default`` is asked when no model is named."""

    name: str
    target: str

    @property
    def verb(self) -> str:
        """What happened."""
        return "alias.set" if self.target else "alias.removed"

    @property
    def subject(self) -> str:
        """The alias."""
        return self.name

    def make(self, bench: Bench) -> dict[str, Json] | None:
        """As ``Change``."""
        if self.name != DEFAULT:
            public_name(self.name)
        at = {"of": bench.workspace, "called": self.name}
        before = next((row["target"] for row in bench.tx.rows(_PLACED, at) if row["place"] == 0), "")
        if before == self.target:
            if self.target:
                return None
            message = f"There is no alias {self.name[:64]!r}."
            raise NotFound(message, code="models.unknown", hint="remit models list")
        bench.tx.execute(_DROP_ALIAS, at)
        if self.target:
            bench.put(_PUT_NAME, {"name": self.name, "place": 0, "target": self.target})
        return {"target": self.target, "before": before}


@dataclass(frozen=True, slots=True)
class SetFallbacks:
    """Say which names are asked, in order, when nobody of ``name`` answers; none: nobody stands in."""

    name: str
    targets: tuple[str, ...]
    verb = "fallback.set"

    @property
    def subject(self) -> str:
        """The name."""
        return self.name

    def make(self, bench: Bench) -> dict[str, Json] | None:
        """As ``Change``."""
        if len(self.targets) > MOST_FALLBACKS or len(set(self.targets)) < len(self.targets):
            message = f"A model has at most {MOST_FALLBACKS} fallbacks, each once."
            raise InvalidInput(message, code="models.fallback", hint="remit models fallback --help")
        at = {"of": bench.workspace, "called": self.name}
        placed = {row["place"]: row["target"] for row in bench.tx.rows(_PLACED, at) if row["place"]}
        if tuple(placed[place] for place in sorted(placed)) == self.targets:
            return None
        bench.tx.execute(_DROP_FALLBACKS, at)
        for place, target in enumerate(self.targets, 1):
            bench.put(_PUT_NAME, {"name": self.name, "place": place, "target": target})
        return {"targets": list(self.targets)}


# -------------------------------------------------------------------------------------------------------------- prices

_THERE = (PRICE.c.workspace == bindparam("of"), PRICE.c.provider == bindparam("at"), PRICE.c.model == bindparam("asks"))
_PRICE = select(PRICE.c.body).where(*_THERE)
_PUT_PRICE = insert(PRICE)
_SET_PRICE = _PUT_PRICE.on_conflict_do_update(
    index_elements=["workspace", "provider", "model"],
    set_={name: _PUT_PRICE.excluded[name] for name in ("body", "set_by", "set_us")},
)
_DROP_PRICE = delete(PRICE).where(*_THERE)


@dataclass(frozen=True, slots=True)
class SetPrice:
    """Set the workspace's own price of a model at a provider; ``None``: the shipped one holds again, if any.

    ``term``: the price not of its tokens in general, but of a service tier (``service:NAME``) or of a tool that the
    provider runs (``tool:NAME``, whose rate is that of one use: ``prices.fee_of``).
    """

    provider: str
    model: str
    rate: Rate | None
    term: str = ""

    @property
    def verb(self) -> str:
        """What happened."""
        return "price.removed" if self.rate is None else "price.set"

    @property
    def subject(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"

    def make(self, bench: Bench) -> dict[str, Json] | None:
        """As ``Change``."""
        known(bench, self.provider)
        kept_as = priced_as(model_name(self.model), _term(self.term))
        of: dict[str, Json] = {"of": self.term} if self.term else {}
        at = {"of": bench.workspace, "at": self.provider, "asks": kept_as}
        row = bench.tx.row(_PRICE, at)
        if self.rate is None:
            if row is None:
                message = f"The workspace has no price of its own for {self.subject[:80]!r}."
                raise NotFound(message, code="models.price", hint="remit models list")
            bench.tx.execute(_DROP_PRICE, at)
            return {**of, "before": orjson.loads(row["body"])}
        body = orjson.dumps(self.rate.as_json()).decode()
        if row is not None and row["body"] == body:
            return None
        bench.put(_SET_PRICE, {"provider": self.provider, "model": kept_as, "body": body})
        return {**of, "price": self.rate.as_json(), "before": None if row is None else orjson.loads(row["body"])}


def term_of(service: str, tool: str) -> str:
    """What ``SetPrice.term`` calls a service tier or a tool; empty: neither is named."""
    return f"{TOOL}:{tool}" if tool else f"{SERVICE}:{service}" if service else ""


def _term(term: str) -> str:
    kind, _, name = term.partition(":")
    if term and not (kind in {SERVICE, TOOL} and _WORD.fullmatch(name) and name not in PLAIN):
        message = f"{name[:40]!r} names no service tier or tool: lower-case letters, digits, . _ and -."
        raise InvalidInput(message, code="models.price", hint="remit models price --help")
    return term
