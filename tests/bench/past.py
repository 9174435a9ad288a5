"""An installation with a month behind it: 200 APIs, 2,000 applications and their calls, in the console and in DuckDB."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from .duck import Duck
from .month import Cast, Month, write
from .options import CHECKOUT, Options
from .pages import add_apis
from .records import COLUMNS
from .world import CONSOLE_PORT, Installation

if TYPE_CHECKING:
    from flask import Flask

APIS, APPLICATIONS = 200, 2_000
STALE_S = 20 * 3600  # an older one is written anew: the pages ask for the last day


@dataclass(frozen=True)
class Past:
    app: Flask
    home: Path
    cast: Cast
    end: datetime
    rows: int
    duck: Duck

    @property
    def logs(self) -> Path:
        return self.home / "logs.db"


@contextmanager
def with_past(options: Options) -> Iterator[Past]:
    """In the folder for what is used again, when there is one; else gone afterwards."""
    if options.cache is None:
        with TemporaryDirectory(prefix="perf-") as home, _opened(Path(home), options.rows) as past:
            yield past
    else:
        home = options.cache.absolute() / f"history-{options.rows}"
        with _opened(home, options.rows) as past:
            yield past


@contextmanager
def _opened(home: Path, rows: int) -> Iterator[Past]:
    from console import create_app
    from console.config import load
    from console.db import db
    from console.install import upgrade_databases

    made = home / "made.json"
    if not _is_usable(made):
        _make(home, rows, made)
    end = json.loads(made.read_text())["end"]
    app, duck = create_app(load(_where(home).env)), Duck(home / "calls.duckdb")
    upgrade_databases(app)  # a later console may have more tables
    try:
        with app.app_context():
            cast = _cast()
        yield Past(app, home, cast, datetime.fromtimestamp(end, UTC), rows, duck)
    finally:
        duck.close()
        with app.app_context():
            db.engine.dispose()
        app.extensions["gatewright"].logs.dispose()


def _is_usable(made: Path) -> bool:
    said = json.loads(made.read_text()) if made.exists() else {}
    return said.get("columns") == list(COLUMNS) and time.time() - said["end"] < STALE_S


def _where(home: Path) -> Installation:
    return Installation(CHECKOUT, home, CONSOLE_PORT)


def _make(home: Path, rows: int, made: Path) -> None:
    from console import create_app
    from console.config import load

    for file in (*home.glob("*.d*b*"), *home.glob("made.json")):  # databases and what belongs to them
        file.unlink()
    home.mkdir(parents=True, exist_ok=True)
    where = _where(home)
    subprocess.run(where.command("demo", "--rows", "0"), env=where.env, check=True, stdout=subprocess.DEVNULL)
    app, end = create_app(load(where.env)), int(time.time())
    logs = app.extensions["gatewright"].logs
    with app.app_context():
        add_apis(APIS)
        _add_applications(APPLICATIONS)
        print(f"history: {rows:,} rows are written to {home} (once)", flush=True)
        write_s = write(logs, Month(rows, end * 1_000_000, _cast()))
    logs.dispose()
    print(f"history: that took {write_s:.0f} s; now DuckDB reads them", flush=True)
    duck = Duck(home / "calls.duckdb")
    duck.fill(home / "logs.db")
    duck.close()
    made.write_text(json.dumps({"end": end, "columns": list(COLUMNS), "write_s": write_s}))


def _cast() -> Cast:
    """Of what was made here, those that come first with the most calls."""
    from console.apis.models import Api, ApiVersion
    from console.applications.models import Application
    from console.db import db

    versions = db.session.query(ApiVersion).join(Api).filter(Api.slug.startswith("api-")).order_by(Api.slug).all()
    applications = db.session.query(Application).filter(Application.name.startswith("Caller ")).order_by(Application.id)
    paths = [version.gateway_path or "" for version in versions]
    return Cast([version.id for version in versions], paths, [one.client_id for one in applications])


def _add_applications(count: int) -> None:
    from console.accounts.models import Team
    from console.applications.models import Application
    from console.db import db, unit_of_work

    with unit_of_work():
        team = db.session.query(Team).first()
        for n in range(count):
            db.session.add(Application(team_id=team.id, name=f"Caller {n:04}", client_id=f"app-{n:016x}"))
