"""Remit's own store, on SQLite or Postgres.

Promise: what a waiter was told is committed is on disk, its business rows and audit entries together, or not at all.
"""
