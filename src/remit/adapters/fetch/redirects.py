"""Redirects, by hand: where one leads, and what must not be followed."""

from __future__ import annotations

from collections.abc import Sequence

from remit.guard.fetching import FetchTerms, url_problem
from remit.kernel.errors import Denied
from remit.kernel.urls import UnreadableUrl, Url, join_url

MOST = 5
STATUSES = frozenset({301, 302, 303, 307, 308})
HINT = "fetch the address that you want itself: remit fetch URL"


def redirect_of(url: Url, status: int, locations: Sequence[str], *, terms: FetchTerms) -> Url | None:
    """Where the answer to ``url`` sends its reader; ``None``: nowhere, it is the page.

    Raises:
        Denied: Somewhere that is never followed.
    """
    if status not in STATUSES or not locations:
        return None
    if len(set(locations)) > 1:
        message = f"{url.host} redirects to {len(set(locations))} places at once, which programs read differently."
        raise Denied(message, code="fetch.redirect", hint=HINT)
    try:
        target = join_url(url, locations[0])
    except UnreadableUrl as error:
        message = f"{url.host} redirects to an address that can't be fetched: {error}."
        raise Denied(message, code="fetch.redirect", hint=HINT) from error
    if url.scheme == "https" and target.scheme == "http":
        message = f"{url.host} redirects from https to http, which anybody on the way could read and change."
        raise Denied(message, code="fetch.redirect", hint=HINT)
    problem = url_problem(target, terms)
    if problem:
        raise Denied(f"{url.host} redirects further. {problem}", code="fetch.redirect", hint=HINT)
    return target
