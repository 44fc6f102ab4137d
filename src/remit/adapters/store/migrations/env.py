"""Alembic runs this: on the connection that ``migrate.upgrade`` passes, inside its transaction."""

from __future__ import annotations

from alembic import context

from remit.adapters.store.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata(),
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    transactional_ddl=False,
)
context.run_migrations()
