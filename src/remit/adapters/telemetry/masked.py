"""Spans without secrets: the exporter that every other one is wrapped in.

At the exporter and not in a processor, because a span can't be changed any more when it has ended, and because here
whatever any library put into any span passes: names, attributes, events, links, status, resource, scope.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, TraceState

from remit.redact import sinks
from remit.redact.sinks import LIKELY, UNSCANNED
from remit.redact.structure import structured


class MaskedExporter(SpanExporter):
    """Hands masked copies on. A span that can't be scanned goes as ``[unscanned]`` with its ids and times alone."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export copies of ``spans``."""
        return self._exporter.export([_masked(each) for each in spans])

    def shutdown(self) -> None:
        """Close what is behind it."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Have what is behind it send everything."""
        return self._exporter.force_flush(timeout_millis)


def _masked(span: ReadableSpan) -> ReadableSpan:
    try:
        return _copy(span)
    except Exception:  # noqa: BLE001 - what can't be scanned isn't sent
        return ReadableSpan(
            UNSCANNED,
            context=_context(span.context, keep=False),
            parent=_context(span.parent, keep=False),
            resource=Resource({}),
            kind=span.kind,
            status=Status(span.status.status_code),
            start_time=span.start_time,
            end_time=span.end_time,
        )


def _copy(span: ReadableSpan) -> ReadableSpan:
    scope = span.instrumentation_scope
    return ReadableSpan(
        _text(span.name),
        context=_context(span.context),
        parent=_context(span.parent),
        resource=Resource(cast("Any", _attributes(span.resource.attributes)), _text(span.resource.schema_url)),
        attributes=_attributes(span.attributes),
        events=[Event(_text(each.name), _attributes(each.attributes), each.timestamp) for each in span.events],
        links=[Link(cast("SpanContext", _context(each.context)), _attributes(each.attributes)) for each in span.links],
        kind=span.kind,
        status=Status(span.status.status_code, span.status.description and _text(span.status.description)),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=scope
        and InstrumentationScope(
            _text(scope.name),
            scope.version and _text(scope.version),
            scope.schema_url and _text(scope.schema_url),
            _attributes(scope.attributes),
        ),
    )


def _text(text: str) -> str:
    return sinks.mask_likely(text)


def _attributes(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    """Keys too; lists stay lists, and numbers numbers unless a secret is one."""
    plain = structured(dict(attributes or {}))
    return cast("dict[str, Any]", sinks.mask_tree(plain, tier=LIKELY))


def _context(context: SpanContext | None, *, keep: bool = True) -> SpanContext | None:
    """Ids as they are; the state that other systems sent along only when it is clean."""
    if context is None:
        return None
    state = context.trace_state if keep else TraceState()
    told = state.to_header()
    if told and _text(told) != told:
        state = TraceState()
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags, state)
