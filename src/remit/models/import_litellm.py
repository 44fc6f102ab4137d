"""A LiteLLM proxy's configuration, read into orders: what is taken, what is changed, what has no counterpart here.

Nothing of the file is followed or resolved: no environment variable is read, no other file included, no address asked.
No key is copied: where the file names a variable the provider gets a reference to a secret of that name, and the report
says with which command to set it; where a key stands in the file itself, it says that too and repeats no part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from remit.guard.rules.marked import Listing, Malformed, Mapped, Node, Scalar, read_marked
from remit.kernel.canonical import Json
from remit.kernel.errors import InvalidInput, RemitError
from remit.kernel.plain import plain
from remit.kernel.references import SCHEME
from remit.models.capabilities import shipped
from remit.models.catalogue import Catalogue, Deployment, Provider, ProviderKind
from remit.models.checks import check_provider, model_name, public_name
from remit.models.import_notes import KEYS, PARAMS, SETTINGS
from remit.models.import_places import LeftOutError, place_of
from remit.models.orders import Change, SetProvider, check_whole
from remit.models.orders_listing import MOST_FALLBACKS, SetAlias, SetDeployment, SetFallbacks, SetPrice
from remit.models.prices import rate_of

_ABILITIES = {
    "supports_function_calling": "tools",
    "supports_vision": "vision",
    "supports_response_schema": "json_schema",
    "supports_reasoning": "thinking",
    "supports_audio_input": "audio",
}
_ENVIRONMENT = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]{0,99})")
#: What is shorter is no key: "none", "dummy", "EMPTY", which servers of one's own are given to be quiet.
LEAST_KEY = 12
_TRUE = frozenset({"true", "yes", "on"})


class Verdict(StrEnum):
    """What became of a line."""

    TAKEN = "taken"
    CHANGED = "changed"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """What became of one line of the file."""

    line: int
    verdict: Verdict
    text: str

    def as_json(self) -> dict[str, Json]:
        """For ``--json``."""
        return {"line": self.line, "verdict": self.verdict.value, "text": self.text}


@dataclass(frozen=True, slots=True)
class Import:
    """What a file comes to: orders, a report in the order of its lines, and secrets that have to be set."""

    changes: tuple[Change, ...]
    notes: tuple[Note, ...]
    secrets: tuple[str, ...]


@dataclass(slots=True)
class _Entry:
    """One entry of ``model_list`` as it is understood."""

    name: str
    provider: str
    model: str
    params: Mapped
    info: Mapped


@dataclass(slots=True)
class _Reading:
    known: Catalogue
    notes: list[Note] = field(default_factory=list[Note])
    providers: dict[str, Provider] = field(default_factory=dict[str, Provider])
    listed: dict[tuple[str, str, str], SetDeployment] = field(default_factory=dict[tuple[str, str, str], SetDeployment])
    prices: dict[str, SetPrice] = field(default_factory=dict[str, SetPrice])
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    fallbacks: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    secrets: dict[str, None] = field(default_factory=dict[str, None])
    literals: dict[str, list[str]] = field(default_factory=dict[str, list[str]], repr=False)

    def say(self, node: Node, verdict: Verdict, text: str) -> None:
        self.notes.append(Note(node.line, verdict, text))

    def shelf(self) -> Catalogue:
        """The catalogue as it would be."""
        groups = dict(self.known.deployments)
        for (name, provider, model), change in self.listed.items():
            made = Deployment(self.known.workspace, name, provider, model, change.weight, change.order)
            others = tuple(each for each in groups.get(name, ()) if each.target != made.target)
            groups[name] = (*others, made)
        return Catalogue(
            self.known.workspace,
            {**self.known.providers, **self.providers},
            groups,
            {**self.known.aliases, **self.aliases},
            {**self.known.fallbacks, **self.fallbacks},
        )


def read_litellm(text: str, known: Catalogue) -> Import:
    """What a LiteLLM proxy's configuration means for a workspace that has ``known``.

    The same file again comes to nothing new. What is there under the same name and is something else stays as it is.

    Raises:
        InvalidInput: It is no YAML within bounds (256 KiB, 20,000 values, no anchors or tags), or no such file.
    """
    hint = "mend it, then: remit models import litellm FILE"
    try:
        root = read_marked(text)
    except Malformed as error:
        message = f"The configuration can't be read: {error.what}; {error.fix}."
        if not text.strip():
            message = "The configuration is empty."
        place = f"{error.line}:{error.column}"
        raise InvalidInput(message, code="models.import", hint=hint, place=place) from None
    listing = root.items.get("model_list") if isinstance(root, Mapped) else None
    if not isinstance(root, Mapped) or not isinstance(listing, Listing):
        message = "This is no configuration of a LiteLLM proxy: it has no list under model_list."
        raise InvalidInput(message, code="models.import", hint=hint)
    reading = _Reading(known)
    entries = [entry for node in listing.items if (entry := _entry(reading, node)) is not None]
    for entry in entries:
        _list(reading, entry, entries)
    for name, node in root.items.items():
        if name != "model_list":
            _settings(reading, name, node, root.keys[name])
    changes: tuple[Change, ...] = (
        *(SetProvider(each) for each in reading.providers.values()),
        *reading.listed.values(),
        *reading.prices.values(),
        *(SetAlias(name, target) for name, target in reading.aliases.items()),
        *(SetFallbacks(name, targets) for name, targets in reading.fallbacks.items()),
    )
    return Import(changes, tuple(sorted(reading.notes)), tuple(reading.secrets))


# ----------------------------------------------------------------------------------------------------------- providers


def _entry(reading: _Reading, node: Node) -> _Entry | None:
    """One entry's name and provider; what can't be is noted and left out."""
    whole = node if isinstance(node, Mapped) else _NOTHING
    params, info = _part(whole, "litellm_params"), _part(whole, "model_info")
    name = _text(whole.items.get("model_name"))
    if not name or not _text(params.items.get("model")):
        reading.say(node, Verdict.LEFT_OUT, "an entry needs model_name, and litellm_params with a model")
        return None
    try:
        provider, model = _provider(reading, params, name)
    except (LeftOutError, RemitError) as error:
        why = error.message if isinstance(error, RemitError) else str(error)
        reading.say(node, Verdict.LEFT_OUT, f"{plain(name, limit=80)}: {why}")
        return None
    return _Entry(name, provider, model, params, info)


_NOTHING = Mapped({}, {}, 0, 0)


def _part(whole: Mapped, key: str) -> Mapped:
    node = whole.items.get(key)
    return node if isinstance(node, Mapped) else _NOTHING


def _provider(reading: _Reading, params: Mapped, name: str) -> tuple[str, str]:
    """The provider (added to the reading unless it is there) and its own name of the model."""
    model = _text(params.items["model"])
    prefix, slash, rest = model.partition("/")
    given = _text(params.items.get("api_base")) or _text(params.items.get("base_url"))
    other = _text(params.items.get("custom_llm_provider"))
    if other:
        prefix, rest = other, model.removeprefix(f"{other}/")
    elif not slash:
        trait = shipped(model)
        if trait is None or not trait.maker:
            raise LeftOutError(
                f"whose model {plain(model, limit=60)!r} is can't be told: write PREFIX/{plain(model, limit=60)}"
            )
        prefix, rest = trait.maker, model
    if given.startswith("os.environ/"):
        raise LeftOutError("its api_base comes from a variable, which is not read: write the address itself")
    kind, base_url, keyless = place_of(prefix, given)
    key, at, said = _key(reading, params, prefix, keyless=keyless)
    headers = _headers(reading, params, name)
    wanted = Provider(reading.known.workspace, "", kind, base_url, key, headers)
    called = _called(reading, prefix.replace("_", "-").lower(), wanted)
    if said:
        reading.say(at, Verdict.CHANGED, f"{called}: {said}")
    return called, model_name(rest)


def _key(reading: _Reading, params: Mapped, prefix: str, *, keyless: bool) -> tuple[str, Node, str]:
    """The reference to a key; and where, and what there is to say about it (nothing: empty)."""
    node = params.items.get("api_key") or params
    text = _text(node)
    variable = _ENVIRONMENT.fullmatch(text)
    if not text and keyless:
        return "", node, ""
    if keyless and not variable and len(text) < LEAST_KEY:
        return "", node, "its api_key is no key, and is left out"
    secret = variable[1].lower() if variable else f"{prefix}_api_key".lower()
    if variable:
        said = f"the key in {variable[1]} becomes {SCHEME}{secret}: {_command(secret, variable[1])}"
    elif not text:
        said = f"its key, which LiteLLM finds in the environment, becomes {SCHEME}{secret}: {_command(secret)}"
    else:
        others = reading.literals.setdefault(secret, [])
        if text not in others:
            others.append(text)
        number = others.index(text) + 1
        secret = secret if number == 1 else f"{secret}_{number}"
        said = (
            f"a key stands in the file itself and was NOT copied; the provider asks for {SCHEME}{secret}: "
            f"{_command(secret)}; then take it out of the file, and replace it where others could read that"
        )
    reading.secrets[secret] = None
    return f"{SCHEME}{secret}", node, said


def _command(secret: str, variable: str = "") -> str:
    return f"printenv {variable} | remit secrets set {secret}" if variable else f"remit secrets set {secret}"


def _headers(reading: _Reading, params: Mapped, name: str) -> tuple[tuple[str, str], ...]:
    node = params.items.get("extra_headers") or params.items.get("headers")
    found: list[tuple[str, str]] = []
    for key, value in node.items.items() if isinstance(node, Mapped) else ():
        header = (key, _text(value))
        try:
            check_provider(Provider("w", "p", ProviderKind.OPENAI, "", "", (header,)))
        except InvalidInput as error:
            reading.say(value, Verdict.LEFT_OUT, f"{plain(name, limit=80)}: {error.message}")
        else:
            found.append((key.lower(), header[1]))
    organisation = _text(params.items.get("organization"))
    if organisation and not organisation.startswith("os.environ/"):
        found.append(("openai-organization", organisation))
    return tuple(sorted(found))


def _called(reading: _Reading, base: str, wanted: Provider) -> str:
    """The name of the provider that is exactly this one, or the next that is free."""
    wanted = check_provider(replace(wanted, name="p"))
    number = 1
    while True:
        name = base if number == 1 else f"{base}-{number}"
        there = reading.providers.get(name) or reading.known.providers.get(name)
        if there is None:
            reading.providers[name] = replace(wanted, name=name)
            return name
        if replace(there, name="p", status=wanted.status) == wanted:
            return name
        number += 1


# -------------------------------------------------------------------------------------------------------------- models


def _list(reading: _Reading, entry: _Entry, entries: list[_Entry]) -> None:
    """List an entry under its name, with its price and what its parameters mean here."""
    node = entry.params
    at = plain(f"{entry.provider}/{entry.model}", limit=120)
    name = plain(entry.name, limit=80)
    if "*" in entry.name or "*" in entry.model:
        if entry.model == "*":
            text = f"{name}: any model of {entry.provider} can be asked as {entry.provider}/MODEL, without a list"
            reading.say(node, Verdict.CHANGED, text)
        else:
            reading.say(node, Verdict.LEFT_OUT, f"{name}: patterns are for keys, names are written out")
        return
    if entry.name == f"{entry.provider}/{entry.model}":
        reading.say(node, Verdict.TAKEN, f"{name}: can be asked by this name as it is")
    else:
        change = _deployment(reading, entry, entries)
        before = dict(reading.listed)
        reading.listed[entry.name, entry.provider, entry.model] = change
        try:
            public_name(entry.name)
            check_whole(reading.shelf())
        except RemitError as error:
            reading.listed = before
            reading.say(node, Verdict.LEFT_OUT, f"{name}: {error.message}")
            return
        more = f", weight {change.weight}" * (change.weight != 1) + f", order {change.order}" * bool(change.order)
        reading.say(node, Verdict.TAKEN, f"{name}: asks {at}{more}")
    _price(reading, entry)
    for part, notes in ((entry.params, PARAMS), (entry.info, KEYS)):
        for key, value in part.items.items():
            if key not in _UNDERSTOOD:
                text = notes.get(key, "no counterpart")
                reading.say(value, Verdict.LEFT_OUT, f"{name}: {plain(key, limit=60)}: {text}")


#: Keys that are spoken of where they are read.
_UNDERSTOOD = frozenset(
    {"model", "api_key", "api_base", "base_url", "custom_llm_provider", "extra_headers", "headers", "organization"}
    | {"weight", "order", "input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost"}
    | {
        "cache_creation_input_token_cost",
        "mode",
        "max_input_tokens",
        "max_tokens",
        "id",
        "rpm",
        *_ABILITIES,
    }
)


def _deployment(reading: _Reading, entry: _Entry, entries: list[_Entry]) -> SetDeployment:
    weight, order = _number(entry.params, "weight"), _number(entry.params, "order")
    rpm = _number(entry.params, "rpm")
    if rpm is not None:
        group = [each for each in entries if each.name == entry.name]
        shares = weight is None and len(group) > 1 and all(_number(each.params, "rpm") for each in group)
        weight = rpm if shares else weight
        where = f"remit limits set NAME --target {entry.provider}/{entry.model}"
        text = f"{plain(entry.name, limit=80)}: rpm {rpm}: "
        text += "becomes its weight, as LiteLLM uses it; " if shares else ""
        reading.say(entry.params.items["rpm"], Verdict.CHANGED, f"{text}a limit that holds is set with `{where}`")
    return SetDeployment(
        entry.name,
        entry.provider,
        entry.model,
        weight=1 if weight is None else min(weight, 1_000_000),
        order=0 if order is None else min(order, 1000),
        capabilities=_abilities(entry),
        context=_number(entry.info, "max_input_tokens"),
    )


def _abilities(entry: _Entry) -> frozenset[str] | None:
    """What the file says that a model can do, where the shipped table doesn't know it."""
    if _text(entry.info.items.get("mode")) == "embedding":
        return frozenset({"embeddings"})
    if shipped(entry.model) is not None:
        return None
    said = {word for key, word in _ABILITIES.items() if _text(entry.info.items.get(key)).lower() in _TRUE}
    return frozenset({"chat", "streaming", *said}) if said else None


