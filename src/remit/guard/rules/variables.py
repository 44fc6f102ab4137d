"""What rules may read of an action: flat names with a type and a meaning. docs/rules.md lists exactly these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple, cast

from remit.accounts.agents import Agent
from remit.guard.cel import LONGEST_TEXT, Type, Value, usable
from remit.guard.evidence import Evidence, subject_of
from remit.guard.provenance import CLEAN, Taint
from remit.guard.rules import tool_facts
from remit.guard.rules.addresses import TERMS, Lists, address_of, listed, within
from remit.kernel.action import Action, ActorKind
from remit.kernel.canonical import Json, canonical
from remit.kernel.clock import EPOCH
from remit.kernel.effects import Command, Deploy, Fetch, Model, Notify, Order, Publish, Tool, WriteFiles
from remit.kernel.finding import Severity

#: The critics that shipped rules and packs know; a rule file may name more under ``critics``.
CRITICS = (
    "backtest",
    "compliance",
    "content",
    "copyright",
    "jurisdiction",
    "kyc",
    "pii",
    "review",
    "risk_ack",
    "security",
    "smoke",
    "style",
    "tests",
    "walk_forward",
)
#: The kinds of findings that shipped rules know; a rule file may name more under ``findings``.
FINDINGS = ("missing_tests", "secret", "vulnerability")

KINDS = ("files", "command", "fetch", "model", "tool", "deploy", "order", "publish", "notify")
PAPER = "paper"
PRODUCTION = "production"
_MICROS = 1_000_000


class Setting(NamedTuple):
    """What rules read beside the action itself. ``evidence`` is ``None`` when it was not asked for.

    ``robots``: what the robots.txt of a fetch's origin says of its address (``fetching_robots.Robots``).
    """

    agents: Mapping[str, Agent] = MappingProxyType({})
    at: datetime = EPOCH
    environment: str = ""
    lists: Lists = MappingProxyType({})
    evidence: Mapping[str, Evidence] | None = None
    taint: Taint = CLEAN
    robots: str = "unknown"


type Reader = Callable[[Action, Setting], Value | None]


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable. ``read`` gives ``None`` for no value: a rule that depends on it then refuses."""

    name: str
    type: Type
    meaning: str
    read: Reader


def _agent(action: Action, setting: Setting) -> Agent | None:
    for who in (action.principal, action.on_behalf_of):
        if who.kind is ActorKind.AGENT:
            return setting.agents.get(who.id)
    return None


def _common_values(action: Action, setting: Setting) -> dict[str, Value]:
    """What every kind of action has, in one go: this is read of each action that is admitted."""
    agent = _agent(action, setting)
    at = setting.at if setting.at.tzinfo is UTC else setting.at.astimezone(UTC)
    return {
        "kind": action.kind,
        "target": action.target,
        "principal": str(action.principal),
        "on_behalf_of": str(action.on_behalf_of),
        "agent.name": "" if agent is None else agent.name,
        "agent.kind": "" if agent is None else agent.kind,
        "agent.team": "" if agent is None else agent.team,
        "estimate_usd": action.estimate.micros / _MICROS,
        "workspace": action.workspace,
        "mission": action.mission,
        "step": action.step,
        "subject": subject_of(action.effect),
        "attempt": action.attempt,
        "preset.name": action.preset,
        "preset.approval": action.preset_approval,
        "hour": at.hour,
        "weekday": at.isoweekday(),
        "environment": setting.environment,
        "injection.score": setting.taint.score,
        "injection.place": setting.taint.place,
        "injection.signs": setting.taint.signs,
        "provenance.outside": setting.taint.outside,
        "provenance.source": setting.taint.source,
    }


