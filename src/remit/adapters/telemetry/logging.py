"""Log lines as JSON through structlog's bridge to the standard library; the schema is docs/logs.md.

Whoever logs knows nothing of it: a record of any library becomes one object a line. Records come masked
(``redact.logs``); the rendered line is masked once more by the handler, and ``repaired`` keeps it JSON.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

from structlog.processors import JSONRenderer
from structlog.stdlib import ProcessorFormatter

from remit.kernel.correlation import FIELDS
from remit.redact import records
from remit.redact.structure import structured

#: Every field, in the order in which they stand in a line, with its type and meaning; docs/logs.md lists the same.
SCHEMA: Mapping[str, tuple[str, str]] = {
    "timestamp": ("text", "when, UTC, RFC 3339 with microseconds"),
    "level": ("text", "`debug`, `info`, `warning`, `error` or `critical`"),
    "logger": ("text", "who logs: `remit.ROOM.MODULE`, or a library's own name"),
    "message": ("text", "the message"),
    "request_id": ("text", "the command, or the run that a worker took"),
    "workspace": ("text", "the workspace"),
    "mission": ("text", "the mission's id"),
    "step": ("text", "the step's name"),
    "action": ("text", "the action's id: `remit why ID`"),
    "trace_id": ("text", "32 hexadecimal digits, as in spans"),
    "span_id": ("text", "16 hexadecimal digits, as in spans; while spans are on"),
    "exception": ("object", "`type`, `message` and `stack` (the traceback with its causes and notes)"),
    "stack": ("text", "where it was logged, when the caller asked for that"),
    "extra": ("object", "whatever else the caller gave, as plain data"),
}


class JsonFormatter(ProcessorFormatter):
    """One JSON object a line."""

    def repaired(self, shown: str) -> str:
        """A line that was masked after it was rendered: as it is while it is JSON, else only that it can't be shown."""
        try:
            json.loads(shown)
        except ValueError:
            stamp = datetime.now(UTC).isoformat(timespec="microseconds")
            return json.dumps(
                {"timestamp": stamp, "level": "error", "logger": "remit.redact", "message": "[unscanned]"}
            )
        return shown


_OWN = frozenset({"_record", "_from_structlog", "event", "stack_info", "exc_info", "exception"})


def json_formatter() -> logging.Formatter:
    """The formatter for ``redact.logs.use``."""
    return JsonFormatter(processors=[_fields, JSONRenderer(serializer=_dumps)])


def _fields(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """The fields of ``SCHEMA`` that have a value."""
    record: logging.LogRecord = event["_record"]  # a masked copy
    more = {key: value for key, value in event.items() if key not in _OWN}  # of a logger of structlog's own
    told = records.exception_of(record)
    found: dict[str, object] = {
        "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": str(event.get("event", "")),
        **{name: record.__dict__.get(name) for name in FIELDS},
        "exception": None if told is None else {"type": told.type, "message": told.message, "stack": told.stack},
        "stack": event.get("stack_info"),
        "extra": structured({**records.extra_of(record), **more}),
    }
    return {name: value for name, value in found.items() if value not in (None, "", {})}


def _dumps(value: object, **_: object) -> str:
    return json.dumps(value, default=str)
