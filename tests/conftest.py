"""The cast: Alice is an admin, Bob and Carol develop in different teams, Dora audits. A real database each time.

`GATEWRIGHT_TEST_DATABASE_URL` (a PostgreSQL server's URL without a database name) runs the same tests there;
`GATEWRIGHT_TEST_LOGS_URL` (ClickHouse's, likewise) keeps their request records there. `clickhousedb:///?interface=chdb` is
a ClickHouse within the process.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import Engine, create_engine, func, select, text
from werkzeug.routing import Rule

from console import create_app
from console.accounts.models import Person, Role, Team
from console.apis.actions import Choices, import_document, publish_version
from console.apis.models import ApiVersion
from console.applications.actions import approve_subscription, create_application, subscribe
from console.applications.models import Application
from console.audit.models import AuditEntry
from console.config import Config, load
from console.credentials.signing import ensure_signing_keys
from console.db import Base, db, unit_of_work
from console.gateway.actions import enrol_node
from console.install import check_keys, upgrade_databases
from tests.clickhouse import CLICKHOUSE, logs_apart
from tests.clickhouse import clickhouse as clickhouse  # a fixture

SERVER = os.environ.get("GATEWRIGHT_TEST_DATABASE_URL", "")
TEMPLATE = f"gw_{uuid.uuid4().hex[:12]}"
PASSWORD = "correct horse battery"
ORDERS = (Path(__file__).parent.parent / "console" / "sample" / "openapi.yaml").read_text()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files whose tests wait for real programs come first, else one worker is left alone with them at the end."""
    items.sort(key=lambda item: not _takes_long(item))


def _takes_long(item: pytest.Item) -> bool:
    slow = ("test_faults_", "test_clickhouse_server")
    return item.path.name.startswith(slow) or any(
        item.get_closest_marker(name) for name in ("envoy", "interop", "wellknown")
    )


@pytest.fixture(scope="session")
def password_hash() -> str:
    """With the least of argon2's work, because two thousand tests sign in."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


def _compile_addresses_once() -> None:
    """Compiling the builders of all rules takes 70 ms of each application, and thousands of tests make one."""
    compile_builder, known = Rule._compile_builder, dict[Any, Any]()

    def once(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, rule.endpoint, append_unknown, repr(rule.defaults), rule.subdomain, rule.websocket)
        if key not in known:
            known[key] = compile_builder(rule, append_unknown)
        return known[key]

    Rule._compile_builder = once  # type: ignore[method-assign,assignment]


_compile_addresses_once()


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


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A migrated, empty installation, copied for each test, because migrating takes a second."""
    home = tmp_path_factory.mktemp("empty")
    values = {"GATEWRIGHT_HOME": str(home), "GATEWRIGHT_LOG_LEVEL": "error"}
    if SERVER:
        on_server(f"CREATE DATABASE {TEMPLATE}")
        values |= databases(TEMPLATE)
    app = create_app(load(values))
    upgrade_databases(app)
    with app.app_context(), unit_of_work():
        check_keys()
        ensure_signing_keys()
    with app.app_context():
        if not SERVER:
            with db.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        db.engine.dispose()
    app.extensions["gatewright"].logs.engine.dispose()
    yield home
    if SERVER:
        on_server(f"DROP DATABASE {TEMPLATE} WITH (FORCE)")


@pytest.fixture
def settings() -> dict[str, str]:
    """Override in a test module to change settings."""
    return {}


