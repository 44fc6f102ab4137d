"""From where an order came, for the payload of its entry: this process's user, terminal and, over SSH, address."""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType

from remit import __version__


@functools.lru_cache(maxsize=1)
def process_origin() -> Mapping[str, str]:
    """``via``, ``os_user``, ``host``, ``agent``; ``terminal`` and ``ip`` where there are any.

    The address is what the SSH server told this session; nobody else vouches for it.
    """
    found = {
        "via": "cli",
        "os_user": _os_user(),
        "host": platform.node(),
        "agent": f"remit/{__version__} Python/{platform.python_version()} {platform.system()}",
    }
    with suppress(OSError):  # a pipe, a service
        found["terminal"] = os.ttyname(0)
    address = os.environ.get("SSH_CONNECTION", "").partition(" ")[0]
    if address:
        found["ip"] = address[:64]
    return MappingProxyType(found)


def _os_user() -> str:
    try:
        import pwd
    except ImportError:  # Windows
        return os.environ.get("USERNAME", "")
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
