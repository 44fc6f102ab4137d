"""What an install tells of itself: figures, log lines and spans."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from remit.kernel import tracing
from remit.kernel.errors import InvalidInput
from remit.settings import Settings, abroad

if TYPE_CHECKING:
    from remit.bootstrap.store import Store


def metrics_text(store: Store, settings: Settings) -> str:
    """The workspace's figures in Prometheus' exposition format."""
    from remit.adapters.telemetry.metrics import text

    return text(store, settings.workspace)


def metrics_samples(store: Store, settings: Settings) -> list[dict[str, object]]:
    """The same figures as data."""
    from remit.adapters.telemetry.metrics import samples

    return samples(store, settings.workspace)


def json_log_formatter() -> logging.Formatter:
    """Log lines as JSON, see docs/logs.md."""
    from remit.adapters.telemetry.logging import json_formatter

    return json_formatter()


@contextmanager
def traced(settings: Settings) -> Generator[None]:
    """Send spans where the settings say, while this lasts; nothing at all happens without that setting.

    Raises:
        InvalidInput: OpenTelemetry isn't installed, or the file can't be written.
    """
    if not settings.spans:
        yield
        return
    if abroad(settings.spans) and not settings.telemetry:
        message = "The setting 'spans' names another machine, and 'telemetry' is off: nothing is sent there."
        raise InvalidInput(message, code="settings.telemetry", hint="set telemetry = true, or spans to a file")
    from remit.adapters.telemetry.spans import make_spans

    spans = make_spans(settings.spans)
    tracing.install(spans)
    try:
        yield
    finally:
        tracing.install(None)
        spans.close()
