"""What people change about the request log: the searches that their teams keep."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from sqlalchemy import func, select

from ..accounts.models import Person
from ..audit.actions import record
from ..audit.models import Action
from ..db import db, serialise
from ..errors import Refused
from .filters import FILTERS
from .models import SavedSearch

MOST_SAVED = 30


def save_search(name: str, query: str, *, by: Person) -> SavedSearch:
    """Under a name, for her first team; one of that name is replaced."""
    name = " ".join(name.split())
    if not name or len(name) > 40:
        raise Refused("Give the search a name of at most 40 letters.", "name")
    kept = [(key, value) for key, value in parse_qsl(query[:4000]) if key in FILTERS and value]
    filters = urlencode(kept)
    if not kept or len(filters) > 2000:
        raise Refused(
            "Choose a filter first; a search without one is the whole log."
            if not kept
            else "That search is too long to keep."
        )
    if not by.teams:
        raise Refused("Searches are kept for a team, and you are in none. Ask an admin to add you to one.")
    team = min(by.teams, key=lambda t: t.id)
    serialise(f"searches {team.id}")
    found = db.session.scalars(
        select(SavedSearch).where(SavedSearch.team_id == team.id, SavedSearch.name == name)
    ).first()
    if found is None:
        if (db.session.scalar(select(func.count()).where(SavedSearch.team_id == team.id)) or 0) >= MOST_SAVED:
            raise Refused(f"The team {team.name} keeps {MOST_SAVED} searches already. Forget one first.")
        found = SavedSearch(team_id=team.id, name=name, created_by_id=by.id)
    before, found.filters = found.filters, filters
    db.session.add(found)
    db.session.flush()
    record(Action.SEARCH_SAVED, found, by=by, changes={"filters": [before or "", filters], "team": team.name})
    return found


def forget_search(search: SavedSearch, *, by: Person) -> None:
    record(Action.SEARCH_FORGOTTEN, search, by=by, changes={"filters": search.filters})
    db.session.delete(search)
