"""What a backup holds: the list that travels with it, and the rules that say whether it is whole.

A backup is whole when the list names every part that a home needs to go on, every part is there with the bytes that
were written, and nothing else is. The list itself is signed with the audit log's key and carries the log's head, so a
restored log is held against a head that was known when the backup was taken.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from remit.kernel.canonical import sha256_hex
from remit.kernel.errors import IntegrityError

FORMAT = 1
MANIFEST = "manifest.json"
NOTE = "manifest.note"
STORE = "store.db"  # SQLite, a copy of the file
DUMP = "store.dump"  # Postgres, pg_dump's custom format; the engine's schema is in it
ENGINE = "engine.db"
HEADS = "heads.log"
SETTINGS = "settings.json"
KEYS = ("audit.key", "payload.key", "mask.key")
KEY_FOLDER, FILE_FOLDER, MISSION_FOLDER = "keys/", "files/", "missions/"
LONGEST_NAME = 512
MOST_TOLD = 20


class Part(StrEnum):
    """What a file of a home is to a backup."""

    STORE = "store"  # copied by its database
    ENGINE = "engine"  # so too
    HEADS = "heads"  # cut to what the store's copy holds
    KEY = "key"  # only when asked for
    MISSION = "mission"  # its repository, by git
    PASSING = "passing"  # of this process or this moment: left out
    FILE = "file"  # copied as it is


#: Files and folders of a home by their first name. Whatever is not named is copied: better too much than too little.
PARTS: Mapping[str, Part] = {
    "remit.db": Part.STORE,
    "engine.db": Part.ENGINE,
    "heads.log": Part.HEADS,
    **dict.fromkeys(KEYS, Part.KEY),
    "missions": Part.MISSION,
    **dict.fromkeys(("executors", "deploys", "upgrades", "up.lock", "restored.json"), Part.PASSING),
}
_PASSING_ENDS = ("-wal", "-shm", "-journal", ".lock")


def part_of(name: str) -> Part:
    """What the entry ``name`` of a home's folder is. Unknown names are files."""
    known = PARTS.get(name)
    if known is not None:
        return known
    return Part.PASSING if name.startswith(".") or name.endswith(_PASSING_ENDS) else Part.FILE


@dataclass(frozen=True, slots=True)
class Member:
    """A part of the archive: SHA-256 in hex, size in bytes."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class MissionPart:
    """A mission's repository in a backup.

    Attributes:
        id: The mission.
        workspace: Its workspace.
        status: As its row stood.
        head: The newest checkpoint that its row knows; empty: it has none, and no repository is kept.
        refs: Every reference that is restored, by name; the branch stands at ``head``.
    """

    id: str
    workspace: str
    status: str
    head: str = ""
    refs: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Manifest:
    """The list.

    Attributes:
        made: When, ISO 8601 in UTC.
        remit: The version that made it.
        database: ``sqlite`` or ``postgres``.
        schema: The store's revision.
        origin: The audit log's name.
        entries: How many entries the copied log has.
        head: The newest signed head that covers nothing but those.
        keys: Whether the keys are in it.
        members: Every part but the list itself and its signature.
        missions: Every mission's repository.
        left_out: What is not in it and might be missed, in words.
        format: Of this list.
    """

    made: str
    remit: str
    database: str
    schema: str
    origin: str
    entries: int
    head: str
    keys: bool
    members: Mapping[str, Member]
    missions: Sequence[MissionPart]
    left_out: Sequence[str] = ()
    format: int = FORMAT

    def encoded(self) -> bytes:
        """As it stands in the archive."""
        return json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False).encode()


def statement(origin: str, manifest: bytes) -> str:
    """What is signed: a text of three lines, so that it can be taken for no checkpoint."""
    return f"{origin}\nremit backup manifest\nsha256:{sha256_hex(manifest)}\n"


def read_manifest(data: bytes) -> Manifest:
    """Read it.

    Raises:
        IntegrityError: It is damaged, or of a format that this version does not know.
    """
    try:
        raw: dict[str, Any] = json.loads(data)
        if raw["format"] != FORMAT:
            message = f"The backup is of format {raw['format']!r}; this version of Remit reads format {FORMAT}."
            raise IntegrityError(message, code="backup.format", hint="restore it with the Remit that made it")
        members = {str(name): Member(str(one["sha256"]), int(one["bytes"])) for name, one in raw["members"].items()}
        missions = [
            MissionPart(
                str(one["id"]), str(one["workspace"]), str(one["status"]), str(one["head"]), dict(one["refs"] or {})
            )
            for one in raw["missions"]
        ]
        return Manifest(
            made=str(raw["made"]),
            remit=str(raw["remit"]),
            database=str(raw["database"]),
            schema=str(raw["schema"]),
            origin=str(raw["origin"]),
            head=str(raw["head"]),
            entries=int(raw["entries"]),
            keys=bool(raw["keys"]),
            members=members,
            missions=missions,
            left_out=[str(one) for one in raw["left_out"]],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(f"its list of contents can't be read ({type(error).__name__})") from error


def pack_of(mission: str) -> str:
    """The name of a mission's objects in the archive."""
    return f"{MISSION_FOLDER}{mission}.pack"


def safe(name: str) -> bool:
    """Whether ``name`` can be a member's: it stays within the folder that an archive is unpacked into."""
    parts = name.split("/")
    plain = name.isprintable() and "\\" not in name and len(name) <= LONGEST_NAME
    return plain and all(part not in {"", ".", ".."} for part in parts)


def problems(manifest: Manifest, found: Mapping[str, Member]) -> list[str]:
    """What is wrong with an archive that holds ``found``; empty when it is whole.

    ``found`` leaves out the list and its signature.
    """
    told = [f"{name} is missing" for name in sorted(needed(manifest) - manifest.members.keys())]
    told += [f"{name} is listed and not there" for name in sorted(manifest.members.keys() - found.keys())]
    told += [f"{name} is there and not listed" for name in sorted(found.keys() - manifest.members.keys())]
    told += [
        f"{name} is not what was written"
        for name in sorted(manifest.members.keys() & found.keys())
        if manifest.members[name] != found[name]
    ]
    return told


def needed(manifest: Manifest) -> set[str]:
    """What a home can't go on without, besides keys that are kept elsewhere."""
    names = {STORE if manifest.database == "sqlite" else DUMP, HEADS, SETTINGS}
    names |= {pack_of(one.id) for one in manifest.missions if one.head}
    if manifest.keys:
        names |= {KEY_FOLDER + name for name in KEYS}
    return names


def check(manifest: Manifest, found: Mapping[str, Member]) -> None:
    """Refuse an archive that is not whole.

    Raises:
        IntegrityError: Names what is wrong with it.
    """
    wrong = problems(manifest, found)
    if wrong:
        more = f" and {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else ""
        raise damaged("; ".join(wrong[:MOST_TOLD]) + more)


def damaged(what: str) -> IntegrityError:
    """The backup is not what was written."""
    message = f"The backup is damaged: {what}. Nothing was put in place."
    return IntegrityError(message, code="backup.damaged", hint="restore an earlier backup")
