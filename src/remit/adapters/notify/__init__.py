"""Tells people and other systems; a repeat carries the same idempotency key, so that the receiver counts it once."""
