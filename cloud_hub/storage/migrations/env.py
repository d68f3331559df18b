"""Run by alembic: migrates the connection that storage/migrate.py hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from cloud_hub.storage.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=False)
context.run_migrations()
