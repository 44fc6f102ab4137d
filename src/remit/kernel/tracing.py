"""Spans: how long each phase of a mission or an action took. Nothing is kept, and nothing costs, until a tracer stands.

Process-wide, like logging: bootstrap installs a tracer when settings ask for one. Names and attributes are ids, codes
and numbers, never content.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self

type Attributes = Mapping[str, str | int | float | bool]


class Span(Protocol):
    """A phase that is under way."""

    def note(self, name: str, attributes: Attributes) -> None:
        """Something that happened in it."""
        ...


class Tracer(Protocol):
    """Where spans go."""

    def span(self, name: str, attributes: Attributes) -> AbstractContextManager[Span]:
        """A phase from entering to leaving; an exception that passes marks it as failed. Nested by context."""
        ...


class Untraced:
    """The span of a process without a tracer."""

    __slots__ = ()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing ends."""

    def note(self, name: str, attributes: Attributes) -> None:
        """Nothing is kept."""


UNTRACED = Untraced()
_tracer: Tracer | None = None


def install(tracer: Tracer | None) -> None:
    """Set (or, with ``None``, remove) where spans go. Bootstrap calls this, once."""
    global _tracer  # noqa: PLW0603 - one switch for the process, as for logging
    _tracer = tracer


def span(name: str, **attributes: str | float | bool) -> AbstractContextManager[Span]:
    """A phase called ``name``; costs a global read when nobody traces."""
    return UNTRACED if _tracer is None else _tracer.span(name, attributes)


def traced() -> bool:
    """Whether anybody listens: for what costs something to tell."""
    return _tracer is not None
