import subprocess
import sys
import textwrap

import pytest

CASES = {
    "argument": "logging.getLogger('x').error('failed: %s', SECRET)",
    "bytes argument": "logging.getLogger('x').error('failed: %r', SECRET.encode())",
    "later handler": """
        log = logging.getLogger('y'); log.propagate = False
        log.addHandler(logging.StreamHandler()); log.error(SECRET)
        """,
    "cause and note": """
        try:
            try:
                raise ValueError(SECRET)
            except ValueError as error:
                wrapped = RuntimeError('wrapped')
                wrapped.add_note('note ' + SECRET)
                raise wrapped from error
        except RuntimeError:
            logging.getLogger('x').exception('it broke')
        """,
    "uncaught": "raise RuntimeError('token ' + SECRET)",
    "in a thread": """
        def run():
            raise RuntimeError(SECRET)
        t = threading.Thread(target=run, name='worker ' + SECRET); t.start(); t.join()
        """,
    "unraisable": """
        class Bad:
            def __del__(self):
                raise RuntimeError(SECRET)
        Bad()
        """,
    "warning": "warnings.warn('old: ' + SECRET)",
    "last resort": "logging.getLogger().handlers.clear(); logging.getLogger('z').error(SECRET)",
    "asyncio": """
        async def main():
            asyncio.get_running_loop().call_exception_handler({'message': 'lost', 'exception': RuntimeError(SECRET)})
        asyncio.run(main())
        """,
    "exception name": "raise type('E' + SECRET.replace('-', '_'), (Exception,), {})('x')",
}

SCRIPT = """
import asyncio, logging, os, sys, threading, warnings
from remit.redact.redactor import Redactor
from remit.redact.logs import install
SECRET = 'hunter2_' + 'f00dfeed'
redactor = Redactor(os.urandom(16))
install(redactor)
redactor.register(SECRET)
{body}
"""


def run(body: str) -> str:
    script = SCRIPT.format(body=textwrap.dedent(body))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES)
def test_no_sink_shows_a_registered_value(case: str) -> None:
    told = run(CASES[case])
    assert "hunter2" not in told
    assert "[REDACTED:registered:" in told


def test_a_line_that_cannot_be_scanned_is_not_shown() -> None:
    told = run("redactor.registered = None\nlogging.getLogger('x').error('anything at all')")
    assert "anything at all" not in told
    assert "[unscanned]" in told


def test_no_record_is_lost_and_the_traceback_stays() -> None:
    told = run("""
        try:
            1 / 0
        except ZeroDivisionError:
            logging.getLogger('shop.orders').exception('order %d failed', 7)
        """)
    assert "shop.orders: order 7 failed" in told
    assert "ZeroDivisionError" in told


def test_installing_costs_no_heavy_import() -> None:
    told = run("print(sorted({'sqlalchemy', 'pydantic', 'dbos', 'click'} & set(sys.modules)))")
    assert told.strip() == "[]"
