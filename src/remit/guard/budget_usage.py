"""Attempts that cost: who pays, one row each, opened with the intent and settled once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Text, bindparam, case, insert, update

from remit.accounts.budget_tables import USAGE
from remit.accounts.budgets import Hold, holds_text
from remit.kernel.action import Action, ActorKind
from remit.kernel.effects import Model, Tool
from remit.kernel.ports import Row, Tx
from remit.kernel.usage import NOTHING, Part, Usage

_AGENT = f"{ActorKind.AGENT.value}:"

#: Kinds of which every attempt has a row, what is free included: who asks what was called finds it here.
ALWAYS = frozenset({Model.trait.kind})

_OPEN = insert(USAGE)
_BILLED_BY, _BY_MODEL = bindparam("billed_by", type_=Text()), bindparam("by_model", type_=Text())
_SETTLED = (
    update(USAGE)
    .where(USAGE.c.action == bindparam("which"), USAGE.c.settled_us.is_(None))
    .values(
        provider=case((_BILLED_BY == "", USAGE.c.provider), else_=_BILLED_BY),
        model=case((_BY_MODEL == "", USAGE.c.model), else_=_BY_MODEL),
        priced=case((bindparam("cost") > 0, 1), else_=USAGE.c.priced),
        cost_micros=bindparam("cost"),
        tokens_micros=bindparam("for_tokens"),
        gpu_micros=bindparam("for_gpu"),
        storage_micros=bindparam("for_storage"),
        network_micros=bindparam("for_network"),
        tokens_in=bindparam("read"),
        tokens_out=bindparam("wrote"),
        gpu_ms=bindparam("gpu"),
        storage_bytes=bindparam("stored"),
        network_bytes=bindparam("sent"),
        tokens_cached=bindparam("cached"),
        tokens_cache_write=bindparam("put_in_cache"),
        estimated=bindparam("guessed"),
        kept=bindparam("again"),
        saved_micros=bindparam("saved"),
        terms=bindparam("on_terms"),
        settled_us=bindparam("at"),
    )
)
#: A limit that came while the attempt ran has written itself into ``holds``: then the row must be read.
_SETTLE_OPENED = _SETTLED.where(USAGE.c.holds == bindparam("as_opened"), USAGE.c.estimate_micros == bindparam("asked"))
_SETTLE = _SETTLED.returning(USAGE.c.estimate_micros, USAGE.c.holds, USAGE.c.opened_us)


class Opened(NamedTuple):
    """The row of an attempt as it was opened: what is reserved, in which limits, and since when."""

    estimate: int
    holds: tuple[Hold, ...]
    opened_us: int


class Payer(NamedTuple):  # a tuple, since each attempt makes two: a frozen dataclass takes three times as long
    """Whose money an attempt spends, and on what; the two parties as ``agent:coder``."""

    action: str
    workspace: str
    mission: str
    step: str
    attempt: int
    principal: str
    on_behalf_of: str
    kind: str
    provider: str = ""
    model: str = ""
    key: str = ""

    @property
    def agents(self) -> tuple[str, ...]:
        """The agents among the two parties, by name."""
        named = {self.principal, self.on_behalf_of}
        return tuple(sorted(who.removeprefix(_AGENT) for who in named if who.startswith(_AGENT)))


def payer_of(action: Action) -> Payer:
    """Who pays for ``action``. ``model`` is the model's name, or the tool's."""
    provider, model = "", ""
    if isinstance(action.effect, Model):
        provider, model = action.effect.provider, action.effect.model
    elif isinstance(action.effect, Tool):
        model = action.effect.name
    return Payer(
        action=action.id,
        workspace=action.workspace,
        mission=action.mission,
        step=action.step,
        attempt=action.attempt,
        principal=str(action.principal),
        on_behalf_of=str(action.on_behalf_of),
        kind=action.kind,
        provider=provider,
        model=model,
        key=action.key,
    )


def payer_of_row(row: Row) -> Payer:
    """As ``payer_of``, of an action's row."""
    return payer_of_usage({**row, "action": row["id"]})


