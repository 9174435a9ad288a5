"""What the migrations make is what the models say, and nobody's newer database is touched."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from sqlalchemy import inspect, text

from console import resource
from console.config import Config
from console.db import Base, db, now
from console.errors import Refused
from console.install import _newest, upgrade_databases
from console.logs.segments import place, tables
from console.logs.store import id_at, metadata


def test_the_migrated_schema_is_the_models(app: Flask) -> None:
    def main(_thing: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
        return not (kind == "table" and str(name).startswith("log_"))  # the two databases may be one

    with app.app_context(), db.engine.connect() as connection:
        options = {"compare_type": True, "include_object": main}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata) == []


def test_the_logs_schema_is_its_tables(app: Flask) -> None:
    store = app.extensions["gatewright"].logs
    with store.writing() as connection:
        list(place(connection, [(id_at(now()),)]))  # makes the table of today
    with store.engine.connect() as connection:
        of_records = tables(connection)
    found = inspect(store.engine)
    for table in (*metadata.tables.values(), *of_records):
        assert {c["name"] for c in found.get_columns(table.name)} == set(table.columns.keys())
        assert {i["name"] for i in found.get_indexes(table.name)} == {str(i.name) for i in table.indexes}


def test_the_migrations_end_in_one() -> None:
    scripts = ScriptDirectory(str(resource("migrations")))
    assert scripts.get_heads() == [_newest()]


def test_upgrading_again_changes_nothing(app: Flask, config: Config) -> None:
    upgrade_databases(app)
    upgrade_databases(app)


@pytest.mark.parametrize("revision", ["9999", "ffffffffffff", "1", "00"])
def test_a_newer_database_is_left_alone(app: Flask, revision: str) -> None:
    with app.app_context():
        db.session.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
        db.session.commit()
    with pytest.raises(Refused, match="made by a newer Gatewright"):
        upgrade_databases(app)
