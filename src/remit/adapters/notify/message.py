"""What is told through a channel."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """What is told. ``key`` is the same on every attempt, so that a receiver can drop a repetition."""

    subject: str
    body: str
    mission: str
    step: str
    key: str
