"""Running Remit itself: what a whole backup is, and what a healthy install looks like.

Promise: rules over plain facts. Nothing here reads a file, asks a database or starts a process; the adapters bring the
facts and do what was decided.
"""
