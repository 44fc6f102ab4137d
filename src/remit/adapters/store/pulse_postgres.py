"""The pulse of a store on Postgres."""

from __future__ import annotations

from contextlib import suppress

import psycopg

from remit.adapters.store.pulse import AGAIN_S, CHANNEL, Looking, Tell

CONNECT_SECONDS = 10


class PostgresPulse(Looking):
    """By LISTEN, and each second without."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def _look(self, tell: Tell) -> None:
        connection = psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_SECONDS)
        try:
            connection.execute(f"LISTEN {CHANNEL}".encode())
            tell()
            while not self._ended.is_set():
                for _ in connection.notifies(timeout=AGAIN_S, stop_after=1):
                    pass
                tell()
        finally:
            with suppress(psycopg.Error):
                connection.close()
