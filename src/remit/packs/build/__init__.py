"""Build pack: one intake always plans the same application; an impossible one is refused before a byte is written."""
