"""Answers of models that are kept."""

from .samples import Sample

KEPT = "/api/v1/kept-answers"
SAMPLES = {
    ("GET", KEPT): Sample(query="?limit=5"),
    ("GET", f"{KEPT}/statistics"): Sample(),
    ("DELETE", KEPT): Sample(query="?reason=stale"),
}
