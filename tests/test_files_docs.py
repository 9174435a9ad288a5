"""docs/files.md says what is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

from click.testing import CliRunner
from flask import Flask

from console.cli import cli
from console.db import unit_of_work
from console.files.apply import carry_out
from console.files.reading import read_files
from console.files.schema import SCHEMA
from tests.conftest import ORDERS, Cast
from tests.programs import PROJECT

TEXT = (PROJECT / "docs" / "files.md").read_text()


def test_the_schema_is_the_one_that_is_used() -> None:
    said = re.search(r"```json\n(.*?)```", TEXT, re.DOTALL)
    assert said
    assert json.loads(said[1]) == SCHEMA, f"docs/files.md should hold:\n{json.dumps(SCHEMA, indent=2)}"


def test_the_example_can_be_applied(app: Flask, cast: Cast, tmp_path: Path) -> None:
    said = re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert said
    (tmp_path / "gateway.yaml").write_text(said[1])
    (tmp_path / "orders-1.yaml").write_text(ORDERS)
    files = read_files(tmp_path / "gateway.yaml")
    with app.app_context(), unit_of_work():
        assert ("Shop: subscription to orders@1.0.0", "approve") in carry_out(files, "alice@example.org").steps
    with app.app_context(), unit_of_work():
        assert carry_out(files, "alice@example.org").steps == []


def test_the_commands_know_their_options() -> None:
    for line in re.findall(r"^gatewright (.*)$", re.search(r"```sh\n(.*?)```", TEXT, re.DOTALL)[1], re.MULTILINE):  # type: ignore[index]
        name, *options = line.split(" > ")[0].split()
        known = CliRunner().invoke(cli, [name, "--help"]).output
        assert [o for o in options if o.startswith("-") and o not in known] == []
