"""The catalog of a large installation: search as somebody types, and every list and detail page, at the server.

On SQLite, or on the PostgreSQL server that `GATEWRIGHT_TEST_DATABASE_URL` names. A page's time is compared with that of its
own template, rendered again out of the same memory.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from . import many
from .options import CHECKOUT, Options
from .pages import signed_in
from .report import Report, median
from .world import Installation, installed

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

SEARCH_MS, MOST_QUERIES, MOST_TIMES, TIMES = 50.0, 10, 3.0, 15
LARGE = 1_200  # operations of the largest document
TYPED = (
    "pet",
    "orders",
    "payments",
    "list",
    "create",
    "get",
    "team",
    "weather maps",
    "list orders",
    "remove",
    "zz",
    "delete pets",
)
PART = {"HX-Request": "true", "HX-Request-Type": "partial"}
PAGES = {
    "admin": (
        "/", "/apis", "/apis?q=ba", "/apis?state=deprecated", "{api}", "{api}/document", "{api}/settings", "/applications",
        "/applications/{application}", "/approvals", "/people", "/people/9", "/nodes", "/keys", "/audit", "/alerts", "/logs", "/analytics",
    ),
    "developer": (
        "/", "/catalog", "/catalog?q=pet", "/catalog?only=deprecated&tag=pets", "/catalog?only=mine", "{catalog}", "{catalog}/operations",
        "{catalog}/operations/{anchor}", "{large}", "{large}/operations", "{large}/operations?q=create", "{large}/operations/{last}",
        "/applications", "/applications/{own}", "/tokens", "/logs/why",
    ),
}  # fmt: skip


def run(options: Options) -> Report:
    size = many.Size()
    report = Report(
        f"Catalog and pages: {size.apis:,} APIs of {size.versions} versions, {size.developers:,} developers, {size.subscriptions:,} subscriptions"
    )
    with installed(CHECKOUT) as where, database(where) as env, filled(env, size, report) as app:
        measure(app, report)
    return report


def measure(app: Flask, report: Report) -> None:
    places, browser = _places(app), {role: signed_in(app, role) for role in PAGES}
    for role, paths in PAGES.items():
        report.rows += [_page(app, browser[role], role, path.format(**places)) for path in paths]
    _search(app, browser["developer"], report)
    _judge(report)


@contextmanager
def database(where: Installation) -> Iterator[dict[str, str]]:
    """The environment of an installation; with a database of its own on the server that is named, gone afterwards."""
    server = os.environ.get("GATEWRIGHT_TEST_DATABASE_URL")
    if not server:
        yield where.env
        return
    from sqlalchemy import create_engine, text

    name = f"gw_bench_{os.getpid()}"
    engine = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield where.env | {"GATEWRIGHT_DATABASE_URL": f"{server}/{name}"}
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@contextmanager
def filled(env: dict[str, str], size: many.Size, report: Report) -> Iterator[Flask]:
    from console import create_app
    from console.catalog.indexing import index_all
    from console.config import load
    from console.db import db, now
    from console.demo import fill
    from console.install import upgrade_databases
    from console.logs.days import close_days

    app = create_app(load(env))
    upgrade_databases(app)
    fill(app, 20_000)
    began = time.perf_counter()
    with app.app_context():
        many.fill(size)
        report.notes.append(f"filled in {time.perf_counter() - began:.0f} s")
        _add_large(db)
        began = time.perf_counter()
        index_all()
        report.notes.append(f"indexed in {time.perf_counter() - began:.0f} s")
        _settle(db)
    while close_days(app.extensions["gatewright"].logs, now()):
        pass
    yield app
    with app.app_context():
        db.engine.dispose()
    app.extensions["gatewright"].logs.dispose()


def _settle(db: Any) -> None:
    """What the database does by itself in time."""
    from sqlalchemy import text

    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def _add_large(db: Any) -> None:
    from console.accounts.models import Team
    from console.apis.models import Api, ApiVersion, State
    from console.db import now, unit_of_work

    document = many.Author(random.Random(3)).document("Large", "1.0.0", LARGE)
    with unit_of_work():
        api = Api(slug="large", name="Large", summary="Many operations", team_id=db.session.query(Team.id).first()[0])
        db.session.add(
            ApiVersion(
                api=api,
                version="1.0.0",
                state=State.PUBLISHED,
                source="-",
                document=document,
                operations=LARGE,
                revision=1,
                scopes=[],
                gateway_path="/large/v1",
                backend_url="http://127.0.0.1:9",
                accepts=["signed"],
                audience="urn:large",
                published_at=now(),
            )
        )


def _places(app: Flask) -> dict[str, str]:
    from console.accounts.models import Person, Role
    from console.apis.models import ApiVersion
    from console.applications.models import Application
    from console.catalog.documents import outline_of
    from console.db import db

    with app.app_context():
        version = (
            db.session.query(ApiVersion).filter(ApiVersion.version == "2.0.0").order_by(ApiVersion.id.desc()).first()
        )
        large = db.session.query(ApiVersion).filter(ApiVersion.gateway_path == "/large/v1").one()
        developer = db.session.query(Person).filter_by(role=Role.DEVELOPER).first()
        own = db.session.query(Application).filter(Application.team_id.in_(developer.team_ids)).first()
        name = f"{version.api.slug}/{version.version}"
        return {
            "api": f"/apis/{name}", "catalog": f"/catalog/{name}", "large": "/catalog/large/1.0.0", "application": str(own.id), "own": str(own.id),
            "anchor": outline_of(version).entries[0].anchor, "last": outline_of(large).entries[-1].anchor,
        }  # fmt: skip


def _page(app: Flask, browser: FlaskClient, role: str, path: str) -> dict[str, object]:
    with rendered(app) as shown:
        browser.get(path)  # reads, too, what is read once in a process
    with counted(app) as asked:
        answer = browser.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    spent = median(_timed(lambda: browser.get(path)) for _ in range(TIMES))
    worked = median(_timed(lambda: browser.get(path), time.process_time) for _ in range(TIMES))
    template = median(shown or [0.0])
    return {
        "page": path[:60], "as": role, "median ms": spent, "CPU ms": worked, "template CPU ms": template, "times": worked / max(template, 0.01),
        "queries": len(asked), "kB": len(answer.data) / 1000,
    }  # fmt: skip


def _timed(call: Any, clock: Any = time.perf_counter) -> float:
    """Milliseconds; ``time.process_time`` as clock: of this process's work only, whatever else the machine does."""
    began = clock()
    call()
    return (clock() - began) * 1000


