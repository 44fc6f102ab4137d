"""Outside tool servers (MCP): which are registered, what each offers, and whether that is still what was accepted.

A server describes its tools itself, and models read those descriptions: one that changes after it was trusted can turn
a harmless tool into another. So description and schemas of each tool are hashed when it is first seen, a change is
recorded, and under ``hold`` the tool is neither listed nor called until an admin accepts what it says now.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, cast

import orjson
from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from remit.accounts.access import Permission, Resource, require
from remit.audit.entry import Entry, Result
from remit.guard.mcp_tables import MCP_SERVER, MCP_TOOL
from remit.kernel.action import Principal
from remit.kernel.canonical import Json, canonical, sha256_hex
from remit.kernel.clock import Clock, micros_of
from remit.kernel.errors import Conflict, InvalidInput, NotFound
from remit.kernel.ports import Journal, ReadTx, Row, Tx
from remit.kernel.urls import known_url
from remit.redact.injection_signs import SUSPICIOUS, score, told
from remit.redact.redactor import Redactor

#: The server of Remit's own orders about servers; nobody may call theirs so.
OWN: Final = "mcp"
REMIT: Final = "remit"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
#: What MCP asks of the names of tools; others are not offered.
_TOOL = re.compile(r"[A-Za-z0-9_./-]{1,128}")
_LONGEST_TOLD = 2000
_SHORT = 12


class Pinning(StrEnum):
    """What happens when a tool is not what was accepted."""

    REPORT = "report"  # it is recorded, and the tool goes on
    HOLD = "hold"  # a changed tool, or one whose description shows signs of injection, waits for an admin
    STRICT = "strict"  # and so does every new one


@dataclass(frozen=True, slots=True)
class Server:
    """A registered server: a program that is started, or an address.

    Raises:
        InvalidInput: It is not well formed.
    """

    workspace: str
    name: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    pinning: Pinning = Pinning.HOLD

    def __post_init__(self) -> None:
        check_name(self.name)
        problem = ""
        if bool(self.command) == bool(self.url):
            problem = "give either a program (-- COMMAND ARGS) or an address (--url URL)"
        elif self.url and known_url(self.url) is None:
            problem = f"{self.url[:80]!r} is no address that can be read for certain"
        elif any("\0" in word for word in (*self.command, *self.env, *self.env.values())):
            problem = "an argument or variable holds a NUL"
        elif any(not name or "=" in name for name in self.env):
            problem = "a variable's name is empty or holds '='"
        if problem:
            message = f"The server {self.name!r} can't be used: {problem}."
            raise InvalidInput(message, code="mcp.server", hint="remit mcp servers add --help")

    def as_json(self) -> dict[str, Json]:
        """For ``remit mcp servers``."""
        return {
            "name": self.name,
            "command": list(self.command),
            "env": dict(self.env),
            "url": self.url,
            "headers": dict(self.headers),
            "pinning": self.pinning.value,
        }


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool as its server offers it: ``told`` is everything that it says of itself."""

    name: str
    told: Mapping[str, Json]

    @property
    def sha256(self) -> str:
        """The hash that pins it."""
        return sha256_hex(canonical(dict(self.told)))


@dataclass(frozen=True, slots=True)
class Pinned:
    """A tool as it is known here."""

    server: str
    name: str
    sha256: str
    accepted: str
    description: str
    signs: str
    first_us: int
    changed_us: int
    accepted_by: str

    @property
    def held(self) -> bool:
        """Whether it may not be used until an admin accepts what it says now."""
        return self.accepted != self.sha256

    @property
    def why(self) -> str:
        """Why it is held, in a few words."""
        if not self.held:
            return ""
        return "changed since it was accepted" if self.accepted else f"new{f' ({self.signs})' if self.signs else ''}"

    def as_json(self) -> dict[str, Json]:
        """For ``remit mcp tools``."""
        return {
            "server": self.server,
            "tool": self.name,
            "held": self.held,
            "why": self.why,
            "sha256": self.sha256,
            "accepted": self.accepted,
            "accepted_by": self.accepted_by,
            "description": self.description,
            "signs": self.signs,
            "first_us": self.first_us,
            "changed_us": self.changed_us,
        }