def _common() -> tuple[Variable, ...]:
    def variable(name: str, kind: Type, meaning: str) -> Variable:
        return Variable(name, kind, meaning, lambda action, setting: _common_values(action, setting)[name])

    text, number = Type.STRING, Type.INT
    return (
        variable("kind", text, "the kind of action: files, command, fetch, ..."),
        variable("target", text, "what the action is aimed at"),
        variable("principal", text, "who acts, as `agent:coder` or `user:ada`"),
        variable("on_behalf_of", text, "for whom, in the same form"),
        variable("agent.name", text, "the acting agent; empty when a person acts"),
        variable("agent.kind", text, "its kind, such as `coder`"),
        variable("agent.team", text, "its team"),
        variable("estimate_usd", Type.DOUBLE, "what it may cost, in dollars"),
        variable("workspace", text, "the workspace"),
        variable("mission", text, "the mission's id; empty outside missions"),
        variable("step", text, "the step's name; empty outside missions"),
        variable("subject", text, "the hash of what is released, published or ordered"),
        variable("attempt", number, "the how-manieth attempt of the step"),
        variable("preset.name", text, "the mission's preset; empty without one"),
        variable("preset.approval", text, "what of the preset a person must approve"),
        variable("hour", number, "the hour of the day, 0 to 23, UTC"),
        variable("weekday", number, "the day, 1 (Monday) to 7, UTC"),
        variable("environment", text, "the setting `environment` of this install"),
        variable(
            "injection.score", Type.DOUBLE, "the strongest signs of injection in what the mission has read, 0 to 1"
        ),
        variable("injection.place", text, "the action that brought it, and from where; empty: nothing"),
        variable("injection.signs", text, "what was found there, in a few words"),
        variable("provenance.outside", Type.BOOL, "whether the action repeats a text from outside"),
        variable("provenance.source", text, "which: `fetched`, `tool` or `file`; empty: none"),
    )


def _files() -> tuple[Variable, ...]:
    def each(part: Callable[[WriteFiles], Value | None]) -> Reader:
        return lambda action, _: part(cast("WriteFiles", action.effect))

    return (
        Variable("files.count", Type.INT, "files written", each(lambda e: len(e.files))),
        Variable("files.deleted", Type.INT, "files deleted", each(lambda e: len(e.delete))),
        Variable("files.executable", Type.INT, "files made executable", each(lambda e: len(e.executable))),
        Variable("files.bytes", Type.INT, "bytes written in all", each(lambda e: sum(map(len, e.files.values())))),
        Variable(
            "files.largest",
            Type.INT,
            "bytes of the largest file",
            each(lambda e: max(map(len, e.files.values()), default=0)),
        ),
        Variable(
            "files.paths",
            Type.STRING,
            "paths written and deleted, one a line, each line ended",
            each(lambda e: "".join(f"{path}\n" for path in sorted({*e.files, *e.delete}))),
        ),
    )


def _command() -> tuple[Variable, ...]:
    def each(part: Callable[[Command], Value | None]) -> Reader:
        return lambda action, _: part(cast("Command", action.effect))

    return (
        Variable("command.program", Type.STRING, "the program", each(lambda e: e.argv[0] if e.argv else "")),
        Variable(
            "command.line", Type.STRING, "program and arguments, a space between", each(lambda e: " ".join(e.argv))
        ),
        Variable("command.arguments", Type.INT, "how many arguments", each(lambda e: max(0, len(e.argv) - 1))),
        Variable("command.network", Type.STRING, "`none` or `loopback`", each(lambda e: e.network.value)),
        Variable("command.wall_s", Type.DOUBLE, "seconds it may take", each(lambda e: float(e.limits.wall_s))),
        Variable("command.memory_bytes", Type.INT, "bytes it may use", each(lambda e: e.limits.memory_bytes)),
        Variable("command.stdin_bytes", Type.INT, "bytes it is given to read", each(lambda e: len(e.stdin))),
        Variable(
            "command.environment",
            Type.STRING,
            "names of the variables it is given, one a line, each line ended",
            each(lambda e: "".join(f"{name}\n" for name in sorted(e.env))),
        ),
    )