@contextmanager
def installed(
    home: Path, empty_home: Path, settings: dict[str, str], clickhouse: Engine | None = None
) -> Iterator[Config]:
    """An installation of its own at ``home``."""
    shutil.copytree(empty_home, home)
    values = {"GATEWRIGHT_HOME": str(home), "GATEWRIGHT_LOG_LEVEL": "error"} | settings
    with logs_apart(clickhouse) as logs:
        if not SERVER:
            yield load(values | logs)
            return
        name = f"gw_{uuid.uuid4().hex[:12]}"
        on_server(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        yield load(values | databases(name) | logs)
        on_server(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def config(tmp_path: Path, empty_home: Path, settings: dict[str, str], clickhouse: Engine | None) -> Iterator[Config]:
    with installed(tmp_path / "home", empty_home, settings, clickhouse) as config:
        yield config


@contextmanager
def running(config: Config, templates: Path) -> Iterator[Flask]:
    """The application; compiled templates are kept in ``templates``, else each test compiles them."""
    app = create_app(config)
    app.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(templates))
    app.testing = False  # errors are answered as users see them
    if CLICKHOUSE:
        app.extensions["gatewright"].logs.prepare()
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    app.extensions["gatewright"].logs.dispose()


@pytest.fixture
def app(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with running(config, tmp_path_factory.getbasetemp()) as app:
        yield app


@pytest.fixture(scope="module")
def module_app(
    tmp_path_factory: pytest.TempPathFactory, empty_home: Path, clickhouse: Engine | None
) -> Iterator[Flask]:
    """One installation for all tests of a module, where each of hundreds would pay for one of its own."""
    home = tmp_path_factory.mktemp("module") / "home"
    with installed(home, empty_home, {}, clickhouse) as config, running(config, tmp_path_factory.getbasetemp()) as app:
        yield app


@dataclass(frozen=True)
class Cast:
    """People by id: rows belong to the context they were read in."""

    alice: int  # admin, team Platform
    bob: int  # developer, team Shop
    carol: int  # developer, team Freight
    dora: int  # auditor


@pytest.fixture
def cast(app: Flask, password_hash: str) -> Cast:
    return make_cast(app, password_hash)


def make_cast(app: Flask, password_hash: str) -> Cast:
    with app.app_context(), unit_of_work():
        people = {}
        for name, role, team in (
            ("alice", Role.ADMIN, "Platform"),
            ("bob", Role.DEVELOPER, "Shop"),
            ("carol", Role.DEVELOPER, "Freight"),
            ("dora", Role.AUDITOR, "Audit"),
        ):
            person = Person(email=f"{name}@example.org", name=name.title(), role=role, password_hash=password_hash)
            person.teams = [Team(name=team)]
            db.session.add(person)
            people[name] = person
        db.session.flush()
        return Cast(**{name: person.id for name, person in people.items()})


SignIn = Callable[[str], FlaskClient]


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def sign_in(app: Flask, cast: Cast) -> SignIn:
    """A browser in which that person has signed in, as she would."""

    def as_person(name: str) -> FlaskClient:
        browser = app.test_client()
        form = {"email": f"{name}@example.org", "password": PASSWORD}
        answer = browser.post("/login", data=form, headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 302, answer.text
        browser.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
        return browser

    return as_person


@dataclass(frozen=True)
class World:
    """One published API, and Bob's application that subscribes to it."""

    version_id: int
    application_id: int
    client_id: str
    audience: str


def publish(by: Person, accepts: list[str], text: str = ORDERS, path: str = "/orders/v1", **profile: str) -> ApiVersion:
    """Within a unit of work. ``profile``: how its tokens are made, where it is not as usual."""
    version = import_document(text, by.teams[0], by=by)
    db.session.flush()
    publish_version(version, Choices("http://127.0.0.1:9", path, accepts, 900, **profile), edits=version.edits, by=by)
    return version


def publish_another(by: Person, number: int, accepts: list[str], **profile: str) -> ApiVersion:
    """Within a unit of work: a further version of Orders."""
    text = ORDERS.replace("version: 1.0.0", f"version: {number}.0.0")
    return publish(by, accepts, text, f"/orders/v{number}", **profile)


def subscribed(version: ApiVersion, owner: Person, by: Person, name: str = "Shop") -> Application:
    """Within a unit of work: an application of ``owner``'s with an approved subscription."""
    application = create_application(name, "", owner.teams[0], by=owner)
    subscription = subscribe(application, version, "for tests", by=owner)
    approve_subscription(subscription, by=by)
    return application


@pytest.fixture
def world(app: Flask, cast: Cast) -> World:
    return make_world(app, cast)


def make_world(app: Flask, cast: Cast) -> World:
    with app.app_context(), unit_of_work():
        alice, bob = db.session.get_one(Person, cast.alice), db.session.get_one(Person, cast.bob)
        version = publish(alice, ["signed", "encrypted", "key"])
        application = subscribed(version, bob, alice)
        return World(version.id, application.id, application.client_id, version.audience)


@pytest.fixture
def node(app: Flask, cast: Cast) -> str:
    """The credential of an enrolled gateway node."""
    with app.app_context(), unit_of_work():
        return enrol_node("gw-1")[1]


def counts(app: Flask) -> dict[str, int]:
    """Rows by table: a refusal leaves them as they were."""
    with app.app_context():
        return {
            t.name: db.session.scalar(select(func.count()).select_from(t)) or 0 for t in Base.metadata.sorted_tables
        }


def trail(app: Flask, after: int = 0) -> list[str]:
    """What the audit trail says was done, oldest first."""
    with app.app_context():
        query = select(AuditEntry.action).where(AuditEntry.id > after).order_by(AuditEntry.id)
        return [str(action) for action in db.session.scalars(query)]


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each of them returns, begun at the same moment in threads of their own."""
    gate = Barrier(len(calls))

    def begin(call: Callable[[], Any]) -> Any:
        gate.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(begin, calls))
