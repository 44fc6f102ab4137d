"""Remit's own database, on SQLite and on Postgres: engines, connections, migrations, the one writer.

Promise: a business row and its audit entry are committed together and durably, or neither is.
"""
