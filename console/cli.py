"""The command line: parse, call an action, print. Imports are made where they are needed: `up` stays small."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from . import __version__
from .config import SETTINGS, Config, load
from .errors import Refused
from .files.commands import apply, export

if TYPE_CHECKING:
    from flask import Flask

    from .audit.proof import Verdict


@click.group(help="A web console for running APIs.")
@click.version_option(__version__, prog_name="gatewright")
def cli() -> None:
    pass


cli.add_command(apply)
cli.add_command(export)


def main() -> None:
    try:
        cli.main(prog_name="gatewright")
    except Refused as refused:
        click.echo(f"gatewright: {refused.message}", err=True)
        sys.exit(1)


def _app(config: Config | None = None) -> Flask:
    from . import create_app

    return create_app(config or load())


def _within(action: Callable[[], None]) -> None:
    """Run a change as one unit of work, on a database that is up to date."""
    from .db import unit_of_work
    from .install import upgrade_databases

    app = _app()
    upgrade_databases(app)
    with app.app_context(), unit_of_work():
        action()


@cli.command()
def up() -> None:
    """Start everything: the console, a gateway node, a sample backend."""
    from .up import up as start

    sys.exit(start(load()))


@cli.command()
def serve() -> None:
    """Start the console alone."""
    from .serve import serve as start

    config = load()
    start(config)


@cli.command(hidden=True)
def prepare() -> None:
    """What `up` does first, in a process of its own."""
    from .install import prepare as get_ready

    # what migrations and libraries print must not mix with the answer
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    json.dump({"setup_url": get_ready(_app()).setup_url}, out)
    out.close()


@cli.command()
def settings() -> None:
    """List every setting: variable, default, meaning."""
    for setting in SETTINGS:
        click.echo(f"{setting.variable:28} {setting.default or '-':24} {setting.help}")


@cli.command()
@click.option("--rows", default=50_000, show_default=True, help="How many log records to make up.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def demo(rows: int, as_json: bool) -> None:
    """Fill an empty installation with a believable world."""
    from .demo import fill, tell
    from .install import upgrade_databases

    app = _app()
    upgrade_databases(app)
    world = fill(app, rows)
    click.echo(json.dumps(world) if as_json else tell(world))


@cli.group("db")
def database() -> None:
    """The databases."""


@database.command("upgrade")
def db_upgrade() -> None:
    """Bring both databases to the newest schema."""
    from .install import upgrade_databases

    upgrade_databases(_app())
    click.echo("The databases are up to date.")


@cli.group()
def catalog() -> None:
    """The catalog of APIs."""


@catalog.command("rebuild")
def catalog_rebuild() -> None:
    """Make the words that the catalog is searched by anew."""
    from .catalog.indexing import forget_all, index_all
    from .db import unit_of_work
    from .install import upgrade_databases

    app = _app()
    upgrade_databases(app)
    with app.app_context():
        with unit_of_work():
            forget_all()
        index_all()
    click.echo("The catalog is indexed.")


@cli.group()
def admin() -> None:
    """Admins."""


@admin.command("create")
@click.option("--email", required=True)
@click.option("--password", help="Asked for, or read from GATEWRIGHT_ADMIN_PASSWORD, when it is not given.")
@click.option("--name", default="")
def admin_create(email: str, password: str | None, name: str) -> None:
    """Create an admin."""
    from .accounts.actions import create_admin
    from .web.forms import EMAIL

    if not EMAIL.fullmatch(email.lower()):
        raise Refused(f"{email} is no e-mail address.")
    secret = password or load().admin_password or getpass.getpass("Password: ")
    _within(lambda: click.echo(f"Created {create_admin(email.lower(), secret, name=name).email}."))


@cli.group()
def node() -> None:
    """Gateway nodes."""


def _node_home(path: str) -> Path:
    return Path(path) if path else load().home / "node"


@node.command("enrol")
@click.option("--console", required=True, help="Address of the console.")
@click.option("--code", required=True, help="From the Nodes page of the console.")
@click.option("--home", default="", help="Directory of the node.")
@click.option("--ca-file", default=None, help="Certificates to trust the console by.")
def node_enrol(console: str, code: str, home: str, ca_file: str | None) -> None:
    """Get this machine's credential from the console."""
    from .gateway.agent import Console, NodeFiles, Rejected
    from .gateway.envoy_program import envoy_binary, envoy_version

    try:
        said = Console(console, ca_file=ca_file).enrol(code, envoy_version(envoy_binary()))
    except (Rejected, OSError, ValueError) as problem:
        raise Refused(f"The console did not enrol this node: {problem}") from None
    files = NodeFiles(_node_home(home))
    files.save_identity(name=said["name"], console=console, credential=said["credential"])
    click.echo(f"Enrolled as {said['name']}. Start it with: gatewright node run")


