"""Who asks, and who else there is."""

from __future__ import annotations

from flask import Response

from ..accounts import queries
from ..accounts.models import Permission
from ..web.access import me
from . import shapes
from .answers import after_number, bounded, json, page, time
from .bearer import token
from .operations import Asked, operation
from .parameters import PAGED, SEARCH

P = Permission
TAG = "Account"


@operation("GET", "/me", P.SIGNED_IN, tag=TAG, answer="Me")
def show_me(asked: Asked) -> Response:
    """Who the token acts for, and within which scopes."""
    said = {"email": me().email, "name": me().name, "role": str(me().role), "teams": [t.name for t in me().teams]}
    held = token()
    return json(said | {"token": {"name": held.name, "scopes": held.scopes, "expires_at": time(held.expires_at)}})


@operation("GET", "/people", P.READ_PEOPLE, tag=TAG, answer="[Person]", query=(SEARCH, *PAGED))
def list_people(asked: Asked) -> Response:
    """List people."""
    found = queries.people(after=after_number(asked), search=asked.query["search"], size=asked.query["limit"])
    return page(asked, found, shapes.of_person, lambda one: one.id)


@operation("GET", "/teams", P.READ_PEOPLE, tag=TAG, answer="[Team]")
def list_teams(asked: Asked) -> Response:
    """List teams: all of them, there are 500 at most."""
    return bounded(shapes.of_team(team) for team in queries.teams())
