"""Alembic's entry point: applies the revisions on the connection that `duebook_common.integrity.migrate` passes."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