def _fetch() -> tuple[Variable, ...]:
    def each(part: Callable[[Fetch], Value | None]) -> Reader:
        return lambda action, _: part(cast("Fetch", action.effect))

    def in_list(action: Action, setting: Setting) -> str | None:
        address = address_of(cast("Fetch", action.effect).url)
        return None if address is None else listed(address.host, setting.lists)

    def terms(action: Action, setting: Setting) -> str | None:
        address = address_of(cast("Fetch", action.effect).url)
        if address is None:
            return None
        return "forbidden" if within(address.host, setting.lists.get(TERMS)) else "none"

    def of_address(part: str) -> Reader:
        return each(lambda e: getattr(address_of(e.url), part, None))

    return (
        Variable("fetch.url", Type.STRING, "the address", each(lambda e: e.url)),
        Variable("fetch.scheme", Type.STRING, "`https`, in lower case", of_address("scheme")),
        Variable("fetch.host", Type.STRING, "the host, in lower case, as it stands in DNS", of_address("host")),
        Variable("fetch.port", Type.INT, "the port", of_address("port")),
        Variable("fetch.path", Type.STRING, "the path", of_address("path")),
        Variable("fetch.method", Type.STRING, "`GET` ...", each(lambda e: e.method.upper())),
        Variable(
            "fetch.list",
            Type.STRING,
            "where the host or a domain above it is listed: `deny`, else `sensitive`, else `allow`, else `none`",
            in_list,
        ),
        Variable("fetch.depth", Type.INT, "links between the page and one that was given", each(lambda e: e.depth)),
        Variable("fetch.headers", Type.INT, "headers that it sends of its own", each(lambda e: len(e.headers))),
        Variable(
            "fetch.robots",
            Type.STRING,
            "what robots.txt says: `allowed`, `disallowed`, `unreachable` or, until it was read, `unknown`",
            lambda _, s: s.robots,
        ),
        Variable(
            "fetch.terms",
            Type.STRING,
            "`forbidden` when the host or a domain above it is in the list `fetch.terms`, else `none`",
            terms,
        ),
    )


def _model_values(action: Action, _setting: Setting) -> dict[str, Value]:
    """What a model call has, in one go."""
    effect = cast("Model", action.effect)
    request = effect.request
    found: dict[str, Value] = {
        "model.provider": effect.provider,
        "model.name": effect.model,
        "model.messages": _length(request.get("messages")),
        "model.tools": _length(request.get("tools")),
        "model.stream": request.get("stream") is True,
        "model.bytes": len(action.payload),
    }
    most = _most_tokens(request)
    if most is not None and usable(most):
        found["model.max_tokens"] = most
    return found


def _model() -> tuple[Variable, ...]:
    def variable(name: str, kind: Type, meaning: str) -> Variable:
        return Variable(name, kind, meaning, lambda action, setting: _model_values(action, setting).get(name))

    return (
        variable("model.provider", Type.STRING, "the provider"),
        variable("model.name", Type.STRING, "the model"),
        variable("model.messages", Type.INT, "messages in the request"),
        variable("model.tools", Type.INT, "tools offered to the model"),
        variable("model.max_tokens", Type.INT, "tokens it may answer with"),
        variable("model.stream", Type.BOOL, "whether the answer is streamed"),
        variable("model.bytes", Type.INT, "bytes of the request"),
    )


def _most_tokens(request: Mapping[str, Json]) -> int | None:
    for key in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
        value = request.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def _tool_values(action: Action, _setting: Setting) -> dict[str, Value]:
    """What a tool call has, in one go."""
    effect = cast("Tool", action.effect)
    name, arguments = effect.name, effect.arguments
    seen = tool_facts.seen(arguments)
    return {
        "tool.name": name,
        "tool.server": tool_facts.server_of(name),
        "tool.words": tool_facts.words(name),
        "tool.arguments": canonical(arguments).decode(),
        "tool.bytes": len(action.payload),
        "tool.depth": seen.depth,
        "tool.leads_out": seen.leads_out,
        "tool.sensitive_paths": seen.sensitive_paths,
        "tool.statements": seen.statements,
        "tool.hosts": seen.hosts,
        "tool.url_data": seen.url_data,
    }


def _tool() -> tuple[Variable, ...]:
    def variable(name: str, kind: Type, meaning: str) -> Variable:
        return Variable(name, kind, meaning, lambda action, setting: _tool_values(action, setting)[name])

    return (
        variable("tool.name", Type.STRING, "the tool, as `server/tool` when a server offers it"),
        variable("tool.server", Type.STRING, "the server that offers it; empty: none"),
        variable(
            "tool.words",
            Type.STRING,
            "the words of its own name in lower case, a blank round each: ` delete file ` of `fs/deleteFile`",
        ),
        variable("tool.arguments", Type.STRING, "its arguments as JSON, keys sorted"),
        variable("tool.bytes", Type.INT, "bytes of name and arguments"),
        variable("tool.depth", Type.INT, "how deep objects and lists lie in its arguments"),
        variable("tool.leads_out", Type.BOOL, "whether a path among its arguments climbs with `..`, however written"),
        variable(
            "tool.sensitive_paths",
            Type.INT,
            "paths among its arguments that lead to credentials or system folders",
        ),
        variable(
            "tool.statements",
            Type.STRING,
            "orders to destroy in its arguments (SQL, shell, git), one a line, each line ended",
        ),
        variable(
            "tool.hosts",
            Type.STRING,
            "hosts of the addresses in its arguments, one a line, each line ended; `?`: one that can't be told",
        ),
        variable(
            "tool.url_data",
            Type.INT,
            "the most characters that one of these addresses carries in its query or in one part",
        ),
    )