@contextmanager
def counted(app: Flask) -> Iterator[list[str]]:
    """SQL statements of both databases, without the words that begin and end transactions."""
    from sqlalchemy import event

    from console.db import db

    asked: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA", "SET LOCAL")):
            asked.append(statement)

    with app.app_context():
        engines = [db.engine, app.extensions["gatewright"].logs.engine]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield asked
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


@contextmanager
def rendered(app: Flask) -> Iterator[list[float]]:
    """CPU milliseconds that the template of a page takes, again and again with what it was given."""
    from flask import template_rendered

    spent: list[float] = []

    def note(_sender: Any, template: Any, context: dict[str, Any], **_: Any) -> None:
        spent[:] = [_timed(lambda: template.render(context), time.process_time) for _ in range(TIMES)]

    with template_rendered.connected_to(note, app):
        yield spent


def _search(app: Flask, browser: FlaskClient, report: Report) -> None:
    typed = [*TYPED, *(many.vocabulary(random.Random(1))[n] for n in (0, 1, 5, 40, 400, 3000))]
    times: dict[str, float] = {}
    work: dict[str, float] = {}
    queries = 0
    for text in typed:
        for length in range(1, len(text) + 1):
            path = f"/catalog?q={text[:length]}"
            with counted(app) as asked:
                times[text[:length]] = _timed(lambda path=path: browser.get(path, headers=PART))
            work[text[:length]] = _timed(lambda path=path: browser.get(path, headers=PART), time.process_time)
            queries = max(queries, len(asked))
    for what, found in (("ms", times), ("CPU ms", work)):
        slowest, spread = sorted(found, key=lambda text: -found[text])[:5], sorted(found.values())
        report.notes.append(f"slowest, {what}: " + ", ".join(f"{text!r} {found[text]:.0f}" for text in slowest))
        report.bar(f"search as typed, median {what} of {len(found)}", statistics.median(spread), at_most=SEARCH_MS)
        report.bar(f"search as typed, p95 {what}", spread[int(len(spread) * 0.95)], at_most=SEARCH_MS)
    report.bar("queries of a search", queries, at_most=MOST_QUERIES - 1)


def _judge(report: Report) -> None:
    slowest = max(report.rows, key=lambda row: row["CPU ms"])
    report.bar(f"slowest page ({slowest['page']}), times its template", slowest["times"], at_most=MOST_TIMES)
    most = max(report.rows, key=lambda row: row["queries"])
    report.bar(f"queries of a page ({most['page']})", most["queries"], at_most=MOST_QUERIES - 1)
