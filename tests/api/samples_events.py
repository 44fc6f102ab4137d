"""What happens, up to now: a stream that follows would never end."""

from .samples import Sample

SAMPLES = {("GET", "/api/v1/events"): Sample(query="?follow=false&after=-1")}
