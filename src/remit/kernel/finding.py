"""Findings: what a check, critic or scanner has to say about an artefact."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding weighs; ``ERROR`` and above block."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def blocks(self) -> bool:
        """Whether a finding of this severity stops the effect."""
        return self in {Severity.ERROR, Severity.CRITICAL}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: what, where, how bad, and how to mend it. Never holds the offending value itself."""

    kind: str
    severity: Severity
    message: str
    place: str = ""
    fix: str = ""
