"""What versions, applications and nodes are called: one question for all that a page of records names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import CompoundSelect, Integer, String, bindparam, cast, literal, select, union_all

from ..apis.models import Api, ApiVersion
from ..applications.models import Application
from ..db import db
from ..gateway.models import Node

MOST_NODES = 1000


@dataclass(frozen=True)
class CalledVersion:
    slug: str
    number: str
    api: str

    @property
    def name(self) -> str:
        return f"{self.api} {self.number}"

    @property
    def label(self) -> str:
        """As log filters write it."""
        return f"{self.slug}@{self.number}"


@dataclass(frozen=True)
class CalledApplication:
    id: int
    team_id: int
    name: str


@dataclass(frozen=True)
class Called:
    versions: dict[int, CalledVersion]
    applications: dict[str, CalledApplication]  # by client id
    nodes: dict[int, str]


def look_up(version_ids: Iterable[int], client_ids: Iterable[str]) -> Called:
    """Those there are; of nodes all."""
    found = Called({}, {}, {})
    said = {"version_ids": list(version_ids), "client_ids": list(client_ids)}
    for kind, number, other, *texts in db.session.execute(_question(), said):
        if kind == "version":
            found.versions[number] = CalledVersion(*texts)
        elif kind == "application":
            client_id, _, name = texts
            found.applications[client_id] = CalledApplication(number, other, name)
        else:
            found.nodes[number] = texts[2]
    return found


@cache
def _question() -> CompoundSelect[Any]:
    """ORM objects take five times as long, and a page of records needs hardly anything of them."""
    nothing, empty = cast(literal(0), Integer), cast(literal(""), String)
    versions = select(_kind("version"), ApiVersion.id, nothing, Api.slug, ApiVersion.version, Api.name).join(
        ApiVersion.api
    )
    of_clients = select(
        _kind("application"), Application.id, Application.team_id, Application.client_id, empty, Application.name
    )
    nodes = select(_kind("node"), Node.id, nothing, empty, empty, Node.name).limit(MOST_NODES).subquery()
    return union_all(
        versions.where(ApiVersion.id.in_(bindparam("version_ids", expanding=True))),
        of_clients.where(Application.client_id.in_(bindparam("client_ids", expanding=True))),
        select(nodes),
    )


def _kind(name: str) -> Any:
    return cast(literal(name), String).label("kind")
