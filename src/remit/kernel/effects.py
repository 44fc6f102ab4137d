"""What an agent or a mission may ask for.

Each effect is frozen data. Its ``trait`` says how the guard treats it: whether the payload is executed (a secret in it
refuses the action) or read (a secret in it is masked), how durable its intent must be before it starts, whether a lost
outcome may be answered by doing it again, and what a rollback does about it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar

from remit.kernel.canonical import Json


class Durability(StrEnum):
    """What must be on disk before an effect may start."""

    NONE = "none"  # starts at once; no byte reaches the caller before the intent is committed
    COMMIT = "commit"  # the intent's transaction is committed at synchronous=FULL
    SEALED = "sealed"  # a signed checkpoint covers the intent's entry


class Reversal(StrEnum):
    """What a rollback does about an effect."""

    TREE = "tree"  # it only changed the step's directory: git brings that back
    NOTHING = "nothing"  # it changed nothing outside
    COMPENSATE = "compensate"  # its adapter can undo it
    IRREVERSIBLE = "irreversible"  # rollback stops here and says so


@dataclass(frozen=True, slots=True)
class Trait:
    """How the guard treats a kind of effect."""

    kind: str
    executed: bool
    durability: Durability
    repeatable: bool
    reversal: Reversal
    domain: str = "build"


@dataclass(frozen=True, slots=True)
class WriteFiles:
    """Write and delete files under the step's own directory.

    ``files`` maps a relative POSIX path to its bytes; ``executable`` names those with mode 755 (all others 644).
    """

    files: Mapping[str, bytes]
    delete: tuple[str, ...] = ()
    executable: frozenset[str] = frozenset()
    trait: ClassVar[Trait] = Trait(
        "files", executed=True, durability=Durability.COMMIT, repeatable=True, reversal=Reversal.TREE
    )

    @property
    def target(self) -> str:
        """The step's directory."""
        return "workspace"

    def payload(self) -> dict[str, Json]:
        """Paths with the hash, size and mode of their content."""
        written: dict[str, Json] = {
            path: {
                "sha256": hashlib.sha256(data).hexdigest(),
                "size": len(data),
                "mode": "755" if path in self.executable else "644",
            }
            for path, data in self.files.items()
        }
        return {"files": written, "delete": list(self.delete)}


class Network(StrEnum):
    """What a command may reach."""

    NONE = "none"
    LOOPBACK = "loopback"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one command. Seconds and bytes."""

    wall_s: float = 120.0
    cpu_s: int = 120
    memory_bytes: int = 4 << 30
    file_bytes: int = 256 << 20
    open_files: int = 512
    processes: int = 256
    output_bytes: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Command:
    """Run a program in the step's directory: no shell, a clean environment, bounded, sandboxed.

    ``argv[0]`` may be ``python``: the pinned interpreter of the build environment. ``env`` adds to the clean
    environment; a value may be a reference ``secret://NAME``. ``keeps`` says whether changed files count as the step's
    artefacts (a check leaves none).
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    limits: Limits = field(default_factory=Limits)
    network: Network = Network.NONE
    expected_exit: int = 0
    stdin: bytes = b""
    trait: ClassVar[Trait] = Trait(
        "command", executed=True, durability=Durability.COMMIT, repeatable=True, reversal=Reversal.TREE
    )

    @property
    def target(self) -> str:
        """The program's name."""
        return self.argv[0] if self.argv else ""

    def payload(self) -> dict[str, Json]:
        """Arguments, environment, bounds."""
        return {
            "argv": list(self.argv),
            "env": dict(self.env),
            "network": self.network.value,
            "expected_exit": self.expected_exit,
            "wall_s": self.limits.wall_s,
            "cpu_s": self.limits.cpu_s,
            "memory_bytes": self.limits.memory_bytes,
            "stdin_sha256": hashlib.sha256(self.stdin).hexdigest(),
        }


@dataclass(frozen=True, slots=True)
class Fetch:
    """Read a web address, through ``adapters/fetch``: redirects, robots.txt and limits included.

    ``headers`` go along to the origin of ``url`` alone; a value may hold references ``secret://NAME``, and those that
    are credentials must. ``depth`` says how many links lie between this address and one that was given: 0 for that one,
    n + 1 for a link found on a page of depth n.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    depth: int = 0
    trait: ClassVar[Trait] = Trait(
        "fetch",
        executed=False,
        durability=Durability.COMMIT,
        repeatable=True,
        reversal=Reversal.NOTHING,
        domain="fetch",
    )

    @property
    def target(self) -> str:
        """The URL."""
        return self.url

    def payload(self) -> dict[str, Json]:
        """URL and method; headers and depth when there are any."""
        told: dict[str, Json] = {"url": self.url, "method": self.method}
        if self.headers:
            told["headers"] = dict(self.headers)
        return told | {"depth": self.depth} if self.depth else told


class Wire(StrEnum):
    """How a request to a model is written: the operation of which provider's interface."""

    CHAT = "chat"  # POST /v1/chat/completions
    RESPONSES = "responses"  # POST /v1/responses
    MESSAGES = "messages"  # POST /v1/messages
    COUNT_TOKENS = "count_tokens"  # POST /v1/messages/count_tokens
    EMBEDDINGS = "embeddings"  # POST /v1/embeddings


