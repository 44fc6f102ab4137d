"""Settings: what is in force in this process, where each value came from, what it does."""

from __future__ import annotations

from dataclasses import dataclass, replace

from remit.accounts.roles import Permission
from remit.operations.origins import From, Setting, list_settings, matching
from remit.serve.console.asking import Ask
from remit.serve.console.numbers import told
from remit.serve.console.page import page

_LONGEST = 100
WORDS = {
    From.DEFAULT: "default",
    From.FILE: "file",
    From.ENVIRONMENT: "environment",
    From.COMMAND: "command line",
    From.PROGRAM: "the program that opened this",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The page: ``rows`` fit what was asked for (``words``, ``changed``), of ``all`` that there are."""

    title: str
    rows: tuple[Setting, ...]
    words: str
    changed: bool
    all: int
    origins: dict[str, str]


@page("/settings", template="settings.html", group="Install", label="Settings")
async def settings(ask: Ask) -> Settings:
    """Every setting with its origin; for administrators."""
    await ask.read(lambda _tx: None, permission=Permission.ADMIN)
    words, changed = ask.query.get("q", "")[:_LONGEST].strip(), ask.query.get("changed") == "1"
    every, mask = list_settings(ask.runtime.settings), ask.runtime.redactor.mask
    found = tuple(replace(one, value=mask(one.value)) for one in matching(every, words=words, changed=changed))
    given = sum(one.origin is not From.DEFAULT for one in every)
    return Settings(
        title=told(given, "setting is set", "settings are set") if given else "Every setting is at its default",
        rows=found,
        words=words,
        changed=changed,
        all=len(every),
        origins={origin.value: word for origin, word in WORDS.items()},
    )
