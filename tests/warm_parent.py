"""The process that forks for `warm.py`: imports what commands import, reads what they read, then only forks.

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
from pathlib import Path

#: What many commands and missions import, now or later; whatever else is imported when it is needed, as in any process.
IMPORTED = (
    "remit.cli.root",
    "remit.accounts.known",
    "remit.accounts.links",
    "remit.accounts.owner",
    "remit.adapters.agents.room",
    "remit.adapters.agents.wiring",
    "remit.adapters.classifier.http",
    "remit.adapters.deploy.adapter",
    "remit.adapters.engine.durable",
    "remit.adapters.engine.transact",
    "remit.adapters.fetch.wiring",
    "remit.adapters.files.writing",
    "remit.adapters.git.mission",
    "remit.adapters.identity.wiring",
    "remit.adapters.notify",
    "remit.adapters.providers.wiring",
    "remit.adapters.sandbox.adapter",
    "remit.adapters.sandbox.leftover",
    "remit.adapters.secrets.file",
    "remit.adapters.secrets.wiring",
    "remit.adapters.store.genesis",
    "remit.adapters.store.postgres",
    "remit.adapters.store.sqlite",
    "remit.guard.approval_notices",
    "remit.guard.budget_expiry",
    "remit.guard.budget_notices",
    "remit.guard.guard",
    "remit.guard.news",
    "remit.guard.reconcile",
    "remit.guard.secrets_notices",
    "remit.guard.secrets_orders",
    "remit.missions.deployments",
    "remit.missions.evidence",
    "remit.missions.service",
    "remit.models.cache",
    "remit.models.prices",
    "remit.redact.engine",
    "remit.redact.rules",
    "remit.serve.up.running",
    "remit.testing.probe",
    "alembic.command",
    "alembic.runtime.migration",
    "alembic.script",
    "cryptography.hazmat.primitives.ciphers.aead",
    "google.protobuf.descriptor_pool",
    "importlib.readers",
    "platformdirs",
    "psycopg_pool",
    "pwd",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.dialects.postgresql.psycopg",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
    "uvloop",
)


def _prepare() -> None:
    import remit.bootstrap
    import remit.cli

    for name in IMPORTED:
        importlib.import_module(name)
    for package in (remit.bootstrap, remit.cli):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    from remit.cli.context import REDACTOR

    # Read once and kept: the rules of the shipped packs, and the words that lead to them.
    assert REDACTOR.clean("nothing of interest")
    # A fork takes along one thread alone, and the locks that others held.
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "something that was imported has begun a thread"


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
