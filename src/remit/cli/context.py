"""What a command needs before it can start: the settings in force."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable

from remit.cli import noted
from remit.cli.redaction import REDACTOR, learn, learn_channels
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import InvalidInput
from remit.redact import logs
from remit.settings import LogFormat, Settings, load

KEY_FILE = "audit.key"


def settings_of(home: str | None, **flags: object) -> Settings:
    """The settings, with this command's flags on top; arms a crash drill when one was asked for.

    Raises:
        InvalidInput: A setting is wrong, or a drill was asked for in production.
    """
    settings, _origin = load(flags={"home": home, **flags})
    noted.named(settings)
    logging.getLogger().setLevel(settings.log_level)
    _refuse_secrets(settings)
    if settings.log_format is LogFormat.JSON:
        from remit.bootstrap import json_log_formatter

        logs.use(json_log_formatter())
    learn(settings.home / KEY_FILE)
    learn_channels(settings.notify)
    if "REMIT_CRASH_AT" in os.environ or "REMIT_CRASH_LOG" in os.environ:
        # By name: the drills stand above this room, and nobody but a drill loads them.
        drills = importlib.import_module("remit.testing.crashpoints")
        drills.install(os.environ, production=settings.production)
    return settings


def _refuse_secrets(settings: Settings) -> None:
    """Names are written into every row, so none may be a secret.

    Raises:
        InvalidInput: One is.
    """
    for name in ("workspace", "owner", "user"):
        if not REDACTOR.clean(str(getattr(settings, name))):
            message = f"The setting {name!r} holds a secret, and it would stand in every row."
            raise InvalidInput(message, code="settings.secret", hint=f"choose another {name}, and rotate the secret")


def acting(settings: Settings) -> Principal:
    """The person in whose name a command gives its order."""
    return Principal(ActorKind.USER, settings.acting)


def address_of(settings: Settings) -> str:
    """Where people reach this install, as far as a command can know: for links that it prints."""
    return settings.public_url or "http://127.0.0.1:4100"


def masking(settings: Settings) -> Callable[[str], str]:
    """Masks secrets in what a person typed, with this install's own suffixes.

    Raises:
        NotFound: No home was made there.
    """
    from remit.bootstrap import check_home, mask_key
    from remit.redact.redactor import Redactor

    check_home(settings)
    redactor = Redactor(mask_key(settings))
    return lambda text: redactor.mask(REDACTOR.mask(text))
