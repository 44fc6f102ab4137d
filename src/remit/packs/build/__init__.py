"""Build pack: the same intake always plans the same application, and an impossible one is refused before a byte is written."""
