"""What holds for every operation of the REST API: preconditions, keys for requests sent twice, pages, problems."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, text, update

from console.accounts.models import Person
from console.applications.actions import create_application, subscribe
from console.applications.models import Application
from console.db import db, now, unit_of_work
from console.rest.models import IdempotentAnswer
from tests.conftest import ORDERS, Cast, World, at_once, counts, publish_another, subscribed, trail
from tests.homes import SERVER
from tests.rest import ROOT, Rest, make_token

V1 = "/apis/orders/versions/1.0.0"
APPLICATION = {"name": "Till", "team": "Platform"}


@pytest.fixture
def rest(app: Flask, cast: Cast) -> Rest:
    rest = Rest(app, make_token(app, cast.alice))
    rest.get("/me")
    return rest


class TestPreconditions:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("PATCH", "/choices", {"token_lifetime_s": 600}),
            ("PUT", "/document", ORDERS + "\n"),
            ("POST", "/block", {"reason": "It leaks."}),
            ("POST", "/publish", {"choices": {"token_lifetime_s": 600}}),
        ],
    )
    def test_a_change_says_what_it_was_based_on(
        self, app: Flask, world: World, rest: Rest, method: str, path: str, body: Any
    ) -> None:
        before, seen = counts(app), rest.get(V1).headers["ETag"]
        assert rest(method, V1 + path, body).status_code == 428
        assert rest(method, V1 + path, body, If_Match='"9999"').status_code == 412
        assert rest(method, V1 + path, body, If_Match=f"W/{seen}").status_code == 412, "compared strongly"
        assert (counts(app), rest.get(V1).headers["ETag"]) == (before, seen)
        answer = rest(method, V1 + path, body, If_Match=seen)
        assert answer.status_code in (200, 201), answer.text
        assert answer.headers["ETag"] == rest.get(V1).headers["ETag"] != seen
        assert rest(method, V1 + path, body, If_Match=seen).status_code == 412

    def test_a_star_is_whatever_it_is(self, world: World, rest: Rest) -> None:
        assert rest("POST", f"{V1}/stop", {"reason": "Now."}, If_Match="*").status_code == 200

    def test_of_two_at_once_one_wins(self, world: World, rest: Rest) -> None:
        seen = rest.get(V1).headers["ETag"]
        calls = [lambda n=n: rest("PATCH", f"{V1}/choices", {"token_lifetime_s": n}, If_Match=seen) for n in (600, 700)]
        assert sorted(answer.status_code for answer in at_once(*calls)) == [200, 412]


class TestSentTwice:
    def test_it_is_done_once_and_answered_alike(self, app: Flask, rest: Rest) -> None:
        first = rest("POST", "/applications", APPLICATION, Idempotency_Key='"one"')
        before = counts(app)
        again = rest("POST", "/applications", APPLICATION, Idempotency_Key="one")
        assert (again.status_code, again.data, again.headers["Location"]) == (
            201,
            first.data,
            first.headers["Location"],
        )
        assert again.headers["Idempotent-Replayed"] == "true"
        assert counts(app) == before

    def test_another_body_is_refused(self, app: Flask, rest: Rest) -> None:
        rest("POST", "/applications", APPLICATION, Idempotency_Key="one")
        before = counts(app)
        assert rest("POST", "/applications", APPLICATION | {"name": "Other"}, Idempotency_Key="one").status_code == 422
        assert rest("POST", "/subscriptions/1/resume", Idempotency_Key="one").status_code == 422, "or another address"
        assert counts(app) == before

    def test_a_key_is_its_persons_own(self, app: Flask, cast: Cast, rest: Rest) -> None:
        rest("POST", "/applications", APPLICATION, Idempotency_Key="one")
        bob = Rest(app, make_token(app, cast.bob))
        said = bob("POST", "/applications", {"name": "Till", "team": "Shop"}, Idempotency_Key="one")
        assert said.json["team"] == "Shop"

    def test_what_was_refused_may_be_tried_again(self, app: Flask, cast: Cast, rest: Rest) -> None:
        with app.app_context(), unit_of_work():
            alice = db.session.get_one(Person, cast.alice)
            taken = create_application("Till", "", alice.teams[0], by=alice).id
        assert rest("POST", "/applications", APPLICATION, Idempotency_Key="one").status_code == 422
        with app.app_context(), unit_of_work():
            db.session.execute(text("UPDATE application SET name = 'Old' WHERE id = :id"), {"id": taken})
        assert rest("POST", "/applications", APPLICATION, Idempotency_Key="one").status_code == 201

    def test_it_is_remembered_for_a_day(self, app: Flask, rest: Rest) -> None:
        rest("POST", "/applications", APPLICATION, Idempotency_Key="one")
        with app.app_context(), unit_of_work():
            db.session.execute(update(IdempotentAnswer).values(created_at=now() - timedelta(hours=25)))
        other = APPLICATION | {"name": "Other"}
        assert rest("POST", "/applications", other, Idempotency_Key="one").status_code == 201
        assert counts(app)["idempotent_answer"] == 1

    def test_it_needs_no_precondition_again(self, world: World, rest: Rest) -> None:
        """The answer to a change got lost: the same request, with the ETag of then, gets it."""
        said = {"If_Match": rest.get(V1).headers["ETag"], "Idempotency_Key": "one"}
        assert rest("POST", f"{V1}/stop", {"reason": "Now."}, **said).status_code == 200
        assert rest("POST", f"{V1}/stop", {"reason": "Now."}, **said).json["stop_reason"] == "Now."

    def test_two_at_once_are_done_once(self, app: Flask, rest: Rest) -> None:
        send = lambda: rest("POST", "/applications", APPLICATION, Idempotency_Key="one")  # noqa: E731
        answers = at_once(*[send] * 4)
        assert {a.status_code for a in answers} <= {201, 409}
        assert 201 in {a.status_code for a in answers}
        assert counts(app)["application"] == 1

    @pytest.mark.skipif(not SERVER, reason="SQLite has one writer: the second waits for the first")
    def test_while_it_is_being_worked_on_it_says_so(self, app: Flask, cast: Cast, rest: Rest) -> None:
        with held(app, f"idempotency {cast.alice} one"):
            assert rest("POST", "/applications", APPLICATION, Idempotency_Key="one").status_code == 409
        assert rest("POST", "/applications", APPLICATION, Idempotency_Key="one").status_code == 201

    @pytest.mark.parametrize("key", ['""', "a b", "x" * 256, 'a"b'])
    def test_odd_keys(self, rest: Rest, key: str) -> None:
        assert rest("POST", "/applications", APPLICATION, Idempotency_Key=key).status_code == 400


@contextmanager
def held(app: Flask, name: str) -> Iterator[None]:
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name})
        yield


class TestPages:
    @pytest.mark.parametrize(
        "path", ["/apis", "/applications", "/audit-entries", "/people", "/catalog", "/subscriptions"]
    )
    def test_they_are_walked_by_their_links(self, app: Flask, world: World, cast: Cast, rest: Rest, path: str) -> None:
        with app.app_context(), unit_of_work():
            alice = db.session.get_one(Person, cast.alice)
            for number in range(4):
                create_application(f"A{number}", "", alice.teams[0], by=alice)
        rest("POST", "/apis?team=Platform", ORDERS.replace("title: Orders", "title: Returns"))
        everything = rest.get(f"{path}?limit=100").json["items"]
        found, here = [], f"{path}?limit=1"
        while here:
            answer = rest.get(here)
            found += answer.json["items"]
            link = answer.headers.get("Link", "")
            assert (answer.json["next"] is None) == (not link)
            here = link.partition(">")[0].removeprefix(f"<{ROOT}")
        assert found == everything
        assert len(found) >= 1

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=101", "limit=x", "limit=٣", "after=x&limit=1", "page=2", "limit=1&limit=2"]
    )
    def test_what_is_no_page_is_refused(self, rest: Rest, query: str) -> None:
        assert rest.get(f"/applications?{query}").status_code == 400

    def test_a_number_that_no_column_holds_finds_nothing(self, rest: Rest) -> None:
        assert rest.get(f"/applications?after={10**18}").status_code in (200, 400)
        assert rest.get(f"/applications/{10**30}").status_code in (400, 404)


LISTS = ["/apis", "/apis/orders/versions", "/catalog", "/applications", "/applications/{application}/subscriptions"]
LISTS += ["/subscriptions", "/audit-entries", "/people", "/nodes", f"{V1}/revisions", f"{V1}/plans", f"{V1}/reviews"]


def test_a_list_asks_the_database_no_more_for_many(app: Flask, cast: Cast, world: World) -> None:
    with app.app_context(), unit_of_work():
        alice = db.session.get_one(Person, cast.alice)
        application = db.session.get_one(Application, world.application_id)
        for number in range(2, 8):
            subscribe(application, publish_another(alice, number, ["signed"]), "", by=alice)
            subscribed(publish_another(alice, number + 10, ["signed"]), alice, alice, f"A{number}")
    rest, asked = Rest(app, make_token(app, cast.alice)), Counter[str]()
    rest.get("/me")

    def count(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked[path] += not statement.startswith(("BEGIN", "PRAGMA", "SET LOCAL", "SELECT pg_advisory_xact_lock"))

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", count)
    for path in LISTS:
        assert rest.get(path.format(application=world.application_id)).status_code == 200
    assert {path: n for path, n in asked.items() if n > 8} == {}


class TestProblems:
    def test_an_address_that_is_none(self, rest: Rest) -> None:
        answer = rest.get("/nothing")
        assert (answer.status_code, answer.json["title"]) == (404, "Not Found")
        assert rest.get("/apis/nothing").json["detail"] == "There is no API named nothing."

    def test_a_method_that_is_none(self, rest: Rest) -> None:
        answer = rest("DELETE", "/apis")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
        assert rest("OPTIONS", "/apis").status_code == 405

    def test_a_body_of_another_type(self, app: Flask, rest: Rest) -> None:
        before = counts(app)
        assert rest("POST", "/applications", json.dumps(APPLICATION), Content_Type="text/plain").status_code == 415
        assert rest("POST", "/apis?team=Platform", ORDERS, Content_Type="text/html").status_code == 415
        assert counts(app) == before

    @pytest.mark.parametrize("body", ["{", "[]", '"x"', "null", '{"name": "x"}', '{"name": 3, "team": "Platform"}'])
    def test_a_body_that_does_not_fit(self, app: Flask, rest: Rest, body: str) -> None:
        before = counts(app)
        answer = rest("POST", "/applications", body, Content_Type="application/json")
        assert answer.status_code == (400 if body == "{" else 422)
        assert counts(app) == before

    def test_where_it_does_not_fit(self, rest: Rest) -> None:
        answer = rest("POST", "/applications", APPLICATION | {"nmae": "x", "description": "x" * 301})
        assert {error["pointer"] for error in answer.json["errors"]} == {"#", "#/description"}

    def test_what_the_domain_refuses(self, world: World, rest: Rest) -> None:
        answer = rest.changed("PATCH", f"{V1}/choices", {"gateway_path": "orders"})
        assert (answer.status_code, answer.json["field"]) == (422, "gateway_path")
        answer = rest.changed("POST", f"{V1}/unblock")
        assert (answer.status_code, answer.json["detail"][-19:]) == (409, " It is not blocked.")

    def test_a_document_with_problems_names_them(self, app: Flask, rest: Rest) -> None:
        before = counts(app)
        answer = rest("POST", "/apis?team=Platform", ORDERS.replace("/orders/{order_id}:", "/orders/{id}:"))
        assert answer.status_code == 422
        assert any("not declared" in problem for problem in answer.json["problems"])
        assert counts(app) == before

    def test_a_body_that_is_too_large(self, rest: Rest) -> None:
        assert rest("POST", "/applications", {"name": "x" * 600_000, "team": "Platform"}).status_code == 413
        assert rest("POST", "/apis?team=Platform", "#" * (13 * 1024 * 1024)).status_code == 413

    def test_a_body_where_none_is_taken(self, world: World, rest: Rest) -> None:
        assert rest.changed("POST", f"{V1}/start", {"reason": "x"}).status_code == 400

    def test_what_no_column_holds(self, rest: Rest) -> None:
        assert rest("POST", "/applications", {"name": "a\x00b", "team": "Platform"}).status_code == 422

    def test_what_breaks(self, app: Flask, rest: Rest) -> None:
        with app.app_context(), unit_of_work():
            db.session.execute(text("DROP TABLE idempotent_answer"))
        answer = rest("POST", "/applications", APPLICATION, Idempotency_Key="one")
        assert (answer.status_code, answer.mimetype) == (500, "application/problem+json")
        assert "application.created" not in trail(app)


def test_a_dry_run_of_publishing_changes_nothing(app: Flask, world: World, rest: Rest) -> None:
    before = counts(app), rest.get(V1).json
    said = rest.changed("POST", f"{V1}/publish", {"dry_run": True}).json
    assert said["refusal"] == "Nothing is different from what is being served."
    assert (counts(app), rest.get(V1).json) == before
    with app.app_context(), unit_of_work():
        db.session.execute(text("UPDATE team SET review_required = true"))
    body = {"dry_run": True, "choices": {"token_lifetime_s": 600}}
    said = rest.changed("POST", f"{V1}/publish", body).json
    assert said["refusal"].startswith("Platform publishes what a reviewer has approved.")
    assert said["choices"] == {"token_lifetime_s": [900, 600]}
    del body["dry_run"]
    assert rest.changed("POST", f"{V1}/publish", body).json["detail"] == said["refusal"]
