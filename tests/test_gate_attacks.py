"""Who would publish over what breaks callers, without the second person who has to look."""

from __future__ import annotations

import pytest
from flask import Flask

from console.accounts.models import Person
from console.apis.actions import import_document
from console.apis.models import ApiVersion
from console.apis.publishing import restore_revision
from console.apis.revisions import find_revision
from console.applications.clients import client
from console.applications.plans import Terms, change_plan, plans_of
from console.errors import Refused
from tests.clients import forget
from tests.conftest import ORDERS, Cast, World
from tests.ingested import kong, send
from tests.test_reviews import Act, ann, approve, as_, ask, called, edit, publish_it, revision

__all__ = ["ann", "as_", "called"]  # fixtures
MORE = ORDERS.replace(
    "  /orders/{order_id}:",
    "  /orders/archive:\n    get:\n      responses: {'200': {description: Old ones}}\n  /orders/{order_id}:",
)
BREAKING = ORDERS.replace("/orders/{order_id}:", "/bestellungen/{order_id}:")


def again(number: int, *, serve: bool) -> object:
    def restore(version: ApiVersion, by: Person) -> object:
        return restore_revision(version, find_revision(version, number), edits=version.edits, by=by, serve=serve)

    return restore


def test_a_sign_off_is_for_the_step_that_was_seen(app: Flask, cast: Cast, ann: int, called: None, as_: Act) -> None:
    """The same content is another step later: who calls what came in between was not looked at."""
    as_(cast.alice, edit(BREAKING))
    as_(cast.alice, ask)
    as_(ann, approve)
    as_(cast.alice, publish_it)
    as_(cast.alice, edit(ORDERS))
    as_(cast.alice, ask)
    as_(ann, approve)
    as_(cast.alice, publish_it)
    as_(cast.alice, edit(BREAKING))
    with pytest.raises(Refused, match="another person"):
        as_(cast.alice, publish_it)
    with pytest.raises(Refused, match="another person"):
        as_(cast.alice, again(2, serve=True))
    assert revision(app) == 3


def test_serving_an_earlier_revision_goes_through_the_gate(
    app: Flask, cast: Cast, ann: int, node: str, world: World, as_: Act
) -> None:
    """It lacks what was added since, and is called."""
    as_(cast.alice, edit(MORE))
    as_(cast.alice, publish_it)
    call = kong("/orders/v1/orders/archive", consumer={"username": world.client_id})
    assert send(app, node, "/ingest/kong", [call]).status_code == 200
    with pytest.raises(Refused, match="another person"):
        as_(cast.alice, again(1, serve=True))
    as_(cast.alice, again(1, serve=False))
    as_(cast.alice, ask)
    as_(ann, approve)
    as_(cast.alice, publish_it)
    assert revision(app) == 3


def test_plans_that_are_restored_hold_for_the_next_token(app: Flask, cast: Cast, world: World, as_: Act) -> None:
    """Workers remember what a client may have; they are told. While it is only looked at, plans stay as they are."""
    as_(cast.alice, lambda v, by: change_plan(plans_of(v.id)[0], Terms("Standard", takes=["key"]), by=by))
    as_(cast.alice, edit(MORE))
    as_(cast.alice, publish_it)
    assert accepted(app, world) == {"key"}
    as_(cast.alice, again(1, serve=False))
    assert accepted(app, world) == {"key"}
    as_(cast.alice, again(1, serve=True))
    assert accepted(app, world) == {"key", "signed", "encrypted"}


def accepted(app: Flask, world: World) -> set[str]:
    forget(app)
    with app.app_context():
        found = client(world.client_id)
        assert found is not None
        return set(found.grants[0].accepts)


@pytest.mark.parametrize(
    "change",
    [
        edit(BREAKING),
        again(1, serve=False),
        again(1, serve=True),
        lambda version, by: import_document(BREAKING, version.api.team, by=by),
    ],
)
def test_nothing_changes_what_is_in_review(cast: Cast, ann: int, as_: Act, change: object) -> None:
    as_(cast.alice, edit(MORE))
    as_(cast.alice, publish_it)
    as_(cast.alice, edit(ORDERS.replace("summary: Place an order", "summary: Order something")))
    as_(cast.alice, ask)
    with pytest.raises(Refused, match="is in review"):
        as_(cast.alice, change)  # type: ignore[arg-type]
    as_(ann, approve)