def check_name(name: str) -> None:
    """Refuse what can't name a server.

    Raises:
        InvalidInput: It is no lower-case word, or one of Remit's own.
    """
    if not _NAME.fullmatch(name) or name in {OWN, REMIT}:
        message = f"{name[:60]!r} can't name a server: lower-case letters, digits, - and _, and not {OWN} or {REMIT}."
        raise InvalidInput(message, code="mcp.name", hint="remit mcp servers add NAME")


def usable_name(tool: str) -> bool:
    """Whether a tool's name can stand in allow lists, rules and the log."""
    return _TOOL.fullmatch(tool) is not None


_SERVERS = select(MCP_SERVER).where(MCP_SERVER.c.workspace == bindparam("of")).order_by(MCP_SERVER.c.name)
_SERVER = select(MCP_SERVER).where(MCP_SERVER.c.workspace == bindparam("of"), MCP_SERVER.c.name == bindparam("called"))
_ADD = insert(MCP_SERVER)
_REMOVE = delete(MCP_SERVER).where(MCP_SERVER.c.workspace == bindparam("of"), MCP_SERVER.c.name == bindparam("called"))
_ALL = select(MCP_TOOL).where(MCP_TOOL.c.workspace == bindparam("of")).order_by(MCP_TOOL.c.server, MCP_TOOL.c.name)
_TOOLS = (
    select(MCP_TOOL)
    .where(MCP_TOOL.c.workspace == bindparam("of"), MCP_TOOL.c.server == bindparam("at"))
    .order_by(MCP_TOOL.c.name)
)
_SAW = insert(MCP_TOOL)
_KEEP = _SAW.on_conflict_do_update(
    index_elements=["workspace", "server", "name"],
    set_={
        name: _SAW.excluded[name]
        for name in ("sha256", "accepted", "description", "signs", "changed_us", "accepted_us", "accepted_by")
    },
)
_ACCEPT = (
    update(MCP_TOOL)
    .where(
        MCP_TOOL.c.workspace == bindparam("of"),
        MCP_TOOL.c.server == bindparam("at"),
        MCP_TOOL.c.name == bindparam("called"),
    )
    .values(accepted=MCP_TOOL.c.sha256, accepted_us=bindparam("now"), accepted_by=bindparam("who"))
)


async def add_server(journal: Journal, server: Server, *, by: Principal, clock: Clock) -> None:
    """Register a server. Audited.

    Raises:
        Refused: ``by`` is an agent, or may not say what agents may touch here.
        Conflict: The name is taken.
    """
    entry = _entry("mcp.server.added", by, server.workspace, server.name)
    row = {
        "workspace": server.workspace,
        "name": server.name,
        "command": orjson.dumps(list(server.command)).decode(),
        "env": orjson.dumps(dict(server.env)).decode(),
        "url": server.url,
        "headers": orjson.dumps(dict(server.headers)).decode(),
        "pinning": server.pinning.value,
        "added_us": micros_of(clock.now()),
        "added_by": str(by),
    }

    def op(tx: Tx) -> None:
        require(tx, by, workspace=server.workspace, permission=Permission.ADMIN, resource=Resource.AGENT)
        if find_server(tx, server.workspace, server.name) is not None:
            message = f"There is a server {server.name!r} already."
            raise Conflict(message, code="mcp.taken", hint=f"remit mcp servers remove {server.name}")
        tx.execute(_ADD, row)
        tx.append(entry, server.as_json())

    await journal.commit("mcp.server", op)


async def remove_server(journal: Journal, name: str, *, workspace: str, by: Principal) -> None:
    """Forget a server. What is known of its tools stays, so that it can't come back as another. Audited.

    Raises:
        Refused: As ``add_server``.
        NotFound: There is none of that name.
    """

    def op(tx: Tx) -> None:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.AGENT)
        need_server(tx, workspace, name)
        tx.execute(_REMOVE, {"of": workspace, "called": name})
        tx.append(_entry("mcp.server.removed", by, workspace, name), {})

    await journal.commit("mcp.server", op)


