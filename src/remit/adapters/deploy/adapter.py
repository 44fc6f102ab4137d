"""The guard's way to a deployment: release, switch, ask what is live now, and switch back when it does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from remit.adapters.deploy.difference import difference
from remit.adapters.deploy.place import CURRENT, Place, hold
from remit.adapters.deploy.smoke import Smoke, Smoker
from remit.adapters.git.process import Git
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.effects import Deploy
from remit.kernel.errors import Conflict, InternalError, InvalidInput
from remit.kernel.mission import Outcome
from remit.kernel.ports import Preview

WALL_S = 120.0

#: Has on disk what the action is about to do, before anything is touched; refuses what was never agreed.
type Agreed = Callable[[Action, Deploy], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a deploy effect asks for."""

    tree: str
    previous: str
    smoke: tuple[str, ...]
    keep: int


def wanted(effect: Deploy) -> Wanted:
    """Read an effect's release.

    Raises:
        InvalidInput: It is not what ``kernel.effects.Deploy`` says.
    """
    told = effect.release
    tree, previous, smoke, keep = (told.get(name) for name in ("tree", "previous", "smoke", "keep"))
    fit = (
        isinstance(tree, str)
        and isinstance(previous, str)
        and isinstance(smoke, list)
        and all(isinstance(word, str) for word in smoke)
        and isinstance(keep, int)
        and keep >= 1
        and (bool(tree) or bool(effect.compensates))
    )
    if not fit:
        message = "The deployment can't be done: its release needs tree, previous, smoke (a list) and keep (1 or more)."
        raise InvalidInput(message, code="deploy.release")
    assert isinstance(tree, str)  # noqa: S101 - looked at above; for the type checker
    assert isinstance(previous, str)  # noqa: S101
    assert isinstance(smoke, list)  # noqa: S101
    assert isinstance(keep, int)  # noqa: S101
    return Wanted(tree, previous, tuple(map(str, smoke)), keep)


class DeployAdapter:
    """Performs and previews ``Deploy`` effects.

    Args:
        git_of: The repository of a mission id.
        smoker: Tests what is live.
        agreed: Called first, inside the permit.
        wait_s: How long another deployment to the same place is waited for.
    """

    def __init__(
        self, *, git_of: Callable[[str], Git], smoker: Smoker, agreed: Agreed | None = None, wait_s: float = 60.0
    ) -> None:
        self._git_of = git_of
        self._smoker = smoker
        self._agreed = agreed
        self._wait_s = wait_s

    async def perform(self, action: Action) -> Outcome:
        """Make the release live. An outcome that is not ok: it did not answer, and what was live before is live again.

        Raises:
            Conflict: Another release is live than the one that was there when this was asked; nothing was changed.
            InvalidInput: The target can't be deployed to.
            Unavailable: It can't be written, or another deployment did not end in time.
        """
        effect = _effect(action)
        want = wanted(effect)
        async with hold(effect.target, wait_s=self._wait_s) as place:
            live = place.live
            if live != want.previous:
                message = (
                    f"{effect.target} has {_named(live)} live now, and this deployment was to replace "
                    f"{_named(want.previous)}: nothing was changed."
                )
                raise Conflict(message, code="deploy.moved", hint="look at what is live, then deploy again")
            if self._agreed is not None:
                await self._agreed(action, effect)
            if want.tree and not effect.compensates:
                git = self._git_of(action.mission)
                await _to_its_end(lambda: place.publish(git, want.tree))
            elif want.tree and not place.release(want.tree).is_dir():
                message = f"The release {want.tree} is no longer in {effect.target}: it can't be made live again."
                raise Conflict(message, code="deploy.gone", hint="deploy the mission it came from again")
            return await self._bring(action, place, want)

    async def _bring(self, action: Action, place: Place, want: Wanted) -> Outcome:
        place.switch(want.tree)
        try:
            smoke = await self._smoke(action, place, want)
        except BaseException:
            self._back(place, want)
            raise
        value: dict[str, Json] = {
            "release": want.tree,
            "previous": want.previous,
            "smoke": None if smoke is None else {"ok": smoke.ok, "seconds": smoke.seconds},
        }
        if smoke is not None and not smoke.ok:
            self._back(place, want)
            text = f"It did not answer when it was live, and {_named(want.previous)} is live again. {smoke.text}"
            return Outcome(ok=False, value={**value, "live": want.previous, "switched_back": True}, text=text)
        gone = await _to_its_end(lambda: place.prune(keep=want.keep, besides=frozenset({want.previous})))
        text = "" if smoke is None else smoke.text
        return Outcome(ok=True, value={**value, "live": want.tree, "removed": list[Json](gone)}, text=text)

    async def _smoke(self, action: Action, place: Place, want: Wanted) -> Smoke | None:
        if not want.smoke:
            return None
        return await self._smoker.run(action, place.path / CURRENT, want.smoke, wall_s=WALL_S)

    def _back(self, place: Place, want: Wanted) -> None:
        place.switch(want.previous, point="deploy.back")

    async def preview(self, action: Action) -> Preview:
        """The difference between what is live and what is to be.

        Raises:
            InvalidInput: The target can't be deployed to.
        """
        effect = _effect(action)
        want = wanted(effect)
        git = self._git_of(action.mission)
        async with hold(effect.target, wait_s=self._wait_s) as place:
            live = place.live
            found = await _to_its_end(lambda: difference(git, want.tree, place.release(live) if live else None))
        lines = [
            f"{effect.target}: {_named(live)} is live, {_named(want.tree)} is to be",
            found.summary(),
            f"tested by: {' '.join(want.smoke)}" if want.smoke else "",
        ]
        return Preview(diff=found.diff, summary="\n".join(line for line in lines if line))


def _effect(action: Action) -> Deploy:
    if not isinstance(action.effect, Deploy):
        message = f"The deploy adapter deploys, it does not perform effects of kind {action.kind!r}."
        raise InternalError(message)
    return action.effect


def _named(tree: str) -> str:
    return f"release {tree[:12]}" if tree else "nothing"


async def _to_its_end[T](work: Callable[[], T]) -> T:
    """Work in a thread that is let through to its end, also when the caller is cancelled meanwhile."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
