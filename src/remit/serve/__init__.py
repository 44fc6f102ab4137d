"""Servers: they translate between a protocol and Remit, and hold no rules of their own."""
