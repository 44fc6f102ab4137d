"""What an administrator orders of the log as a whole: export it, check an export, erase a person with a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, select

from remit.adapters.export.folder import check_folder, export, forget, thin
from remit.adapters.export.formats import Format
from remit.adapters.git.search import search
from remit.adapters.store.journal import Store
from remit.adapters.store.mentions import Mention, blank, mentions
from remit.audit.bundle import Checked
from remit.audit.entry import Entry, Result
from remit.audit.erase import Erased
from remit.audit.export import Selection
from remit.audit.note import Verifier
from remit.kernel.action import Principal
from remit.kernel.effects import Durability
from remit.kernel.errors import RemitError
from remit.kernel.ports import ReadTx, Tx
from remit.missions.tables import MISSION

__all__ = ["ErasureReport", "check_export", "erase_person", "export_log"]

_REPOSITORY = "repo.git"
_LARGEST = 1 << 26
_MISSIONS = select(MISSION.c.id).where(MISSION.c.workspace == bindparam("of")).order_by(MISSION.c.id)


def export_log(
    store: Store,
    folder: Path,
    *,
    wanted: Selection,
    form: str,
    by: Principal,
    allow: Callable[[ReadTx], None],
    made_at: str,
    keep: int = 0,
) -> Mapping[str, Any]:
    """Export entries of a workspace into a new folder; that it was done is an entry, and in the export if it fits.

    With ``keep``, only so many of the newest exports beside it stay: what lies on a server must not grow for ever.

    Returns:
        The manifest.

    Raises:
        Conflict: The folder holds something.
        Denied: ``by`` may not.
    """

    def op(tx: Tx) -> None:
        allow(tx)
        entry = Entry(
            actor=by,
            action="audit.export",
            domain="audit",
            result=Result.SUCCESS,
            workspace=wanted.workspace,
            reason=form,
        )
        tx.append(entry, {"filter": wanted.as_json(), "format": form})

    store.write("audit.export", op, durable=Durability.SEALED)
    signers, verifiers = store.signers, store.verifiers
    manifest = store.view(
        lambda tx: export(
            tx,
            folder,
            wanted=wanted,
            form=Format(form),
            signers=signers,
            verifiers=verifiers,
            made_at=made_at,
        )
    )
    if keep:
        thin(folder.parent, most=keep)
    return manifest


def check_export(folder: Path, verifiers: Sequence[Verifier]) -> Checked:
    """Check an export offline.

    Raises:
        NotFound: There is none.
    """
    return check_folder(folder, verifiers)


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What an erasure did and what it could not reach.

    Attributes:
        subject: Who was erased.
        erased: The keys destroyed and the entries whose payload went with them.
        shredded: Whether no file of the database holds the keys any more.
        blanked: Texts in which the identifiers were written over.
        remains: Where the identifiers still stand in the database.
        commits: Commits of missions' repositories that hold them: mission, commit, paths.
        files: Files of missions' folders that hold them.
        unread: Repositories, files and exports that could not be searched, or not be removed.
        exports: Exports in the home that held erased entries; they were removed.
    """

    subject: str
    erased: Erased
    shredded: bool
    blanked: tuple[Mention, ...]
    remains: tuple[Mention, ...]
    commits: tuple[tuple[str, str, tuple[str, ...]], ...]
    files: tuple[str, ...]
    unread: tuple[str, ...]
    exports: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "subject": self.subject,
            "holds": list(self.erased.holds),
            "keys": list(self.erased.keys),
            "entries": list(self.erased.entries),
            "shredded": self.shredded,
            "blanked": [mention.as_json() for mention in self.blanked],
            "remains": [mention.as_json() for mention in self.remains],
            "commits": [{"mission": m, "commit": c, "paths": list(paths)} for m, c, paths in self.commits],
            "files": list(self.files),
            "unread": list(self.unread),
            "exports": list(self.exports),
        }


def erase_person(
    store: Store,
    subject: str,
    *,
    also: Sequence[str],
    missions: Path,
    workspace: str,
    by: Principal,
    reason: str,
    allow: Callable[[ReadTx], None],
    exports: Path | None = None,
) -> ErasureReport:
    """Erase a person from the audit log, blank them in free texts, and report what remains.

    Args:
        store: The store.
        subject: The subject that payloads were logged under.
        also: Other identifiers to look for: a name, an address.
        missions: The folder with the missions' folders.
        workspace: Whose data.
        by: Who orders it.
        reason: Why.
        allow: Raises when ``by`` may not.
        exports: The folder of the workspace's exports in the home; those that hold what is erased are removed.

    Raises:
        Denied: ``by`` may not.
    """
    erased, shredded = store.erase(subject, workspace=workspace, by=by, reason=reason, allow=allow)
    needles = tuple(dict.fromkeys((subject, *also)))
    blanked: list[Mention] = []
    if not erased.holds:
        blanked, shredded = store.blank(lambda tx: blank(tx, workspace, needles))
    remains = store.view(lambda tx: mentions(tx, workspace, needles))
    own = store.view(lambda tx: tx.tuples(_MISSIONS, {"of": workspace}))
    gone, left = ([], []) if exports is None else forget(exports, erased.entries)
    commits, files, unread = _searched([missions / mission for (mission,) in own], needles)
    return ErasureReport(
        subject=subject,
        erased=erased,
        shredded=shredded,
        blanked=tuple(blanked),
        remains=tuple(remains),
        commits=tuple(commits),
        files=tuple(files),
        unread=(*unread, *left),
        exports=tuple(gone),
    )


def _searched(
    folders: Sequence[Path], needles: Sequence[str]
) -> tuple[list[tuple[str, str, tuple[str, ...]]], list[str], list[str]]:
    commits: list[tuple[str, str, tuple[str, ...]]] = []
    files: list[str] = []
    unread: list[str] = []
    for folder in folders:
        git_dir = folder / _REPOSITORY
        if git_dir.is_dir():
            try:
                commits += [(folder.name, found.commit, found.paths) for found in search(git_dir, needles)]
            except RemitError as error:
                unread.append(f"{git_dir}: {error.message}")
        for path in sorted(folder.rglob("*")):
            if git_dir in path.parents or not path.is_file() or path.is_symlink():
                continue
            try:
                if path.stat().st_size > _LARGEST:
                    unread.append(f"{path}: larger than {_LARGEST >> 20} MiB")
                elif any(needle.encode() in path.read_bytes() for needle in needles):
                    files.append(str(path))
            except OSError as error:
                unread.append(f"{path}: {error.strerror}")
    return commits, files, unread