def _price(reading: _Reading, entry: _Entry) -> None:
    found: dict[str, str] = {}
    for key in (
        "input_cost_per_token",
        "output_cost_per_token",
        "cache_read_input_token_cost",
        "cache_creation_input_token_cost",
    ):
        node = entry.params.items.get(key) or entry.info.items.get(key)
        if node is not None:
            try:
                found[key] = f"{Decimal(_text(node)) * 1_000_000:f}"
            except (InvalidOperation, ValueError):
                reading.say(node, Verdict.LEFT_OUT, f"{plain(entry.name, limit=80)}: {key} is no number")
                return
    if not found:
        return
    try:
        inward, outward = found["input_cost_per_token"], found.get("output_cost_per_token", "0")
        cached, written = found.get("cache_read_input_token_cost"), found.get("cache_creation_input_token_cost")
        rate = rate_of(inward, outward, cached_in=cached or "", cache_write=written or "")
    except KeyError:
        reading.say(entry.params, Verdict.LEFT_OUT, f"{plain(entry.name, limit=80)}: a price without one of input")
        return
    except InvalidInput as error:
        reading.say(entry.params, Verdict.LEFT_OUT, f"{plain(entry.name, limit=80)}: {error.message}")
        return
    target = f"{entry.provider}/{entry.model}"
    reading.prices[target] = SetPrice(entry.provider, entry.model, rate)
    reading.say(entry.params, Verdict.TAKEN, f"{plain(entry.name, limit=80)}: {rate} a million tokens")


