"""Rule files and revisions as commands name them, read and made ready."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from remit.kernel.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from remit.bootstrap import Store
    from remit.guard.rules import revisions
    from remit.guard.rules.book import Book
    from remit.guard.rules.document import Resolved
    from remit.guard.rules.resolving import Ready
    from remit.settings import Settings


def read_file(file: str) -> str:
    """A rule file's text, or what of it shows that it is too long.

    Raises:
        NotFound: There is none.
        InvalidInput: It can't be read, or isn't UTF-8.
    """
    from remit.guard.rules.marked import MOST_BYTES

    try:
        with Path(file).open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
        return data.decode("utf-8-sig")
    except FileNotFoundError as error:
        message = f"There is no file {file}."
        raise NotFound(
            message, code="rules.file", hint="remit policy show --written prints one to begin with"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        message = f"The file {file} can't be read as UTF-8 text: {error}."
        raise InvalidInput(message, code="rules.file", hint=f"look at {file}") from error


def ready_file(file: str) -> Ready:
    """A rule file, compiled.

    Raises:
        NotFound, InvalidInput: As ``read_file``; or its rules can't be used, and where.
    """
    from remit.guard.rules.resolving import prepare

    return prepare(read_file(file), name=file)


def revision_of(store: Store, settings: Settings, number: int | None) -> revisions.Revision:
    """A revision; ``None``: the one in force.

    Raises:
        NotFound: There is none of this number.
    """
    from remit.guard.rules import revisions

    if number is None:
        return store.view(lambda tx: revisions.newest_revision(tx, settings.workspace))
    return store.view(lambda tx: revisions.find_revision(tx, settings.workspace, number))


def book_in_force(settings: Settings) -> Book:
    """The rules in force."""
    from remit.bootstrap import open_store

    with open_store(settings) as store:
        return revision_of(store, settings, None).book


def shipped_rules() -> Resolved:
    """The rules of the shipped sets alone."""
    from remit.guard.rules.resolving import shipped

    return shipped().book.resolved


def rules_of(settings: Settings, which: str | None) -> Resolved:
    """The rules of a revision, of a file, or (``None``) those in force."""
    from remit.bootstrap import open_store

    if which is not None and not which.isdecimal():
        return ready_file(which).book.resolved
    with open_store(settings) as store:
        return revision_of(store, settings, None if which is None else int(which)).book.resolved
