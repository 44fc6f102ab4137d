"""Folders and files on their way to a final name; what a process that died left of them is removed by the next."""

from __future__ import annotations

import os
import platform
import secrets
from pathlib import Path

from remit.adapters.files.removal import remove_tree

PREFIX = ".remit-aside"


def aside(folder: Path) -> Path:
    """A name in ``folder`` that tells whose it is: this process's, on this host. Leftovers of dead ones go first."""
    sweep(folder)
    return folder / f"{PREFIX}-{_host()}-{os.getpid()}-{secrets.token_hex(4)}"


def sweep(folder: Path) -> None:
    """Remove what processes of this host that are gone left in ``folder``: it may hold a readable copy of a store."""
    start = f"{PREFIX}-{_host()}-"
    for path in folder.glob(f"{start}*"):
        pid = path.name.removeprefix(start).partition("-")[0]
        if pid.isdigit() and not _lives(int(pid)):
            remove_tree(path)


def _host() -> str:
    return "".join(letter for letter in platform.node() if letter.isalnum())[:40] or "host"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
