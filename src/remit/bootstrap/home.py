"""The home: the folder of one install, the keys in it, and who serves it.

Promise: the folder and its keys are readable by their owner alone, and a log is never given a second key.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from remit.adapters.store.keyfile import create_key, create_payload_key, parse_payload_key
from remit.kernel import crash
from remit.kernel.errors import Conflict, NotFound, Unavailable
from remit.settings import Settings

DATABASE = "remit.db"
ENGINE_DATABASE = "engine.db"
KEY = "audit.key"
MASK_KEY = "mask.key"
HEADS = "heads.log"
PAYLOAD_KEY = "payload.key"
LOCKS = "executors"
SERVING = "remit-up"  # the lock of whoever serves a home
DEPLOYS = "deploys"
WITNESSED = "witness.log"
STAMPED = "timestamps.log"
PRIVATE = 0o700


def make_home(settings: Settings) -> bool:
    """Make the home folder (mode 0700) with its keys, unless they are there; whether anything was made.

    Raises:
        Conflict: The path is taken by something that is no folder.
        NotFound: There is a log without its key: a new key would never verify it.
        Unavailable: The folder can't be made or written.
    """
    home = settings.home
    fresh = not (home / KEY).exists()
    if fresh and any((home / name).exists() for name in (DATABASE, HEADS)):
        message = f"The home {home} holds an audit log, but its signing key {KEY} is gone."
        raise NotFound(message, code="audit.key", hint=f"restore {home / KEY} from its backup, or use another --home")
    try:
        crash.reach("home.folder:before")
        home.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        home.chmod(PRIVATE)
        settings.missions.mkdir(mode=PRIVATE, exist_ok=True)
        crash.reach("home.folder:after")
        crash.reach("home.keys:before")
        create_key(home / KEY)
        create_payload_key(home / PAYLOAD_KEY)
        _create_mask_key(home / MASK_KEY)
        crash.reach("home.keys:after")
    except FileExistsError as error:
        message = f"{home} is there already and is no folder."
        raise Conflict(message, hint="choose another place: --home DIR") from error
    except OSError as error:
        message = f"The home folder {home} can't be written: {error.strerror}."
        raise Unavailable(message, hint="choose another place: --home DIR") from error
    return fresh


def _create_mask_key(path: Path) -> None:
    """The key of the masks' suffixes, whole or not at all: written beside, then linked into place."""
    if path.exists():
        return
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(32))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def check_home(settings: Settings) -> None:
    """Refuse a folder that is no home.

    Raises:
        NotFound: No home was made there.
    """
    if not (settings.home / KEY).is_file():
        message = f"There is no Remit home at {settings.home}."
        raise NotFound(message, code="home.missing", hint=f"remit init --home {settings.home}")


def mask_key(settings: Settings) -> bytes:
    """The key of this install's masks."""
    return (settings.home / MASK_KEY).read_bytes()


def payload_key(settings: Settings) -> bytes:
    """The key that wraps the audit payloads' keys: ``REMIT_PAYLOAD_KEY`` (base64), else a file in the home.

    A home of an older version gets its file here; a store whose keys were wrapped under another one refuses it.
    """
    given = os.environ.get("REMIT_PAYLOAD_KEY")
    return parse_payload_key(given) if given else create_payload_key(settings.home / PAYLOAD_KEY)


@contextmanager
def hold_home(settings: Settings) -> Generator[bool]:
    """Be the process that serves this home, while this lasts; ``False``: another one is."""
    from remit.adapters.engine import ExecutorLocks

    locks = ExecutorLocks(settings.home / LOCKS)
    held = locks.take(SERVING)
    try:
        yield held
    finally:
        locks.release(SERVING)
