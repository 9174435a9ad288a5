"""Plans: their own short life, what they allow, and what becomes of those who have them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from console.accounts.models import Person
from console.apis.models import ApiVersion
from console.applications import actions, plans
from console.applications.clients import client
from console.applications.models import Application, Plan, PlanState, Subscription, SubscriptionState
from console.applications.plans import Terms
from console.credentials.actions import Terms as KeyTerms
from console.credentials.actions import create_key
from console.db import db, now, unit_of_work
from console.errors import Refused
from console.gateway.bundle import build
from console.gateway.decisions import CredentialRefused, exchange_key
from console.tokens.actions import make_token
from tests.conftest import Cast, World, trail

S, P = SubscriptionState, PlanState
Do = Callable[[Callable[[ApiVersion, Person], Any]], Any]


@pytest.fixture
def do(app: Flask, cast: Cast, world: World) -> Do:
    """As Alice, in a unit of work of its own."""

    def act(change: Callable[[ApiVersion, Person], Any]) -> Any:
        with app.app_context(), unit_of_work():
            return change(db.session.get_one(ApiVersion, world.version_id), db.session.get_one(Person, cast.alice))

    return act


def gold(version: ApiVersion, by: Person, **terms: Any) -> Plan:
    plan = plans.create_plan(version, "gold", Terms("Gold", **terms), by=by)
    plans.publish_plan(plan, by=by)
    return plan


def the_subscription(version: ApiVersion) -> Subscription:
    return db.session.query(Subscription).filter_by(version_id=version.id).one()


MOVES = {P.PUBLISHED: plans.publish_plan, P.DEPRECATED: plans.deprecate_plan, P.CLOSED: plans.close_plan}
LEGAL = {
    P.STAGING: {P.PUBLISHED, P.CLOSED},
    P.PUBLISHED: {P.DEPRECATED, P.CLOSED},
    P.DEPRECATED: {P.PUBLISHED, P.CLOSED},
    P.CLOSED: set(),
}


@pytest.mark.parametrize("state", P)
@pytest.mark.parametrize("wanted", MOVES)
def test_every_move_of_a_plan(do: Do, state: PlanState, wanted: PlanState) -> None:
    def move(version: ApiVersion, by: Person) -> None:
        plan = plans.create_plan(version, "gold", Terms("Gold"), by=by)
        plan.state = state
        db.session.flush()
        if wanted in LEGAL[state]:
            MOVES[wanted](plan, by=by)
            assert plan.state == wanted
        else:
            with pytest.raises(Refused, match=r"only a .* one can be"):
                MOVES[wanted](plan, by=by)

    do(move)


def test_a_closed_plan_ends_its_subscriptions(app: Flask, do: Do, world: World) -> None:
    do(lambda version, by: plans.close_plan(plans.find_plan(version, "standard"), by=by))
    with app.app_context():
        assert db.session.query(Subscription).one().state == S.CLOSED
        assert build()["versions"][0]["ended_clients"] == [world.client_id]


@pytest.mark.parametrize("state", [P.STAGING, P.DEPRECATED, P.CLOSED])
def test_only_what_is_published_can_be_subscribed_to(do: Do, state: PlanState) -> None:
    def ask(version: ApiVersion, by: Person) -> None:
        plan = plans.create_plan(version, "gold", Terms("Gold"), by=by)
        plan.state = state
        other = actions.create_application("Other", "", by.teams[0], by=by)
        with pytest.raises(Refused, match="takes no new subscriptions"):
            actions.subscribe(other, version, "", by=by, plan=plan)

    do(ask)


def test_automatic_approval_is_at_once(do: Do) -> None:
    def ask(version: ApiVersion, by: Person) -> None:
        plan = gold(version, by, approval="automatic")
        other = actions.create_application("Other", "", by.teams[0], by=by)
        assert actions.subscribe(other, version, "", by=by, plan=plan).state == S.ACTIVE

    do(ask)


def test_a_plan_narrows_scopes_and_credentials(app: Flask, do: Do, cast: Cast, world: World) -> None:
    def narrow(version: ApiVersion, by: Person) -> None:
        plan = gold(version, by, takes=["signed"], scopes=["orders:read"])
        actions.move_subscription(the_subscription(version), plan, by=by)

    do(narrow)
    with app.app_context():
        granted = client(world.client_id)
        assert granted is not None
        grant = granted.grants[0]
        assert (grant.scopes, grant.accepts, grant.plan) == (("orders:read",), frozenset({"signed"}), "gold")
    with app.app_context(), unit_of_work():
        bob, application = db.session.get_one(Person, cast.bob), db.session.get_one(Application, world.application_id)
        version = db.session.get_one(ApiVersion, world.version_id)
        assert make_token(application, version, "", 900, by=bob).format == "signed"
        with pytest.raises(Refused, match="scope"):
            make_token(application, version, "orders:write", 900, by=bob)
        _, key = create_key(application, KeyTerms("till"), by=bob)
    with app.app_context(), pytest.raises(CredentialRefused, match="no approved subscription"):
        exchange_key(key, world.audience)


def test_foreign_credentials_and_scopes_are_refused(do: Do) -> None:
    def wrong(version: ApiVersion, by: Person) -> None:
        for terms, says in (
            (Terms("Gold", takes=["open"]), "does not accept: open"),
            (Terms("Gold", scopes=["admin"]), "has no scope admin"),
            (Terms("Gold", rate_requests=0), "one request or more"),
            (Terms("Gold", rate_per_s=0), "1 second to one day"),
            (Terms("Gold", quota_requests=0), "one request or more"),
            (Terms(" "), "title"),
        ):
            with pytest.raises(Refused, match=says):
                plans.create_plan(version, "gold", terms, by=by)

    do(wrong)


class TestPauses:
    def test_each_side_has_its_own(self, app: Flask, do: Do, world: World) -> None:
        def both(version: ApiVersion, by: Person) -> None:
            subscription = the_subscription(version)
            actions.pause_subscription(subscription, "Too many calls.", by=by, as_owner=True)
            actions.pause_subscription(subscription, "", by=by, as_owner=False)
            assert subscription.paused_by == "owner and consumer"
            actions.resume_subscription(subscription, by=by, as_owner=False)
            assert subscription.state == S.PAUSED
            with pytest.raises(Refused, match="paused by the owner"):
                actions.resume_subscription(subscription, by=by, as_owner=False)

        do(both)
        with app.app_context():
            granted = client(world.client_id)
            assert granted is not None
            assert granted.grants == ()
            assert build()["versions"][0]["ended_clients"] == [world.client_id]
        do(lambda v, by: actions.resume_subscription(the_subscription(v), by=by, as_owner=True))
        with app.app_context():
            assert build()["versions"][0]["ended_clients"] == []
        assert trail(app)[-1] == "subscription.resumed"

    def test_the_owner_says_why(self, do: Do) -> None:
        def silent(version: ApiVersion, by: Person) -> None:
            with pytest.raises(Refused, match="Say why"):
                actions.pause_subscription(the_subscription(version), " ", by=by, as_owner=True)

        do(silent)


class TestEnd:
    def test_it_expires_by_itself(self, app: Flask, do: Do, world: World) -> None:
        def soon(version: ApiVersion, by: Person) -> None:
            actions.date_subscription(the_subscription(version), now() + timedelta(days=1), by=by)
            the_subscription(version).expires_at = now() - timedelta(seconds=1)

        do(soon)
        do(lambda v, by: actions.expire_subscriptions())
        do(lambda v, by: actions.expire_subscriptions())
        with app.app_context():
            assert db.session.query(Subscription).one().state == S.EXPIRED
            assert build()["versions"][0]["ended_clients"] == [world.client_id]
        assert trail(app).count("subscription.expired") == 1

    def test_an_end_in_the_past_is_refused(self, do: Do) -> None:
        def past(version: ApiVersion, by: Person) -> None:
            with pytest.raises(Refused, match="in the future"):
                actions.date_subscription(the_subscription(version), now(), by=by)

        do(past)


MOVES_OF_SUBSCRIPTIONS: dict[str, tuple[Callable[[Subscription, Person], object], set[SubscriptionState]]] = {
    "approve": (lambda s, by: actions.approve_subscription(s, by=by), {S.PENDING}),
    "reject": (lambda s, by: actions.reject_subscription(s, "No.", by=by), {S.PENDING}),
    "pause": (lambda s, by: actions.pause_subscription(s, "Why.", by=by, as_owner=True), {S.ACTIVE, S.PAUSED}),
    "close": (lambda s, by: actions.close_subscription(s, by=by), {S.PENDING, S.ACTIVE, S.PAUSED}),
    "date": (
        lambda s, by: actions.date_subscription(s, now() + timedelta(days=9), by=by),
        {S.ACTIVE, S.PAUSED},
    ),
}


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("move", MOVES_OF_SUBSCRIPTIONS)
def test_every_move_of_a_subscription(do: Do, state: SubscriptionState, move: str) -> None:
    def act(version: ApiVersion, by: Person) -> None:
        subscription = the_subscription(version)
        subscription.state = state
        db.session.flush()
        change, legal = MOVES_OF_SUBSCRIPTIONS[move]
        if state in legal:
            change(subscription, by)
            return
        with pytest.raises(Refused) as refused:
            change(subscription, by)
        assert len(refused.value.message.split(". ")) >= 1
        assert subscription.state == state

    do(act)


def test_both_sides_talk(app: Flask, do: Do, cast: Cast) -> None:
    def talk(version: ApiVersion, by: Person) -> None:
        actions.discuss(the_subscription(version), "How many calls do you need?", by=by)

    do(talk)
    assert trail(app)[-1] == "subscription.discussed"


def test_rate_limits_reach_the_node(app: Flask, do: Do) -> None:
    do(lambda version, by: gold(version, by, rate_requests=100, rate_per_s=60))
    with app.app_context():
        served = build()["versions"][0]["plans"]
    assert served == [
        {"name": "standard", "requests": 0, "per_s": 60},
        {"name": "gold", "requests": 100, "per_s": 60},
    ]


def test_two_cannot_subscribe_one_application_twice(do: Do, cast: Cast) -> None:
    def again(version: ApiVersion, by: Person) -> None:
        application = the_subscription(version).application
        actions.pause_subscription(the_subscription(version), "Why.", by=by, as_owner=True)
        with pytest.raises(Refused, match="has a subscription"):
            actions.subscribe(application, version, "", by=by)

    do(again)
