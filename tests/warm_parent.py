"""The process that forks for `warm.py`: imports what commands import, then does nothing but fork.

Each request brings a socket and three streams. It forks twice: the middle process ends at once, so that the command's
process, an orphan, becomes the child of the test run, which is waited for before the command begins.
"""

import gc
import importlib
import os
import pickle
import pkgutil
import socket
import sys
import time

#: What most commands and missions import; whatever else is imported when it is needed, as in any process.
IMPORTED = (
    "remit.cli.root",
    "remit.bootstrap",
    "remit.guard.guard",
    "remit.missions.service",
    "remit.adapters.store.sqlite",
    "remit.adapters.engine.durable",
    "alembic.command",
    "alembic.runtime.migration",
    "alembic.script",
    "sqlalchemy.dialects.sqlite",
)


def _prepare() -> None:
    import remit.cli

    for name in IMPORTED:
        importlib.import_module(name)
    for module in pkgutil.iter_modules(remit.cli.__path__, "remit.cli."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _serve(requests: socket.socket) -> list[str]:
    """Fork for every request. Returns in the command's process alone, with its words."""
    tests = os.getppid()
    while True:
        said, given, _flags, _address = socket.recv_fds(requests, 16, 4)
        if not said:
            sys.exit(0)
        middle = os.fork()
        if middle:
            for descriptor in given:
                os.close(descriptor)
            os.waitpid(middle, 0)
            continue
        if os.fork():
            os._exit(0)
        while os.getppid() != tests:
            time.sleep(0.0002)
        requests.close()
        return _become(given)


def _become(given: list[int]) -> list[str]:
    """Take the command's streams, folder and environment."""
    asked, *streams = given
    with socket.socket(fileno=asked) as asker, asker.makefile("rwb") as stream:
        words, cwd, environ = pickle.load(stream)  # noqa: S301 - from the test run itself
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.chdir(cwd)
        inherited = {os.path.realpath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep)}
        os.environ.clear()
        os.environ.update(environ)
        stream.write(b"%d\n" % os.getpid())
    entries = [os.path.realpath(entry) for entry in environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:] = [cwd, *entries, *(entry for entry in sys.path[1:] if os.path.realpath(entry) not in inherited)]
    sys.argv[:] = [sys.modules["remit.cli"].__path__[0] + "/__main__.py", *words]
    for text in (sys.stdout, sys.stderr):
        text.reconfigure(line_buffering=text is sys.stderr or os.isatty(text.fileno()))
    return words


if __name__ == "__main__":
    _prepare()
    gc.collect()
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    from remit.cli import main

    main()