def list_servers(tx: ReadTx, workspace: str) -> list[Server]:
    """Every registered server, by name."""
    return [_server(row) for row in tx.rows(_SERVERS, {"of": workspace})]


def find_server(tx: ReadTx, workspace: str, name: str) -> Server | None:
    """The server of that name, if it is registered."""
    row = tx.row(_SERVER, {"of": workspace, "called": name})
    return None if row is None else _server(row)


def need_server(tx: ReadTx, workspace: str, name: str) -> Server:
    """The server of that name.

    Raises:
        NotFound: There is none; the message names the nearest.
    """
    found = find_server(tx, workspace, name)
    if found is not None:
        return found
    near = difflib.get_close_matches(name, [each.name for each in list_servers(tx, workspace)], 1)
    message = f"No server {name[:60]!r} is registered" + (f"; did you mean {near[0]!r}?" if near else ".")
    raise NotFound(message, code="mcp.server", hint="remit mcp servers")


def list_tools(tx: ReadTx, workspace: str, *, server: str = "") -> list[Pinned]:
    """What is known of the tools of a server, or of all."""
    rows = tx.rows(_TOOLS, {"of": workspace, "at": server}) if server else tx.rows(_ALL, {"of": workspace})
    return [_pinned(row) for row in rows]


async def see_tools(
    journal: Journal,
    offered: Sequence[Offered],
    *,
    workspace: str,
    server: str,
    pinning: Pinning,
    by: Principal,
    clock: Clock,
    redactor: Redactor,
) -> dict[str, Pinned]:
    """Compare what a server offers with what is known, and record what is new or changed; each tool as it is known now.

    Writes nothing when nothing changed. Audited: ``mcp.tool.seen``, ``mcp.tool.changed``.
    """
    known = await journal.read(lambda tx: {each.name: each for each in list_tools(tx, workspace, server=server)})
    if all(each.name in known and known[each.name].sha256 == each.sha256 for each in offered):
        return {each.name: known[each.name] for each in offered}
    looked = [(each, *_described(each, redactor)) for each in offered]
    now_us = micros_of(clock.now())

    def op(tx: Tx) -> dict[str, Pinned]:
        there = {each.name: each for each in list_tools(tx, workspace, server=server)}
        for each, description, signs, suspicious in looked:
            before = there.get(each.name)
            if before is not None and before.sha256 == each.sha256:
                continue
            free = pinning is Pinning.REPORT or (pinning is Pinning.HOLD and before is None and not suspicious)
            accepted = each.sha256 if free else ("" if before is None else before.accepted)
            back = before is not None and accepted == each.sha256  # it says again what was accepted
            there[each.name] = made = Pinned(
                server=server,
                name=each.name,
                sha256=each.sha256,
                accepted=accepted,
                description=description,
                signs=signs,
                first_us=now_us if before is None else before.first_us,
                changed_us=now_us,
                accepted_by=before.accepted_by if before is not None and back else "",
            )
            tx.execute(_KEEP, _row(made, workspace, now_us))
            verb = "seen" if before is None else "changed"
            entry = _entry(f"mcp.tool.{verb}", by, workspace, f"{server}/{each.name}", held=made.held)
            tx.append(entry, {**made.as_json(), "before": "" if before is None else before.sha256})
        return {each.name: there[each.name] for each in offered}

    return await journal.commit("mcp.tools", op)


