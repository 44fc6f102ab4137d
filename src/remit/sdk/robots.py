"""What a site's robots.txt allows, for whoever fetches on their own: RFC 9309, never more permissive than Google."""

from remit.guard.robots import robots_allowed

__all__ = ["robots_allowed"]
