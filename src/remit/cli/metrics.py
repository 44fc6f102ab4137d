"""``remit metrics``: the workspace's figures, as a scraper reads them."""

from __future__ import annotations

import click

from remit.cli.context import settings_of
from remit.cli.output import common, emit, say


@click.command()
@common
def metrics(home: str | None, *, as_json: bool, debug: bool) -> int:
    """Print the workspace's figures as Prometheus text: actions, refusals, durations, each check's time, missions."""
    del debug
    from remit.bootstrap import metrics_samples, metrics_text, open_store

    settings = settings_of(home)
    with open_store(settings) as store:
        if as_json:
            emit({"metrics": metrics_samples(store, settings)})
        else:
            say(metrics_text(store, settings).rstrip())
    return 0


COMMANDS = {"metrics": metrics}
