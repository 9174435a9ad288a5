"""`gatewright export`: what is there as a file that `gatewright apply` reads. Secrets and keys are never in it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import yaml
from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload, undefer

from ..apis.choices import Choices
from ..apis.models import Api, ApiVersion, State
from ..applications.models import OPEN_STATES, Application, Plan, Subscription
from ..applications.plans import Terms, plans_of
from ..db import db
from ..errors import NotFound

Said = dict[str, Any]


def export(slug: str = "") -> str:
    """YAML; ``slug``: of this API alone, with the subscriptions to it. What is worked on beside what is served is left out."""
    query = select(Api).options(selectinload(Api.versions).options(undefer(ApiVersion.source))).order_by(Api.slug)
    apis = list(db.session.scalars(query.where(Api.slug == slug) if slug else query))
    if slug and not apis:
        raise NotFound(f"There is no API named {slug}.")
    said: Said = {"apis": [_api(api) for api in apis]} if apis else {}
    applications = [found for one in _applications() if (found := _application(one, slug))]
    said |= {"applications": applications} if applications else {}
    return yaml.dump(said, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120) if said else ""


class Dumper(yaml.CSafeDumper):
    """Texts of several lines as they are; no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.CSafeDumper, value: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


Dumper.add_representer(str, _text)


def _api(api: Api) -> Said:
    said: Said = {"api": api.slug, "team": api.team.name, "visibility": str(api.visibility)}
    said |= {"log_days": api.log_days} if api.log_days else {}
    return said | {"versions": [_version(version) for version in reversed(api.versions)]}


def _version(version: ApiVersion) -> Said:
    state = State.DRAFT if version.is_unpublished else version.state
    said: Said = {"version": version.version, "state": str(state)}
    said |= _ending(version)
    said["choices"] = _plain(asdict(Choices.of(version)))
    if plans := plans_of(version.id):
        said["plans"] = [_plan(plan) for plan in plans]
    return said | {"document": version.source}


def _ending(version: ApiVersion) -> Said:
    if version.state == State.RETIRED:  # what was said of its end before is past
        return {"reason": version.retire_reason} if version.retire_reason else {}
    said = {
        "mocked": version.mocked,
        "sunset_at": _time(version.sunset_at),
        "successor": version.successor.version if version.successor else None,
        "note": version.deprecation_note,
        "reason": version.block_reason,
        "stopped": version.stop_reason,
    }
    return {name: value for name, value in said.items() if value}


def _plan(plan: Plan) -> Said:
    return {"name": plan.name, "state": str(plan.state)} | _plain(asdict(Terms.of(plan)))


def _plain(said: Said) -> Said:
    """Of plain texts, without what is empty."""
    return {k: str(v) if isinstance(v, str) else v for k, v in said.items() if v not in (None, "", [])}


def _applications() -> list[Application]:
    whole = selectinload(Application.subscriptions)
    query = select(Application).options(
        joinedload(Application.team),
        whole.joinedload(Subscription.version).joinedload(ApiVersion.api),
        whole.joinedload(Subscription.plan),
    )
    return sorted(db.session.scalars(query), key=lambda one: (one.team.name, one.name))


def _application(application: Application, slug: str) -> Said:
    """Empty when only one API is asked for and it has no subscription to that."""
    found = [s for s in application.subscriptions if s.state in OPEN_STATES and slug in ("", s.version.api.slug)]
    if slug and not found:
        return {}
    said: Said = {"application": application.name, "team": application.team.name}
    said |= {"description": application.description} if application.description else {}
    found.sort(key=lambda s: (s.version.api.slug, s.version.id))
    return said | ({"subscriptions": [_subscription(one) for one in found]} if found else {})


def _subscription(one: Subscription) -> Said:
    said = {
        "api": one.version.api.slug,
        "version": one.version.version,
        "plan": one.plan.name if one.plan else None,
        "state": str(one.state),
        "message": one.message,
        "reason": one.reason,
        "paused_by": one.paused_by.split(" and ") if one.paused_by else [],
        "expires_at": _time(one.expires_at),
    }
    return {name: value for name, value in said.items() if value}


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None