@dataclass(frozen=True, slots=True)
class Model:
    """Ask a model.

    ``provider`` is a provider's name in the workspace, ``model`` its own name of the model. ``request`` is the JSON
    body in the interface that ``wire`` names, ``operation`` what the breaker counts it under (chat when empty).
    ``body`` is the same request as somebody wrote it: the bytes that are sent, but for the model's name; when empty,
    ``request`` is sent. ``headers`` are the caller's own that go along (versions and betas; never keys).
    """

    provider: str
    model: str
    request: Mapping[str, Json]
    operation: str = ""
    wire: Wire = Wire.CHAT
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    trait: ClassVar[Trait] = Trait(
        "model", executed=False, durability=Durability.NONE, repeatable=True, reversal=Reversal.NOTHING, domain="model"
    )

    @property
    def target(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"

    def payload(self) -> dict[str, Json]:
        """The whole request, and what isn't as it is by default."""
        asked: dict[str, Json] = {"provider": self.provider, "model": self.model, "request": self.request}
        if self.operation:
            asked["operation"] = self.operation
        if self.wire is not Wire.CHAT:
            asked["wire"] = self.wire.value
        if self.headers:
            asked["headers"] = dict(self.headers)
        return asked


@dataclass(frozen=True, slots=True)
class Tool:
    """Call a named tool. Its adapter receives the effect key and must make a repeat harmless (idempotency key).

    ``outside``: what answers is no function of this process; ``server/tool`` never is.
    """

    name: str
    arguments: Mapping[str, Json] = field(default_factory=dict[str, Json])
    outside: bool = False
    trait: ClassVar[Trait] = Trait(
        "tool", executed=True, durability=Durability.COMMIT, repeatable=True, reversal=Reversal.NOTHING, domain="tool"
    )

    @property
    def target(self) -> str:
        """The tool's name."""
        return self.name

    def payload(self) -> dict[str, Json]:
        """Name and arguments."""
        return {"name": self.name, "arguments": self.arguments}


@dataclass(frozen=True, slots=True)
class Deploy:
    """Put a release where users reach it.

    ``release``: ``tree`` (a git tree id; empty: nothing is to be live), ``previous`` (what was live when it was asked),
    ``smoke`` (the program that tests it, a list of arguments), ``keep`` (how many releases stay). ``compensates`` is
    the action that this one undoes: only a rollback asks for that, and ``previous`` and ``tree`` are then its own, the
    other way round.
    """

    target: str
    release: Mapping[str, Json]
    compensates: str = ""
    trait: ClassVar[Trait] = Trait(
        "deploy",
        executed=True,
        durability=Durability.SEALED,
        repeatable=False,
        reversal=Reversal.COMPENSATE,
        domain="deployment",
    )

    def payload(self) -> dict[str, Json]:
        """Target and release, and what is undone."""
        undone: dict[str, Json] = {"compensates": self.compensates} if self.compensates else {}
        return {"target": self.target, "release": self.release, **undone}


@dataclass(frozen=True, slots=True)
class Order:
    """Place an order with a broker."""

    target: str
    order: Mapping[str, Json]
    trait: ClassVar[Trait] = Trait(
        "order",
        executed=True,
        durability=Durability.SEALED,
        repeatable=False,
        reversal=Reversal.IRREVERSIBLE,
        domain="trading",
    )

    def payload(self) -> dict[str, Json]:
        """Broker and order."""
        return {"target": self.target, "order": self.order}


@dataclass(frozen=True, slots=True)
class Publish:
    """Make an asset public."""

    target: str
    asset: Mapping[str, Json]
    trait: ClassVar[Trait] = Trait(
        "publish",
        executed=True,
        durability=Durability.SEALED,
        repeatable=False,
        reversal=Reversal.IRREVERSIBLE,
        domain="publishing",
    )

    def payload(self) -> dict[str, Json]:
        """Place and asset."""
        return {"target": self.target, "asset": self.asset}


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell a person or another system something."""

    target: str
    subject: str
    body: str
    trait: ClassVar[Trait] = Trait(
        "notify",
        executed=False,
        durability=Durability.COMMIT,
        repeatable=True,
        reversal=Reversal.NOTHING,
        domain="notify",
    )

    def payload(self) -> dict[str, Json]:
        """Channel, subject and body."""
        return {"target": self.target, "subject": self.subject, "body": self.body}


type Effect = WriteFiles | Command | Fetch | Model | Tool | Deploy | Order | Publish | Notify

#: How the guard treats each kind, by its name: the one table of it.
TRAITS: Mapping[str, Trait] = MappingProxyType(
    {
        effect.trait.kind: effect.trait
        for effect in (WriteFiles, Command, Fetch, Model, Tool, Deploy, Order, Publish, Notify)
    }
)
