"""Installations for tests: made once, then copied, because migrating takes a second and publishing 50 ms."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask
from flask.templating import Environment
from sqlalchemy import Engine, create_engine, text
from werkzeug.routing import Rule

from console import create_app
from console.config import Config, load
from console.credentials.signing import ensure_signing_keys
from console.db import db, unit_of_work
from console.install import check_keys, upgrade_databases
from tests.clickhouse import CLICKHOUSE, logs_apart

SERVER = os.environ.get("GATEWRIGHT_TEST_DATABASE_URL", "")
RUN = uuid.uuid4().hex[:12]


def compile_addresses_once() -> None:
    """Compiling all rules takes 75 ms of each application, and thousands of tests make one."""
    compile_rule, known = Rule.compile, dict[Any, Any]()
    kept = ("_parts", "_trace", "_converters", "arguments")

    def once(rule: Rule) -> None:
        key = (rule.rule, rule.endpoint, repr(rule.defaults), rule.subdomain, rule.websocket)
        if key not in known:
            compile_rule(rule)
            builders = rule._build.__func__, rule._build_unknown.__func__  # type: ignore[attr-defined]
            known[key] = [getattr(rule, name) for name in kept], builders
            return
        values, (build, build_unknown) = known[key]
        for name, value in zip(kept, values, strict=True):
            setattr(rule, name, value)
        rule._build, rule._build_unknown = build.__get__(rule, None), build_unknown.__get__(rule, None)

    Rule.compile = once  # type: ignore[method-assign]


def load_templates_once() -> None:
    """Loading those of a page takes 7 ms of each application. What they call is the same in all."""
    make, kept = Flask.create_jinja_environment, list[Environment]()

    def once(app: Flask) -> Environment:
        if not kept:
            kept.append(make(app))
        kept[0].globals.update(url_for=app.url_for, config=app.config)
        return kept[0]

    Flask.create_jinja_environment = once  # type: ignore[method-assign,assignment]


ENGINES: dict[str, Engine] = {}


def share_statements(which: str, engine: Engine) -> None:
    """SQL that another test's engine has compiled is not compiled again, which took a third of the suite's time."""
    kind = f"{which} {engine.dialect.name}"
    if kind not in ENGINES:
        engine.connect().close()  # whereby its dialect learns of the server
    first = ENGINES.setdefault(kind, engine)
    engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache


def on_server(*statements: str) -> None:
    """Outside of any database of ours."""
    url = load({"GATEWRIGHT_DATABASE_URL": f"{SERVER}/postgres"}).database_url
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    server.dispose()


def databases(name: str) -> dict[str, str]:
    return {"GATEWRIGHT_DATABASE_URL": f"{SERVER}/{name}", "GATEWRIGHT_LOGS_URL": f"{SERVER}/{name}"}


def settings_at(home: Path) -> dict[str, str]:
    return {"GATEWRIGHT_HOME": str(home), "GATEWRIGHT_LOG_LEVEL": "error"}


def template(home: Path) -> str:
    """The PostgreSQL database that belongs to a home which others are copied from."""
    return f"gw_{RUN}_{home.name}"


@contextmanager
def kept(home: Path, like: Path | None = None) -> Iterator[Flask]:
    """An installation to copy from, to be filled within the block; a copy of ``like`` to begin with."""
    values = settings_at(home)
    if like:
        shutil.copytree(like, home)
    if SERVER:
        on_server(f"CREATE DATABASE {template(home)}" + (f" TEMPLATE {template(like)}" if like else ""))
        values |= databases(template(home))
    app = create_app(load(values))
    yield app
    with app.app_context():
        db.session.remove()
        if not SERVER:
            with db.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        db.engine.dispose()
    app.extensions["gatewright"].logs.dispose()


def migrate(app: Flask) -> None:
    upgrade_databases(app)
    with app.app_context(), unit_of_work():
        check_keys()
        ensure_signing_keys()


def forget(home: Path) -> None:
    if SERVER:
        on_server(f"DROP DATABASE {template(home)} WITH (FORCE)")


@contextmanager
def installed(home: Path, like: Path, settings: dict[str, str], clickhouse: Engine | None = None) -> Iterator[Config]:
    """An installation of its own at ``home``, a copy of ``like``."""
    shutil.copytree(like, home)
    values = settings_at(home) | settings
    with logs_apart(clickhouse) as logs:
        if not SERVER:
            yield load(values | logs)
            return
        name = f"gw_{uuid.uuid4().hex[:12]}"
        on_server(f"CREATE DATABASE {name} TEMPLATE {template(like)}")
        yield load(values | databases(name) | logs)
        on_server(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def running(config: Config) -> Iterator[Flask]:
    app = create_app(config)
    with app.app_context():
        share_statements("main", db.engine)
        share_statements("logs", app.extensions["gatewright"].logs.engine)
    app.testing = False  # errors are answered as users see them
    if CLICKHOUSE:
        app.extensions["gatewright"].logs.prepare()
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    app.extensions["gatewright"].logs.dispose()
