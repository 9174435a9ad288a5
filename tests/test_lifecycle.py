"""The states of a version: every move from every state, legal or refused with what would make it legal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from console.accounts.models import Person
from console.apis import reviews, sunset, switches
from console.apis.actions import Choices, discard_draft, import_document, publish_version
from console.apis.design import save_document
from console.apis.models import ApiVersion, State
from console.apis.review_models import Review
from console.apis.states import RULES, WORDS, Move
from console.audit.models import AuditEntry
from console.db import db, now, unit_of_work
from console.errors import Refused
from console.gateway.bundle import build
from console.jobs import run_due
from console.outbox import Letter
from tests.conftest import ORDERS, Cast, publish, subscribed, trail

CHOICES = Choices("http://127.0.0.1:9", "/orders/v1", ["signed"], 900)
CHANGED = ORDERS.replace("summary: Place an order", "summary: Order something")


def draft(by: Person) -> ApiVersion:
    version = import_document(ORDERS, by.teams[0], by=by)
    db.session.flush()
    return version


def in_review(by: Person) -> ApiVersion:
    version = draft(by)
    reviews.request_review(version, "Look at it.", edits=version.edits, by=by)
    return version


def changes_requested(by: Person) -> ApiVersion:
    version = in_review(by)
    reviews.request_changes(_review(version), "The paths.", by=by)
    return version


def published(by: Person) -> ApiVersion:
    return publish(by, ["signed"])


def deprecated(by: Person) -> ApiVersion:
    version = published(by)
    sunset.deprecate_version(version, sunset_at=now() + timedelta(days=60), successor=None, note="", by=by)
    return version


def blocked(by: Person) -> ApiVersion:
    version = published(by)
    switches.block_version(version, "It leaks.", by=by)
    return version


def retired(by: Person) -> ApiVersion:
    version = published(by)
    sunset.retire_version(version, by=by)
    return version


STATES: dict[State, Callable[[Person], ApiVersion]] = {
    State.DRAFT: draft,
    State.IN_REVIEW: in_review,
    State.CHANGES_REQUESTED: changes_requested,
    State.PUBLISHED: published,
    State.DEPRECATED: deprecated,
    State.BLOCKED: blocked,
    State.RETIRED: retired,
}


def _review(version: ApiVersion) -> Review:
    return db.session.scalars(select(Review).where(Review.version_id == version.id).order_by(Review.id.desc())).one()


def _publish(version: ApiVersion, by: Person) -> None:
    if version.state == State.IN_REVIEW:
        reviews.approve_review(_review(version), "", by=by)
    choices = Choices("http://127.0.0.1:10", "/orders/v1", ["signed"], 900)
    publish_version(version, choices, edits=version.edits, by=by)


def _send_back(version: ApiVersion, by: Person) -> None:
    if version.is_serving:
        save_document(version, CHANGED, edits=version.edits, by=by)
        reviews.request_review(version, "", edits=version.edits, by=by)
    found = next(iter(reviews.reviews(version)), None)
    if found is None:
        reviews.check_move(version, Move.REQUEST_CHANGES)
    else:
        reviews.request_changes(found, "Not yet.", by=by)


def _ask(version: ApiVersion, by: Person) -> None:
    if version.is_serving:
        save_document(version, CHANGED, edits=version.edits, by=by)
    reviews.request_review(version, "", edits=version.edits, by=by)


def _take_back(version: ApiVersion, by: Person) -> None:
    if version.is_serving:
        _ask(version, by)
    if version.state == State.IN_REVIEW or version.is_serving:
        reviews.withdraw_review(_review(version), by=by)
    else:
        reviews.check_move(version, Move.WITHDRAW_REVIEW)


SOON = timedelta(days=60)
MOVES: dict[Move, Callable[[ApiVersion, Person], object]] = {
    Move.EDIT: lambda v, by: save_document(v, CHANGED, edits=v.edits, by=by),
    Move.REQUEST_REVIEW: _ask,
    Move.WITHDRAW_REVIEW: _take_back,
    Move.REQUEST_CHANGES: _send_back,
    Move.PUBLISH: _publish,
    Move.DEPRECATE: lambda v, by: sunset.deprecate_version(v, sunset_at=now() + SOON, successor=None, note="", by=by),
    Move.UNDEPRECATE: lambda v, by: sunset.undeprecate_version(v, "We keep it.", by=by),
    Move.BLOCK: lambda v, by: switches.block_version(v, "It leaks.", by=by),
    Move.UNBLOCK: lambda v, by: switches.unblock_version(v, by=by),
    Move.STOP: lambda v, by: switches.stop_version(v, "Maintenance.", by=by),
    Move.START: lambda v, by: _start(v, by),
    Move.RETIRE: lambda v, by: sunset.retire_version(v, by=by),
    Move.DISCARD: lambda v, by: discard_draft(v, by=by),
}


def _start(version: ApiVersion, by: Person) -> None:
    if version.is_serving:
        switches.stop_version(version, "Maintenance.", by=by)
    switches.start_version(version, by=by)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("move", MOVES)
def test_every_move_from_every_state(app: Flask, cast: Cast, state: State, move: Move) -> None:
    with app.app_context():
        with unit_of_work():
            alice = db.session.get_one(Person, cast.alice)
            version = STATES[state](alice)
            number = version.id
        assert version.state == state
        before = (trail(app), build()["versions"])
        if state in RULES[move].sources:
            with unit_of_work():
                MOVES[move](db.session.get_one(ApiVersion, number), db.session.get_one(Person, cast.alice))
            assert len(trail(app)) > len(before[0])
            return
        with pytest.raises(Refused) as refused, unit_of_work():
            MOVES[move](db.session.get_one(ApiVersion, number), db.session.get_one(Person, cast.alice))
        assert len(refused.value.message.split(". ")) >= 2, "it says what is wrong and what to do"
        assert (trail(app), build()["versions"]) == before


def test_the_table_names_every_state_and_move() -> None:
    assert set(STATES) == set(State)
    assert set(MOVES) == set(Move) == set(RULES)


@pytest.fixture
def world_of(app: Flask, cast: Cast) -> Callable[[], ApiVersion]:
    """A published version with one subscriber, whose team is Bob's."""
    with app.app_context(), unit_of_work():
        alice, bob = (db.session.get_one(Person, n) for n in (cast.alice, cast.bob))
        version = publish(alice, ["signed"])
        subscribed(version, bob, alice)
        number = version.id
    return lambda: db.session.get_one(ApiVersion, number)


