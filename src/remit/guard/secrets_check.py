"""Fourth check: references to secrets. May this action use them, and can they be resolved? Nothing is resolved here.

A reference stands in the environment of a command, in the headers of a fetch, or in the arguments of a tool, order,
publication or deployment. Anywhere else nobody would replace it, so it is refused there. What the allow and deny lists
say is asked first (`secrets_rules`); then the value is read, which registers it with the redactor, so that an action
whose secret is unknown, or whose backend does not answer, is refused before its intent. Texts (prompts, messages,
files) may speak of references: there they are words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from remit.guard.scene import Scene, allowed, denied
from remit.guard.secrets_rules import SecretsInForce
from remit.guard.secrets_use import Used
from remit.kernel.action import Action
from remit.kernel.canonical import Json
from remit.kernel.decision import Check, Verdict
from remit.kernel.effects import Command, Deploy, Effect, Fetch, Order, Publish, Tool
from remit.kernel.errors import Denied, InvalidInput, NotFound, RemitError, Unavailable
from remit.kernel.references import SCHEME, Reference, parse, references_in

NAME = "secrets"
ALLOWED = allowed(NAME)
REFERRED = "referred"

_SCHEME = SCHEME.encode()
#: The error of a value that can't be masked, and would be seen wherever it is printed.
UNMASKABLE = "secrets.unmaskable"


class Source(Protocol):
    """Who can resolve references."""

    async def ready(self, action: Action, reference: Reference, known: SecretsInForce) -> Used:
        """Read the value, and have it masked from now on.

        Raises:
            NotFound, Failed, Unavailable, IntegrityError: It can't be resolved.
        """
        ...


def check(action: Action, scene: Scene) -> Check:
    """Whether every reference stands where it is resolved, and may be used; ``REFERRED`` when they must be read yet."""
    if _SCHEME not in action.payload:
        return ALLOWED
    try:
        wanted = wanted_by(action.effect)
    except InvalidInput as error:
        return denied(NAME, "misplaced", error.message)
    if not wanted:
        return ALLOWED
    for reference in wanted:
        why = scene.standing.secrets.refusal(reference.name, action)
        if why:
            scene.tried = (reference.name,)
            who = f"{action.principal} may not use the secret {reference.name!r} for this {action.kind}"
            return denied(NAME, "denied", f"{who}: {why}.")
    scene.wants = wanted
    names = ", ".join(dict.fromkeys(reference.name for reference in wanted))
    return Check(NAME, Verdict.ALLOW, REFERRED, f"It uses secrets: {names}.")


async def ready(source: Source | None, action: Action, scene: Scene, verdict: Check) -> Check:
    """The verdict once every value was read; what was found is left in the scene."""
    if source is None:
        return denied(NAME, "unknown", "There is no source of secrets here, so no reference can be resolved.")
    found: dict[str, Used] = {}
    for reference in scene.wants:
        try:
            found[reference.name] = await source.ready(action, reference, scene.standing.secrets)
        except Exception as error:  # noqa: BLE001 - no answer is no secret
            return _unread(scene, reference, error)
    scene.used = tuple(found.values())
    return verdict


def _unread(scene: Scene, reference: Reference, error: Exception) -> Check:
    match error:
        case NotFound():
            scene.tried = (reference.name,)
            return denied(NAME, "unknown", error.message)
        case Unavailable():
            return denied(NAME, "unavailable", error.message)
        case RemitError():
            return denied(NAME, "unmaskable" if error.code == UNMASKABLE else "unreadable", error.message)
        case _:  # what a driver raises may hold anything
            return denied(NAME, "unreadable", f"{reference} could not be read: {type(error).__name__}.")


def refusal(action: Action, last: Check) -> RemitError:
    """What the caller is told; a backend that doesn't answer may do so later."""
    code = f"guard.secret_{last.reason}"
    if last.reason == "unavailable":
        return Unavailable(last.detail, code=code, hint=f"remit why {action.id}")
    return Denied(last.detail, code=code, decision_id=action.id)


def wanted_by(effect: Effect) -> tuple[Reference, ...]:
    """The references that the effect's adapter will resolve, each once, by name.

    Raises:
        InvalidInput: A reference that is not well formed, or stands where nobody resolves it.
    """
    match effect:
        case Command():
            _refuse(effect.argv, "an argument, which every process of the machine can read", "put it into env")
            places: Json = dict(effect.env)
        case Fetch():
            _refuse((effect.url,), "a URL, which servers and proxies log", "put it into a header")
            headers: object = getattr(effect, "headers", None)
            pairs = cast("Mapping[str, str]", headers).items() if isinstance(headers, Mapping) else headers or ()
            places = [str(value) for _, value in cast("Sequence[tuple[str, str]]", pairs)]
        case Tool() | Order() | Publish() | Deploy():
            places = effect.payload()
        case _:
            return ()
    return tuple(sorted(set(references_in(places))))


def _refuse(texts: Sequence[str], where: str, instead: str) -> None:
    for text in texts:
        placed = parse(text)
        if placed is not None:
            message = f"The reference {placed.reference} stands in {where}: {instead}."
            raise InvalidInput(message, code="secrets.reference")
