"""Alembic's entry: migrations run in the transaction that shadow.store.schema has opened."""

from alembic import context

from shadow.store.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True
)
context.run_migrations()
