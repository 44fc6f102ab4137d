"""Log records as handlers may see them: a copy in which every part is masked, and which names what it belongs to.

Masking the formatted line is not enough: a handler may override ``format``, or read the record itself (its arguments,
its extra attributes, the live exception with its locals).
"""

from __future__ import annotations

import copy
import logging
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from remit.kernel import correlation
from remit.redact import sinks
from remit.redact.sinks import LIKELY, UNSCANNED
from remit.redact.structure import structured

_MARK = "_remit_masked"
_EXCEPTION = "_remit_exception"

#: What every record has; anything else was given as ``extra``.
STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}
_NAMES = ("name", "levelname", "pathname", "filename", "module", "funcName", "threadName", "processName", "taskName")


@dataclass(frozen=True, slots=True)
class Told:
    """A record's exception, masked: its class, its message, the traceback with causes and notes."""

    type: str
    message: str
    stack: str


def masked(record: logging.LogRecord) -> logging.LogRecord:
    """A copy of ``record`` without secrets; the same one when it is such a copy. What can't be scanned says only that.

    The arguments stay what they were unless one holds a secret, the live exception becomes text (``exc_text``), and the
    ids of ``kernel.correlation`` become attributes where no ``extra`` has their names.
    """
    if getattr(record, _MARK, False):
        return record
    copied = copy.copy(record)
    for name, value in _ids().items():
        copied.__dict__.setdefault(name, value)
    try:
        _mask(copied)
    except Exception:  # noqa: BLE001 - whatever is wrong with a record, it must neither be shown nor stop the program
        _wipe(copied)
    setattr(copied, _MARK, True)
    return copied


def exception_of(record: logging.LogRecord) -> Told | None:
    """The exception of a masked record."""
    found: Told | None = getattr(record, _EXCEPTION, None)
    return found


def extra_of(record: logging.LogRecord) -> dict[str, object]:
    """What was given as ``extra``, without what libraries keep there for themselves (``_name``)."""
    return {key: value for key, value in _more(record).items() if not key.startswith("_")}


def _more(record: logging.LogRecord) -> dict[str, object]:
    known = {*STANDARD, *correlation.FIELDS, _MARK, _EXCEPTION}
    return {key: value for key, value in record.__dict__.items() if key not in known}


def _ids() -> dict[str, str]:
    known = correlation.current().known()
    return {name: known.get(name, "") for name in correlation.FIELDS}


def _mask(record: logging.LogRecord) -> None:
    _mask_message(record)
    _mask_exception(record)
    if record.stack_info:
        record.stack_info = sinks.mask_likely(record.stack_info)
    names = [str(record.__dict__.get(name) or "") for name in _NAMES]
    whole = "\n".join(names)
    if sinks.mask_likely(whole) != whole:
        for name, text in zip(_NAMES, names, strict=True):
            record.__dict__[name] = sinks.mask_likely(text)
    ids = {name: record.__dict__[name] for name in correlation.FIELDS}
    if any(ids.values()):
        record.__dict__.update(cast("dict[str, object]", sinks.mask_tree(structured(ids), names=False, tier=LIKELY)))
    _mask_extra(record)


def _mask_message(record: logging.LogRecord) -> None:
    message: object = record.msg
    if isinstance(message, Mapping):  # an event of structlog, on its way to its formatter
        record.msg = cast("str", _mask_arg(cast("object", message)))
        return
    try:
        told = record.getMessage()
    except Exception:  # noqa: BLE001 - a wrong format string is no reason to lose the line
        record.msg, record.args = sinks.mask_likely(f"{record.msg} {structured(record.args)}"), ()
        return
    shown = sinks.mask_likely(told)
    args = _mask_args(record.args)
    if shown == told and args is record.args:
        return
    if args is not record.args and isinstance(message, str):
        record.args = cast("tuple[object, ...]", args)
        # A number that was masked may no longer fit its format: then the rendered text must do.
        with suppress(TypeError, ValueError, KeyError):
            if sinks.mask_likely(record.getMessage()) == record.getMessage():
                return  # a formatter that reads the arguments (uvicorn's access log) still can
    record.msg, record.args = shown, ()


def _mask_args(args: object) -> object:
    """The arguments; the same object when none holds a secret."""
    if isinstance(args, Mapping):
        named = cast("Mapping[object, object]", args)
        after = {key: _mask_arg(each) for key, each in named.items()}
        return named if all(after[key] is each for key, each in named.items()) else after
    if isinstance(args, tuple):
        before = cast("tuple[object, ...]", args)
        shown = tuple(_mask_arg(each) for each in before)
        return before if all(one is other for one, other in zip(shown, before, strict=True)) else shown
    return args


def _mask_arg(value: object) -> object:
    plain = structured(value)
    after = sinks.mask_tree(plain, tier=LIKELY)
    return value if after == plain else after


def _mask_exception(record: logging.LogRecord) -> None:
    info = record.exc_info
    if info and info[0] is not None:
        kind, error, trace = info
        stack = record.exc_text or "".join(traceback.format_exception(kind, error, trace)).rstrip("\n")
        told = Told(sinks.mask_likely(kind.__name__), sinks.mask_likely(str(error)), sinks.mask_likely(stack))
        setattr(record, _EXCEPTION, told)
        record.exc_text = told.stack
    elif record.exc_text:
        record.exc_text = sinks.mask_likely(record.exc_text)
    record.exc_info = None


def _mask_extra(record: logging.LogRecord) -> None:
    for key, value in _more(record).items():
        plain: object = structured({key: value})
        after = sinks.mask_tree(plain, tier=LIKELY)
        if after != plain:
            del record.__dict__[key]
            record.__dict__.update(cast("dict[str, object]", after))


def _wipe(record: logging.LogRecord) -> None:
    """Nothing is kept but when and how grave."""
    for key in _more(record):
        del record.__dict__[key]
    for name in (*_NAMES, *correlation.FIELDS):
        if name != "levelname":
            record.__dict__[name] = ""
    record.msg, record.args = UNSCANNED, ()
    record.exc_info = record.exc_text = record.stack_info = None
    record.__dict__.pop(_EXCEPTION, None)


type Render = Callable[[], str]


def safe(render: Render) -> str:
    """What ``render`` gives, masked with both tiers; ``[unscanned]`` when it or the scan fails."""
    try:
        return sinks.mask_likely(render())
    except Exception:  # noqa: BLE001 - as above
        return UNSCANNED
