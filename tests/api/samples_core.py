"""Health, and what the API says of itself."""

from __future__ import annotations

from .samples import Sample

SAMPLES = {
    **{("GET", path): Sample() for path in ("/health", "/health/live", "/health/ready", "/openapi.json")},
    ("GET", "/.well-known/remit-audit"): Sample(),
    ("GET", "/api/v1/csrf"): Sample(ok=frozenset({422})),  # with a token there is nothing to give
    ("GET", "/api/v1/audit/consistency"): Sample(query="?old=1&new=2"),
    ("GET", "/api/v1/database"): Sample(),
    ("GET", "/api/v1/response-cache"): Sample(),
    ("DELETE", "/api/v1/response-cache"): Sample(query="?endpoint=/api/v1/database"),
}
