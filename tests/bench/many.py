"""A large installation, made in bulk: 10,000 APIs of three versions, 2,000 developers, 50,000 subscriptions.

The same every time. Everything is found and shown as if people had made it, but nothing of it is in the audit trail.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

BATCH = 500
SYLLABLES = [
    "ba",
    "be",
    "bo",
    "ca",
    "ce",
    "co",
    "da",
    "de",
    "do",
    "fa",
    "fe",
    "ga",
    "go",
    "ka",
    "ke",
    "la",
    "le",
    "lo",
    "ma",
    "me",
    "mo",
    "na",
    "ne",
    "no",
    "pa",
    "pe",
    "po",
    "ra",
    "re",
    "ro",
    "sa",
    "se",
    "ta",
    "te",
    "to",
    "va",
    "ve",
    "za",
]
TAGS = (
    "Orders", "Payments", "Customers", "Shipping", "Billing", "Inventory", "Search", "Reports", "Users", "Webhooks", "Files",
    "Messages", "Prices", "Stores", "Pets", "Routes", "Invoices", "Events", "Tickets", "Devices", "Weather", "Maps", "Staff", "Loans",
)  # fmt: skip
VERBS = (("get", "List"), ("post", "Create"), ("get", "Look at"), ("delete", "Remove"), ("patch", "Change"))


@dataclass(frozen=True)
class Size:
    apis: int = 10_000
    versions: int = 3
    developers: int = 2_000
    applications: int = 10_000
    subscriptions: int = 50_000
    teams: int = 200


def fill(size: Size | None = None, seed: int = 7) -> None:
    """Within an application context, into a migrated database. An admin must be there already."""
    from console.accounts.models import Membership, Person, Role, Team
    from console.apis.models import Api, ApiVersion, Revision
    from console.applications.models import Application, Subscription

    size, chance = size or Size(), random.Random(seed)
    teams = [{"name": f"Team {word} {n}"} for n, word in zip(range(size.teams), vocabulary(chance), strict=False)]
    team_ids = _insert(Team, teams)
    people = [
        {"email": f"dev{n}@many.example", "name": f"Developer {n}", "role": Role.DEVELOPER, "password_hash": "-"}
        for n in range(size.developers)
    ]
    members = [{"team_id": chance.choice(team_ids), "person_id": i} for i in _insert(Person, people)]
    _insert(Membership, members, ids=False)
    api_ids = _insert(Api, apis(size, team_ids, chance))
    version_ids = _insert(ApiVersion, versions(size, api_ids, chance))
    _insert(Revision, ({"version_id": i, "number": 1, "content": {}} for i in version_ids), ids=False)
    applications = [
        {"team_id": chance.choice(team_ids), "name": f"App {n}", "client_id": f"app-many-{n}"}
        for n in range(size.applications)
    ]
    pairs = subscriptions(size, _insert(Application, applications), version_ids, chance)
    _insert(Subscription, pairs, ids=False)


def _insert(model: Any, rows: Any, *, ids: bool = True) -> list[int]:
    """In batches; their numbers, in the order of the rows."""
    from sqlalchemy import insert

    from console.db import db, unit_of_work

    made: list[int] = []
    rows = iter(rows)
    while batch := list(itertools.islice(rows, BATCH)):
        with unit_of_work():
            if ids:
                made += db.session.scalars(insert(model).returning(model.id, sort_by_parameter_order=True), batch)
            else:
                db.session.execute(insert(model), batch)
    return made


def vocabulary(chance: random.Random, count: int = 4_000) -> list[str]:
    """Words that begin alike as real ones do; the first ones are meant to be used most."""
    found = {
        "".join(chance.choices(SYLLABLES, k=chance.choice((2, 2, 3, 3, 4)))) + chance.choice("nrstl")
        for _ in range(count)
    }
    words = sorted(found)
    chance.shuffle(words)
    return words


class Author:
    """Writes documents out of one vocabulary, common words more often than rare ones."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.words = chance, vocabulary(random.Random(1))

    def word(self) -> str:
        return self.words[min(int(self.chance.paretovariate(0.6)) - 1, len(self.words) - 1)]

    def sentence(self, length: int) -> str:
        return " ".join(self.word() for _ in range(length)).capitalize() + "."

    def document(self, title: str, version: str, operations: int = 10) -> dict[str, Any]:
        tags = self.chance.sample(TAGS, 2)
        paths: dict[str, Any] = {}
        while sum(map(len, paths.values())) < operations:
            self._resource(paths, self.chance.choice(tags))
        info = {"title": title, "version": version, "summary": self.sentence(8), "description": self.sentence(40)}
        return {"openapi": "3.1.0", "info": info, "tags": [{"name": t} for t in tags], "paths": paths}

    def _resource(self, paths: dict[str, Any], tag: str) -> None:
        noun = f"{self.word()}-{self.word()}"
        for method, verb in VERBS:
            path = f"/{noun}" if verb in ("List", "Create") else f"/{noun}/{{id}}"
            said = {"summary": f"{verb} {noun}", "tags": [tag], "description": self.sentence(12)}
            parameters = (
                [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}] if "{" in path else []
            )
            answer = {"description": "ok", "content": {"application/json": {"schema": {"type": "object"}}}}
            paths.setdefault(path, {})[method] = said | {"parameters": parameters, "responses": {"200": answer}}


def apis(size: Size, team_ids: list[int], chance: random.Random) -> Iterator[dict[str, Any]]:
    author = Author(chance)
    for n in range(size.apis):
        name = f"{author.word().capitalize()} {author.word()} {n}"
        yield {
            "slug": name.lower().replace(" ", "-"), "name": name, "summary": author.sentence(9), "team_id": chance.choice(team_ids),
        }  # fmt: skip


def versions(size: Size, api_ids: list[int], chance: random.Random) -> Iterator[dict[str, Any]]:
    """The first of each API is deprecated, the others are published."""
    from datetime import timedelta

    from console.apis.models import State
    from console.db import now

    author, moment = Author(chance), now()
    for n, api_id in enumerate(api_ids):
        for number in range(1, size.versions + 1):
            old = number == 1 and size.versions > 1
            document = author.document(f"API {n}", f"{number}.0.0")
            yield {
                "api_id": api_id, "version": f"{number}.0.0", "state": State.DEPRECATED if old else State.PUBLISHED, "source": "-",
                "document": document, "operations": 10, "gateway_path": f"/many-{n}/v{number}", "backend_url": "http://127.0.0.1:9",
                "accepts": ["signed"], "audience": f"urn:many:{n}:{number}", "published_at": moment, "revision": 1, "scopes": [], "edits": 1,
                "sunset_at": moment + timedelta(days=90) if old else None, "deprecated_at": moment if old else None,
            }  # fmt: skip


def subscriptions(
    size: Size, application_ids: list[int], version_ids: list[int], chance: random.Random
) -> Iterator[dict[str, Any]]:
    from console.applications.models import SubscriptionState

    pairs = set[tuple[int, int]]()
    while len(pairs) < size.subscriptions:
        pairs.add((chance.choice(application_ids), chance.choice(version_ids)))
    for application_id, version_id in sorted(pairs):
        state = SubscriptionState.PENDING if chance.random() < 0.02 else SubscriptionState.ACTIVE
        yield {"application_id": application_id, "version_id": version_id, "state": state}