def letters() -> list[tuple[str, str]]:
    return [(one.to, one.subject) for one in db.session.scalars(select(Letter).order_by(Letter.id))]


class TestBlock:
    def test_callers_get_the_reason_and_no_token_is_issued(
        self, app: Flask, cast: Cast, world_of: Callable[[], ApiVersion]
    ) -> None:
        with app.app_context():
            with unit_of_work():
                switches.block_version(world_of(), "It leaks.", by=db.session.get_one(Person, cast.alice))
            served = build()["versions"][0]
            assert (served["state"], served["detail"]) == ("stopped", "It leaks.")
            with unit_of_work():
                switches.unblock_version(world_of(), by=db.session.get_one(Person, cast.alice))
            assert (world_of().state, build()["versions"][0]["state"]) == ("published", "protected")

    def test_a_deprecated_version_is_deprecated_afterwards(self, app: Flask, cast: Cast) -> None:
        with app.app_context(), unit_of_work():
            alice = db.session.get_one(Person, cast.alice)
            version = deprecated(alice)
            switches.block_version(version, "It leaks.", by=alice)
            switches.unblock_version(version, by=alice)
            assert version.state == State.DEPRECATED

    @pytest.mark.parametrize("act", [switches.block_version, switches.stop_version])
    def test_it_needs_a_reason(
        self, app: Flask, cast: Cast, world_of: Callable[[], ApiVersion], act: Callable[..., None]
    ) -> None:
        with app.app_context(), pytest.raises(Refused, match="Say why"), unit_of_work():
            act(world_of(), "  ", by=db.session.get_one(Person, cast.alice))


