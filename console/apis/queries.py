"""Finding APIs: *finding is checking*, so each look-up says who looks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import contains_eager, joinedload, selectinload, undefer

from ..accounts.models import Permission, Person
from ..db import db
from ..errors import NotFound
from ..runtime import remembered
from .models import SERVING, UNPUBLISHED, Api, ApiVersion, State, Visibility

PAGE = 30
VISIBLE = (*SERVING, State.BLOCKED)


def apis(*, after: str = "", search: str = "", state: str = "", size: int = PAGE) -> list[Api]:
    """By name, with what a list says of their versions; ``after`` is the slug of the last one seen."""
    versions = selectinload(Api.versions).load_only(ApiVersion.version, ApiVersion.state, ApiVersion.gateway_path)
    query = select(Api).options(versions, joinedload(Api.team)).order_by(Api.slug).limit(size + 1)
    if after:
        query = query.where(Api.slug > after)
    if search:
        query = query.where(
            Api.name.icontains(search, autoescape=True) | Api.slug.contains(search.lower(), autoescape=True)
        )
    if state:
        query = query.where(Api.versions.any(ApiVersion.state == state))
    return list(db.session.scalars(query))


def find_version(slug: str, number: str, *, whole: bool = False) -> ApiVersion:
    """``whole``: with its document, else that is read when it is asked for."""
    query = (
        _versions()
        .where(Api.slug == slug, ApiVersion.version == number)
        .options(joinedload(ApiVersion.draft), joinedload(ApiVersion.published_by), joinedload(ApiVersion.created_by))
    )
    version = db.session.scalars(query.options(undefer(ApiVersion.document)) if whole else query).first()
    if version is None:
        raise NotFound(f"There is no version {number} of {slug}.")
    return version


def newest_version(slug: str) -> ApiVersion:
    version = db.session.scalars(_versions().where(Api.slug == slug).order_by(ApiVersion.id.desc()).limit(1)).first()
    if version is None:
        raise NotFound(f"There is no API named {slug}.")
    return version


def newest_shown(slug: str, *, by: Person | None) -> str:
    """The number of the version that the catalog leads this person to."""
    query = select(ApiVersion).join(ApiVersion.api).where(Api.slug == slug, ApiVersion.state.in_(VISIBLE))
    query = query.options(contains_eager(ApiVersion.api))
    version = db.session.scalar(query.order_by(ApiVersion.state != State.PUBLISHED, ApiVersion.id.desc()).limit(1))
    if by is not None and by.may(Permission.READ_APIS):
        return (version or newest_version(slug)).version
    if version is None or not is_shown_to(by, version.api):
        raise NotFound(f"There is no API named {slug} in the catalog.")
    return version.version


def find_in_catalog(slug: str, number: str, *, by: Person | None) -> ApiVersion:
    """A version that this person may read about; None: anybody. Drafts and what is retired only for those who read APIs.

    What is not for her is refused in the words in which what is not there is.
    """
    version = db.session.scalars(_versions().where(Api.slug == slug, ApiVersion.version == number)).first()
    if version is not None and by is not None and by.may(Permission.READ_APIS):
        return version
    if version is None or version.state not in VISIBLE or not is_shown_to(by, version.api):
        raise NotFound(f"There is no version {number} of {slug} in the catalog.")
    return version


def is_shown_to(person: Person | None, api: Api) -> bool:
    """Whether the catalog shows her the API, once a version of it is published."""
    if person is not None and person.may(Permission.READ_APIS):
        return True
    if api.visibility == Visibility.PUBLIC:
        return True
    if person is None or not person.may(Permission.READ_CATALOG):
        return False
    return api.visibility == Visibility.INTERNAL or api.team_id in person.team_ids


def other_versions(version: ApiVersion) -> list[ApiVersion]:
    query = _versions().where(ApiVersion.api_id == version.api_id, ApiVersion.id != version.id)
    return list(db.session.scalars(query.order_by(ApiVersion.id.desc()).limit(50)))


def versions_of(slug: str, *, before: int = 0, size: int = PAGE) -> list[ApiVersion]:
    """Newest first, with who did what to them; ``before``: the number of the last one seen."""
    people = (ApiVersion.created_by, ApiVersion.published_by, ApiVersion.draft, ApiVersion.successor)
    query = _versions().options(*map(joinedload, people))
    query = query.where(Api.slug == slug).order_by(ApiVersion.id.desc()).limit(size + 1)
    return list(db.session.scalars(query.where(ApiVersion.id < before) if before else query))


def names(version_ids: set[int]) -> dict[int, ApiVersion]:
    """Versions by number, for lists of rows that carry only the number."""
    if not version_ids:
        return {}
    query = _versions().where(ApiVersion.id.in_(version_ids))
    return {version.id: version for version in db.session.scalars(query)}


def version_choices(limit: int = 200) -> list[tuple[str, str]]:
    """``slug@version``, as log filters write it, and its name, for choosing one from a list."""
    return [(f"{slug}@{version}", f"{name} {version}") for slug, name, version in db.session.execute(_choices(limit))]


@cache
def _choices(limit: int) -> Select[Any]:
    shown = ApiVersion.state.not_in(UNPUBLISHED)
    # the first APIs before their versions, else SQLite reads all versions to sort them
    apis = select(Api.id, Api.slug, Api.name).where(Api.versions.any(shown)).order_by(Api.slug).limit(limit).subquery()
    query: Any = select(apis.c.slug, apis.c.name, ApiVersion.version).join(apis, apis.c.id == ApiVersion.api_id)
    found: Select[Any] = query.where(shown).order_by(apis.c.slug, ApiVersion.id.desc()).limit(limit)
    return found


def version_by_name(name: str) -> ApiVersion | None:
    """``slug@version``, as log filters write it."""
    slug, _, number = name.partition("@")
    query = _versions().where(Api.slug == slug, ApiVersion.version == number)
    return db.session.scalars(query).first()


def versions_named(name: str) -> set[int]:
    """``slug@version``, or ``slug`` for every version of it."""
    slug, _, number = name.partition("@")
    query = select(ApiVersion.id).join(ApiVersion.api).where(Api.slug == slug)
    return set(db.session.scalars(query.where(ApiVersion.version == number) if number else query))


def log_days() -> dict[int, int]:
    """For how many days request records are kept, by version: of the APIs that have a number of their own."""
    query = select(ApiVersion.id, Api.log_days).join(ApiVersion.api).where(Api.log_days.is_not(None))
    return {version_id: days for version_id, days in db.session.execute(query) if days}


def version_finder() -> Callable[[str], int]:
    """Finds the version with the longest path in front of a call's; 0 when there is none. For records of other gateways, of
    which many come at once: all are looked up in what there is at one moment."""
    by_path = remembered("versions by path", _by_path)

    def find(path: str) -> int:
        while path:
            if path in by_path:
                return by_path[path]
            path = path.rpartition("/")[0]
        return 0

    return find


def _by_path() -> dict[str, int]:
    query = select(ApiVersion.gateway_path, ApiVersion.id).where(
        ApiVersion.gateway_path.is_not(None), ApiVersion.state.not_in(UNPUBLISHED) | ApiVersion.mocked
    )
    return {row.gateway_path: row.id for row in db.session.execute(query)}


def _versions() -> Select[ApiVersion]:
    return select(ApiVersion).join(ApiVersion.api).options(contains_eager(ApiVersion.api).joinedload(Api.team))
