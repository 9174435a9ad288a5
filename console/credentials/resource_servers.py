"""Which applications an API version's backend runs as, and so may introspect every token of it (RFC 7662 section 4)."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from ..accounts.models import Person
from ..apis.models import ApiVersion
from ..applications.models import Application, ResourceServer
from ..audit.actions import record
from ..audit.models import Action
from ..db import db
from ..errors import Refused
from ..runtime import changed


def name_resource_server(version: ApiVersion, application: Application, *, by: Person) -> None:
    if application.team_id != version.api.team_id:
        raise Refused(
            f"Only an application of {version.api.team.name}, which owns the API, can be its backend.", "application"
        )
    if db.session.get(ResourceServer, (version.id, application.id)) is not None:
        raise Refused(f"{application.name} is named already.", "application")
    db.session.add(ResourceServer(version_id=version.id, application_id=application.id))
    db.session.flush()
    changed()
    record(Action.RESOURCE_SERVER_NAMED, version, by=by, changes={"application": application.name})


def remove_resource_server(version: ApiVersion, application: Application, *, by: Person) -> None:
    found = db.session.get(ResourceServer, (version.id, application.id))
    if found is not None:
        db.session.delete(found)
        changed()
        record(Action.RESOURCE_SERVER_REMOVED, version, by=by, changes={"application": application.name})


def of_version(version_id: int) -> list[Application]:
    query = select(Application).join(ResourceServer).where(ResourceServer.version_id == version_id)
    return list(db.session.scalars(query.order_by(Application.name).limit(20)))


def served_by(application_id: int) -> list[ApiVersion]:
    query = select(ApiVersion).join(ResourceServer).where(ResourceServer.application_id == application_id)
    return list(db.session.scalars(query.options(joinedload(ApiVersion.api)).order_by(ApiVersion.id).limit(20)))


def candidates(version: ApiVersion) -> list[Application]:
    """Applications of the team that owns the API."""
    query = select(Application).where(Application.team_id == version.api.team_id).options(joinedload(Application.team))
    return list(db.session.scalars(query.order_by(Application.name).limit(200)))
