"""``remit init`` and ``remit doctor``: make a home, and check one."""

from __future__ import annotations

import asyncio
import importlib.util
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click

from remit.cli.context import address_of, settings_of
from remit.cli.once import tell_once
from remit.cli.output import common, emit, say
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import RemitError
from remit.settings import Settings

FREE_WANTED = 1 << 30


@click.command()
@common
def init(home: str | None, *, as_json: bool, debug: bool) -> int:
    """Make a home: store, signing key, local owner, agents. Harmless to repeat."""
    del debug
    from remit.accounts.links import first_link
    from remit.bootstrap import open_entrance, open_store, prepare_home

    settings = settings_of(home)
    fresh = asyncio.run(prepare_home(settings))
    link = None
    with open_store(settings) as store:
        key = store.verifiers[0].vkey
        if fresh:
            owner = Principal(ActorKind.USER, settings.owner)
            link = asyncio.run(first_link(open_entrance(settings, store), workspace=settings.workspace, owner=owner))
    url = "" if link is None else address_of(settings) + link.path()
    if as_json:
        told = {"home": str(settings.home), "created": fresh, "key": key}
        return tell_once({**told, "set_up": url} if url else told, "", as_json=True)
    say(f"{'made' if fresh else 'found'} the home {settings.home}")
    say(f"audit key {key}")
    if url:
        tell_once({}, f"set your password, once and within the hour, in the console: {url}", as_json=False)
    say("next: remit run build examples/intakes/clinic.yaml")
    return 0


@dataclass(frozen=True, slots=True)
class Found:
    """One check of the doctor: whether it holds, what was seen, and the fix."""

    name: str
    ok: bool
    seen: str
    fix: str = ""


@click.command()
@common
def doctor(home: str | None, *, as_json: bool, debug: bool) -> int:
    """Check this install: interpreter, git, sandbox, build environment, home, store, audit log; each with its fix."""
    del debug
    settings = settings_of(home)
    found = [*_tools(settings.sandbox_tier), *_home(settings)]
    ok = all(one.ok for one in found)
    if as_json:
        emit({"ok": ok, "checks": [asdict(one) for one in found]})
    else:
        for one in found:
            say(f"{'ok ' if one.ok else 'NOT'} {one.name:18} {one.seen}")
            if not one.ok:
                say(f"    fix: {one.fix}")
    return 0 if ok else 1


def _tools(tier: int) -> Iterator[Found]:
    from remit.bootstrap import git_version, sandbox_tier
    from remit.packs.build.pack import TOOLS

    yield Found("python", sys.version_info >= (3, 12), platform.python_version(), "install Python 3.12 or newer")
    git = git_version()
    yield Found("git", bool(git), git or "not found", "install git 2.36 or newer")
    best, name = sandbox_tier()
    yield Found("sandbox", best >= tier, f"tier {best} ({name}), demanded {tier}", "install bubblewrap")
    missing = [name for name in TOOLS if importlib.util.find_spec(name) is None]
    fix = "make setup, or: pip install 'remit[build]'"
    yield Found("build environment", not missing, f"missing: {', '.join(missing)}" if missing else "complete", fix)


def _home(settings: Settings) -> Iterator[Found]:
    from remit.bootstrap import KEY, open_store

    home = settings.home
    there = (home / KEY).is_file()
    init = f"remit init --home {home}"
    yield Found("home", there, str(home) if there else f"none at {home}", init)
    if not there:
        return
    mode = home.stat().st_mode & 0o777
    yield Found("home mode", not mode & 0o077, f"{mode:o}", f"chmod 700 {home}")
    free = shutil.disk_usage(home).free
    yield Found("disk", free > FREE_WANTED, f"{free >> 20} MiB free", "free at least 1 GiB")
    try:
        with open_store(settings) as store:
            statistics = store.statistics()
            report = store.verify()
    except RemitError as error:
        yield Found("store", ok=False, seen=error.message, fix=error.hint)
        return
    yield Found("store", ok=True, seen=f"{statistics.database}, {statistics.bytes >> 10} KiB")
    seen = f"{report.size} entries, {report.signed} signed" if report.ok else str(report.discrepancies[0])
    yield Found("audit log", report.ok, seen, "remit audit verify")


COMMANDS = {"init": init, "doctor": doctor}
