"""Everything in one process, on one port: gateway, API, console and workers; on Postgres in as many as you like."""
