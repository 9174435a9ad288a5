"""Getting an installation ready: the schema, the first keys, the local node, the way in for the first admin."""

from __future__ import annotations

import json
from dataclasses import dataclass

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import inspect, text

from . import resource
from .accounts.actions import create_admin, make_setup_link
from .accounts.queries import has_people
from .audit.checkpoints import KEY as AUDIT_CHECKPOINTS
from .catalog.indexing import index_all
from .credentials.secrets import sealed
from .credentials.signing import ensure_signing_keys
from .db import db, unit_of_work
from .errors import Refused
from .gateway.actions import enrol_node
from .gateway.agent import NodeFiles
from .gateway.queries import node_by_credential
from .runtime import runtime


@dataclass(frozen=True)
class Prepared:
    setup_url: str  # empty when there is an admin


def upgrade_databases(app: Flask) -> None:
    """To the newest schema. What is there already is left alone; a newer one than ours is refused."""
    with app.app_context():
        here, newest = _revision(), _newest()
        if here != newest:
            if here is not None and here not in _revisions():
                raise Refused("This database was made by a newer Gatewright. Install that one.")
            upgrade(directory=str(resource("migrations")))
        runtime().logs.prepare()


def _revision() -> str | None:
    """What the database says of itself, read without loading the migration library, which takes a second."""
    with db.engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return str(found) if found else None


def _revisions() -> dict[str, str]:
    """Every revision that this Gatewright knows, with the one before it."""
    found = {}
    for file in (resource("migrations") / "versions").glob("*.py"):
        said = dict(
            line.split(" = ", 1)
            for line in file.read_text().splitlines()
            if line.startswith(("revision =", "down_revision ="))
        )
        found[said["revision"].strip("\"'")] = said["down_revision"].strip("\"'")
    return found


def _newest() -> str:
    """The revision that none comes after."""
    revisions = _revisions()
    heads = revisions.keys() - set(revisions.values())
    if len(heads) != 1:
        raise Refused("The migrations do not end in one revision.")
    return heads.pop()


def prepare(app: Flask) -> Prepared:
    """Everything `up` needs before the processes start. Idempotent."""
    upgrade_databases(app)
    with app.app_context():
        with unit_of_work():
            check_keys()
            ensure_signing_keys()
        with unit_of_work():
            _enrol_local_node()
        index_all()  # whatever was published before there was an index
        with unit_of_work():
            return Prepared(_first_admin())


def check_keys() -> None:
    """A wrong key-encryption key is noticed here, before anything is served."""
    for name in ("pepper", "audit", AUDIT_CHECKPOINTS, "dpop"):
        sealed(name)


def _enrol_local_node() -> None:
    config = runtime().config
    files = NodeFiles(config.home / "node")
    console = config.public_url if config.tls_cert else f"http://127.0.0.1:{config.port}"
    if files.identity.exists():
        me = json.loads(files.identity.read_text())
        if node_by_credential(me["credential"]) is not None:
            if me["console"] != console:
                files.save_identity(name=me["name"], console=console, credential=me["credential"])
            return
    node, credential = enrol_node("local")
    files.save_identity(name=node.name, console=console, credential=credential)


def _first_admin() -> str:
    config = runtime().config
    if has_people():
        return ""
    if config.admin_email and config.admin_password:
        create_admin(config.admin_email.lower(), config.admin_password)
        return ""
    return f"{config.public_url}/setup/{make_setup_link()}"
