"""What a healthy install looks like: facts in, findings out, each with the command that mends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

FREE_WANTED, FREE_NEEDED = 1 << 30, 128 << 20  # bytes
FILES_WANTED = 4096  # open at once: a connection each, and those of the store
SKEW_WARN_S, SKEW_BAD_S = 2.0, 30.0
PYTHON = (3, 12)
GIT = (2, 36)  # what checkpoints need, see adapters.git.process
SQLITE = (3, 35)  # RETURNING
PRIVATE_MASK = 0o077


class State(StrEnum):
    """How a finding is meant: ``warn`` works, and will hurt one day."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        name: What was looked at.
        state: How it is.
        seen: What was seen.
        why: Why it matters; empty when all is well.
        fix: The exact next command or change; empty when all is well.
    """

    name: str
    state: State
    seen: str
    why: str = ""
    fix: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing must be done now."""
        return self.state is not State.BAD


@dataclass(frozen=True, slots=True)
class Log:
    """The audit log after a quick look: its size, how much of it is signed, what is wrong with it."""

    size: int
    signed: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trouble:
    """What could not be looked at: the error's message and hint."""

    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen of an install.

    Attributes:
        python: Its version.
        libraries: Version by name; empty: missing.
        sqlite: SQLite's version.
        git: What ``git --version`` says; empty: there is none.
        sandbox: The strongest tier and its name.
        sandbox_wanted: The weakest tier that the settings allow.
        missing_tools: Modules of the build environment that are not there.
        home: Its path.
        home_there: Whether it is a home.
        uid: Who runs this.
        home_mode: Permission bits.
        home_uid: Whose it is.
        keys: Mode and owner by key file; ``None``: it is missing.
        unwritable: Folders that can't be written.
        free: Bytes on its disk.
        files: How many files may be open at once.
        store: ``sqlite`` or ``postgres`` and its size; or what is wrong.
        schema: The store's revision; empty: none yet.
        schema_known: The revision of this version.
        schema_newer: Whether the store's is one that this version does not know.
        log: The audit log; or what is wrong.
        store_skew_s: The database's clock less this machine's.
        disk_skew_s: The file system's clock less this machine's.
        future_s: How far the newest entry lies in the future.
        secrets: Names that can be got, or what is wrong.
        providers: By name: seconds until it answered, what is wrong, or ``None``: not asked.
        port: What is at the port of ``remit up``: ``free``, ``remit``, ``taken``.
    """

    python: tuple[int, int, int]
    libraries: Mapping[str, str]
    sqlite: tuple[int, ...]
    git: str
    sandbox: tuple[int, str] | Trouble
    sandbox_wanted: int
    missing_tools: Sequence[str]
    home: str
    home_there: bool
    uid: int
    home_mode: int = 0
    home_uid: int = 0
    keys: Mapping[str, tuple[int, int] | None] = field(default_factory=dict[str, tuple[int, int] | None])
    unwritable: Sequence[str] = ()
    free: int = 0
    files: int = 0
    store: str | Trouble = ""
    schema: str = ""
    schema_known: str = ""
    schema_newer: bool = False
    log: Log | Trouble | None = None
    store_skew_s: float = 0.0
    disk_skew_s: float = 0.0
    future_s: float = 0.0
    secrets: int | Trouble = 0
    providers: Mapping[str, float | Trouble | None] = field(default_factory=dict[str, float | Trouble | None])
    port: str = "free"


def examine(facts: Facts) -> list[Check]:
    """Every finding, the machine first, then the home, then what is outside."""
    found = [*_machine(facts), _home(facts)]
    if facts.home_there:
        found += [*_files(facts), *_store(facts), *_clocks(facts), *_outside(facts)]
    return found


def graded(name: str, ok: bool, seen: str, why: str, fix: str, *, state: State = State.BAD) -> Check:  # noqa: FBT001 - reads as a row
    """A finding: what was seen; and, unless it is ``ok``, how bad that is, why, and what mends it."""
    return Check(name, State.OK, seen) if ok else Check(name, state, seen, why, fix)


def _numbers(text: str) -> tuple[int, ...]:
    words = [word for word in text.split() if word[:1].isdigit()]
    parts = words[0].split(".") if words else []
    return tuple(int(part) for part in parts if part.isdigit())


def _machine(facts: Facts) -> Iterator[Check]:
    shown = ".".join(map(str, facts.python))
    why = "Remit uses what older versions lack"
    yield graded("python", facts.python >= PYTHON, shown, why=why, fix="install Python 3.12 or newer")
    missing = sorted(name for name, version in facts.libraries.items() if not version)
    seen = ", ".join(f"{name} {version or 'missing'}" for name, version in facts.libraries.items())
    fix = f"pip install {' '.join(missing)}"
    yield graded("libraries", not missing, seen, why="a part of Remit can't be loaded", fix=fix)
    shown = ".".join(map(str, facts.sqlite))
    fix = "install a Python that is built with SQLite 3.35 or newer"
    yield graded("sqlite", facts.sqlite >= SQLITE, shown, why="the store's statements need it", fix=fix)
    why, fix = "checkpoints are commits, and core.fsync came with 2.36", "install git 2.36 or newer"
    yield graded("git", _numbers(facts.git) >= GIT, facts.git or "not found", why=why, fix=fix)
    if isinstance(facts.sandbox, Trouble):
        yield Check("sandbox", State.BAD, facts.sandbox.message, "no command can run", facts.sandbox.hint)
    else:
        best, name = facts.sandbox
        seen = f"tier {best} ({name}), demanded {facts.sandbox_wanted}"
        why, fix = "commands are refused below the demanded tier", "install bubblewrap"
        yield graded("sandbox", best >= facts.sandbox_wanted, seen, why=why, fix=fix)
    seen = f"missing: {', '.join(facts.missing_tools)}" if facts.missing_tools else "complete"
    why, fix = "build missions test what they made with it", "make setup, or: pip install 'remit[build]'"
    yield graded("build environment", not facts.missing_tools, seen, why=why, fix=fix)
    why, fix = "each connection needs one", f"ulimit -n {FILES_WANTED}, or LimitNOFILE={FILES_WANTED} of the service"
    enough = facts.files >= FILES_WANTED
    yield graded("open files", enough, f"{facts.files} at once", why=why, fix=fix, state=State.WARN)


def _home(facts: Facts) -> Check:
    seen = facts.home if facts.home_there else f"none at {facts.home}"
    fix = f"remit init --home {facts.home}"
    return graded("home", facts.home_there, seen, why="state, keys and the log live there", fix=fix)


def _files(facts: Facts) -> Iterator[Check]:
    mode = f"{facts.home_mode:o}"
    why = "others on this machine can look into the home"
    yield graded("home mode", not facts.home_mode & PRIVATE_MASK, mode, why=why, fix=f"chmod 700 {facts.home}")
    owned = facts.home_uid == facts.uid
    seen = "yours" if owned else f"of user {facts.home_uid}, and this is {facts.uid}"
    why, fix = "what one makes the other can't read", f"run Remit as the home's owner, or: chown -R $USER {facts.home}"
    yield graded("home owner", owned, seen, why=why, fix=fix)
    for name, found in facts.keys.items():
        place = f"{facts.home}/{name}"
        if found is None:
            why = "without it the log can't be signed or its payloads not read"
            yield Check(f"key {name}", State.BAD, "missing", why, f"restore {place} from its backup")
            continue
        bits, uid = found
        fix = f"chmod 600 {place}" if bits & PRIVATE_MASK else f"chown $USER {place}"
        good = not bits & PRIVATE_MASK and uid == facts.uid
        yield graded(f"key {name}", good, f"{bits:o}", why="others could read or replace it", fix=fix)
    seen = ", ".join(facts.unwritable) or "all"
    why, fix = "missions and the log are written there", f"chmod -R u+rwX {facts.home}"
    yield graded("writable folders", not facts.unwritable, seen, why=why, fix=fix)
    state = State.BAD if facts.free < FREE_NEEDED else State.WARN
    why, fix = "a full disk stops every write", "free at least 1 GiB, or: remit queue clean --older-than 7d"
    yield graded("disk", facts.free >= FREE_WANTED, f"{facts.free >> 20} MiB free", why=why, fix=fix, state=state)


def _store(facts: Facts) -> Iterator[Check]:
    if isinstance(facts.store, Trouble):
        yield Check("store", State.BAD, facts.store.message, "nothing can be done without it", facts.store.hint)
        return
    yield Check("store", State.OK, facts.store)
    why, fix = "this version reads and writes its own schema", "remit upgrade"
    if facts.schema_newer:
        why, fix = "there is no way down", "install the Remit that wrote it, or restore a backup: remit restore FILE"
    seen = f"{facts.schema or 'none'}, this version's is {facts.schema_known}"
    yield graded("schema", facts.schema == facts.schema_known, seen, why=why, fix=fix)
    if facts.log is None:
        return
    if isinstance(facts.log, Trouble):
        yield Check("audit log", State.BAD, facts.log.message, "nothing is proved", facts.log.hint)
        return
    seen = f"{facts.log.size} entries, {facts.log.signed} signed, heads outside agree"
    if facts.log.problems:
        seen = facts.log.problems[0]
    why, fix = "somebody changed it, or the disk lost some of it", "remit audit verify"
    yield graded("audit log", not facts.log.problems, seen, why=why, fix=fix)


def _clocks(facts: Facts) -> Iterator[Check]:
    skews = {"database": facts.store_skew_s, "file system": facts.disk_skew_s}
    name, worst = max(skews.items(), key=lambda each: abs(each[1]))
    seen = "agree" if abs(worst) <= SKEW_WARN_S else f"the {name}'s is {worst:+.1f} s off"
    if facts.future_s > SKEW_WARN_S:
        seen, worst = f"the newest entry lies {facts.future_s:.0f} s in the future", facts.future_s
    state = State.BAD if abs(worst) > SKEW_BAD_S else State.WARN
    why, fix = "leases, budgets and the log's times rest on it", "synchronise the clocks: timedatectl set-ntp true"
    yield graded("clocks", abs(worst) <= SKEW_WARN_S, seen, why=why, fix=fix, state=state)


def _outside(facts: Facts) -> Iterator[Check]:
    if isinstance(facts.secrets, Trouble):
        why = "what needs a secret fails"
        yield Check("secrets", State.BAD, facts.secrets.message, why, facts.secrets.hint)
    else:
        yield Check("secrets", State.OK, f"{facts.secrets} names can be got")
    for name, answered in facts.providers.items():
        if answered is None:
            yield Check(f"provider {name}", State.OK, "not asked: remit doctor --network does")
        elif isinstance(answered, Trouble):
            why = "models there can't be asked"
            yield Check(f"provider {name}", State.BAD, answered.message, why, answered.hint)
        else:
            yield Check(f"provider {name}", State.OK, f"answered in {answered:.2f} s")
    seen = {"free": "4100 is free", "remit": "4100: this home is being served"}.get(facts.port, "4100 is taken")
    why, fix = "remit up and remit gateway listen there unless told otherwise", "remit up --port 0, or end what listens"
    yield graded("port", facts.port != "taken", seen, why=why, fix=fix, state=State.WARN)
