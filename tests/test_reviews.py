"""Reviews, and the gate: what would break somebody who calls needs a second person."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from console.accounts.actions import change_team_rules
from console.accounts.models import Person, Role
from console.apis import reviews
from console.apis.actions import change_visibility, import_document, publish_version
from console.apis.choices import Choices
from console.apis.design import save_document
from console.apis.models import ApiVersion, Revision
from console.apis.preview import Breaks, preview
from console.apis.proposal import propose
from console.apis.publishing import restore_revision
from console.apis.review_models import Review
from console.apis.subscribers import follow
from console.apis.sunset import retire_version
from console.db import db, unit_of_work
from console.errors import Refused
from console.outbox import Letter
from tests.conftest import ORDERS, Cast, SignIn, World, trail
from tests.ingested import kong, send

BREAKING = ORDERS.replace("/orders/{order_id}:", "/bestellungen/{order_id}:")
SAFE = ORDERS.replace("summary: Place an order", "summary: Order something")
Act = Callable[[Callable[[ApiVersion, Person], object]], None]


@pytest.fixture
def ann(app: Flask, cast: Cast) -> int:
    """A second admin."""
    with app.app_context(), unit_of_work():
        person = Person(email="ann@example.org", name="Ann", role=Role.ADMIN, password_hash="x")
        db.session.add(person)
        db.session.flush()
        return person.id


@pytest.fixture
def as_(app: Flask, cast: Cast, world: World) -> Callable[[int, Callable[[ApiVersion, Person], object]], None]:
    def act(person_id: int, change: Callable[[ApiVersion, Person], object]) -> None:
        with app.app_context(), unit_of_work():
            change(db.session.get_one(ApiVersion, world.version_id), db.session.get_one(Person, person_id))

    return act


def edit(text: str) -> Callable[[ApiVersion, Person], object]:
    return lambda version, by: save_document(version, text, edits=version.edits, by=by)


def publish_it(version: ApiVersion, by: Person) -> object:
    return publish_version(version, edits=version.edits, by=by)


def ask(version: ApiVersion, by: Person) -> object:
    return reviews.request_review(version, "Look.", edits=version.edits, by=by)


def approve(version: ApiVersion, by: Person) -> object:
    return reviews.approve_review(reviews.reviews(version)[0], "Good.", by=by)


@pytest.fixture
def called(app: Flask, node: str, world: World) -> None:
    """Somebody asked for one order a moment ago."""
    uri = "/orders/v1/orders/7"
    assert send(app, node, "/ingest/kong", [kong(uri, consumer={"username": world.client_id})] * 3).status_code == 200


def revision(app: Flask) -> int:
    with app.app_context():
        return db.session.scalars(select(ApiVersion)).one().revision


class TestGate:
    def test_what_breaks_nobody_is_published(self, app: Flask, cast: Cast, as_: Act) -> None:
        as_(cast.alice, edit(BREAKING))
        as_(cast.alice, publish_it)
        assert revision(app) == 2

    def test_what_breaks_a_caller_waits_for_a_second_person(
        self, app: Flask, cast: Cast, ann: int, called: None, as_: Act
    ) -> None:
        as_(cast.alice, edit(BREAKING))
        with pytest.raises(Refused, match="1 caller, with 3 calls in the last 30 days"):
            as_(cast.alice, publish_it)
        as_(cast.alice, ask)
        as_(cast.alice, approve)
        with pytest.raises(Refused, match="another person"):
            as_(cast.alice, publish_it)
        as_(cast.alice, ask)
        as_(ann, approve)
        as_(cast.alice, publish_it)
        assert revision(app) == 2

    def test_a_sign_off_is_for_what_was_seen(self, app: Flask, cast: Cast, ann: int, called: None, as_: Act) -> None:
        as_(cast.alice, edit(BREAKING))
        as_(cast.alice, ask)
        as_(ann, approve)
        as_(cast.alice, edit(BREAKING.replace("summary: Place an order", "summary: Order something")))
        with pytest.raises(Refused, match="another person"):
            as_(cast.alice, publish_it)

    def test_a_safe_change_passes_although_it_is_called(self, app: Flask, cast: Cast, called: None, as_: Act) -> None:
        as_(cast.alice, edit(SAFE))
        as_(cast.alice, publish_it)
        assert revision(app) == 2

    def test_so_does_what_breaks_another_operation(self, app: Flask, cast: Cast, called: None, as_: Act) -> None:
        """Nobody called the list."""
        as_(cast.alice, edit(ORDERS.replace("  /orders:\n", "  /bestellungen:\n")))
        as_(cast.alice, publish_it)
        assert revision(app) == 2

    def test_another_path_at_the_gateway_breaks_everybody(self, app: Flask, cast: Cast, called: None, as_: Act) -> None:
        moved = Choices("http://127.0.0.1:9", "/orders/v9", ["signed", "encrypted", "key"], 900)
        with pytest.raises(Refused, match="another person"):
            as_(cast.alice, lambda v, by: publish_version(v, moved, edits=v.edits, by=by))

    def test_the_page_says_who(
        self, app: Flask, cast: Cast, world: World, called: None, as_: Act, sign_in: SignIn
    ) -> None:
        as_(cast.alice, edit(BREAKING))
        page = sign_in("alice").get("/apis/orders/1.0.0/publish").text
        assert "It cannot be published yet." in page
        assert "Shop" in page
        with app.app_context():
            proposal = propose(db.session.get_one(ApiVersion, world.version_id))
            assert (proposal.broken.requests, proposal.broken.applications) == (3, 1)

    def test_so_does_a_preview(self, app: Flask, cast: Cast, world: World, called: None, as_: Act) -> None:
        as_(cast.alice, edit(BREAKING))
        with app.app_context():
            found = preview(db.session.get_one(ApiVersion, world.version_id))
        assert found.breaks == Breaks(callers=1, applications=1, calls=3, days=30)
        assert found.who_breaks == "breaks 1 caller, 3 calls in 30 days; needs another person's sign-off"
        assert found.needs_two
        assert "Ask for a review" in found.refusal


class TestReview:
    def test_nothing_is_changed_while_it_is_looked_at(self, app: Flask, cast: Cast, as_: Act) -> None:
        as_(cast.alice, edit(SAFE))
        as_(cast.alice, ask)
        for change in (edit(BREAKING), publish_it, ask):
            with pytest.raises(Refused, match="in review"):
                as_(cast.alice, change)

    def test_a_team_may_want_one_always(self, app: Flask, cast: Cast, ann: int, as_: Act) -> None:
        def rules(version: ApiVersion, by: Person) -> None:
            change_team_rules(version.api.team, review_required=True, four_eyes=True, by=by)

        as_(cast.alice, rules)
        as_(cast.alice, edit(SAFE))
        with pytest.raises(Refused, match="publishes what a reviewer has approved"):
            as_(cast.alice, publish_it)
        as_(cast.alice, ask)
        with pytest.raises(Refused, match="wants another person"):
            as_(cast.alice, approve)
        as_(ann, approve)
        as_(cast.alice, publish_it)
        assert revision(app) == 2

    def test_the_second_decision_is_refused(self, app: Flask, cast: Cast, ann: int, as_: Act) -> None:
        as_(cast.alice, edit(SAFE))
        as_(cast.alice, ask)
        as_(ann, approve)
        with pytest.raises(Refused, match="Ann decided this review already"):
            as_(cast.alice, lambda v, by: reviews.request_changes(reviews.reviews(v)[0], "No.", by=by))

    def test_in_the_browser(self, app: Flask, cast: Cast, world: World, sign_in: SignIn, as_: Act) -> None:
        as_(cast.alice, edit(SAFE))
        alice: FlaskClient = sign_in("alice")
        page = "/apis/orders/1.0.0/reviews"
        number = alice.get(page).text.split('name="edits" value="')[1].split('"')[0]
        assert alice.post(page, data={"message": "Look.", "edits": number}).location == page
        said = {"text": "Why this?", "operation": "GET /orders", "line": "3"}
        assert alice.post(f"{page}/1/comment", data=said).location == page
        assert "Why this?" in alice.get(page).text
        assert alice.post(f"{page}/1/comment", data=said | {"line": "99999"}).status_code == 422
        assert alice.post(f"{page}/1/request-changes", data={"answer": ""}).status_code == 422
        assert alice.post(f"{page}/1/request-changes", data={"answer": "The name."}).location == page
        assert trail(app)[-3:] == ["review.requested", "review.commented", "review.changes_requested"]
        assert sign_in("bob").post(f"{page}/1/approve").status_code == 403

    def test_an_older_one_is_not_taken_back_under_a_newer(self, app: Flask, cast: Cast, ann: int, as_: Act) -> None:
        as_(cast.alice, edit(SAFE))
        as_(cast.alice, ask)
        as_(ann, approve)
        as_(cast.alice, edit(BREAKING))
        as_(cast.alice, ask)
        with pytest.raises(Refused, match="Another review"):
            as_(cast.alice, lambda v, by: reviews.withdraw_review(reviews.reviews(v)[1], by=by))

    def test_it_ends_with_the_version(self, app: Flask, cast: Cast, as_: Act) -> None:
        as_(cast.alice, edit(SAFE))
        as_(cast.alice, ask)
        as_(cast.alice, lambda v, by: retire_version(v, by=by))
        with app.app_context():
            assert db.session.scalars(select(Review.state)).all() == ["withdrawn"]


class TestRevisions:
    def test_an_earlier_one_is_served_again_in_one_step(self, app: Flask, cast: Cast, as_: Act) -> None:
        as_(cast.alice, edit(SAFE))
        as_(cast.alice, publish_it)

        def back(version: ApiVersion, by: Person) -> None:
            first = next(r for r in version.revisions if r.number == 1)
            restore_revision(version, first, edits=version.edits, by=by, serve=True)

        as_(cast.alice, back)
        with app.app_context():
            found = db.session.scalars(select(Revision).order_by(Revision.number)).all()
            assert [r.number for r in found] == [1, 2, 3]
            assert found[2].source == found[0].source == ORDERS
            assert found[2].content == found[0].content
            assert db.session.scalars(select(ApiVersion)).one().source == ORDERS

    def test_importing_again_is_the_next_revision_and_keeps_the_rest(
        self, app: Flask, cast: Cast, world: World, as_: Act
    ) -> None:
        as_(cast.alice, lambda v, by: import_document(SAFE, by.teams[0], by=by))
        with app.app_context():
            version = db.session.get_one(ApiVersion, world.version_id)
            assert (version.state, version.revision, version.draft is not None) == ("published", 1, True)
        as_(cast.alice, publish_it)
        with app.app_context():
            version = db.session.get_one(ApiVersion, world.version_id)
            assert (version.draft, version.revision, version.source) == (None, 2, SAFE)
            assert version.accepts == ["signed", "encrypted", "key"]


class TestLetters:
    def test_reviewers_and_who_asked_are_told(self, app: Flask, cast: Cast, ann: int, as_: Act) -> None:
        def join(version: ApiVersion, by: Person) -> None:
            db.session.get_one(Person, ann).teams = [version.api.team]

        as_(cast.alice, join)
        as_(cast.alice, edit(SAFE))
        as_(cast.alice, ask)
        as_(ann, approve)
        with app.app_context():
            told = [(one.to, one.subject) for one in db.session.scalars(select(Letter).order_by(Letter.id))][-2:]
        assert told == [
            ("ann@example.org", "Alice asks for a review of Orders 1.0.0"),
            ("alice@example.org", "Ann approved Orders 1.0.0"),
        ]

    def test_followers_are_told_of_revisions_as_long_as_they_see_it(self, app: Flask, cast: Cast, as_: Act) -> None:
        as_(cast.bob, lambda version, by: follow(version.api, by=by))
        as_(cast.alice, edit(SAFE))
        as_(cast.alice, publish_it)
        as_(cast.alice, lambda version, by: change_visibility(version.api, "team", by=by))
        as_(cast.alice, edit(ORDERS))
        as_(cast.alice, publish_it)
        with app.app_context():
            subjects = [one.subject for one in db.session.scalars(select(Letter)) if one.to == "bob@example.org"]
        assert [s for s in subjects if "revision" in s] == ["Orders 1.0.0 has a new revision, 2"]
