"""Health, and what the API says of itself."""

from __future__ import annotations

from .samples import Sample

SAMPLES = {("GET", path): Sample() for path in ("/health", "/health/live", "/health/ready")}
