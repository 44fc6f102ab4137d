"""What a command needs before it can start: the settings in force."""

from __future__ import annotations

import importlib
import logging
import os

from remit.cli.redaction import learn
from remit.settings import Settings, load

KEY_FILE = "audit.key"


def settings_of(home: str | None, **flags: object) -> Settings:
    """The settings, with this command's flags on top; arms a crash drill when one was asked for.

    Raises:
        InvalidInput: A setting is wrong, or a drill was asked for in production.
    """
    settings, _origin = load(flags={"home": home, **flags})
    logging.getLogger().setLevel(settings.log_level)
    learn(settings.home / KEY_FILE)
    if "REMIT_CRASH_AT" in os.environ or "REMIT_CRASH_LOG" in os.environ:
        # By name: the drills stand above this room, and nobody but a drill loads them.
        drills = importlib.import_module("remit.testing.crashpoints")
        drills.install(os.environ, production=settings.production)
    return settings
