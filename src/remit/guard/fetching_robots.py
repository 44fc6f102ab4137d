"""What a site's robots.txt says, as a fact for rules: read once, kept for at most a day, by workspace and origin.

RFC 9309, section 2.3.1: a file that is not there (4xx) allows everything, one that can't be had (5xx) forbids
everything. Where Google is stricter it is followed: 429 counts as "can't be had".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert

from remit.guard.fetching_tables import FETCH_ROBOTS
from remit.guard.robots import robots_allowed
from remit.kernel.ports import ReadTx, Tx
from remit.kernel.urls import Url

PATH = "/robots.txt"
MOST_BYTES = 500 * 1024  # RFC 9309, section 2.5
KEPT_US = 24 * 3600 * 1_000_000  # section 2.4
UNREACHABLE_US = 5 * 60 * 1_000_000  # a server that comes back is heard soon
MOST_REDIRECTS = 5  # section 2.3.1.2

_SELECT = select(FETCH_ROBOTS.c.state, FETCH_ROBOTS.c.body).where(
    FETCH_ROBOTS.c.workspace == bindparam("of"),
    FETCH_ROBOTS.c.origin == bindparam("at"),
    FETCH_ROBOTS.c.until_us > bindparam("now"),
)
_INSERT = insert(FETCH_ROBOTS)
_PUT = _INSERT.on_conflict_do_update(
    index_elements=[FETCH_ROBOTS.c.workspace, FETCH_ROBOTS.c.origin],
    set_={name: _INSERT.excluded[name] for name in ("state", "status", "body", "read_us", "until_us")},
)
_SWEEP = delete(FETCH_ROBOTS).where(
    FETCH_ROBOTS.c.workspace == bindparam("of"), FETCH_ROBOTS.c.until_us <= bindparam("now")
)


class State(StrEnum):
    """What became of reading a robots.txt."""

    FOUND = "found"
    NONE = "none"
    UNREACHABLE = "unreachable"


class Robots(StrEnum):
    """What robots.txt says of one address: the variable ``fetch.robots``."""

    ALLOWED = "allowed"
    DISALLOWED = "disallowed"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RobotsFile:
    """A robots.txt as it was had."""

    state: State
    status: int
    body: bytes = b""

    def says(self, url: Url, agent: str) -> Robots:
        """Whether ``agent`` (a product token) may read ``url``."""
        if self.state is State.NONE:
            return Robots.ALLOWED
        if self.state is State.UNREACHABLE:
            return Robots.UNREACHABLE
        return Robots.ALLOWED if robots_allowed(self.body, agent, str(url)) else Robots.DISALLOWED


def of_status(status: int, body: bytes) -> RobotsFile:
    """What an answer that is no redirect means."""
    if status in range(200, 300):
        return RobotsFile(State.FOUND, status, body[:MOST_BYTES])
    if status in range(400, 500) and status != 429:  # noqa: PLR2004 - Too Many Requests
        return RobotsFile(State.NONE, status)
    return RobotsFile(State.UNREACHABLE, status)


def read_robots(tx: ReadTx, url: Url, *, workspace: str, agent: str, now_us: int) -> Robots:
    """What the kept robots.txt of the address's origin says of it; ``UNKNOWN`` when none is kept, or none so young."""
    if url.path == PATH:
        return Robots.ALLOWED  # RFC 9309, section 2.2.2: it may always be read
    row = tx.row(_SELECT, {"of": workspace, "at": url.origin, "now": now_us})
    if row is None:
        return Robots.UNKNOWN
    return RobotsFile(State(row["state"]), 0, bytes(row["body"])).says(url, agent)


def keep_robots(tx: Tx, origin: str, found: RobotsFile, *, workspace: str, now_us: int) -> None:
    """Keep a robots.txt, in place of what was kept of its origin; what is too old goes."""
    tx.execute(_SWEEP, {"of": workspace, "now": now_us})
    kept_us = UNREACHABLE_US if found.state is State.UNREACHABLE else KEPT_US
    row = {"workspace": workspace, "origin": origin, "state": found.state.value, "status": found.status}
    tx.execute(_PUT, row | {"body": found.body, "read_us": now_us, "until_us": now_us + kept_us})
