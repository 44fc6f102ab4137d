"""``remit models import``: take over what another gateway was configured with."""

from __future__ import annotations

from pathlib import Path

import click

from remit.cli.context import settings_of
from remit.cli.output import common, emit, hint, say
from remit.cli.providers import carry_out
from remit.kernel.errors import InvalidInput
from remit.settings import Settings

_MOST_BYTES = 256 << 10


@click.group("import")
def import_() -> None:
    """Take over providers, models and names from another gateway's configuration."""


@import_.command()
@click.argument("file", type=click.Path())
@click.option("--dry-run", is_flag=True, help="Only tell what would come of it.")
@common
def litellm(file: str, home: str | None, *, dry_run: bool, as_json: bool, debug: bool) -> int:
    """Read FILE, the configuration of a LiteLLM proxy: all that can be taken is, at once, or nothing.

    Tells line by line what was taken, what was changed, and what has no counterpart. No key is copied: each becomes a
    reference to a secret, with the command that sets it. The same file again changes nothing.
    """
    del debug
    from remit.bootstrap import open_store
    from remit.models.catalogue import read_catalogue
    from remit.models.import_litellm import read_litellm

    settings = settings_of(home)
    text = _read(Path(file))
    with open_store(settings) as store:
        known = store.view(lambda tx: read_catalogue(tx, settings.workspace))
    found = read_litellm(text, known)
    changed = () if dry_run else carry_out(settings, found.changes)
    unpriced = () if dry_run else _unpriced(settings)
    if as_json:
        emit(
            {
                "dry_run": dry_run,
                "changed": list(changed),
                "report": [note.as_json() for note in found.notes],
                "secrets": list(found.secrets),
                "unpriced": list(unpriced),
            }
        )
        return 0
    for note in found.notes:
        say(f"{file}:{note.line}: {note.verdict.value}: {note.text}")
    made = len(changed)
    say(
        "nothing was changed: this was a dry run"
        if dry_run
        else f"{made} {'change was' if made == 1 else 'changes were'} made"
    )
    for secret in found.secrets:
        hint(f"to be set: remit secrets set {secret}")
    for target in unpriced:
        hint(f"to be priced, else it is not asked: remit models price {target} --input USD --output USD")
    return 0


def _unpriced(settings: Settings) -> tuple[str, ...]:
    """What is listed and has a price that nobody knows: its first call would be refused, as a surprise."""
    from remit.bootstrap import open_store
    from remit.kernel.clock import SystemClock
    from remit.models.catalogue import read_catalogue
    from remit.models.prices import Rates

    with open_store(settings) as store:
        now = store.view(lambda tx: read_catalogue(tx, settings.workspace, rates=Rates(SystemClock())))
    return tuple(dict.fromkeys(at.target for at in now.listed() if at.rate is None))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            message = f"{path.name[:80]} is larger than {_MOST_BYTES >> 10} KiB."
            raise InvalidInput(message, code="models.import", hint="split it, and import each part")
        return raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path.name[:80]} can't be read as text: {type(error).__name__}."
        raise InvalidInput(message, code="models.import", hint="remit models import litellm FILE") from error


COMMANDS = {"import": import_}
