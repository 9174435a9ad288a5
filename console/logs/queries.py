"""Finding the searches that somebody's teams keep."""

from __future__ import annotations

from sqlalchemy import select

from ..accounts.models import Person
from ..db import db
from ..errors import NotFound
from .actions import MOST_SAVED
from .models import SavedSearch


def saved_searches(by: Person) -> list[SavedSearch]:
    """Those of her teams."""
    query = select(SavedSearch).where(SavedSearch.team_id.in_(by.team_ids))
    return list(db.session.scalars(query.order_by(SavedSearch.name).limit(2 * MOST_SAVED)))


def find_search(search_id: int, *, by: Person) -> SavedSearch:
    found = db.session.get(SavedSearch, search_id)
    if found is None or found.team_id not in by.team_ids:
        raise NotFound("Your teams keep no such search.")
    return found
