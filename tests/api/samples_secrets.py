"""Secrets by their names."""

from .samples import Sample

SAMPLES = {
    ("GET", "/api/v1/secrets"): Sample(query="?days=7"),
    ("GET", "/api/v1/secrets/uses"): Sample(query="?limit=5&denied=true"),
}