def _deploy() -> tuple[Variable, ...]:
    def each(part: Callable[[Deploy], Value | None]) -> Reader:
        return lambda action, _: part(cast("Deploy", action.effect))

    return (
        Variable("deploy.target", Type.STRING, "where to", each(lambda e: e.target)),
        Variable(
            "deploy.environment",
            Type.STRING,
            "the release's `environment`; `production` unless it says otherwise",
            each(lambda e: _text(e.release, "environment", PRODUCTION)),
        ),
        Variable(
            "deploy.version", Type.STRING, "the release's `version`", each(lambda e: _text(e.release, "version", ""))
        ),
        Variable(
            "deploy.tree",
            Type.STRING,
            "the git tree that is released (`tree`)",
            each(lambda e: _text(e.release, "tree", "")),
        ),
        Variable(
            "deploy.compensates",
            Type.BOOL,
            "whether a rollback takes an earlier deployment back, to what was live before it; never so for an agent",
            _compensates,
        ),
        Variable("deploy.bytes", Type.INT, "bytes of the description", lambda a, _: len(a.payload)),
    )


def _compensates(action: Action, _setting: Setting) -> bool:
    """An agent can't say so of its own release: that would pass every rule by."""
    return bool(cast("Deploy", action.effect).compensates) and action.principal.kind is not ActorKind.AGENT


def _order() -> tuple[Variable, ...]:
    def text(key: str, missing: str | None = None) -> Reader:
        return lambda action, _: _text(cast("Order", action.effect).order, key, missing)

    def number(key: str) -> Reader:
        return lambda action, _: _number(cast("Order", action.effect).order, key)

    def stop(action: Action, _setting: Setting) -> bool:
        return (_number(cast("Order", action.effect).order, "stop_loss") or 0.0) > 0.0

    return (
        Variable("order.broker", Type.STRING, "where to", lambda a, _: a.target),
        Variable("order.mode", Type.STRING, "`paper` or `real`; `paper` when it is not named", text("mode", PAPER)),
        Variable("order.symbol", Type.STRING, "what is traded", text("symbol")),
        Variable("order.side", Type.STRING, "`buy` or `sell`", text("side")),
        Variable("order.type", Type.STRING, "`market`, `limit` ...", text("type")),
        Variable("order.quantity", Type.DOUBLE, "how much", number("quantity")),
        Variable("order.notional_usd", Type.DOUBLE, "its worth in dollars", number("notional_usd")),
        Variable(
            "order.position_size",
            Type.DOUBLE,
            "the position after it, as a share of the portfolio (0.1: 10 %)",
            number("position_size"),
        ),
        Variable("order.leverage", Type.DOUBLE, "the leverage after it", number("leverage")),
        Variable("order.daily_loss", Type.DOUBLE, "today's loss, as a share of the portfolio", number("daily_loss")),
        Variable("order.stop_loss", Type.DOUBLE, "the price of its stop-loss", number("stop_loss")),
        Variable("order.has_stop_loss", Type.BOOL, "whether `stop_loss` is a price above zero", stop),
    )


def _publish() -> tuple[Variable, ...]:
    def text(key: str) -> Reader:
        return lambda action, _: _text(cast("Publish", action.effect).asset, key, "")

    return (
        Variable("publish.target", Type.STRING, "where to", lambda a, _: a.target),
        Variable("publish.kind", Type.STRING, "the asset's `kind`", text("kind")),
        Variable("publish.title", Type.STRING, "its `title`", text("title")),
        Variable("publish.audience", Type.STRING, "its `audience`", text("audience")),
        Variable("publish.licence", Type.STRING, "its `licence`", text("licence")),
        Variable("publish.sha256", Type.STRING, "its hash", text("sha256")),
        Variable("publish.bytes", Type.INT, "bytes of the description", lambda a, _: len(a.payload)),
    )


