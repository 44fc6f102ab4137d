"""Drills whose spans and log lines are looked at."""

from ..warm import warm_commands  # noqa: TID252 - tests are loaded by path

__all__ = ["warm_commands"]
