"""What backends answer when they have nothing to give: the same words, whichever it is."""

from __future__ import annotations

from remit.kernel.errors import Conflict, Failed, NotFound, Timeout, Unavailable

_WAIT = "run it again when the backend answers, or correct its address in the setting secrets"


def unknown(name: str, backend: str, *, version: str = "") -> NotFound:
    """There is no such secret, or no such version of it."""
    what = f"version {version!r} of the secret {name!r}" if version else f"secret {name!r}"
    hint = f"remit secrets show {name}" if version else f"remit secrets set {name}"
    return NotFound(f"There is no {what} in {backend}.", code="secrets.unknown", hint=hint)


def read_only(backend: str) -> Conflict:
    """It can't be written through this backend."""
    message = f"Secrets in {backend} can't be changed from here."
    hint = "change it where it is set, or name a writable source before it in the setting secrets"
    return Conflict(message, code="secrets.read_only", hint=hint)


def refused(name: str, backend: str, why: str) -> Failed:
    """The backend says no: credentials, rights, a request that it doesn't take."""
    message = f"{backend} refused the secret {name!r}: {why}." if name else f"{backend} refused: {why}."
    return Failed(message, code="secrets.backend_refused", hint="docs/secrets.md says which rights it needs")


def binary(name: str, backend: str) -> Failed:
    """What it holds is no text."""
    message = f"What {backend} holds as {name!r} is no text that a program could be given."
    return Failed(message, code="secrets.binary", hint=f"remit secrets set {name}")


def silent(backend: str, why: str, *, retry_after: float | None = None) -> Unavailable:
    """It doesn't answer, or not now: what it holds is not known, so nothing may use it."""
    message = f"{backend} can't be asked for secrets now: {why}."
    return Unavailable(message, code="secrets.unavailable", hint=_WAIT, retry_after=retry_after)


def late(backend: str, seconds: float) -> Timeout:
    """It didn't answer in its time."""
    message = f"{backend} gave no answer about a secret within {seconds:g} s."
    return Timeout(message, code="secrets.unavailable", hint=_WAIT)
