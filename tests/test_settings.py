"""Settings come from the environment only, are written down, and are refused when they cannot be meant."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from flask import Flask

from console import create_app
from console.config import SETTINGS, Config, load
from console.db import db, unit_of_work
from console.errors import Refused
from console.install import check_keys
from tests.conftest import SignIn

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"
KEY = "k1:" + base64.b64encode(bytes(32)).decode()


def table() -> str:
    rows = [f"| `{s.variable}` | {f'`{s.default}`' if s.default else ''} | {s.help} |" for s in SETTINGS]
    return "\n".join(["| Variable | Default | Meaning |", "| --- | --- | --- |", *rows]) + "\n"


def test_every_setting_is_written_down() -> None:
    assert table() in PAGE.read_text(), f"docs/settings.md should hold this table:\n{table()}"


def test_the_command_line_lists_every_setting() -> None:
    from click.testing import CliRunner

    from console.cli import cli

    said = CliRunner().invoke(cli, ["settings"]).output
    assert [line.split()[0] for line in said.splitlines()] == [s.variable for s in SETTINGS]


def test_the_settings_page_shows_no_secret(app: Flask, config: Config, sign_in: SignIn) -> None:
    app.extensions["gatewright"].config = Config(**vars(config) | {"smtp_url": "smtp://u:hunter2@mail", "keys": KEY})
    page = sign_in("dora").get("/settings").text
    assert all(s.variable in page for s in SETTINGS)
    assert "hunter2" not in page
    assert KEY not in page


@pytest.mark.parametrize("name", ["GATEWRIGHT_PROT", "GATEWRIGHT_", "GATEWRIGHT_SECRET_KEY", "GATEWRIGHT_port"])
def test_an_unknown_one_is_refused(name: str) -> None:
    with pytest.raises(Refused, match=f"^{name} is not a setting"):
        load({name: "1"})


@pytest.mark.parametrize("value", ["80a", "-1", "1.5", "٣x", "0x50", " 80"])
def test_what_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(Refused, match=r"GATEWRIGHT_PORT is .* it must be a whole number"):
        load({"GATEWRIGHT_PORT": value})


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"GATEWRIGHT_ENV": "staging"}, "it must be development or production"),
        ({"GATEWRIGHT_TLS_CERT": "a.pem"}, "Set both GATEWRIGHT_TLS_CERT and GATEWRIGHT_TLS_KEY"),
        ({"GATEWRIGHT_TLS_KEY": "a.pem"}, "Set both GATEWRIGHT_TLS_CERT and GATEWRIGHT_TLS_KEY"),
    ],
)
def test_what_does_not_fit_is_refused(environ: dict[str, str], says: str) -> None:
    with pytest.raises(Refused, match=says):
        load(environ)


def test_an_empty_one_is_its_default() -> None:
    assert load({s.variable: "" for s in SETTINGS}) == load({})
    assert load({"PATH": "/bin", "GATEWRIGHT_TEST_DATABASE_URL": "x"}) == load({})


def test_addresses_follow_from_each_other() -> None:
    said = load(
        {"GATEWRIGHT_HOST": "0.0.0.0", "GATEWRIGHT_PORT": "9000", "GATEWRIGHT_TLS_CERT": "a", "GATEWRIGHT_TLS_KEY": "b"}
    )
    assert (said.public_url, said.gateway_url) == ("https://127.0.0.1:9000", "http://127.0.0.1:8080")
    assert load({"GATEWRIGHT_DATABASE_URL": "postgres://h/d"}).database_url == "postgresql+psycopg://h/d"
    assert load({"GATEWRIGHT_LOGS_URL": "clickhouse://u:p@h:8123/d"}).logs_url == "clickhousedb://u:p@h:8123/d"
    assert load({"GATEWRIGHT_PUBLIC_URL": "https://c.example/"}).public_url == "https://c.example"


def test_a_driver_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"pip install 'gatewright\[clickhouse\]'"):
        create_app(load({"GATEWRIGHT_HOME": str(tmp_path), "GATEWRIGHT_LOGS_URL": "nothing://h/d"}))


def test_production_wants_its_keys(tmp_path: Path) -> None:
    environ = {"GATEWRIGHT_ENV": "production", "GATEWRIGHT_HOME": str(tmp_path)}
    with pytest.raises(Refused, match="Production needs a key-encryption key"):
        create_app(load(environ))
    assert create_app(load(environ | {"GATEWRIGHT_KEYS": KEY}))


@pytest.mark.parametrize("keys", ["k1", "k1:", "k1:c2hvcnQ=", ":" + KEY[3:], "k-1:" + KEY[3:], "k1:" + KEY[4:], ","])
def test_keys_that_are_none_are_refused(tmp_path: Path, keys: str) -> None:
    with pytest.raises(Refused, match="GATEWRIGHT_KEYS"):
        create_app(load({"GATEWRIGHT_HOME": str(tmp_path), "GATEWRIGHT_KEYS": keys}))


def test_networks_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="GATEWRIGHT_TRUSTED_PROXIES"):
        create_app(load({"GATEWRIGHT_HOME": str(tmp_path), "GATEWRIGHT_TRUSTED_PROXIES": "10.0.0.1/8"}))


@pytest.mark.parametrize(
    ("keys", "says"), [(KEY, "is not the one this installation"), ("k2" + KEY[2:], "lacks the key 'k1'")]
)
def test_a_wrong_key_is_noticed_at_the_start(app: Flask, config: Config, keys: str, says: str) -> None:
    other = create_app(Config(**vars(config) | {"keys": keys}))
    with other.app_context(), pytest.raises(Refused, match=says), unit_of_work():
        check_keys()


def test_an_older_key_opens_what_it_sealed(app: Flask, config: Config) -> None:
    both = f"k2{KEY[2:]},{(config.home / 'keys').read_text()}"
    other = create_app(Config(**vars(config) | {"keys": both}))
    with other.app_context(), unit_of_work():
        check_keys()
        db.session.rollback()


def test_the_keys_are_the_owners_only(empty_home: Path) -> None:
    assert (empty_home / "keys").stat().st_mode & 0o077 == 0