class TestSwitch:
    def test_it_is_apart_from_the_state(self, app: Flask, cast: Cast, world_of: Callable[[], ApiVersion]) -> None:
        with app.app_context():
            with unit_of_work():
                switches.stop_version(world_of(), "Maintenance.", by=db.session.get_one(Person, cast.alice))
            assert (world_of().state, build()["versions"][0]["state"]) == ("published", "stopped")
            with unit_of_work():
                switches.start_version(world_of(), by=db.session.get_one(Person, cast.alice))
            assert build()["versions"][0]["state"] == "protected"


class TestSunset:
    def test_subscribers_are_told_at_once(self, app: Flask, cast: Cast, world_of: Callable[[], ApiVersion]) -> None:
        with app.app_context(), unit_of_work():
            alice = db.session.get_one(Person, cast.alice)
            db.session.query(Letter).delete()
            sunset.deprecate_version(world_of(), sunset_at=now() + SOON, successor=None, note="Use v2.", by=alice)
            told = letters()
            assert [subject.startswith("Orders 1.0.0 ends on") for _, subject in told] == [True] * len(told)
            assert [to for to, _ in told] == ["bob@example.org"]

    @pytest.mark.parametrize(("left", "days"), [(89, 90), (29, 30), (6, 7), (0.5, 1)])
    def test_and_again_as_it_comes_near_once(
        self, app: Flask, cast: Cast, world_of: Callable[[], ApiVersion], left: float, days: int
    ) -> None:
        with app.app_context():
            with unit_of_work():
                alice = db.session.get_one(Person, cast.alice)
                sunset.deprecate_version(
                    world_of(), sunset_at=now() + timedelta(days=left), successor=None, note="", by=alice
                )
                world_of().deprecated_at = now() - timedelta(days=2)
                db.session.query(Letter).delete()
            for _ in range(2):
                with unit_of_work():
                    sunset.watch_sunsets()
            subjects = [subject for _, subject in letters()]
            assert subjects == [f"Orders 1.0.0 ends in {days} day{'s' if days > 1 else ''}"] * len(subjects)
            assert len({to for to, _ in letters()}) == len(subjects) > 0

    def test_it_is_retired_by_itself_once(self, app: Flask, cast: Cast, world_of: Callable[[], ApiVersion]) -> None:
        with app.app_context(), unit_of_work():
            alice = db.session.get_one(Person, cast.alice)
            sunset.deprecate_version(world_of(), sunset_at=now() + SOON, successor=None, note="", by=alice)
            world_of().sunset_at = now() - timedelta(seconds=1)
        run_due(app)
        run_due(app, now() + timedelta(minutes=5))
        with app.app_context():
            assert world_of().state == State.RETIRED
            entries = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "version.retired")).all()
            assert [entry.actor for entry in entries] == ["system"]
            assert build()["versions"][0]["state"] == "retired"

    def test_it_is_taken_back_with_a_reason(self, app: Flask, cast: Cast, world_of: Callable[[], ApiVersion]) -> None:
        with app.app_context():
            with unit_of_work():
                alice = db.session.get_one(Person, cast.alice)
                sunset.deprecate_version(world_of(), sunset_at=now() + SOON, successor=None, note="", by=alice)
                with pytest.raises(Refused, match="Say why"):
                    sunset.undeprecate_version(world_of(), "", by=alice)
                sunset.undeprecate_version(world_of(), "We keep it.", by=alice)
            assert (world_of().state, world_of().sunset_at) == (State.PUBLISHED, None)
            assert build()["versions"][0]["headers"] == []
            assert letters()[-1][1] == "Orders 1.0.0 stays"

    def test_not_after_its_sunset(self, app: Flask, cast: Cast, world_of: Callable[[], ApiVersion]) -> None:
        with app.app_context(), unit_of_work():
            alice = db.session.get_one(Person, cast.alice)
            sunset.deprecate_version(world_of(), sunset_at=now() + SOON, successor=None, note="", by=alice)
            world_of().sunset_at = now() - timedelta(seconds=1)
            db.session.flush()
            with pytest.raises(Refused, match="has come"):
                sunset.undeprecate_version(world_of(), "We keep it.", by=alice)


def test_the_page_about_it_lists_every_move() -> None:
    text = (Path(__file__).parent.parent / "docs" / "lifecycle.md").read_text()
    for move, rule in RULES.items():
        assert f"| `{move}` | {', '.join(WORDS[state] for state in rule.sources)} |" in text
