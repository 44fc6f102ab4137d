"""Spans: a mission's phases, nested, in a file or at a collector of ours; never a secret, and nothing unasked."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from remit.bootstrap import traced
from remit.kernel import tracing
from remit.kernel.errors import InvalidInput
from remit.settings import Settings
from remit.testing.drill import PACK, Drill
from remit.testing.witness import witness


def test_without_the_setting_nothing_is_traced_or_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from remit.bootstrap import traced; from remit.settings import Settings;"
        f"settings = Settings(home=Path({str(tmp_path)!r}))\n"
        "with traced(settings):\n    pass\n"
        "assert not any(name.startswith('opentelemetry') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with tracing.span("mission.run", mission="m") as span:
        span.note("nothing", {})
    assert not tracing.traced()


def spans_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_missions_phases_are_spans_of_one_trace(tmp_path: Path) -> None:
    told = tmp_path / "spans.jsonl"
    with witness(tmp_path / "witness.log") as address, Drill(tmp_path, witness=address) as drill:
        ran = drill.remit("run", PACK, drill.intake(), REMIT_SPANS=str(told))
        assert ran.code == 0, ran.err
    spans = spans_of(told)
    by_id = {span["context"]["span_id"]: span for span in spans}
    names = {span["name"] for span in spans}
    assert {"remit.mission.plan", "remit.mission.run", "remit.step.attempt", "remit.step.commit"} <= names
    assert {"remit.guard.admit", "remit.guard.attempt", "remit.guard.settle"} <= names

    def root(span: dict[str, Any]) -> str:
        while span["parent_id"]:
            span = by_id[span["parent_id"]]
        return str(span["name"])

    assert {root(span) for span in spans if span["name"] == "remit.guard.admit"} == {"remit.mission.run"}
    admitted = next(span for span in spans if span["name"] == "remit.guard.admit")
    assert [event["name"] for event in admitted["events"]][:3] == ["guard.identify", "guard.authorise", "guard.scan"]
    run = next(span for span in spans if span["name"] == "remit.mission.run")
    assert run["attributes"]["gen_ai.operation.name"] == "invoke_workflow"


def test_a_failure_is_marked_and_its_message_stays_here(tmp_path: Path) -> None:
    told = tmp_path / "spans.jsonl"
    with traced(Settings(home=tmp_path, spans=str(told))), pytest.raises(ValueError, match="hunter2"):  # noqa: SIM117
        with tracing.span("step.attempt", step="one"):
            raise ValueError("password hunter2")
    text = told.read_text("utf-8")
    assert "hunter2" not in text
    [span] = spans_of(told)
    assert (span["status"]["status_code"], span["attributes"]["error.type"]) == ("ERROR", "ValueError")


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    got: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            del args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_collector_gets_them_over_otlp(tmp_path: Path) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    with (
        collector() as (address, got),
        traced(Settings(home=tmp_path, spans=address)),
        tracing.span("guard.attempt", kind="model"),
    ):
        pass
    [(path, body)] = got
    assert path == "/v1/traces"
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    [resource] = request.resource_spans
    [scope] = resource.scope_spans
    [span] = scope.spans
    assert span.name == "remit.guard.attempt"
    assert {each.key: each.value.string_value for each in span.attributes}["gen_ai.operation.name"] == "chat"
    assert {each.key for each in resource.resource.attributes} == {"service.name", "service.version", "process.pid"}


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="can't be written"), traced(Settings(home=tmp_path, spans=str(tmp_path))):
        pass
