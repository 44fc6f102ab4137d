"""Work that would hold up an event loop: done beside it, in a thread, one piece at a time.

One at a time, because Python runs one thread at a time: a loop beside one busy thread gets its turns still, beside ten
of them a tenth of those. What waits here holds up nobody but whoever waits for it.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

#: Bytes from which on reading, judging or masking a document is done aside: of the costliest documents (many small
#: texts) some 30 ms. Smaller ones are done at once: changing threads costs a tenth of a millisecond, and an order.
LARGE = 256 << 10


async def aside[*Args, Result](work: Callable[[*Args], Result], *args: *Args) -> Result:
    """What ``work`` gives for ``args``, worked out in the thread for such things, with the caller's context.

    A caller who stops waiting stops no work that has begun.
    """
    run = partial(contextvars.copy_context().run, work, *args)
    return await asyncio.get_running_loop().run_in_executor(_thread(), run)


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="remit-aside")


if hasattr(os, "register_at_fork"):  # Windows never forks; elsewhere a child has none of its parent's threads
    os.register_at_fork(after_in_child=_thread.cache_clear)
