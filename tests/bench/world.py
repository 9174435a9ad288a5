"""The world that the benches call: four published APIs, each taking one kind of credential, and one subscriber.

It is made by `make_world`, in a process of its own: this file is run by path with the console to use on its PYTHONPATH,
and prints the `World` as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from console.accounts.models import Person
    from console.apis.models import ApiVersion
    from console.applications.models import Application

FIRST_PORT = 22000
CONSOLE_PORT, GATEWAY_PORT, BACKEND_PORT, PEER_PORT, OTHER_PORT = range(FIRST_PORT, FIRST_PORT + 50, 10)
KINDS = ("open", "signed", "encrypted", "key")
PATH = "/{kind}/v1"
ADMIN, PASSWORD = "alice@example.com", "for the benches only 1"


@dataclass(frozen=True)
class World:
    client_id: str
    secret: str
    key: str
    audiences: dict[str, str]  # by kind


@dataclass(frozen=True)
class Installation:
    """A checkout with a home and a port: what it takes to start a console."""

    checkout: Path
    home: Path
    port: int

    @property
    def env(self) -> dict[str, str]:
        """Nothing of a GATEWRIGHT_ variable that happens to be set here gets in."""
        ours = {
            "PYTHONPATH": str(self.checkout),
            "GATEWRIGHT_HOME": str(self.home),
            "GATEWRIGHT_PORT": str(self.port),
            "GATEWRIGHT_GATEWAY_PORT": str(GATEWAY_PORT),
            "GATEWRIGHT_SAMPLE_PORT": "0",
            "GATEWRIGHT_LOG_LEVEL": "error",
        }
        return {k: v for k, v in os.environ.items() if not k.startswith("GATEWRIGHT_")} | ours

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "console", *words]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def node_credential(self) -> str:
        return str(json.loads((self.home / "node" / "node.json").read_text())["credential"])


@contextmanager
def installed(checkout: Path, port: int = CONSOLE_PORT) -> Iterator[Installation]:
    """A home of its own, gone afterwards."""
    with TemporaryDirectory(prefix="perf-") as home:
        yield Installation(checkout, Path(home), port)


def make_world(where: Installation) -> World:
    # -P: else this directory comes first, and its modules hide others of the same name
    argv = [sys.executable, "-P", __file__]
    done = subprocess.run(argv, env=where.env, cwd=where.checkout, stdout=subprocess.PIPE, check=True)
    return World(**json.loads(done.stdout.splitlines()[-1]))


def _fill(environ: Mapping[str, str]) -> World:
    """In the preparing process, with the console that its path says."""
    from console import create_app
    from console.accounts.models import Person, Role, Team
    from console.accounts.passwords import hash_password
    from console.config import load
    from console.credentials.actions import Terms, create_key, create_secret
    from console.db import db, unit_of_work
    from console.install import prepare

    app = create_app(load(environ))
    prepare(app)
    with app.app_context(), unit_of_work():
        alice = Person(email=ADMIN, name="Alice", role=Role.ADMIN, password_hash=hash_password(PASSWORD))
        alice.teams = [Team(name="Platform")]
        db.session.add(alice)
        db.session.flush()
        versions = {kind: _publish(kind, alice) for kind in KINDS}
        application = _subscriber([v for kind, v in versions.items() if kind != "open"], alice)
        secret, key = create_secret(application, by=alice)[1], create_key(application, Terms("bench"), by=alice)[1]
        return World(application.client_id, secret, key, {kind: v.audience for kind, v in versions.items()})


def _publish(kind: str, by: Person) -> ApiVersion:
    from console import sample
    from console.apis.actions import Choices, import_document, publish_version
    from console.db import db

    document = (Path(str(sample.__file__)).parent / "openapi.yaml").read_text()
    version = import_document(document.replace("title: Orders", f"title: {kind}", 1), by.teams[0], by=by)
    db.session.flush()
    choices = Choices(f"http://127.0.0.1:{BACKEND_PORT}", PATH.format(kind=kind), [kind], 3600)
    publish_version(version, choices, edits=version.edits, by=by)
    return version


def _subscriber(versions: list[ApiVersion], by: Person) -> Application:
    from console.applications.actions import approve_subscription, create_application, subscribe

    application = create_application("Bench", "", by.teams[0], by=by)
    for version in versions:
        approve_subscription(subscribe(application, version, "for the benches", by=by), by=by)
    return application


if __name__ == "__main__":
    print(json.dumps(asdict(_fill(os.environ))))
