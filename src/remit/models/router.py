"""Which deployment answers: the cheapest that can do it, is good enough, is allowed, and fits the budget.

A name leads to one deployment, to several that share it, or (``auto``) to every one that is listed. Those that may not
or can not answer are left out, each with its reason; the others are put in order. The first is asked; the others stand
in, in that order, before the first byte. Nothing here waits or reads: the catalogue is a snapshot, and circuits and
latencies are asked of functions that answer from memory.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from remit.kernel.errors import BudgetExceeded, Denied, InvalidInput, NotFound, RemitError, Unavailable
from remit.kernel.money import Money
from remit.models.capabilities import shipped
from remit.models.catalogue import AUTO, DEFAULT, Catalogue, Deployment, ProviderKind, Resolved

MOST_CANDIDATES = 8
#: How ``auto`` chooses.
MODES = ("cheap", "fast", "best")
_DEAR = 1 << 62  # in micros: what nobody knows the price of comes after everything that has one

type Ask = Callable[[str, str], bool]
type Latency = Callable[[str, str], float | None]


@dataclass(frozen=True, slots=True)
class Want:
    """What a call needs.

    Attributes:
        name: As the caller wrote it: ``provider/model``, a public name, an alias, ``auto``, ``auto:cheap``,
            ``auto:fast``, ``auto:best``; empty: the workspace's default.
        needs: Capabilities that it takes; without ``embeddings`` it is a chat.
        tokens_in: Tokens of the request, by estimate.
        max_out: Tokens that the answer may have.
        left: What is left of the budget; ``None``: no budget bounds it.
        allowed: Patterns (``*``, ``?``) of the key or agent, on public names and on ``provider/model``; empty: nothing.
        quality: The least quality, for ``auto``.
        unpriced: Whether a model whose price nobody knows may be taken (the policy ``unknown_price``).
        kinds: Kinds of providers that can be asked in this interface; empty: any.
    """

    name: str
    needs: frozenset[str] = frozenset()
    tokens_in: int = 0
    max_out: int = 0
    left: Money | None = None
    allowed: tuple[str, ...] = ("*",)
    quality: int = 0
    unpriced: bool = True
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Judged:
    """A deployment and what was found: ``flaw`` says in one word why it is left out, ``price`` is the most it costs."""

    deployment: Deployment
    flaw: str = ""
    detail: str = ""
    price: Money | None = None
    first_byte_s: float | None = None

    def __str__(self) -> str:
        """One line for a person."""
        at = self.deployment
        if self.flaw:
            return f"{at.target}: left out, {self.detail}"
        price = "nobody knows its price" if self.price is None else f"at most {self.price}"
        speed = "" if self.first_byte_s is None else f", first byte after {self.first_byte_s:.2f} s"
        return f"{at.target} ({at.name}): {price}, quality {at.quality}{speed}"


@dataclass(frozen=True, slots=True)
class Route:
    """Who is asked, in order: the first, then those that may stand in before the first byte."""

    candidates: tuple[Deployment, ...]
    asked: str
    mode: str
    judged: tuple[Judged, ...]

    @property
    def why(self) -> tuple[str, ...]:
        """The choice, line by line; made when somebody reads it."""
        head = f"{self.asked}: {_HOW[self.mode]}"
        chosen = [f"{place}. {each}" for place, each in enumerate((j for j in self.judged if not j.flaw), 1)]
        return (head, *chosen, *(f"-  {each}" for each in self.judged if each.flaw))


_HOW = {
    "": "those of the name, lowest order first, then the cheapest, then by weight; then its fallbacks",
    "cheap": "the cheapest that fits",
    "fast": "the quickest to its first byte that fits, then the cheapest",
    "best": "the best that fits, then the cheapest",
}


class Router:
    """Any thread may ask; it holds nothing but the functions that it was given.

    Args:
        refuses: Whether the circuit of (workspace, ``provider/model``) would refuse a call now. One that may be tried
            again must answer false: only a call closes it.
        latency: Seconds to the first byte, lately, of (workspace, ``provider/model``); ``None``: not known.
        rand: Numbers in [0, 1), for weights.
    """

    def __init__(
        self,
        *,
        refuses: Ask = lambda _workspace, _target: False,
        latency: Latency = lambda _workspace, _target: None,
        rand: Callable[[], float],
    ) -> None:
        self._refuses = refuses
        self._latency = latency
        self._rand = rand

    def route(self, catalogue: Catalogue, want: Want) -> Route:
        """Who is asked for a call, at least one.

        Raises:
            NotFound: Nobody has such a name (``models.unknown``).
            Denied: The key or agent may not ask it (``models.not_allowed``).
            InvalidInput: No model of the name can do it, is good enough, or takes so many tokens (``models.unfit``).
            BudgetExceeded: All cost more than what is left (``models.too_dear``), or nobody knows their price and
                policy refuses that (``models.unpriced``).
            Unavailable: All are paused or their circuits are open (``models.unavailable``).
        """
        resolved, mode = _resolve(catalogue, want)
        groups = resolved.groups or (catalogue.listed(),)
        needs = want.needs if "embeddings" in want.needs else want.needs | _CHAT
        judged: list[Judged] = []
        fit: list[Judged] = []
        seen: set[str] = set()
        for group in groups:
            found = [self._judge(catalogue, want, each, needs=needs, asked=resolved, mode=mode) for each in group]
            good = [each for each in found if not each.flaw]
            judged.extend(each for each in found if each.flaw)
            for each in self._ordered(good, mode) if len(good) > 1 else good:
                if each.deployment.target not in seen:
                    seen.add(each.deployment.target)
                    fit.append(each)
        if not fit:
            raise _none(resolved, want, judged)
        del fit[MOST_CANDIDATES:]
        chosen = tuple([each.deployment for each in fit])
        return Route(chosen, want.name or DEFAULT, mode, (*fit, *judged))

    def _judge(
        self,
        catalogue: Catalogue,
        want: Want,
        at: Deployment,
        *,
        needs: frozenset[str],
        asked: Resolved,
        mode: str,
    ) -> Judged:
        if not _may(want.allowed, at, asked):
            return Judged(at, "not_allowed", "the key or agent may not ask it")
        provider = catalogue.providers[at.provider]
        lack = _lack(want, at, needs=needs, kind=provider.kind, mode=mode)
        if lack:
            return Judged(at, "unfit", lack)
        price = None if at.rate is None else at.rate.ceiling(want.tokens_in, want.max_out)
        if price is None:
            if not want.unpriced:
                return Judged(at, "unpriced", "nobody knows its price")
        elif want.left is not None and price.micros > want.left.micros:
            return Judged(at, "too_dear", f"it may cost {price}, and {want.left} are left", price)
        if provider.paused or self._refuses(at.workspace, at.target):
            why = f"the provider {at.provider} is paused" if provider.paused else "its circuit is open"
            return Judged(at, "unavailable", why)
        return Judged(at, "", "", price, self._latency(at.workspace, at.target))

    def _ordered(self, good: list[Judged], mode: str) -> list[Judged]:
        """Best first. Equals are drawn one after the other, each with its weight's chance (Efraimidis and Spirakis)."""

        def place(each: Judged) -> tuple[float, float, float, float]:
            at = each.deployment
            price = _DEAR if each.price is None else each.price.micros
            speed = float("inf") if each.first_byte_s is None else each.first_byte_s
            draw = -(self._rand() ** (1 / at.weight)) if at.weight else 1.0
            match mode:
                case "fast":
                    return speed, price, at.order, draw
                case "best":
                    return -at.quality, price, at.order, draw
                case "cheap":
                    return price, -at.quality, at.order, draw
                case _:
                    return at.order, not at.weight, price, draw

        return sorted(good, key=place)


