"""`gatewright apply` and `gatewright export`. Imports are made where they are needed, as in cli.py."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import click

from ..errors import Refused


@click.command()
@click.option(
    "-f", "--file", "place", required=True, type=click.Path(path_type=Path), help="A file, or a directory of them."
)
@click.option("--as", "email", required=True, help="Who does it: the e-mail address of an admin, for the audit trail.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before changing anything.")
def apply(place: Path, email: str, dry_run: bool, yes: bool) -> None:
    """Make APIs, plans, applications and subscriptions what files say. See docs/files.md."""
    from .. import create_app
    from ..config import load
    from ..db import unit_of_work
    from ..install import upgrade_databases
    from .apply import carry_out, rehearse
    from .reading import read_files

    files = read_files(place)
    app = create_app(load())
    upgrade_databases(app)
    rehearsed = rehearse(app, files, email)
    click.echo(rehearsed.text)
    if dry_run or not rehearsed.steps:
        return
    if not yes:
        click.confirm("Do this?", abort=True)
    with app.app_context(), unit_of_work():
        done = carry_out(files, email)
        if done.steps != rehearsed.steps:
            raise Refused("Something was changed by somebody else meanwhile. Nothing was done. Look at it again.")
    click.echo("Done.")


@click.command()
@click.option("--api", "slug", default="", help="Of this API alone, with the subscriptions to it.")
@click.option(
    "--out", default="-", type=click.File("w", atomic=True, encoding="utf-8"), help="The file; - for standard output."
)
def export(slug: str, out: TextIO) -> None:
    """Write APIs, plans, applications and subscriptions as YAML, for `apply`. Secrets are never in it."""
    from .. import create_app
    from ..config import load
    from ..install import upgrade_databases
    from .export import export as written

    app = create_app(load())
    upgrade_databases(app)
    with app.app_context():
        out.write(written(slug))