def _notify() -> tuple[Variable, ...]:
    def each(part: Callable[[Notify], Value | None]) -> Reader:
        return lambda action, _: part(cast("Notify", action.effect))

    return (
        Variable("notify.target", Type.STRING, "the channel", each(lambda e: e.target)),
        Variable("notify.subject", Type.STRING, "the subject", each(lambda e: e.subject)),
        Variable("notify.characters", Type.INT, "characters of the message", each(lambda e: len(e.body))),
    )


def _text(told: Mapping[str, Json], key: str, missing: str | None) -> str | None:
    """A text of a payload; ``missing`` when it is absent, no value when it is something else."""
    value = told.get(key)
    if value is None:
        return missing
    return value if isinstance(value, str) else None


def _number(told: Mapping[str, Json], key: str) -> float | None:
    value = told.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _length(value: Json) -> int:
    return len(value) if isinstance(value, list | tuple) else 0


COMMON: tuple[Variable, ...] = _common()
OF_KIND: Mapping[str, tuple[Variable, ...]] = MappingProxyType(
    {
        "files": _files(),
        "command": _command(),
        "fetch": _fetch(),
        "model": _model(),
        "tool": _tool(),
        "deploy": _deploy(),
        "order": _order(),
        "publish": _publish(),
        "notify": _notify(),
    }
)
_READERS: Mapping[str, tuple[tuple[str, Reader], ...]] = MappingProxyType(
    {kind: tuple((each.name, each.read) for each in own) for kind, own in OF_KIND.items()}
)
#: Of the kinds that are asked for most, all at once: a call for each variable costs more than most of them are worth.
_AT_ONCE: Mapping[str, Callable[[Action, Setting], dict[str, Value]]] = MappingProxyType(
    {"model": _model_values, "tool": _tool_values}
)


def fixed_types(kind: str) -> dict[str, Type]:
    """The variables of a kind that don't depend on a rule file."""
    return {each.name: each.type for each in (*COMMON, *OF_KIND[kind])}


def evidence_types(critics: tuple[str, ...], findings: tuple[str, ...]) -> dict[str, Type]:
    """What rules may read of evidence: every kind of action has these."""
    return {
        **{f"evidence.{critic}": Type.BOOL for critic in critics},
        **{f"known.{critic}": Type.BOOL for critic in critics},
        "failed_critics": Type.INT,
        **{f"findings.{severity.value}": Type.INT for severity in Severity},
        **{f"findings_of.{kind}": Type.INT for kind in findings},
    }


def is_evidence(name: str) -> bool:
    """Whether a variable is read from evidence."""
    return name == "failed_critics" or name.partition(".")[0] in {"evidence", "known", "findings", "findings_of"}


def read(action: Action, setting: Setting, *, arguments: Iterable[str] = ()) -> dict[str, Value]:
    """Every variable of an action that has a value, but those of evidence.

    Args:
        action: The action.
        setting: What rules read beside it.
        arguments: Of a tool call also these, by the names that rules give them (``argument.path``).
    """
    found = _common_values(action, setting)
    at_once = _AT_ONCE.get(action.kind)
    if at_once is not None:
        found |= at_once(action, setting)
    else:
        for name, reader in _READERS[action.kind]:
            value = reader(action, setting)
            if value is not None and usable(value):
                found[name] = value
    for name in [name for name, value in found.items() if type(value) is str and len(value) > LONGEST_TEXT]:
        del found[name]  # no value: a rule that depends on it refuses
    if arguments and isinstance(action.effect, Tool):
        for name in arguments:
            if usable(value := tool_facts.argument(action.effect.arguments, name)):
                found[name] = value
    return found


def read_evidence(
    evidence: Mapping[str, Evidence], critics: tuple[str, ...], findings: tuple[str, ...]
) -> dict[str, Value]:
    """The variables of evidence. What nobody judged is false and zero."""
    found: dict[str, Value] = {}
    for critic in critics:
        known = evidence.get(critic)
        found[f"evidence.{critic}"] = known is not None and known.holds
        found[f"known.{critic}"] = known is not None
    found["failed_critics"] = sum(not each.holds for each in evidence.values() if each.mission or each.subject)
    told = [each for piece in evidence.values() for each in piece.findings]
    for severity in Severity:
        found[f"findings.{severity.value}"] = sum(each.severity is severity for each in told)
    for kind in findings:
        found[f"findings_of.{kind}"] = sum(each.kind == kind or each.kind.startswith(f"{kind}.") for each in told)
    return found
