"""Secrets and personal data: found, masked where text is read, refused where a payload is executed.

Promise: pure functions over text and data that open, send and keep nothing, and never change a payload in silence.
"""
