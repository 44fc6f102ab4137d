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
    "handler that overrides format": """
        class Own(logging.StreamHandler):
            def format(self, record):
                return 'own: ' + record.getMessage() + str(record.__dict__.get('note'))
        log = logging.getLogger('own'); log.propagate = False
        log.addHandler(Own()); log.error('a %s', SECRET, extra={'note': SECRET})
        """,
    "handler that never formats": """
        class Raw(logging.Handler):
            def emit(self, record):
                os.write(2, (repr(vars(record)) + repr(record.exc_info)).encode())
        log = logging.getLogger('raw'); log.propagate = False
        log.addHandler(Raw())
        try:
            raise ValueError(SECRET)
        except ValueError:
            log.exception('%s', {SECRET: 1}, extra={'given': [SECRET.encode()]}, stack_info=True)
        """,
    "handler called directly": """
        record = logging.LogRecord('x', 40, 'f.py', 1, 'direct %s', (SECRET,), None)
        logging.StreamHandler().handle(record)
        """,
    "what a formatter adds of its own": """
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter('%(message)s %(env)s', defaults={'env': SECRET}))
        log = logging.getLogger('z'); log.propagate = False; log.addHandler(handler); log.error('x')
        """,
    "cached traceback": """
        try:
            raise ValueError(SECRET)
        except ValueError as error:
            record = logging.LogRecord('x', 40, 'f.py', 1, 'm', (), (type(error), error, error.__traceback__))
            record.exc_text = 'Traceback: ' + SECRET
        logging.getLogger().handle(record)
        """,
    "pickled for another process": """
        import logging.handlers, queue
        kept = queue.SimpleQueue()
        log = logging.getLogger('q'); log.propagate = False
        log.addHandler(logging.handlers.QueueHandler(kept)); log.error('to %s', SECRET)
        print(vars(kept.get()))
        """,
    "format string that does not fit": "logging.getLogger('x').error('%d things', SECRET)",
    "handler that fails": """
        class Broken(logging.StreamHandler):
            def emit(self, record):
                try:
                    raise OSError('no ' + SECRET)
                except OSError:
                    self.handleError(record)
        log = logging.getLogger('b'); log.propagate = False; log.addHandler(Broken()); log.error('x')
        """,
    "rich with locals": """
        from rich.logging import RichHandler
        log = logging.getLogger('rich'); log.propagate = False
        log.addHandler(RichHandler(rich_tracebacks=True, tracebacks_show_locals=True))
        def inner(value):
            raise ValueError('it was ' + value)
        try:
            inner(SECRET)
        except ValueError:
            log.exception('broke')
        """,
    "access log": """
        from uvicorn.logging import AccessFormatter
        handler = logging.StreamHandler()
        handler.setFormatter(AccessFormatter('%(client_addr)s "%(request_line)s" %(status_code)s', use_colors=False))
        log = logging.getLogger('uvicorn.access'); log.propagate = False; log.addHandler(handler); log.setLevel(20)
        log.info('%s - "%s %s HTTP/%s" %d', '127.0.0.1:1', 'GET', '/x?key=' + SECRET, '1.1', 200)
        """,
    "statements with their parameters": """
        import sqlalchemy as sa
        engine = sa.create_engine('sqlite://', echo=True)
        with engine.connect() as connection:
            connection.execute(sa.text('select :one'), {'one': SECRET})
        engine.dispose()
        """,
    "HTTP client's log": """
        logging.getLogger().setLevel(10)
        import httpcore, urllib3
        for name in ('httpcore.http11', 'urllib3.connectionpool', 'botocore.endpoint'):
            logging.getLogger(name).debug('send headers %r', [(b'authorization', ('Bearer ' + SECRET).encode())])
        """,
    "structlog": """
        import structlog
        structlog.configure(
            processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
            logger_factory=structlog.stdlib.LoggerFactory(), wrapper_class=structlog.stdlib.BoundLogger,
        )
        structlog.get_logger('st').error('hello', **{'key': SECRET, SECRET: 1})
        """,
    "group of exceptions": "raise ExceptionGroup('several', [ValueError(SECRET), KeyError(SECRET)])",
    "exception name": "raise type('E' + SECRET.replace('-', '_'), (Exception,), {})('x')",
}

SCRIPT = """
import asyncio, logging, os, sys, threading, warnings
from remit.redact.redactor import Redactor
from remit.redact.logs import install
SECRET = 'hunter2_' + 'f00dfeed'
redactor = Redactor(os.urandom(16))
install(redactor, streams={streams})
redactor.register(SECRET)
{body}
"""


