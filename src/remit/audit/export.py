"""Reading the log for an export: rows with their proofs, in the order of the log, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select

from remit.audit.bundle import ExportRow, make_row
from remit.audit.datakey import open_body
from remit.audit.entry import read_header
from remit.audit.merkle import carry_out, inclusion_plan
from remit.audit.query import read_node
from remit.audit.report import LogReader
from remit.audit.tables import ENTRY, PAYLOAD
from remit.kernel.errors import IntegrityError, NotFound

PAGE = 1000
CACHED = 200_000  # nodes, some 20 MB

_PAGE = (
    select(ENTRY.c.seq, ENTRY.c.header, PAYLOAD.c.salt, PAYLOAD.c.body, PAYLOAD.c.dek)
    .join_from(ENTRY, PAYLOAD, ENTRY.c.seq == PAYLOAD.c.seq, isouter=True)
    .where(
        ENTRY.c.workspace == bindparam("of"),
        ENTRY.c.seq > bindparam("after"),
        ENTRY.c.seq < bindparam("size"),
        ENTRY.c.ts_us >= bindparam("since"),
        ENTRY.c.ts_us <= bindparam("until"),
    )
    .order_by(ENTRY.c.seq)
    .limit(PAGE)
)
_FOREVER = (1 << 53) - 1


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries are exported; an empty part means any.

    ``user`` is whoever acted or on whose behalf (``user:ada``, or ``ada``); times are microseconds, both included.
    """

    workspace: str
    since_us: int = 0
    until_us: int = 0
    user: str = ""
    action: str = ""
    domain: str = ""
    mission: str = ""

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "workspace": self.workspace,
            "since_us": self.since_us,
            "until_us": self.until_us,
            "user": self.user,
            "action": self.action,
            "domain": self.domain,
            "mission": self.mission,
        }

    def fits(self, header: dict[str, Any]) -> bool:
        """Whether an entry is wanted, times aside."""
        people = (str(header["actor"]), str(header["on_behalf_of"]))
        return (
            self.action in ("", header["action"])
            and self.domain in ("", header["domain"])
            and self.mission in ("", header["mission"])
            and (not self.user or any(self.user in (who, who.partition(":")[2]) for who in people))
        )


def rows(reader: LogReader, wanted: Selection, *, size: int) -> Iterator[ExportRow]:
    """The rows of a selection, each with its proof under the head over ``size`` entries.

    Raises:
        IntegrityError: A payload or a node was changed.
        NotFound: The key-encryption key is not here.
    """
    nodes: dict[tuple[int, int], bytes] = {}

    def read(level: int, index: int) -> bytes:
        found = nodes.get((level, index))
        if found is None:
            if len(nodes) > CACHED:
                nodes.clear()
            found = nodes[level, index] = read_node(reader, level, index)
        return found

    after = -1
    while True:
        where = {"of": wanted.workspace, "after": after, "size": size}
        times = {"since": wanted.since_us, "until": wanted.until_us or _FOREVER}
        page = reader.tuples(_PAGE, where | times)
        for seq, header, salt, body, dek in page:
            fields = read_header(header)
            if wanted.fits(fields):
                plain, state = _opened(reader, fields, salt, body, dek)
                yield make_row(header, carry_out(inclusion_plan(seq, size), read), plain, state=state)
        if len(page) < PAGE:
            return
        after = page[-1][0]


def _opened(
    reader: LogReader, header: dict[str, Any], salt: bytes | None, body: bytes | None, dek: str | None
) -> tuple[bytes | None, str]:
    """Salt and payload, and whether they are there."""
    under = str(header.get("dek", ""))
    if body is None or salt is None:
        gone = bool(under) and reader.keys is not None and reader.keys.key(reader, under) is None
        return None, "erased" if gone else "pruned"
    if not dek:
        return salt + body, "present"
    if reader.keys is None:
        message = "The audit log's payloads are encrypted, and the key that opens them is not here."
        raise NotFound(message, code="audit.payload_key", hint="restore payload.key from its backup")
    key = reader.keys.key(reader, dek)
    plain = None if key is None else open_body(key, str(header["workspace"]), str(header["pd"]), body)
    if plain is None:
        message = f"The audit log is damaged: audit_payload {header['seq']} can't be opened."
        raise IntegrityError(message, code="audit.payload", hint="remit audit verify")
    return plain, "present"