def payer_of_usage(row: Row) -> Payer:
    """As ``payer_of``, of an attempt's row."""
    return Payer(
        action=row["action"],
        workspace=row["workspace"],
        mission=row["mission"],
        step=row["step"],
        attempt=row["attempt"],
        principal=row["principal"],
        on_behalf_of=row["on_behalf_of"],
        kind=row["kind"],
        key=row.get("key", ""),
    )


def open_usage(tx: Tx, payer: Payer, *, estimate: int, priced: bool, holds: Sequence[Hold], opened_us: int) -> None:
    """Write the row of an attempt that begins, with the limits that its estimate is reserved in."""
    row = _row(payer, estimate=estimate, priced=priced, holds=holds, opened_us=opened_us)
    tx.put(_OPEN, {**row, **_NO_AMOUNTS, "settled_us": None})


def settle_usage(tx: Tx, payer: Payer, *, cost: int, usage: Usage, now_us: int) -> Row | None:
    """Settle an open row: its ``estimate_micros``, ``holds``, ``opened_us``. ``None``: there is none that is open."""
    return tx.row(_SETTLE, _settling(payer, cost=cost, usage=usage, now_us=now_us))


def settle_opened(tx: Tx, payer: Payer, opened: Opened, *, cost: int, usage: Usage, now_us: int) -> bool:
    """Settle a row that is as it was opened, with the rest of the batch; false: that can't wait, nothing is done."""
    values = _settling(payer, cost=cost, usage=usage, now_us=now_us)
    values |= {"as_opened": holds_text(opened.holds), "asked": opened.estimate}
    return tx.later(_SETTLE_OPENED, values, exact=True)


def _settling(payer: Payer, *, cost: int, usage: Usage, now_us: int) -> dict[str, object]:
    return {
        "which": payer.action,
        "billed_by": usage.provider,
        "by_model": usage.model,
        "cost": cost,
        "for_tokens": usage.tokens_cost.micros,
        "for_gpu": usage.gpu_cost.micros,
        "for_storage": usage.storage_cost.micros,
        "for_network": usage.network_cost.micros,
        "read": usage.tokens_in,
        "wrote": usage.tokens_out,
        "gpu": usage.gpu_ms,
        "stored": usage.storage_bytes,
        "sent": usage.network_bytes,
        "cached": usage.tokens_cached,
        "put_in_cache": usage.tokens_cache_write,
        "guessed": int(usage.estimated),
        "again": int(usage.kept),
        "saved": usage.saved.micros,
        "on_terms": usage.terms,
        "at": now_us,
    }


def add_settled(tx: Tx, payer: Payer, *, cost: int, usage: Usage, opened_us: int, now_us: int) -> None:
    """Write the row of an attempt that was expected to be free and was not."""
    row = _row(payer, estimate=0, priced=True, holds=(), opened_us=opened_us)
    row |= {"provider": usage.provider or payer.provider, "model": usage.model or payer.model, "terms": usage.terms}
    tx.execute(_OPEN, {**row, **_amounts(cost, usage), "settled_us": now_us})


def _row(payer: Payer, *, estimate: int, priced: bool, holds: Sequence[Hold], opened_us: int) -> dict[str, object]:
    return {
        "action": payer.action,
        "workspace": payer.workspace,
        "mission": payer.mission,
        "step": payer.step,
        "attempt": payer.attempt,
        "principal": payer.principal,
        "on_behalf_of": payer.on_behalf_of,
        "kind": payer.kind,
        "provider": payer.provider,
        "model": payer.model,
        "priced": int(priced),
        "estimate_micros": estimate,
        "holds": holds_text(holds),
        "opened_us": opened_us,
        "rolled": 0,
        "key": payer.key,
        "terms": "",
    }


def _amounts(cost: int, usage: Usage) -> dict[str, int]:
    shares = {f"{part.value}_micros": share.micros for part, share in usage.shares().items() if part is not Part.OTHER}
    return {
        "cost_micros": cost,
        **shares,
        **usage.quantities(),
        "tokens_cached": usage.tokens_cached,
        "tokens_cache_write": usage.tokens_cache_write,
        "estimated": int(usage.estimated),
        "kept": int(usage.kept),
        "saved_micros": usage.saved.micros,
    }


_NO_AMOUNTS = _amounts(0, NOTHING)
