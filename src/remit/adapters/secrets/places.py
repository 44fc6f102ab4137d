"""Where a value may have been left: a path a person names, a mission's folder and repository, the whole home."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from remit.adapters.git.contents import contents
from remit.kernel.errors import Failed, NotFound

REPOSITORY = "repo.git"


def files_below(place: Path) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of a file, or of every file below a folder. Links are not followed.

    The repositories of missions are read through git, for their objects are compressed.

    Raises:
        NotFound: There is nothing.
        Failed: A file can't be read, so that nobody could say what is in it.
    """
    if not place.exists():
        message = f"There is no {place}."
        raise NotFound(message, code="secrets.place", hint="remit missions")
    if place.is_file():
        yield str(place), _read(place)
        return
    for folder, folders, names in os.walk(place):
        here = Path(folder)
        if REPOSITORY in folders:
            folders.remove(REPOSITORY)
            yield from ((f"{here / REPOSITORY}: {path}", data) for path, data in contents(here / REPOSITORY))
        folders.sort()
        for name in sorted(names):
            path = here / name
            if path.is_file() and not path.is_symlink():
                yield str(path), _read(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""  # gone meanwhile
    except OSError as error:
        message = f"{path} can't be read: {error.strerror}."
        raise Failed(message, code="secrets.place", hint=f"look at its mode: ls -l {path}") from error
