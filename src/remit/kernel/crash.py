"""Crash points: every write has a name, and a drill may end the process just before or just after it.

In production ``reach`` costs one global read. ``remit.testing.crashpoints`` installs the hook; bootstrap refuses to do
so when the environment is production.
"""

from __future__ import annotations

from collections.abc import Callable

from remit.kernel.errors import InternalError

#: Every named write of every journey, as ``room.write``. A write without a name here is refused.
POINTS: frozenset[str] = frozenset(
    {
        # store writes, accounts
        "accounts.agent",
        "accounts.kill",
        "accounts.team",
        "accounts.user",
        "accounts.workspace",
        "accounts.policy",
        "accounts.glass",
        # keys and the gateway's policy
        "accounts.key",
        "accounts.gateway",
        # signing in
        "sign_in.api_key",
        "sign_in.factor",
        "sign_in.identity",
        "sign_in.link",
        "sign_in.password",
        "sign_in.refresh",
        "sign_in.seen",
        "sign_in.session",
        "sign_in.try",
        # orders that are sent again
        "api.answer",
        "api.repeat",
        # audit
        "audit.checkpoint",
        "audit.genesis",
        "audit.prune",
        "audit.hold",
        "audit.release",
        "audit.erase",
        "audit.export",
        "audit.key",
        "audit.verified",
        "audit.acknowledged",
        # the guard, the path
        "guard.intent",
        "guard.outcome",
        "guard.refused",
        "guard.settle",
        # the guard, rules and evidence
        "guard.evidence",
        "guard.rules",
        # the guard, approvals
        "guard.approval",
        "guard.delegation",
        "guard.expiry",
        "guard.notice",
        # the guard, breakers
        "guard.breaker",
        # the guard, budgets
        "guard.budget",
        # the guard, rates
        "guard.limit",
        # secrets
        "secret.policy",
        "secret.retire",
        "secret.seen",
        "secret.set",
        "secret.told",
        "secret.use",
        # the guard, fetches
        "fetch.hop",
        "fetch.request",
        # tool servers
        "mcp.accept",
        "mcp.server",
        "mcp.tools",
        # models, kept answers
        "models.cache",
        # missions
        "mission.create",
        "mission.claim",
        "mission.status",
        "mission.control",
        "mission.branch",
        "mission.rollback",
        "step.start",
        "step.attempt",
        "step.finish",
        "step.fail",
        "step.reset",
        # the missions, answers that a step keeps until it has ended
        "step.recorded",
        # the missions, queue
        "queue.clean",
        "queue.enter",
        "queue.give_back",
        "queue.move",
        "queue.pause",
        "queue.refused",
        "queue.take",
        "queue.worker",
        # the missions, presets
        # deployment
        "deploy.record",
        "deploy.settle",
        "deploy.evidence",
        "deploy.stage",
        "deploy.release",
        "deploy.switch",
        "deploy.back",
        "deploy.prune",
        # models
        "models.health",
        "models.set",
        # backups, restores, upgrades
        "backup.taken",
        "backup.archive",
        "restore.held",
        "restore.place",
        "upgrade.copy",
        "upgrade.done",
        # writes outside the store
        "home.folder",
        "home.keys",
        "store.migrate",
        "engine.open",
        "engine.submit",
        "engine.claim",
        "engine.outcome",
        "engine.cancel",
        "files.write",
        "git.init",
        "git.objects",
        "git.ref",
        "git.workspace",
        "command.start",
        "command.end",
        "heads.append",
        "secrets.file",
        "mission.folder",
        "step.folder",
        "step.discard",
    }
)

_hook: Callable[[str], None] | None = None


def install(hook: Callable[[str], None] | None) -> None:
    """Set (or, with ``None``, remove) what is called at each moment. Only ``remit.testing`` and bootstrap call this."""
    global _hook  # noqa: PLW0603 - one process-wide switch is what a crash drill is
    _hook = hook


def reach(moment: str) -> None:
    """Pass a moment, ``<point>:before`` or ``<point>:after``.

    Raises:
        InternalError: The point has no name in ``POINTS``.
    """
    if _hook is not None:
        check(moment.partition(":")[0])
        _hook(moment)


def check(point: str) -> None:
    """Refuse a write that has no name.

    Raises:
        InternalError: ``point`` is not in ``POINTS``.
    """
    if point not in POINTS:
        message = f"the write {point!r} has no name in remit.kernel.crash.POINTS"
        raise InternalError(message)
