"""The fetcher as the settings have it: for ``bootstrap``, which alone calls this."""

from __future__ import annotations

from remit.adapters.fetch.adapter import FetchAdapter
from remit.adapters.fetch.hooks import Clean, Secret
from remit.guard.fetching import FetchTerms
from remit.guard.guard import Guard
from remit.settings import Settings, words


def fetch_terms(settings: Settings) -> FetchTerms:
    """How this install fetches."""
    opened = ()
    if settings.fetch_private:
        from remit.kernel.addresses import read_networks

        opened = read_networks(settings.fetch_private)
    return FetchTerms(
        ports=frozenset(map(int, words(settings.fetch_ports))),
        opened=opened,
        user_agent=settings.fetch_user_agent,
        timeout_s=settings.fetch_timeout_s,
        most_bytes=settings.fetch_bytes,
        ca_file=settings.fetch_ca,
    )


def put_behind(
    fetcher: FetchAdapter,
    guard: Guard,
    settings: Settings,
    *,
    secret: Secret | None = None,
    clean: Clean | None = None,
) -> None:
    """Give the fetcher the guard that it asks about every hop, and the guard the terms that it judges by.

    Args:
        fetcher: The fetcher.
        guard: The guard, made with it.
        settings: What may be fetched, and how.
        secret: Resolves references in headers.
        clean: Masks personal data in what comes back.
    """
    fetcher.secret = secret or fetcher.secret
    fetcher.clean = clean
    guard.fetching = fetch_terms(settings)
    fetcher.host = guard
