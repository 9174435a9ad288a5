"""`gatewright demo`: a believable world in an empty installation, made by the same actions that people use.

Run again on a demo installation, it hands out fresh passwords, secrets and keys (the old ones cannot be shown again).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from sqlalchemy import select

from ..accounts.actions import create_admin, create_team
from ..accounts.models import Person, Role, Team
from ..accounts.passwords import hash_password
from ..apis.actions import import_document, publish_version
from ..apis.choices import Choices
from ..apis.models import Api, ApiVersion
from ..applications.actions import approve_subscription, create_application, subscribe
from ..applications.models import Application, ResourceServer, Subscription, SubscriptionState
from ..audit.actions import record
from ..audit.models import Action, AuditEntry
from ..credentials import resource_servers
from ..credentials.actions import Terms, create_key, create_secret, revoke_key, revoke_secret
from ..credentials.queries import keys_of, secrets_of
from ..credentials.resource_servers import name_resource_server
from ..credentials.signing import ensure_signing_keys
from ..db import db, unit_of_work
from ..errors import Refused
from ..gateway.actions import enrol_node
from ..install import check_keys
from ..runtime import runtime
from . import traffic, world
from .story import Story, offer_plans

INGEST_NODE = "demo-ingest"


@dataclass
class Made:
    """What only this run knows: the texts of secrets."""

    passwords: dict[str, str] = field(default_factory=dict)
    secrets: dict[int, str] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)
    ingest: str = ""


def fill(app: Flask, rows: int) -> dict[str, Any]:
    """Fill it and return what `--json` prints. Only on an empty or a demo installation (`Refused`)."""
    with app.app_context():
        again = _refuse_real_installation()
        made = Made()
        with unit_of_work():
            check_keys()
            ensure_signing_keys()
            if not again:
                _people_and_apis()
            _credentials(made)
        traffic.write(rows if not again else 0)
        return _told(made)


def _refuse_real_installation() -> bool:
    """Whether the demo world is there already."""
    demo = db.session.scalar(select(AuditEntry.id).where(AuditEntry.action == Action.DEMO_FILLED).limit(1))
    real = db.session.scalar(select(Api.id).limit(1)) or db.session.scalar(select(Application.id).limit(1))
    if real and not demo:
        raise Refused(
            "This installation is in use. The demo fills an empty one only: choose another with GATEWRIGHT_HOME=./demo."
        )
    return demo is not None


def _people_and_apis() -> None:
    boss = _people()
    record(Action.DEMO_FILLED, None, by=boss, name="demo")
    versions = [_publish(sample, boss) for sample in world.apis(runtime().config.sample_port)]
    by_name = {v.name: v for v in versions}
    _applications(by_name, boss)
    Story(by_name, boss).happen()


def _people() -> Person:
    boss = db.session.scalars(select(Person).where(Person.role == Role.ADMIN)).first()
    first = world.PEOPLE[0]
    boss = boss or create_admin(first.email, world.password(), name=first.name)
    teams = {name: create_team(name, by=boss) for name in world.TEAMS}
    for someone in world.PEOPLE:
        person = db.session.scalars(select(Person).where(Person.email == someone.email)).first()
        if person is None:
            person = Person(email=someone.email, name=someone.name, role=someone.role, password_hash="-")  # noqa: S106 - set below
            db.session.add(person)
        person.teams = [*person.teams, *(t for n, t in teams.items() if n in someone.teams and t not in person.teams)]
    db.session.flush()
    return boss


def _publish(sample: world.SampleApi, boss: Person) -> ApiVersion:
    team = db.session.scalars(select(Team).where(Team.name == sample.team)).one()
    version = import_document(sample.document, team, by=boss)
    offer_plans(version, boss)
    choices = Choices(sample.backend, sample.path, sample.accepts, 3600)
    publish_version(version, choices, edits=version.edits, by=boss)
    return version


def _applications(versions: dict[str, ApiVersion], boss: Person) -> None:
    for sample in world.APPLICATIONS:
        owner = db.session.scalars(select(Person).where(Person.email == sample.owner)).one()
        team = next(t for t in owner.teams if t.name == sample.team)
        application = create_application(sample.name, sample.description, team, by=owner)
        for name in sample.uses:
            approve_subscription(subscribe(application, versions[name], sample.message, by=owner), by=boss)
        for name in sample.wants:
            subscribe(application, versions[name], sample.message, by=owner)
    _backend(versions, boss)


def _backend(versions: dict[str, ApiVersion], boss: Person) -> None:
    """An application that introspects and calls nothing."""
    sample = world.BACKEND
    owner = db.session.scalars(select(Person).where(Person.email == sample.owner)).one()
    team = next(t for t in owner.teams if t.name == sample.team)
    application = create_application(sample.name, sample.description, team, by=owner)
    for name in sample.uses:
        name_resource_server(versions[name], application, by=boss)


def _credentials(made: Made) -> None:
    for someone in world.PEOPLE:
        person = db.session.scalars(select(Person).where(Person.email == someone.email)).one()
        made.passwords[person.email] = world.password()
        person.password_hash = hash_password(made.passwords[person.email])
    boss = db.session.scalars(select(Person).where(Person.email == world.PEOPLE[0].email)).one()
    for application in db.session.scalars(select(Application)):
        for secret in secrets_of(application):
            revoke_secret(secret, by=boss)
        made.secrets[application.id] = create_secret(application, by=boss)[1]
        for key in keys_of(application):
            revoke_key(key, by=boss)
        if any(s.version.takes("key") and s.is_active for s in application.subscriptions):
            made.keys[application.id] = create_key(application, Terms("Demo key"), by=boss)[1]
    made.ingest = enrol_node(INGEST_NODE, serves=False, by=boss)[1]


def _told(made: Made) -> dict[str, Any]:
    config = runtime().config
    people = db.session.scalars(select(Person).where(Person.email.in_(made.passwords)).order_by(Person.id))
    everybody = list(db.session.scalars(select(Application).order_by(Application.id)))
    serving = set(db.session.scalars(select(ResourceServer.application_id)))
    applications = [a for a in everybody if a.id not in serving]
    return {
        "console": config.public_url,
        "gateway": config.gateway_url,
        "issuer": config.public_url,
        "people": [{"email": p.email, "password": made.passwords[p.email], "role": str(p.role)} for p in people],
        "apis": [
            {
                "name": v.api.name,
                "version": v.version,
                "url": v.url,
                "audience": v.audience,
                "scopes": v.scopes,
                "token_format": v.token_format,
                "encryption_required": v.encryption_required,
                "signing_alg": v.signing_alg,
                "encryption_alg": v.encryption_alg,
                "content_alg": v.content_alg,
                "dpop": v.dpop,
                "accepts": v.accepts,
                "state": v.state,
            }
            for v in db.session.scalars(select(ApiVersion).order_by(ApiVersion.id))
            if v.is_serving
        ],
        "clients": [
            {"client_id": a.client_id, "client_secret": made.secrets[a.id], "application": a.name, "apis": _uses(a)}
            for a in applications
        ],
        "resource_servers": [
            {
                "client_id": a.client_id,
                "client_secret": made.secrets[a.id],
                "application": a.name,
                "introspects": [v.name for v in resource_servers.served_by(a.id)],
            }
            for a in everybody
            if a.id in serving
        ],
        "api_keys": [
            {"key": made.keys[a.id], "application": a.name, "apis": list(_uses(a, "key"))}
            for a in applications
            if a.id in made.keys
        ],
        "ingest": {"url": f"{config.public_url}/v1/logs", "token": made.ingest},
    }


def _uses(application: Application, credential: str = "") -> list[str]:
    query = select(Subscription).where(
        Subscription.application_id == application.id, Subscription.state == SubscriptionState.ACTIVE
    )
    found = db.session.scalars(query.order_by(Subscription.id))
    return [s.version.name for s in found if s.version.is_serving and (not credential or s.version.takes(credential))]


def tell(said: dict[str, Any]) -> str:
    """The same for a reader."""
    lines = [f"Console  {said['console']}", f"Gateway  {said['gateway']}", "", "People"]
    lines += [f"  {p['role']:10} {p['email']:28} {p['password']}" for p in said["people"]]
    lines += ["", "APIs"]
    lines += [f"  {a['name']} {a['version']:8} {a['url']}  ({', '.join(a['accepts'])})" for a in said["apis"]]
    lines += ["", "Clients (client_id:client_secret)"]
    lines += [
        f"  {c['application']:16} {c['client_id']}:{c['client_secret']}\n{'':19}for {', '.join(c['apis'])}"
        for c in said["clients"]
    ]
    lines += ["", "Backends that introspect (client_id:client_secret)"]
    lines += [
        f"  {b['application']:16} {b['client_id']}:{b['client_secret']}\n{'':19}for {', '.join(b['introspects'])}"
        for b in said["resource_servers"]
    ]
    lines += ["", "API keys"] + [f"  {k['application']:16} {k['key']}" for k in said["api_keys"]]
    lines += ["", "Pushing logs", f"  {said['ingest']['url']}\n  {said['ingest']['token']}"]
    return "\n".join(lines)
