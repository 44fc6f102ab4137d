"""``backup``, ``restore`` and ``upgrade``: whole homes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from remit.cli.context import settings_of
from remit.cli.output import common, emit, hint, say

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


def _locks[F: Callable[..., Any]](function: F) -> F:
    for option in (
        click.option("--key-file", type=_FILE, default=None, help="A file with 32 random bytes in base64, as the key."),
        click.option("--passphrase-file", type=_FILE, default=None, help="A file with a passphrase, 12 characters up."),
    ):
        function = option(function)
    return function


@click.command()
@click.argument("place", type=click.Path(path_type=Path))
@click.option("--with-keys", is_flag=True, help="Put the keys in, readable: whoever has the file has everything.")
@_locks
@common
def backup(
    place: Path,
    passphrase_file: Path | None,
    key_file: Path | None,
    home: str | None,
    *,
    with_keys: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Copy the home into one file at PLACE (a folder, or the file), verified; it may be in use.

    Encrypted with a passphrase or a key, it holds the home's keys too.
    """
    del debug
    from remit.bootstrap import take_backup

    settings = settings_of(home)
    taken = take_backup(settings, place, keys=with_keys, passphrase_file=passphrase_file, key_file=key_file)
    manifest = taken.manifest
    if as_json:
        emit(
            {
                "backup": str(taken.file),
                "sha256": taken.sha256,
                "bytes": taken.bytes,
                "entries": manifest.entries,
                "schema": manifest.schema,
                "missions": len(manifest.missions),
                "keys": manifest.keys,
                "encrypted": bool(passphrase_file or key_file),
            }
        )
        return 0
    say(f"backup    {taken.file} ({taken.bytes >> 10} KiB)")
    say(f"sha256    {taken.sha256}")
    say(f"holds     {manifest.entries} entries of the log, {len(manifest.missions)} missions, schema {manifest.schema}")
    say(f"keys      {'in it' if manifest.keys else 'not in it: keep audit.key, payload.key and mask.key elsewhere'}")
    say(f"next: remit restore {taken.file} --home NEW" + ("" if manifest.keys else f" --keys {settings.home}"))
    if with_keys and not (passphrase_file or key_file):
        hint("whoever reads this file can read every secret of the home and sign its log: encrypt it, or lock it away")
    return 0


@click.command()
@click.argument("file", type=_FILE)
@click.option("--keys", type=_FOLDER, default=None, help="The folder with the home's keys, when FILE has none.")
@_locks
@common
def restore(
    file: Path,
    keys: Path | None,
    passphrase_file: Path | None,
    key_file: Path | None,
    home: str | None,
    *,
    as_json: bool,
    debug: bool,
) -> int:
    """Make a new home from the backup FILE, verified whole first; --home names a folder that is empty or not there.

    Missions that were not over are interrupted: none goes on by itself.
    """
    del debug
    from remit.bootstrap import restore_backup

    settings = settings_of(home)
    done = restore_backup(settings, file, keys=keys, passphrase_file=passphrase_file, key_file=key_file)
    if as_json:
        emit(
            {
                "home": str(settings.home),
                "made": done.manifest.made,
                "entries": done.entries,
                "missions": len(done.manifest.missions),
                "interrupted": [
                    {"mission": one.mission, "workspace": one.workspace, "was": one.was} for one in done.held
                ],
            }
        )
        return 0
    say(f"restored  {settings.home}, as it was at {done.manifest.made}")
    say(f"verified  {done.entries} entries of the log, {len(done.manifest.missions)} missions with their repositories")
    for one in done.held:
        say(f"stopped   {one.mission} (was {one.was}): remit resume {one.mission} --home {settings.home}")
    say("stop what still runs on the old home before you resume a mission here: its effects would happen twice")
    say(f"next: remit doctor --home {settings.home}")
    return 0


@click.command()
@common
def upgrade(home: str | None, *, as_json: bool, debug: bool) -> int:
    """Bring the home to this version of Remit: a copy first, then the migration, then a verification."""
    del debug
    from remit.bootstrap import upgrade_home

    settings = settings_of(home)
    done = upgrade_home(settings)
    if as_json:
        emit(
            {
                "was": done.was,
                "now": done.now,
                "copy": str(done.copy) if done.copy else "",
                "entries": done.entries,
            }
        )
    elif done.copy is None:
        say(f"{settings.home} is up to date (schema {done.now})")
    else:
        say(f"upgraded  {settings.home} from schema {done.was} to {done.now}; {done.entries} entries verified")
        say(f"copy      {done.copy} (remove it when you need no way back)")
    return 0


COMMANDS: dict[str, click.Command] = {"backup": backup, "restore": restore, "upgrade": upgrade}
