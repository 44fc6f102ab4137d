"""What the log itself says that bears on its own verification: prunes, erasures, holds, changes of key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from remit.audit.entry import Result
from remit.audit.prune import PRUNE_ACTION, Range, pruned_ranges

ERASE_ACTION = "audit.erase"
HOLD_ACTION = "audit.hold"
RELEASE_ACTION = "audit.release"
GENESIS_ACTION = "audit.genesis"
ROTATE_ACTION = "audit.key"

TELLING = frozenset({PRUNE_ACTION, ERASE_ACTION, HOLD_ACTION, RELEASE_ACTION, GENESIS_ACTION, ROTATE_ACTION})

_DEK = re.compile(r"[0-9a-f]{16}")
_HOLD = re.compile(r"([a-z0-9][a-z0-9._-]{0,63}):([0-9a-f]{64})")


class Erasure(NamedTuple):
    """The entry that says that a data key was destroyed."""

    seq: int
    workspace: str


@dataclass(slots=True)
class Told:
    """What the log tells; ``keys`` and ``holds`` need each action's entries in the order of the log.

    ``holds`` maps (workspace, name) to the digest of the scope of each hold in force. ``keys`` are the log's public
    keys with the entry that brought each, the first of the log's beginning.
    """

    prunes: list[Range] = field(default_factory=list[Range])
    erased: dict[str, Erasure] = field(default_factory=dict[str, Erasure])
    holds: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    keys: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def take(self, header: Mapping[str, Any]) -> None:
        """Take in one of the ``TELLING`` entries; one that was refused or failed says nothing."""
        if header.get("result") != Result.SUCCESS:
            return
        action, subject = header["action"], str(header.get("subject"))
        seq, workspace = int(header["seq"]), str(header["workspace"])
        if action == PRUNE_ACTION:
            self.prunes += pruned_ranges(header)
        elif action == ERASE_ACTION and _DEK.fullmatch(subject):
            self.erased.setdefault(subject, Erasure(seq, workspace))
        elif action in (HOLD_ACTION, RELEASE_ACTION) and (match := _HOLD.fullmatch(subject)):
            if action == HOLD_ACTION:
                self.holds[workspace, match[1]] = match[2]
            else:
                self.holds.pop((workspace, match[1]), None)
        elif action in (GENESIS_ACTION, ROTATE_ACTION):
            self.keys.append((seq, subject))
