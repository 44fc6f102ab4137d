"""Unpredictable bytes, drawn from the system a page at a time: a call for each 16 bytes costs more than they do.

Each thread has a page of its own, and a forked child begins with none: no byte is given twice.
"""

from __future__ import annotations

import os
import threading

PAGE = 4096


class _Page(threading.local):
    data: bytes = b""
    at: int = 0


_page = _Page()


def random_bytes(count: int) -> bytes:
    """``count`` bytes of the system's generator (``os.urandom``)."""
    page = _page
    start = page.at
    end = start + count
    if end > len(page.data):
        if count > PAGE // 4:
            return os.urandom(count)
        page.data, start, end = os.urandom(PAGE), 0, count
    page.at = end
    return page.data[start:end]


def _forget() -> None:
    global _page  # noqa: PLW0603 - a child of fork must not give the bytes that its parent has
    _page = _Page()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
