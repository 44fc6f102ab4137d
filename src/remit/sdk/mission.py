r"""Declaring a mission: functions that are steps, and a ``Mission`` that is a pack.

    hello = Mission("hello", version="1")

    @hello.step(post=[FileExists("hello.txt")])
    async def greet(ctx: StepContext, params: Mapping[str, Json]) -> Result:
        await ctx.do(WriteFiles({"hello.txt": f"Hello, {params['name']}!\n".encode()}))
        return {"greeted": params["name"]}

    @hello.planner
    def plan(data: bytes, name: str) -> list[StepSpec]:
        return [hello.use(greet, params={"name": data.decode().strip()})]

Give ``hello.pack()`` to Remit, or call ``greet`` in a test with a context of your own: it is still your function.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field

from remit.kernel.canonical import Json
from remit.kernel.errors import InvalidInput, NotFound
from remit.kernel.mission import Condition, OnFailure, Plan, RetryPolicy, StepSpec
from remit.kernel.money import ZERO, Money
from remit.missions.pack import Result, StepContext, StepFunction
from remit.sdk.tools import ToolBody, ToolFunction

type Planner = Callable[[bytes, str], Iterable[StepSpec]]
type Remover = Callable[[bytes, str], tuple[bytes, tuple[str, ...]]]

_NO_RETRY = RetryPolicy()


@dataclass(frozen=True, slots=True)
class Declared:
    """What a ``step`` decorator said about its function."""

    function: StepFunction
    uses: str
    version: str
    directory: bool
    agent: str
    post: tuple[Condition, ...]
    pre: tuple[Condition, ...]
    retry: RetryPolicy
    timeout_s: float
    on_failure: OnFailure

    def __call__(self, ctx: StepContext, params: Mapping[str, Json], /) -> Awaitable[Result | None]:
        """Call the function; the runner has opened the directory if ``directory`` asks for it."""
        return self.function(ctx, params)


class Mission:
    """A domain declared in code; ``pack`` makes a ``missions.pack.Pack`` of it.

    Args:
        name: As in ``remit run NAME``.
        version: Raise it whenever the same input may give another plan or result.
        summary: One sentence for the person who reads the plan.
        secrets: The names of the secrets that its steps may refer to (``secret://NAME`` in ``params``): a plan with
            another is refused. Any, when left out.
    """

    def __init__(self, name: str, *, version: str, summary: str = "", secrets: Iterable[str] | None = None) -> None:
        self.secrets = None if secrets is None else tuple(secrets)
        self.name = name
        self.version = version
        self.summary = summary
        self._steps: dict[str, Declared] = {}
        self._planner: Planner | None = None
        self._remover: Remover | None = None
        self._tools: dict[str, ToolFunction] = {}

    def step[F: StepFunction](
        self,
        *,
        post: Iterable[Condition],
        pre: Iterable[Condition] = (),
        name: str = "",
        version: str = "",
        directory: bool = False,
        agent: str = "coder",
        retry: RetryPolicy = _NO_RETRY,
        timeout_s: float = 300.0,
        on_failure: OnFailure = OnFailure.STOP,
    ) -> Callable[[F], F]:
        """Declare a function as a step; it is given back as it was.

        Args:
            post: What must hold afterwards; at least one condition.
            pre: What must hold before.
            name: How plans refer to it; the function's name when left out.
            version: Of the tools and templates that it uses; enters the skip key.
            directory: Whether the function reads ``ctx.directory``: it is then opened before the call.
            agent: Which agent acts.
            retry: How often and how far apart it is tried.
            timeout_s: Seconds for one attempt.
            on_failure: What its failure does to the mission.

        Raises:
            InvalidInput: The name is taken.
        """

        def declare(function: F) -> F:
            uses = name or str(getattr(function, "__name__", ""))
            if not uses or uses in self._steps:
                raise InvalidInput(f"Mission {self.name!r} has two steps called {uses!r}: give one of them a name.")
            self._steps[uses] = Declared(
                function, uses, version, directory, agent, tuple(post), tuple(pre), retry, timeout_s, on_failure
            )
            return function

        return declare

    def tool[F: ToolBody](
        self, *, name: str = "", timeout_s: float = 60.0, idempotent: bool = False
    ) -> Callable[[F], F]:
        """Declare a function as a tool, for ``ctx.do(Tool(name, arguments))``; it is given back as it was.

        It is called with the arguments by keyword, references to secrets resolved, in a thread when it is not async.
        Its answer is JSON; it comes to the step as ``outcome.value["result"]``, masked, as text from outside.

        Args:
            name: What the tool is called; the function's name when left out.
            timeout_s: Seconds that one call may take.
            idempotent: Whether a second call with the same ``effect_key()`` does no harm; only such a tool is called
                again when a connection fails.

        Raises:
            InvalidInput: The name is taken.
        """

        def declare(function: F) -> F:
            called = name or str(getattr(function, "__name__", ""))
            if not called or called in self._tools:
                raise InvalidInput(f"Mission {self.name!r} has two tools called {called!r}: give one of them a name.")
            self._tools[called] = ToolFunction(called, function, timeout_s, idempotent)
            return function

        return declare

    def use(
        self,
        function: StepFunction,
        name: str = "",
        *,
        params: Mapping[str, Json] | None = None,
        needs: Iterable[str] = (),
        feature: str = "",
        title: str = "",
        post: Iterable[Condition] = (),
        weight: float = 1.0,
        estimate: Money = ZERO,
        critic: str = "",
    ) -> StepSpec:
        """One step of a plan that uses a declared function; ``post`` adds to what the declaration demands.

        ``critic`` names the verdict that the step gives of the tree it finds.

        Raises:
            InvalidInput: The function was not declared here.
        """
        found = next((each for each in self._steps.values() if each.function is function), None)
        if found is None:
            raise InvalidInput(f"Mission {self.name!r} knows no such function: declare it with @{self.name}.step(...).")
        return StepSpec(
            name=name or found.uses,
            uses=found.uses,
            params=dict(params or {}),
            needs=tuple(needs),
            title=title,
            feature=feature,
            agent=found.agent,
            version=found.version,
            pre=found.pre,
            post=(*found.post, *post),
            retry=found.retry,
            timeout_s=found.timeout_s,
            weight=weight,
            estimate=estimate,
            on_failure=found.on_failure,
            critic=critic,
        )

    def planner(self, function: Planner) -> Planner:
        """Declare the function that turns an input (bytes, file name) into steps. It must be pure."""
        self._planner = function
        return function

    def remover(self, function: Remover) -> Remover:
        """Declare the function that takes a feature out of an input; without it a feature can't be rolled back."""
        self._remover = function
        return function

    def pack(self) -> DeclaredPack:
        """What Remit runs.

        Raises:
            InvalidInput: There is no planner.
        """
        if self._planner is None:
            raise InvalidInput(f"Mission {self.name!r} has no planner: declare one with @{self.name}.planner.")
        return DeclaredPack(
            self.name,
            self.version,
            self.summary,
            dict(self._steps),
            self._planner,
            self._remover,
            self.secrets,
            dict(self._tools),
        )


@dataclass(frozen=True, slots=True)
class DeclaredPack:
    """A ``missions.pack.Pack`` made from declarations."""

    name: str
    version: str
    summary: str
    steps: Mapping[str, Declared]
    planner: Planner
    remover: Remover | None
    secrets: tuple[str, ...] | None = None
    tools: Mapping[str, ToolFunction] = field(default_factory=dict[str, ToolFunction])

    def plan(self, data: bytes, *, name: str) -> Plan:
        """The steps for an input.

        Raises:
            InvalidInput: The planner refuses it.
        """
        return Plan(self.name, tuple(self.planner(data, name)), summary=self.summary, secrets=self.secrets)

    def step(self, uses: str) -> StepFunction:
        """The function declared under a name.

        Raises:
            InvalidInput: Nothing was.
        """
        if uses not in self.steps:
            raise InvalidInput(f"Mission {self.name!r} has no step function {uses!r}: {', '.join(self.steps)}.")
        return self.steps[uses]

    def without(self, data: bytes, feature: str) -> tuple[bytes, tuple[str, ...]]:
        """The input without a feature.

        Raises:
            NotFound: There is no such feature, or the mission declares no remover.
        """
        if self.remover is None:
            raise NotFound(f"Mission {self.name!r} has no features that can be taken out.")
        return self.remover(data, feature)
