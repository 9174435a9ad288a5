"""Server time of each page, with 1,000 APIs and 1,000,000 log records, against a limit."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .options import CHECKOUT, Options
from .report import Report, median
from .world import Installation, installed

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

APIS, RECORDS, LIMIT_MS, TIMES = 1_000, 1_000_000, 100.0, 9
PAGES = {
    "admin": (
        "/", "/?range=30d", "/apis", "/apis?q=api-9", "/apis/orders/2.0.0", "/apis/orders/2.0.0/document", "/apis/orders/2.0.0/usage", "/apis/new", "/catalog",
        "/catalog/orders/1.0.0", "/applications", "/applications/1", "/approvals", "/people", "/logs", "/logs?range=30d",
        "/logs?api=orders@2.0.0&status=5xx", "/logs?application=nobody", "/logs?path=/orders/v1/orders/1001", "/nodes", "/keys",
        "/audit", "/settings", "/profile",
    ),
    "developer": ("/", "/catalog", "/applications", "/applications/1/logs"),
}  # fmt: skip


def run(options: Options) -> Report:
    report = Report(f"Server time of each page: {APIS:,} APIs, {RECORDS:,} log records, SQLite, one process")
    with installed(CHECKOUT) as where, filled(where) as app:
        for role, paths in PAGES.items():
            browser = signed_in(app, role)
            for path in paths:
                report.rows.append(measured(browser, role, path))
    slowest = max(report.rows, key=lambda row: row["median ms"])
    report.bar(f"slowest page ({slowest['page']}), ms", slowest["median ms"], at_most=LIMIT_MS)
    return report


def measured(browser: FlaskClient, role: str, path: str) -> dict[str, object]:
    times = []
    for _ in range(TIMES):
        started = time.perf_counter()
        answer = browser.get(path)
        times.append((time.perf_counter() - started) * 1000)
        assert answer.status_code == 200, (path, answer.status_code)
    spent = median(times)
    row = {"page": path, "as": role, "median ms": spent, "slowest ms": max(times), "of the limit": spent / LIMIT_MS}
    return row | {"kB": len(answer.data) / 1000}


@contextmanager
def filled(where: Installation) -> Iterator[Flask]:
    """The demo world with a million records, and as many lookalikes of APIs as it takes."""
    subprocess.run(where.command("demo", "--rows", str(RECORDS)), env=where.env, check=True, stdout=subprocess.DEVNULL)
    from console import create_app
    from console.config import load

    app = create_app(load(where.env))
    with app.app_context():
        add_apis(APIS)
    yield app
    from console.db import db

    with app.app_context():
        db.engine.dispose()
    app.extensions["gatewright"].logs.dispose()


def add_apis(count: int) -> None:
    from console.accounts.models import Team
    from console.apis.models import Api, ApiVersion, State
    from console.catalog.indexing import index_all
    from console.db import db, now, unit_of_work

    with unit_of_work():
        team = db.session.query(Team).first()
        like = db.session.query(ApiVersion).first()
        for n in range(count):
            api = Api(slug=f"api-{n:04}", name=f"API {n:04}", summary="One of many.", team_id=team.id)
            version = ApiVersion(
                api=api, version="1.0.0", state=State.PUBLISHED, source="-", document=like.document, operations=4,
                gateway_path=f"/api-{n:04}/v1", backend_url=like.backend_url, accepts=["signed"], published_at=now(), revision=1,
                audience=f"urn:api-{n:04}",
            )  # fmt: skip
            db.session.add_all([api, version])
    index_all()


def signed_in(app: Flask, role: str) -> FlaskClient:
    """Without the password's hash, which takes its time on purpose."""
    from console.accounts.models import Person
    from console.accounts.passwords import hash_password
    from console.db import db, unit_of_work

    with app.app_context(), unit_of_work():
        person = db.session.query(Person).filter_by(role=role).first()
        person.password_hash, email = hash_password("for the bench only 1"), person.email
    browser = app.test_client()
    browser.environ_base["HTTP_SEC_FETCH_SITE"] = "same-origin"
    answer = browser.post("/login", data={"email": email, "password": "for the bench only 1"})
    assert answer.status_code == 302
    return browser
