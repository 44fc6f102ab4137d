"""An outside witness: a server on loopback that counts, in its own process and its own file, what it was told.

``python -m remit.testing.witness LOG`` prints its address as one line, then serves until its parent's pipe closes or it
is terminated. Every POST is appended to LOG as ``<Idempotency-Key> <path>``; the first POST of a key is a new result, a
later one is answered from the first (``"repeat": true``), as a receiver that honours the key would do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@contextmanager
def witness(log: Path) -> Generator[str]:
    """A running witness that writes to ``log``; gives its address, ends it afterwards."""
    argv = [sys.executable, "-m", "remit.testing.witness", str(log)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        try:
            yield address
        finally:
            process.terminate()
            process.wait(10)


def requests(log: Path) -> Counter[str]:
    """How often each key was received."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return Counter(line.partition(" ")[0] for line in lines)


class _Handler(BaseHTTPRequestHandler):
    log: Path
    seen: Counter[str]
    lock: threading.Lock

    def do_POST(self) -> None:
        """Count, remember, answer."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        key = self.headers.get("Idempotency-Key", "")
        with self.lock:
            repeat = self.seen[key] > 0
            self.seen[key] += 1
            descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(descriptor, f"{key} {self.path}\n".encode())
            os.close(descriptor)
        self._answer({"repeat": repeat})

    def do_GET(self) -> None:
        """The counts so far."""
        with self.lock:
            self._answer(dict(self.seen))

    def _answer(self, value: dict[str, bool] | dict[str, int]) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the file is the record."""


def main(log: Path) -> None:
    """Serve until told to stop."""
    _Handler.log, _Handler.seen, _Handler.lock = log, requests(log), threading.Lock()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
    server.serve_forever()


def _end_with_parent(server: ThreadingHTTPServer) -> None:
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
