"""Reading web addresses: names resolved once and judged, connections pinned, redirects and robots.txt by hand."""

from remit.adapters.fetch.adapter import FetchAdapter

__all__ = ["FetchAdapter"]
