"""JSON log lines: the documented fields, every library's lines, no secrets, the ids of what they belong to."""

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from remit.adapters.telemetry.logging import SCHEMA
from remit.kernel.correlation import FIELDS
from remit.testing.drill import NOBODY, PACK, Drill
from remit.testing.witness import witness

DOC = Path(__file__).parents[2] / "docs" / "logs.md"

SCRIPT = """
import logging, os
from remit.kernel import correlation
from remit.redact import logs
from remit.redact.redactor import Redactor
from remit.adapters.telemetry.logging import json_formatter
SECRET = 'hunter2_' + 'f00dfeed'
redactor = Redactor(os.urandom(16))
logs.install(redactor, level=10)
redactor.register(SECRET)
logs.use(json_formatter())
log = logging.getLogger('some.library')
"""


def lines(body: str) -> list[dict[str, Any]]:
    script = SCRIPT + textwrap.dedent(body)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_the_page_lists_the_fields() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*) \|$", DOC.read_text("utf-8"), re.MULTILINE)
    assert rows == [(name, kind, meaning) for name, (kind, meaning) in SCHEMA.items()]
    assert set(FIELDS) < set(SCHEMA)


def test_a_full_line_has_every_field_in_order_and_no_secret() -> None:
    [line] = lines("""
        correlation.begin()
        with correlation.bound(workspace='w', mission='m', step='s', action='a', span_id='00f067aa0ba902b7'):
            try:
                try:
                    raise KeyError(SECRET)
                except KeyError as error:
                    error.add_note('note ' + SECRET)
                    raise ValueError('bad ' + SECRET) from error
            except ValueError:
                log.exception('it %s broke', SECRET, stack_info=True, extra={'count': 3, 'given': {SECRET: (SECRET,)}})
        """)
    assert list(line) == list(SCHEMA)
    told = json.dumps(line)
    assert "hunter2" not in told
    assert (line["level"], line["logger"], line["extra"]["count"]) == ("error", "some.library", 3)
    assert line["exception"]["type"] == "ValueError"
    assert "KeyError" in line["exception"]["stack"]
    assert "note [REDACTED:" in line["exception"]["stack"]
    assert line["trace_id"] == line["request_id"].replace("-", "")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", line["timestamp"])


def test_a_plain_line_has_the_first_four() -> None:
    assert [list(line) for line in lines("log.warning('one %d', 2)")] == [["timestamp", "level", "logger", "message"]]


def test_lines_of_structlog_and_of_warnings_fit_too() -> None:
    found = lines("""
        import structlog
        structlog.configure(
            processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
            logger_factory=structlog.stdlib.LoggerFactory(), wrapper_class=structlog.stdlib.BoundLogger,
        )
        structlog.get_logger('st').error('hello ' + SECRET, key=SECRET, n=3)
        logging.captureWarnings(True)
        import warnings; warnings.warn('old ' + SECRET)
        """)
    assert found[0]["message"].startswith("hello [REDACTED:")
    assert found[0]["extra"]["n"] == 3
    assert found[1]["logger"] == "py.warnings"
    assert "hunter2" not in json.dumps(found)


def test_whatever_happens_a_line_is_one_json_object() -> None:
    found = lines("""
        class Hostile:
            def __str__(self): raise RuntimeError(SECRET)
        log.error('%s', Hostile(), extra={'x': Hostile()})
        log.error('two\\nlines\\x1b[31m\\u2028 %s', '\\ud800')
        log.error('-----BEGIN ' + 'PRIVATE KEY-----' + 'A' * 70)
        log.error('%d', SECRET)
        log.error('x', extra={'n': float('nan'), 'b': b'\\xff', 'o': object()})
        redactor.mask = None
        log.error('can not be scanned: ' + SECRET, extra={'more': SECRET})
        """)
    assert len(found) == 6
    assert found[0]["message"] == "[unscanned]"
    assert found[-1]["message"] == "[unscanned]"
    assert "hunter2" not in json.dumps(found)
    assert all({"timestamp", "level", "message"} <= line.keys() for line in found)


def test_a_missions_lines_name_request_mission_step_and_action(tmp_path: Path) -> None:
    with witness(tmp_path / "witness.log") as address, Drill(tmp_path, witness=address) as drill:
        environ = {"REMIT_LOG_FORMAT": "json", "REMIT_LOG_LEVEL": "WARNING", "REMIT_SPANS": str(tmp_path / "spans")}
        ran = drill.remit("run", PACK, drill.intake(knock=1, away=NOBODY), **environ)
        mission = drill.look().mission
        shown = drill.remit("audit", "show", "--limit", "500")
    found = [json.loads(line) for line in ran.err.splitlines() if line.startswith("{")]
    tried = [line for line in found if line["logger"] == "remit.guard.permit"]
    assert tried, ran.err
    for line in tried:
        assert (line["mission"], line["workspace"], line["step"]) == (mission, "default", "knock")
        assert line["action"] in shown.out
        assert line["request_id"] in shown.out
    spans = [json.loads(line) for line in (tmp_path / "spans").read_text("utf-8").splitlines()]
    assert {span["context"]["trace_id"] for span in spans} == {"0x" + tried[0]["trace_id"]}
    by_id = {span["context"]["span_id"]: span for span in spans}
    for line in tried:
        span = by_id["0x" + line["span_id"]]
        assert span["attributes"]["remit.step"] == line["step"]
        assert span["attributes"]["remit.request_id"] == line["request_id"]


def test_an_error_names_its_request_in_every_form(tmp_path: Path) -> None:
    with Drill(tmp_path) as drill:
        drill.remit("init")
        ran = drill.remit(
            "show", "0190f5fe-7c00-7a00-8000-000000000000", REMIT_LOG_FORMAT="json", REMIT_LOG_LEVEL="INFO"
        )
        usage = drill.remit("show")
    assert ran.code == 2
    asked = ran.json()["error"]["request_id"]
    assert f"ref:   {asked}" in ran.err
    assert asked in {json.loads(line)["request_id"] for line in ran.err.splitlines() if line.startswith("{")}
    assert usage.json()["error"]["request_id"]


def test_structlog_is_only_loaded_for_json() -> None:
    code = (
        "import sys; from remit.cli import redaction; redaction.install(); from remit.cli.root import run\n"
        "import contextlib, io\n"
        "with contextlib.redirect_stdout(io.StringIO()): run(['--help'])\n"
        "print(sorted({'structlog', 'sqlalchemy', 'opentelemetry', 'asyncio', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
