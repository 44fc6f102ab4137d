"""Spans through OpenTelemetry, to a file of JSON lines or an OTLP collector. An extra, imported only when asked for.

Names are our own, pinned to the conventions for generative AI of schema 1.42.0 (all still in development there), and
only ids, codes and numbers are attributes: no prompt, no payload.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from remit import __version__
from remit.kernel import correlation
from remit.kernel.errors import InvalidInput
from remit.kernel.ids import new_id
from remit.kernel.tracing import Attributes, Span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span as RawSpan

SCHEMA = "https://opentelemetry.io/schemas/1.42.0"
OPERATION = "gen_ai.operation.name"

#: Our spans → the conventions' operation, where they have one.
OPERATIONS: Mapping[str, str] = MappingProxyType(
    {"mission.run": "invoke_workflow", "mission.plan": "plan", "step.attempt": "invoke_agent"}
)
#: Kinds of effects → the conventions' operation of ``guard.attempt``.
KINDS: Mapping[str, str] = MappingProxyType({"model": "chat", "tool": "execute_tool"})


#: What a span's own context says already.
_CONTEXT = frozenset({"trace_id", "span_id"})


class _OurIds:
    """Trace ids are the request's id, so that whoever has one of a request's log lines has its trace."""

    def generate_span_id(self) -> int:
        """64 random bits, not all zero."""
        return secrets.randbits(64) or 1

    def generate_trace_id(self) -> int:
        """The request's 128 bits; a fresh id's where nothing was asked for."""
        return int(correlation.current().trace_id or new_id().replace("-", ""), 16)

    def is_trace_id_random(self) -> bool:
        """The lower 56 bits of a UUIDv7 are."""
        return True


class _Noted:
    """A span as the rooms see it."""

    __slots__ = ("_raw",)

    def __init__(self, raw: RawSpan) -> None:
        self._raw = raw

    def note(self, name: str, attributes: Attributes) -> None:
        self._raw.add_event(name, {f"remit.{key}": value for key, value in attributes.items()})


class Spans:
    """A tracer for ``kernel.tracing.install``; ``close`` sends what is left."""

    def __init__(self, provider: TracerProvider, exporter: SpanExporter, close: Callable[[], None]) -> None:
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from remit.adapters.telemetry.masked import MaskedExporter

        provider.add_span_processor(BatchSpanProcessor(MaskedExporter(exporter)))
        self._provider = provider
        self._close = close
        self._tracer = provider.get_tracer("remit", __version__, schema_url=SCHEMA)

    def span(self, name: str, attributes: Attributes) -> AbstractContextManager[Span]:
        """See ``kernel.tracing.Tracer``."""
        return self._span(name, attributes)

    @contextmanager
    def _span(self, name: str, attributes: Attributes) -> Generator[Span]:
        known = {name: value for name, value in correlation.current().known().items() if name not in _CONTEXT}
        told: dict[str, Any] = {f"remit.{key}": value for key, value in {**known, **attributes}.items() if value != ""}
        by_kind = KINDS.get(str(attributes.get("kind"))) if name == "guard.attempt" else None
        operation = OPERATIONS.get(name, by_kind)
        if operation is not None:
            told[OPERATION] = operation
        # Messages of errors may hold what nobody masked: the kind of error says enough.
        with self._tracer.start_as_current_span(
            f"remit.{name}", attributes=told, record_exception=False, set_status_on_exception=False
        ) as raw:
            try:
                with correlation.bound(span_id=f"{raw.get_span_context().span_id:016x}"):
                    yield _Noted(raw)
            except BaseException as error:
                _failed(raw, type(error).__name__)
                raise

    def close(self) -> None:
        """Send what is left, within the exporter's own limits."""
        self._provider.shutdown()
        self._close()


def _failed(raw: RawSpan, kind: str) -> None:
    from opentelemetry.trace import Status, StatusCode

    raw.set_status(Status(StatusCode.ERROR, kind))
    raw.set_attribute("error.type", kind)


def make_spans(where: str) -> Spans:
    """Spans to ``where``: ``http(s)://host:port/v1/traces`` (OTLP) or a file that gets one JSON object a line.

    Raises:
        InvalidInput: The extra isn't installed, or the file can't be written.
    """
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
    except ImportError as error:
        message = "Spans need OpenTelemetry, which is not installed."
        raise InvalidInput(message, code="telemetry.missing", hint="pip install 'remit[telemetry]'") from error
    # Named here, so that no detector looks at the machine or asks a cloud's metadata service.
    resource = Resource({"service.name": "remit", "service.version": __version__, "process.pid": os.getpid()})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False, id_generator=cast("Any", _OurIds()))
    exporter, close = _exporter(where)
    return Spans(provider, exporter, close)


def _exporter(where: str) -> tuple[SpanExporter, Callable[[], None]]:
    if where.startswith(("http://", "https://")):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter(endpoint=where, timeout=5), lambda: None
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter

    try:
        file = Path(where).open("a", encoding="utf-8")  # noqa: SIM115 - closed after the last span
    except OSError as error:
        message = f"The file for spans {where} can't be written: {error.strerror}."
        raise InvalidInput(message, code="telemetry.file", hint="set spans to a file that can be written") from error
    return ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + "\n"), file.close
