"""Argon2id in a small pool of threads: each hash takes 19 MiB and 20 ms, so a flood of sign-ins waits, or is sent away.

Parameters: OWASP's first recommendation for a service that people wait for (Password Storage Cheat Sheet): 19 MiB, two
passes, one lane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from remit.kernel.errors import Unavailable

if TYPE_CHECKING:
    from argon2 import PasswordHasher

TIME_COST, MEMORY_KIB, LANES = 2, 19_456, 1
THREADS = 2
MOST_WAITING = 32


class ArgonHasher:
    """``accounts.passwords.Hasher``. Used from one event loop.

    Args:
        threads: How many hash at once.
        waiting: How many may wait for them; one more is sent away.
        memory_kib: For tests that hash much; anything else leaves it.
    """

    def __init__(self, *, threads: int = THREADS, waiting: int = MOST_WAITING, memory_kib: int = MEMORY_KIB) -> None:
        self._threads = threads
        self._most = threads + waiting
        self._memory_kib = memory_kib
        self._asked = 0
        self._pool: ThreadPoolExecutor | None = None
        self._made: PasswordHasher | None = None

    async def hash(self, password: str) -> str:
        """See ``Hasher``."""
        argon = self._argon()
        return await self._run(lambda: argon.hash(password))

    async def verify(self, stored: str, password: str) -> bool:
        """See ``Hasher``. With nothing stored a hash is made and thrown away: the work is the same."""
        from argon2.exceptions import InvalidHashError, VerificationError

        argon = self._argon()

        def work() -> bool:
            if not stored:
                argon.hash(password)
                return False
            try:
                return argon.verify(stored, password)
            except (VerificationError, InvalidHashError):
                return False

        return await self._run(work)

    def stale(self, stored: str) -> bool:
        """See ``Hasher``."""
        return self._argon().check_needs_rehash(stored)

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _argon(self) -> PasswordHasher:
        if self._made is None:
            from argon2 import PasswordHasher

            self._made = PasswordHasher(time_cost=TIME_COST, memory_cost=self._memory_kib, parallelism=LANES)
        return self._made

    async def _run[T](self, work: Callable[[], T]) -> T:
        if self._asked >= self._most:
            message = "Too many people sign in at once."
            raise Unavailable(message, code="sign_in.busy", hint="try again in a second", retry_after=1.0)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="remit-hash")
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._asked -= 1