@node.command("run")
@click.option("--home", default="", help="Directory of the node.")
@click.option("--host", default=None, help="Address to listen on.")
@click.option("--port", default=None, type=int, help="Port to listen on.")
@click.option("--ca-file", default=None, help="Certificates to trust the console by.")
def node_run(home: str, host: str | None, port: int | None, ca_file: str | None) -> None:
    """Run the gateway of this machine."""
    from .gateway.agent import run

    config = load()
    place = _node_home(home)
    if not (place / "node.json").exists():
        raise Refused("This machine is not enrolled. Run `gatewright node enrol` first.")
    tls = (config.gateway_tls_cert, config.gateway_tls_key)
    host, port = host or config.gateway_host, port or config.gateway_port
    sys.exit(run(place, host, port, ca_file or config.tls_cert or None, tls))


@cli.group()
def keys() -> None:
    """Signing keys, and the keys that seal secrets."""


@keys.command("rotate")
@click.option("--alg", default="ES256", show_default=True, help="Of which algorithm.")
@click.option("--at-once", is_flag=True, help="Do not wait until verifiers can have seen the next key.")
def keys_rotate(alg: str, at_once: bool) -> None:
    """Let the next signing key sign."""
    from .credentials.signing import rotate_signing_key

    _within(lambda: click.echo(f"{rotate_signing_key(alg, at_once=at_once).kid} signs now."))


@keys.command("rewrap")
def keys_rewrap() -> None:
    """Seal every secret under the first key of GATEWRIGHT_KEYS; the other keys may go afterwards."""
    from .credentials.rewrap import rewrap

    _within(lambda: click.echo(f"{rewrap()} values are sealed under the first key now."))


@cli.group()
def audit() -> None:
    """The audit trail."""


@audit.command("verify")
def audit_verify() -> None:
    """Prove that no entry was altered, removed, slipped in or put elsewhere, and that every checkpoint holds."""
    from .audit.checkpoints import verify

    app = _app()
    with app.app_context():
        verdict = verify()
    _tell(verdict)


@audit.command("export")
@click.option("--out", required=True, type=click.File("wb", atomic=True), help="The file; - for standard output.")
def audit_export(out: BinaryIO) -> None:
    """Write the whole trail, with its proof, into one file."""
    from .audit.export import lines, take_away
    from .db import unit_of_work
    from .install import upgrade_databases

    app = _app()
    upgrade_databases(app)
    with app.app_context():
        with unit_of_work():
            last = take_away()
        out.writelines(lines(last))
    click.echo(f"{last.entry_id} entries, checkpoints: {last.number}, signed with the key {last.kid}.", err=True)


@audit.command("check")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--key", default="", help="The public key that must have signed it, or its id. The audit page shows both."
)
def audit_check(file: BinaryIO, key: str) -> None:
    """Check an export. Needs no installation: run it wherever the file is."""
    from .audit.check import check

    checked = check(file, key)
    _tell(checked.verdict)
    click.echo(f"Written by {checked.head.get('installation', '?')} at {checked.head['at']}.")
    if not key:
        click.echo(
            f"Signed with the key {checked.head['kid']}. Compare it with the one you know, or give it with --key."
        )


def _tell(verdict: Verdict) -> None:
    if verdict.broken is not None:
        raise Refused(
            f"The trail is broken at entry {verdict.broken_at} ({verdict.broken.fault}). {verdict.broken.why}"
        )
    signed = f"signed up to entry {verdict.signed}" if verdict.signed else "not signed yet"
    click.echo(f"{verdict.entries} entries, every link holds; checkpoints: {verdict.checkpoints}, {signed}.")
