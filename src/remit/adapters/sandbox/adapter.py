"""The guard's way to a command: `Command` effects performed in the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from remit.adapters.files.removal import remove_tree
from remit.adapters.sandbox import tiers
from remit.adapters.sandbox.run import CommandResult, CommandSpec, End, OnOutput, run_command
from remit.adapters.sandbox.tiers import Probe, Tier
from remit.kernel.action import Action
from remit.kernel.effects import Command
from remit.kernel.errors import InternalError, InvalidInput
from remit.kernel.mission import Outcome
from remit.kernel.references import parse


class CommandAdapter:
    """Runs `Command` effects in the directory their action names.

    Args:
        python: The pinned interpreter that ``python`` stands for; its environment is readable, its programs are found.
        record: Called with the action, process group and start time before the command's first instruction; must have
            them on disk when it returns, so that a resume can end what is left (`kill_leftover`).
        resolve: Turns a ``secret://NAME`` reference in a variable of the action into its value, at the last moment; may
            block, and is called in a thread.
        minimum_tier: What policy demands; nothing weaker is ever used.
        watch: Given an action, what to call with its output as it comes.
        probe: What the machine offers; found out at the first command when left out.
    """

    def __init__(
        self,
        *,
        python: Path,
        record: Callable[[Action, int, str], Awaitable[None] | None],
        resolve: Callable[[Action, str], str] | None = None,
        minimum_tier: Tier = Tier.PROCESS,
        watch: Callable[[Action], OnOutput] | None = None,
        probe: Probe | None = None,
    ) -> None:
        self._python = python
        self._record = record
        self._resolve = resolve
        self._minimum_tier = minimum_tier
        self._watch = watch
        self._probe = probe
        self._readable = tiers.interpreter_paths(python)

    async def perform(self, action: Action) -> Outcome:
        """Run it once. A wrong exit code is an outcome that is not ok, not an error.

        Raises:
            Denied: The demanded tier is not there.
            InvalidInput: The command can't be run as it is written.
            Failed: It could not be started.
        """
        if not isinstance(action.effect, Command):
            message = f"The sandbox runs commands, not effects of kind {action.kind!r}."
            raise InternalError(message)
        spec = await self._spec(action, action.effect)
        remove_tree(spec.private)
        try:
            result = await run_command(
                spec,
                on_started=lambda group, start: self._record(action, group, start),
                on_output=self._watch(action) if self._watch else None,
                probe=self._probe,
            )
        finally:
            remove_tree(spec.private)
        return outcome(result, expected_exit=action.effect.expected_exit)

    async def _spec(self, action: Action, command: Command) -> CommandSpec:
        if not action.directory:
            message = f"The command {command.target!r} has no step directory to run in."
            raise InvalidInput(message, code="sandbox.command")
        cwd = Path(action.directory)
        spec = CommandSpec(
            argv=command.argv,
            cwd=cwd,
            private=cwd.parent / f".{cwd.name}.private",
            env={name: await self._value(action, name, value) for name, value in command.env.items()},
            limits=command.limits,
            network=command.network,
            read_only=self._readable,
            path=(self._python.absolute().parent,),
            stdin=command.stdin,
            minimum_tier=self._minimum_tier,
        )
        if command.argv[:1] == ("python",):
            return replace(spec, argv=(str(self._python.absolute()), *command.argv[1:]))
        return spec

    async def _value(self, action: Action, name: str, value: str) -> str:
        if parse(value) is None:
            return value
        if self._resolve is None:
            message = f"The variable {name} refers to {value}, and no secret source is set up."
            raise InvalidInput(message, code="sandbox.secret", hint="remit secrets list")
        return await asyncio.to_thread(self._resolve, action, value)


def outcome(result: CommandResult, *, expected_exit: int = 0) -> Outcome:
    """What a step learns of a command: exit code, output, tier, how it ended, seconds and bytes."""
    stdout, stderr = (data.decode("utf-8", "replace") for data in (result.stdout, result.stderr))
    return Outcome(
        ok=result.end is End.ENDED and result.exit_code == expected_exit,
        value={
            "exit_code": result.exit_code,
            "stdout": stdout,
            "stderr": stderr,
            "truncated": result.truncated,
            "seconds": result.seconds,
            "max_rss": result.max_rss,
            "tier": int(result.tier),
            "reach": result.reach.value,
            "end": result.end.value,
        },
        text="\n".join(part for part in (stdout.rstrip(), stderr.rstrip()) if part),
    )