# ------------------------------------------------------------------------------------------------------------ settings


def _settings(reading: _Reading, name: str, node: Node, key: Scalar) -> None:
    """The parts beside the list: names and fallbacks are taken, everything else is told."""
    notes = SETTINGS.get(name, {})
    if not isinstance(node, Mapped) or name not in SETTINGS:
        reading.say(key, Verdict.LEFT_OUT, f"{plain(name, limit=60)}: {KEYS.get(name, 'no counterpart')}")
        return
    for each, value in node.items.items():
        if each == "model_group_alias" and isinstance(value, Mapped):
            for alias, target in value.items.items():
                meant = target.items.get("model") if isinstance(target, Mapped) else target
                _alias(reading, target, alias, _text(meant))
        elif each == "fallbacks" and isinstance(value, Listing):
            for line, of, targets in _fallbacks(value):
                _fallback(reading, line, of, targets)
        else:
            verdict = Verdict.CHANGED if notes.get(each, "").startswith("here ") else Verdict.LEFT_OUT
            reading.say(
                node.keys[each], verdict, f"{name}: {plain(each, limit=60)}: {notes.get(each, 'no counterpart')}"
            )


def _fallbacks(listing: Listing) -> Iterator[tuple[Node, str, list[str]]]:
    for each in listing.items:
        for name, targets in each.items.items() if isinstance(each, Mapped) else ():
            nodes = targets.items if isinstance(targets, Listing) else [targets]
            yield targets, name, [_text(node) for node in nodes]


