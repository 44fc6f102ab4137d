"""A server that speaks the Presidio analyzer's HTTP interface, on loopback: for tests of whoever asks one.

It finds the words it was given, as a language model might, and answers as the analyzer does: a JSON list of
``entity_type``, ``start``, ``end``, ``score``; 500 with ``error`` for a request without text or language.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Analyzer:
    """What the server knows and was asked.

    Attributes:
        words: Word to entity type.
        address: Where it listens.
        asked: Every request so far, newest last.
        answer: Status and body to answer with instead; for what goes wrong.
    """

    words: Mapping[str, str]
    address: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    answer: tuple[int, bytes] | None = None

    def analyze(self, asked: Mapping[str, Any]) -> tuple[int, bytes]:
        """Status and body of the answer."""
        if self.answer is not None:
            return self.answer
        text, entities = asked.get("text"), asked.get("entities")
        if not text or not asked.get("language"):
            return 500, b'{"error":"No text provided"}' if not text else b'{"error":"No language provided"}'
        found: list[dict[str, Any]] = [
            {
                "entity_type": kind,
                "start": match.start(),
                "end": match.end(),
                "score": 0.85,
                "analysis_explanation": None,
            }
            for word, kind in self.words.items()
            if not entities or kind in entities
            for match in re.finditer(re.escape(word), str(text))
        ]
        kept = [each for each in found if each["score"] >= float(asked.get("score_threshold") or 0)]
        return 200, json.dumps(kept).encode()


@contextmanager
def analyzer(words: Mapping[str, str]) -> Generator[Analyzer]:
    """A running server that finds ``words``."""
    state = Analyzer(words)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            asked: dict[str, Any] = json.loads(body)
            state.asked.append(asked)
            status, answer = state.analyze(asked) if self.path == "/analyze" else (404, b"{}")
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, name="presidio", daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
