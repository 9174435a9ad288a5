"""With a country database, records say from where a call came; without one nothing is known, and nothing is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from console.errors import Refused
from console.logs.countries import open_database
from tests.conftest import SignIn, World
from tests.ingested import nginx, send, stored
from tests.test_logs import a_batch, a_record, push

NETWORKS = {"203.0.113.0/26": "NO", "203.0.113.64/26": "JP", "2001:db8::/32": "DE"}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    writer = MMDBWriter(ip_version=6, ipv4_compatible=True, database_type="Test-Country")
    for network, code in NETWORKS.items():
        writer.insert_network(IPSet([network]), {"country": {"iso_code": code}})
    writer.insert_network(IPSet(["203.0.113.128/26"]), {"registered_country": {"iso_code": "SE"}})
    writer.insert_network(IPSet(["203.0.113.192/26"]), {"country": {"iso_code": 7}})
    file = tmp_path_factory.mktemp("geo") / "country.mmdb"
    writer.to_db_file(str(file))
    return file


@pytest.fixture
def settings(database: Path) -> dict[str, str]:
    return {"GATEWRIGHT_GEOIP_FILE": str(database)}


def test_a_record_has_its_callers_country(app: Flask, node: str, world: World) -> None:
    addresses = [
        "203.0.113.1",
        "203.0.113.65",
        "203.0.113.130",
        "203.0.113.200",
        "10.0.0.1",
        "2001:db8::7",
        "nonsense",
        "",
    ]
    push(app, node, a_batch(*(a_record(**{"client.address": one}) for one in addresses)))
    send(app, node, "/ingest/json", [nginx(remote_addr="203.0.113.2")])
    assert sorted(r.country for r in stored(app)) == ["", "", "", "", "DE", "JP", "NO", "NO", "SE"]


def test_analytics_and_the_log_know_countries(app: Flask, node: str, world: World, sign_in: SignIn) -> None:
    push(
        app,
        node,
        a_batch(*(a_record(path=f"/orders/v1/{i}", **{"client.address": f"203.0.113.{i}"}) for i in range(70))),
    )
    alice = sign_in("alice")
    page = alice.get("/analytics?range=24h&by=country").text.split("By country")[1]
    assert page.index(">NO<") < page.index(">JP<")
    assert "/logs?range=24h&amp;country=NO" in page
    log = alice.get("/logs?range=24h&country=jp").text
    assert log.count('id="r-') == 6
    assert 'name="country" value="jp" checked' in log


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.mmdb").write_bytes(b"no")
    for file in ("x.mmdb", "missing.mmdb"):
        with pytest.raises(Refused, match="GATEWRIGHT_GEOIP_FILE is"):
            open_database(str(tmp_path / file))


class TestWithout:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {}

    def test_nothing_is_shown(self, app: Flask, node: str, world: World, sign_in: SignIn) -> None:
        push(app, node, a_batch(a_record(**{"client.address": "203.0.113.1"})))
        assert stored(app)[0].country == ""
        assert ">Country<" not in sign_in("alice").get("/analytics").text
        assert 'id="facet-country"' not in sign_in("alice").get("/logs").text
