"""The cast: Alice is an admin, Bob and Carol develop in different teams, Dora audits. A real database each time.

`GATEWRIGHT_TEST_DATABASE_URL` (a PostgreSQL server's URL without a database name) runs the same tests there;
`GATEWRIGHT_TEST_LOGS_URL` (ClickHouse's, likewise) keeps their request records there. `clickhousedb:///?interface=chdb` is
a ClickHouse within the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, func, select

from console.accounts.models import Person, Role, Team
from console.apis.actions import Choices, import_document, publish_version
from console.apis.models import ApiVersion
from console.applications.actions import approve_subscription, create_application, subscribe
from console.applications.models import Application
from console.audit.models import AuditEntry
from console.config import Config
from console.db import Base, db, unit_of_work
from console.gateway.actions import enrol_node
from tests.clickhouse import clickhouse as clickhouse  # a fixture
from tests.homes import compile_addresses_once, forget, installed, kept, load_templates_once, migrate, running

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


compile_addresses_once()
load_templates_once()


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(scope="session")
def empty_home(homes: Path) -> Iterator[Path]:
    """Migrated, with keys, and nobody in it."""
    with kept(homes / "empty") as app:
        migrate(app)
    yield homes / "empty"
    forget(homes / "empty")


@dataclass(frozen=True)
class Begun:
    """An installation in which something happened before the test."""

    home: Path
    cast: Cast | None = None
    world: World | None = None


@pytest.fixture(scope="session")
def cast_home(homes: Path, empty_home: Path, password_hash: str) -> Iterator[Begun]:
    with kept(homes / "cast", empty_home) as app:
        cast = make_cast(app, password_hash)
    yield Begun(homes / "cast", cast)
    forget(homes / "cast")


@pytest.fixture(scope="session")
def world_home(homes: Path, cast_home: Begun) -> Iterator[Begun]:
    with kept(homes / "world", cast_home.home) as app:
        world = make_world(app, cast_home.cast)
    yield Begun(homes / "world", cast_home.cast, world)
    forget(homes / "world")


@pytest.fixture
def begun(request: pytest.FixtureRequest, empty_home: Path, settings: dict[str, str]) -> Begun:
    """As far as a test asks for; with other settings nothing is sure, so it begins there with nobody."""
    for name in () if settings else ("world", "cast"):
        if name in request.fixturenames:
            found: Begun = request.getfixturevalue(f"{name}_home")
            return found
    return Begun(empty_home)


@pytest.fixture
def settings() -> dict[str, str]:
    """Override in a test module to change settings."""
    return {}


@pytest.fixture
def config(tmp_path: Path, begun: Begun, settings: dict[str, str], clickhouse: Engine | None) -> Iterator[Config]:
    with installed(tmp_path / "home", begun.home, settings, clickhouse) as config:
        yield config


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    with running(config) as app:
        yield app


@pytest.fixture(scope="module")
def module_app(
    tmp_path_factory: pytest.TempPathFactory, empty_home: Path, clickhouse: Engine | None
) -> Iterator[Flask]:
    """One installation for all tests of a module, where each of hundreds would pay for one of its own."""
    home = tmp_path_factory.mktemp("module") / "home"
    with installed(home, empty_home, {}, clickhouse) as config, running(config) as app:
        yield app


@dataclass(frozen=True)
class Cast:
    """People by id: rows belong to the context they were read in."""

    alice: int  # admin, team Platform
    bob: int  # developer, team Shop
    carol: int  # developer, team Freight
    dora: int  # auditor


@pytest.fixture
def cast(app: Flask, begun: Begun, password_hash: str) -> Cast:
    return begun.cast or make_cast(app, password_hash)


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
def world(app: Flask, begun: Begun, cast: Cast) -> World:
    return begun.world or make_world(app, cast)


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