def _alias(reading: _Reading, node: Node, alias: str, target: str) -> None:
    shown = plain(alias, limit=80)
    there = reading.known.aliases.get(alias)
    if there is not None and there != target:
        reading.say(node, Verdict.LEFT_OUT, f"{shown}: means {there} here already")
        return
    reading.aliases[alias] = target
    try:
        public_name(alias)
        check_whole(reading.shelf())
    except RemitError as error:
        del reading.aliases[alias]
        reading.say(node, Verdict.LEFT_OUT, f"{shown}: {error.message}")
        return
    reading.say(node, Verdict.TAKEN, f"{shown}: means {plain(target, limit=80)}")


def _fallback(reading: _Reading, node: Node, name: str, targets: list[str]) -> None:
    shown = plain(name, limit=80)
    there = reading.known.fallbacks.get(name)
    if len(targets) > MOST_FALLBACKS:
        reading.say(node, Verdict.CHANGED, f"{shown}: the first {MOST_FALLBACKS} of its fallbacks")
    wanted = tuple(dict.fromkeys(targets))[:MOST_FALLBACKS]
    if there is not None and there != wanted:
        reading.say(node, Verdict.LEFT_OUT, f"{shown}: has other fallbacks here already: {', '.join(there)}")
        return
    good: list[str] = []
    for target in wanted:
        reading.fallbacks[name] = (*good, target)
        try:
            check_whole(reading.shelf())
        except RemitError as error:
            reading.say(node, Verdict.LEFT_OUT, f"{shown}: then {plain(target, limit=80)}: {error.message}")
        else:
            good.append(target)
    reading.fallbacks.pop(name, None)
    if good:
        reading.fallbacks[name] = tuple(good)
        reading.say(node, Verdict.TAKEN, f"{shown}: then {', '.join(plain(each, limit=80) for each in good)}")


def _text(node: Node | None) -> str:
    return node.text.strip() if isinstance(node, Scalar) else ""


def _number(part: Mapped, key: str) -> int | None:
    text = _text(part.items.get(key))
    try:
        value = Decimal(text.replace("_", ""))
    except InvalidOperation:
        return None
    return int(value) if value.is_finite() and 0 <= value < 1 << 40 else None
