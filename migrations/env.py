"""Alembic, for the main database. The logs database makes its own tables (console/logs/store.py)."""

from alembic import context
from flask import current_app

from console.db import Base, UtcDateTime

engine = current_app.extensions["migrate"].db.engine


def include(thing, name, kind, reflected, compare_to):
    return not (kind == "table" and name.startswith("log_"))  # the two databases may be one PostgreSQL


def render(kind, thing, autogen):
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(thing, UtcDateTime) else False


with engine.connect() as connection:
    # ALTER TABLE on SQLite copies the table, and must not trip over rows that point to it
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        include_object=include,
        compare_type=True,
        render_item=render,
    )
    with context.begin_transaction():
        context.run_migrations()
