"""docs/ingest.md says what is so."""

from __future__ import annotations

import re

from console.logs import flat
from console.logs.endpoints import ROUTES
from tests import test_ingest_senders as senders
from tests.programs import PROJECT

TEXT = (PROJECT / "docs" / "ingest.md").read_text()


def test_every_way_in_is_there() -> None:
    assert [route.path for route in ROUTES if route.method == "POST" and f"{route.path}`" not in TEXT] == []


def test_every_name_is_there() -> None:
    tables = (
        flat.TIMES,
        flat.STATUSES,
        flat.METHODS,
        flat.PATHS,
        flat.ADDRESSES,
        flat.AGENTS,
        flat.IDS,
        flat.CLIENTS,
        flat.SENT,
        flat.RECEIVED,
        flat.REQUEST_BODIES,
        flat.REQUEST_TYPES,
        flat.RESPONSE_BODIES,
        flat.RESPONSE_TYPES,
    )
    names = [name for table in tables for name in table] + [name for name, _ in (*flat.DURATIONS, *flat.BACKENDS)]
    assert [name for name in names if f"`{name}`" not in TEXT] == []


def test_what_is_said_to_run_is_what_was_run() -> None:
    lines = {line.strip() for line in TEXT.splitlines()}
    for config in (senders.SHIPPER, senders.NGINX, senders.CADDY):
        fill = {"console": "https://console.example.org", "credential": "gwn_…", "file": "", "home": "", "port": 0}
        said = {
            line.strip()
            for line in (config % fill).splitlines()
            if re.search(r"log_format|'\"|url\(|headers|body\(|retries|format json", line)
        }
        assert said - lines == set()
