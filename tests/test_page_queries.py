"""How much pages ask the two databases: few questions, and no more of them where there are many rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from console.accounts.models import Person
from console.applications.actions import approve_subscription, subscribe
from console.applications.models import Application
from console.db import db, unit_of_work
from tests.conftest import ORDERS, Cast, SignIn, World, publish
from tests.test_pages import pages, places

__all__ = ["places"]
FEW = 9
# files to take away: that somebody took them is written down in the same transaction
FILES = {"/audit/proof": 11}
RECORD = 13  # the first time in an hour, when it is written down who read it
SINGLE, MANY = 1, 20


@contextmanager
def counted(app: Flask) -> Iterator[list[str]]:
    """Statements to both databases, without the words that begin transactions."""
    asked: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA", "SET LOCAL", "SELECT pg_advisory_xact_lock")):
            asked.append(statement)

    with app.app_context():
        engines = [db.engine, app.extensions["gatewright"].logs.engine]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield asked
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("name", ["alice", "bob", "dora"])
def test_pages_ask_little(app: Flask, sign_in: SignIn, places: dict[str, Any], name: str) -> None:
    browser, first, again = sign_in(name), Counter[str](), Counter[str]()
    for _, path in list(pages(app, places)):
        for found in (first,) if path in FILES else (first, again):
            browser.get("/profile")  # shows what the page before had to say, which a page has to write down
            with counted(app) as asked:
                browser.get(path, buffered=True)
            found[path] = len(asked)
    print(first.most_common(12))
    limits = FILES | {path: RECORD for path in first if "/logs/" in path and path[-1].isdigit()}
    assert {path: n for path, n in first.items() if n > limits.get(path, FEW)} == {}
    assert {path: n for path, n in again.items() if n > FEW} == {}


PAGES = (
    "/",
    "/applications",
    "/applications/{}",
    "/approvals?state=active",
    "/catalog",
    "/apis",
    "/people",
    "/analytics",
)


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_pages_ask_as_much_for_one_row_as_for_twenty(
    app: Flask, sign_in: SignIn, cast: Cast, world: World, name: str
) -> None:
    browser, asked_for = sign_in(name), {}
    for count in (SINGLE, MANY):
        _subscribe(app, cast, world, count - 1)
        for page in PAGES:
            path = page.format(world.application_id)
            browser.get(path)
            with counted(app) as asked:
                assert browser.get(path).status_code in (200, 403)
            asked_for[count, page] = len(asked)
    # no call yet needs no look at who called; a list of one has the same questions as a list of many
    assert {
        p: (asked_for[SINGLE, p], asked_for[MANY, p]) for p in PAGES if asked_for[SINGLE, p] < asked_for[MANY, p]
    } == {}


def _subscribe(app: Flask, cast: Cast, world: World, count: int) -> None:
    with app.app_context(), unit_of_work():
        alice, bob = db.session.get_one(Person, cast.alice), db.session.get_one(Person, cast.bob)
        application = db.session.get_one(Application, world.application_id)
        for n in range(count):
            made = publish(alice, ["key"], ORDERS.replace("title: Orders", f"title: Api {n}"), f"/api/v{n}")
            approve_subscription(subscribe(application, made, "", by=bob), by=alice)