_CHAT = frozenset({"chat"})


def _resolve(catalogue: Catalogue, want: Want) -> tuple[Resolved, str]:
    """What a name means, and how to choose among it (empty: as a name's deployments are)."""
    name = want.name or DEFAULT
    resolved = catalogue.resolve(name)
    asked = name if resolved is None else resolved.asked
    auto, _, mode = asked.partition(":")
    if auto == AUTO and (resolved is None or not resolved.groups):
        if (mode or MODES[0]) in MODES and catalogue.deployments:
            return Resolved(asked, (), "" if resolved is None else resolved.alias), mode or MODES[0]
        if catalogue.deployments:
            message = f"{asked[:60]!r} is no way to choose: write auto, or auto: with one of {', '.join(MODES)}."
        else:
            message = "There is nothing to choose from: auto takes models that were listed with `remit models add`."
        raise NotFound(message, code="models.unknown", hint="remit models list")
    if resolved is not None:
        return resolved, ""
    if not want.name:
        message = "No model was named, and the workspace has no default."
        raise NotFound(message, code="models.unknown", hint="remit models alias default NAME")
    matches = _matcher(want.allowed)
    near = difflib.get_close_matches(name[:80], [known for known in catalogue.names() if matches(known)], 1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    message = f"There is no model {name[:80]!r} in the workspace {catalogue.workspace!r}.{guess}"
    trait = None if near or "/" in name else shipped(name)
    if trait is not None and trait.maker:
        message += f" It is one of {trait.maker}'s, and no provider of that kind is here."
        hint = f"remit providers add {trait.maker} --key secret://NAME"
        raise NotFound(message, code="models.unknown", hint=hint)
    raise NotFound(message, code="models.unknown", hint="remit models list")


def _lack(want: Want, at: Deployment, *, needs: frozenset[str], kind: ProviderKind, mode: str) -> str:
    """What a deployment lacks for a call; empty: nothing. What nobody knows of a model that was named lacks nothing."""
    if want.kinds and kind not in want.kinds:
        return f"a provider of kind {kind} has no such interface: ask it by chat or messages"
    if (at.known or mode) and not needs <= at.capabilities:
        return f"it has no {', '.join(sorted(needs - at.capabilities))}"
    if mode and at.quality < want.quality:
        return f"its quality is {at.quality}, below {want.quality}"
    tokens = want.tokens_in + want.max_out
    if 0 < at.context < tokens:
        return f"it takes {at.context:,} tokens, request and answer have {tokens:,}"
    return ""


def _may(allowed: tuple[str, ...], at: Deployment, asked: Resolved) -> bool:
    """By public name, by ``provider/model``, or by the alias that a person gave it."""
    if "*" in allowed:
        return True
    matches = _matcher(allowed)
    if matches(at.name) or matches(at.target):
        return True
    return bool(asked.alias) and at in (asked.groups[0] if asked.groups else ()) and matches(asked.alias)


@lru_cache(1024)
def _matcher(allowed: tuple[str, ...]) -> Callable[[str], bool]:
    if not allowed:
        return lambda _name: False
    pattern = re.compile("|".join(fnmatch.translate(each) for each in allowed))

    @lru_cache(256)
    def matches(name: str) -> bool:
        return pattern.match(name) is not None

    return matches


def _none(resolved: Resolved, want: Want, judged: list[Judged]) -> RemitError:
    """Why nobody can be asked: the flaw nearest to success, for that is the one to mend."""
    asked = (want.name or resolved.asked)[:80]
    for flaw in ("unavailable", "too_dear", "unpriced", "unfit", "not_allowed"):
        found = [each for each in judged if each.flaw == flaw]
        if found:
            break
    else:
        return NotFound(f"Nothing is listed under {asked!r}.", code="models.unknown", hint="remit models list")
    told = "; ".join(f"{each.deployment.target}: {each.detail}" for each in found[:3])
    code = f"models.{flaw}"
    hint = "remit models list"
    match flaw:
        case "unavailable":
            return Unavailable(f"Nobody answers for {asked!r} now: {told}.", code=code, hint="remit models health")
        case "too_dear":
            return BudgetExceeded(f"{asked!r} would pass what is left: {told}.", code=code, hint="remit budget")
        case "unpriced":
            message = f"{asked!r} is refused, for the price is not known: {told}."
            return BudgetExceeded(message, code=code, hint="remit models price --help")
        case "unfit":
            return InvalidInput(f"No model of {asked!r} can do it: {told}.", code=code, hint=hint)
        case _:
            return Denied(f"{asked!r} may not be asked: the key or agent has no leave for it.", code=code, hint=hint)