#: What is printed, with the streams masked too.
PRINTED = {
    "print": "print('x', SECRET, file=sys.stderr); print(SECRET)",
    "bytes": "sys.stdout.buffer.write(SECRET.encode()); sys.stdout.buffer.flush()",
    "lines": "sys.stdout.writelines(['a ', SECRET, chr(10)])",
    "HTTP client's own": """
        import http.client, http.server
        server = http.server.HTTPServer(('127.0.0.1', 0), http.server.BaseHTTPRequestHandler)
        threading.Thread(target=server.handle_request).start()
        client = http.client.HTTPConnection('127.0.0.1', server.server_port)
        client.set_debuglevel(1)
        client.request('GET', '/', headers={'X-Key': SECRET}); client.getresponse().read(); client.close()
        server.server_close()
        """,
    "click": "import click; click.echo(SECRET); click.echo(SECRET, err=True); click.ClickException(SECRET).show()",
    "rich": """
        import rich.console
        rich.console.Console(width=200).print({'a': SECRET})
        """,
}


def run(body: str, *, streams: bool = False) -> str:
    script = SCRIPT.format(body=textwrap.dedent(body), streams=streams)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES)
def test_no_sink_shows_a_registered_value(case: str) -> None:
    told = run(CASES[case])
    assert "hunter2" not in told
    assert "[REDACTED:registered:" in told


@pytest.mark.parametrize("case", PRINTED)
def test_what_anything_prints_is_masked(case: str) -> None:
    told = run(PRINTED[case], streams=True)
    assert "hunter2" not in told
    assert "[REDACTED:registered:" in told


def test_a_traceback_that_rich_draws_holds_no_secret_however_long() -> None:
    told = run(
        """
        import rich.console
        LONG = SECRET * 7
        redactor.register(LONG)
        def inner(value, padding='x' * 60):
            error = ValueError('it is ' + value)
            error.add_note('note ' + value)
            raise error
        try:
            inner(LONG)
        except ValueError:
            rich.console.Console(width=80).print_exception(show_locals=True)
        """,
        streams=True,
    )
    assert "in inner" in told
    assert "hunter2" not in told
    assert "f00dfeed" not in told
    assert told.count("[REDACTED:registered:") >= 1


def test_a_stream_that_cannot_be_scanned_is_not_shown() -> None:
    told = run("redactor.mask = None\nprint('anything at all')", streams=True)
    assert "anything at all" not in told
    assert "[unscanned]" in told


def test_a_crash_of_the_interpreter_shows_frames_and_no_values() -> None:
    told = run("""
        import faulthandler
        faulthandler.enable()
        def inner(value):
            faulthandler.dump_traceback()
        inner(SECRET)
        """)
    assert "in inner" in told
    assert "hunter2" not in told


def test_what_holds_no_secret_reaches_handlers_as_it_was() -> None:
    told = run("""
        class Raw(logging.Handler):
            def emit(self, record):
                print(record.msg, record.args, record.thing is THING, record.count)
        THING = object()
        log = logging.getLogger('raw'); log.propagate = False; log.addHandler(Raw())
        log.error('%s and %d', 'text', 7, extra={'thing': THING, 'count': 3})
        """)
    assert told.strip() == "%s and %d ('text', 7) True 3"


def test_a_line_names_the_ids_it_belongs_to() -> None:
    told = run("""
        from remit.kernel import correlation
        request = correlation.begin('01a1ff63-ee2d-7d2c-9dcd-c3e00acb0212')
        with correlation.bound(workspace='w', mission='m', step='s'):
            logging.getLogger('x').error('in it')
        thread = threading.Thread(target=lambda: logging.getLogger('y').error('in a thread'))
        thread.start(); thread.join()
        """)
    lines = told.splitlines()
    assert lines[0].endswith("x: in it [request_id=01a1ff63-ee2d-7d2c-9dcd-c3e00acb0212 workspace=w mission=m step=s]")
    assert lines[1].endswith("y: in a thread [request_id=01a1ff63-ee2d-7d2c-9dcd-c3e00acb0212]")


def test_several_redactors_of_one_process_are_all_asked() -> None:
    told = run("""
        from remit.redact import sinks
        other = Redactor(os.urandom(16)); other.register('opened_' + 'sesame')
        with sinks.joined(other):
            logging.getLogger('x').error('opened_' + 'sesame ' + SECRET)
        logging.getLogger('x').error('opened_' + 'sesame ' + SECRET)
        """)
    assert "sesame" not in told
    assert "hunter2" not in told
    assert told.count("[REDACTED:registered:") == 4


def test_a_line_that_cannot_be_scanned_is_not_shown() -> None:
    told = run("redactor.mask = None\nlogging.getLogger('x').error('anything at all')")
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