async def accept_tools(
    journal: Journal,
    server: str,
    names: Sequence[str],
    *,
    workspace: str,
    by: Principal,
    clock: Clock,
    sha256: str = "",
) -> list[Pinned]:
    """Accept tools as they describe themselves now; without names every one of the server that is held. Audited.

    Args:
        journal: Where.
        server: The server.
        names: Its tools.
        workspace: The workspace.
        by: Who says so.
        clock: For the time.
        sha256: The beginning of the hash that was looked at, 8 characters or more; only that is accepted then.

    Raises:
        Refused: ``by`` is an agent, or may not say what agents may touch here.
        NotFound: There is no such tool.
        Conflict: It has changed again since it was looked at.
    """
    now_us = micros_of(clock.now())

    def op(tx: Tx) -> list[Pinned]:
        require(tx, by, workspace=workspace, permission=Permission.ADMIN, resource=Resource.AGENT)
        known = {each.name: each for each in list_tools(tx, workspace, server=server)}
        wanted = list(names) or [each.name for each in known.values() if each.held]
        for name in wanted:
            if name not in known:
                message = f"The server {server[:60]!r} never offered a tool {name[:60]!r}."
                raise NotFound(message, code="mcp.tool", hint=f"remit mcp tools --server {server}")
            if sha256 and not (len(sha256) >= 8 and known[name].sha256.startswith(sha256)):  # noqa: PLR2004 - as told
                message = (
                    f"The tool {name!r} is not what {sha256[:_SHORT]!r} names: it has changed since, or is another."
                )
                raise Conflict(message, code="mcp.changed", hint=f"remit mcp tools --server {server}")
            tx.execute(_ACCEPT, {"of": workspace, "at": server, "called": name, "now": now_us, "who": str(by)})
            entry = _entry("mcp.tool.accepted", by, workspace, f"{server}/{name}")
            tx.append(entry, {"sha256": known[name].sha256, "before": known[name].accepted})
        after = {each.name: each for each in list_tools(tx, workspace, server=server)}
        return [after[name] for name in wanted]

    return await journal.commit("mcp.accept", op)


def _described(each: Offered, redactor: Redactor) -> tuple[str, str, bool]:
    """What a tool says of itself, masked and cut; its signs of injection; whether they are strong."""
    from remit.redact.injection import signals  # noqa: PLC0415 - dozens of patterns, which few commands need

    texts = "\n".join(_leaves(dict(each.told)))
    found = signals(texts[:65_536])
    description = each.told.get("description")
    shown = redactor.mask(description)[:_LONGEST_TOLD] if isinstance(description, str) else ""
    return shown, redactor.mask(told(found)) if found else "", score(found) >= SUSPICIOUS


def _leaves(value: Json) -> list[str]:
    from remit.guard.provenance import leaves  # noqa: PLC0415 - beside the above

    return list(leaves(value))


def _entry(action: str, by: Principal, workspace: str, subject: str, *, held: bool = False) -> Entry:
    return Entry(
        actor=by,
        action=action,
        domain="tool",
        result=Result.BLOCKED if held else Result.SUCCESS,
        workspace=workspace,
        subject=subject,
        reason="held" if held else "",
    )


def _row(made: Pinned, workspace: str, now_us: int) -> dict[str, object]:
    return {
        "workspace": workspace,
        "server": made.server,
        "name": made.name,
        "sha256": made.sha256,
        "accepted": made.accepted,
        "description": made.description,
        "signs": made.signs,
        "first_us": made.first_us,
        "changed_us": made.changed_us,
        "accepted_us": None if made.held else now_us,
        "accepted_by": made.accepted_by,
    }


def _pinned(row: Row) -> Pinned:
    return Pinned(
        server=row["server"],
        name=row["name"],
        sha256=row["sha256"],
        accepted=row["accepted"],
        description=row["description"],
        signs=row["signs"],
        first_us=row["first_us"],
        changed_us=row["changed_us"],
        accepted_by=row["accepted_by"],
    )


def _server(row: Row) -> Server:
    return Server(
        workspace=row["workspace"],
        name=row["name"],
        command=tuple(cast("list[str]", orjson.loads(row["command"]))),
        env=cast("dict[str, str]", orjson.loads(row["env"])),
        url=row["url"],
        headers=cast("dict[str, str]", orjson.loads(row["headers"])),
        pinning=Pinning(row["pinning"]),
    )
