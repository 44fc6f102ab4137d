"""Spans and labels without secrets, whoever put them there."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from remit.adapters.telemetry.masked import MaskedExporter
from remit.bootstrap import metrics_samples, metrics_text, open_store, prepare_home, traced
from remit.kernel import correlation, tracing
from remit.redact import sinks
from remit.redact.redactor import Redactor
from remit.settings import Settings

SECRET = "hunter2_" + "f00dfeed"


@pytest.fixture
def redactor() -> Iterator[Redactor]:
    found = Redactor(os.urandom(16))
    found.register(SECRET)
    sinks.install(found)
    yield found
    sinks.uninstall(found)


class Kept(SpanExporter):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


def traces(kept: Kept) -> Any:
    provider = TracerProvider(resource=Resource({"service.name": SECRET, SECRET: "x"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(MaskedExporter(kept)))
    return provider


def full_span(kept: Kept) -> ReadableSpan:
    provider = traces(kept)
    tracer = provider.get_tracer(f"library {SECRET}", SECRET, f"https://example.org/{SECRET}", {"of": SECRET})
    far = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("vendor", SECRET)]))
    with tracer.start_as_current_span(
        f"GET {SECRET}",
        context=set_span_in_context(NonRecordingSpan(far)),
        attributes={
            "url": f"https://x/?k={SECRET}",
            SECRET: 1,
            "list": ["a", SECRET],
            "n": 3,
            "share": 0.5,
            "on": True,
        },
        links=[Link(far, {"why": SECRET})],
        record_exception=True,
    ) as span:
        span.add_event(f"event {SECRET}", {"body": SECRET})
        span.record_exception(ValueError(SECRET))
        span.set_status(Status(StatusCode.ERROR, f"failed: {SECRET}"))
    provider.shutdown()
    [found] = kept.spans
    return found


def test_no_part_of_a_span_holds_a_secret(redactor: Redactor) -> None:
    del redactor
    span = full_span(Kept())
    told = span.to_json() + repr(span.instrumentation_scope) + repr(span.resource.attributes)
    told += repr([link.context.trace_state for link in span.links]) + repr(span.context) + repr(span.parent)
    assert "hunter2" not in told
    assert told.count("[REDACTED:registered:") >= 12
    assert span.attributes is not None
    assert (span.attributes["n"], span.attributes["share"], span.attributes["on"]) == (3, 0.5, True)
    assert span.context is not None
    assert span.parent is not None
    assert (span.parent.trace_id, span.parent.span_id) == (1, 2)
    assert span.end_time is not None


def test_a_span_that_cannot_be_scanned_says_only_that(redactor: Redactor, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> str:
        raise RuntimeError("no scanner")

    monkeypatch.setattr(redactor, "mask", broken)
    span = full_span(Kept())
    assert span.name == "[unscanned]"
    assert not span.attributes
    assert not span.events
    assert "hunter2" not in span.to_json()


def test_spans_carry_the_ids_of_what_they_belong_to(tmp_path: Path) -> None:
    told = tmp_path / "spans.jsonl"
    asked = correlation.begin()
    try:
        with (
            traced(Settings(home=tmp_path, spans=str(told))),
            correlation.bound(workspace="w", mission="m", step="s"),
            tracing.span("guard.admit", kind="files", action="a"),
        ):
            inside = correlation.current()
            with tracing.span("guard.attempt", kind="files", action="a"):
                assert correlation.current().span_id != inside.span_id
            assert correlation.current() == inside
    finally:
        correlation.end()
    text = told.read_text("utf-8")
    assert inside.span_id in text
    for name, value in (("request_id", asked), ("workspace", "w"), ("mission", "m"), ("step", "s"), ("action", "a")):
        assert text.count(f'"remit.{name}": "{value}"') == 2, name
    assert text.count(f'"trace_id": "0x{inside.trace_id}"') >= 2


async def test_a_label_that_somebody_chose_is_masked(tmp_path: Path, redactor: Redactor) -> None:
    del redactor
    settings = Settings(home=tmp_path / "home", workspace=f"w {SECRET}")
    await prepare_home(settings)
    with open_store(settings) as store:
        text = metrics_text(store, settings)
        samples = metrics_samples(store, settings)
    assert "hunter2" not in text + repr(samples)
    assert 'workspace="w [REDACTED:registered:' in text
    assert any(str(sample["labels"]).count("[REDACTED:registered:") for sample in samples)
